"""Warm starts: which runs the fork server takes over from ``python SCRIPT``, and the driver's hold on its start."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

from hdcore._native import shim
from hdcore.errors import InputError
from hdcore.executors.cpus import THREAD_VARIABLES
from hdcore.executors.protocol import REQUEST
from hdcore.executors.spawner import start_detached
from hdcore.records import Launch

FIELD = "hdcore.preload"

_TAKEN_AT_START = frozenset(("LANG", "LANGUAGE", "TZ", "HOME", "GLIBC_TUNABLES", *THREAD_VARIABLES))
_TAKEN_AT_START_PREFIXES = ("PYTHON", "LD_", "LC_", "MALLOC_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_")


class Preload:
    """The modules that runs find imported.

    Parameters
    ----------
    modules : sequence of str
    environment : mapping
        What the environments of all runs have in common, thread variables included. Interpreter and libraries read
        some variables when they are loaded; a run in which one of these differs starts cold.
    """

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        self.modules = tuple(modules)
        self.environment = dict(environment)
        self._taken = _taken_at_start(environment)
        self._loaded: frozenset[str] = frozenset()
        self._status: int | None = None
        self._is_ready = False
        self._shadows: dict[str, tuple[int, str | None]] = {}

    def begin(self, control: socket.socket, _ours: socket.socket, errors: int) -> int:
        """Start a fork server that serves on `control`; return its pid. The first one is waited for with `wait`.

        A later one replaces one that has died. Requests queue in its socket while it imports.
        """
        ours, theirs = os.pipe()
        program = Path(__file__).with_name("forkserver.py")
        numbers = [str(number) for number in (control.fileno(), theirs, os.getpid())]
        argv = [sys.executable, str(program), shim.__file__, REQUEST.format, *numbers, *self.modules]
        try:
            pid = start_detached(argv, errors, [control.fileno(), theirs], self.environment)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        if self._is_ready:
            os.close(ours)
        else:
            self._status = ours
        return pid

    def wait(self) -> None:
        """Wait until the modules are imported.

        Raises
        ------
        InputError
            If one cannot be, or a process cannot be forked after it was.
        """
        assert self._status is not None
        last = ""
        with os.fdopen(self._status, encoding="utf-8", errors="replace") as lines:
            self._status = None
            for line in lines:
                kind, _, words = line.strip().partition(" ")
                if kind == "refused":
                    raise InputError(f"{words}; take it out", field=FIELD)
                if kind == "ready":
                    self._loaded = frozenset(words.split())
                    self._is_ready = True
                    return
                last = words
        raise InputError(f"{last!r} ends the interpreter when it is imported; take it out", field=FIELD)

    def why_cold(self, launch: Launch, environment: Mapping[str, str]) -> str | None:
        """Return why a run cannot start in the fork server; None if it can."""
        what = split_command(launch.argv)
        if what is None:
            return "its command is not `python SCRIPT` or `python -m MODULE`, without options but -u"
        if not _is_own_interpreter(launch.argv[0], environment.get("PATH", os.defpath), launch.cwd):
            return f"{launch.argv[0]!r} is not the interpreter that hdcore runs in"
        taken = _taken_at_start(environment)
        if taken != self._taken:
            names = sorted(name for name, _ in {*taken.items()} ^ {*self._taken.items()})
            return f"its environment differs in {names[0]}, which is read when the interpreter or a library is loaded"
        folder = os.path.dirname(os.path.realpath(os.path.join(launch.cwd, what))) if what else launch.cwd
        shadow = None if "PYTHONSAFEPATH" in taken else self._shadow(folder)
        if shadow is not None:
            return f"{shadow!r} is a module of its own folder, and preloaded from elsewhere"
        return None

    def _shadow(self, folder: str) -> str | None:
        """Return a loaded module that a cold start would find in the script's folder instead; None if there is none."""
        try:
            changed = os.stat(folder).st_mtime_ns
        except OSError:
            return None
        known = self._shadows.get(folder)
        if known is not None and known[0] == changed:
            return known[1]
        names = {entry.partition(".")[0] for entry in os.listdir(folder)} & self._loaded
        found = next((name for name in sorted(names) if _is_module(name, folder)), None)
        if len(self._shadows) > 100:  # with `-m`, each run has a folder of its own
            self._shadows.clear()
        self._shadows[folder] = changed, found
        return found


def split_command(argv: Sequence[str]) -> str | None:
    """Return the script of ``python [-u] SCRIPT …``, "" for ``python [-u] -m MODULE …``, None for anything else."""
    rest = list(argv[1:])
    while rest[:1] == ["-u"]:
        del rest[0]
    if not rest or not rest[0]:
        return None
    if rest[0] == "-m":
        return "" if len(rest) > 1 and rest[1] and not rest[1].startswith("-") else None
    return None if rest[0].startswith("-") else rest[0]


@lru_cache(maxsize=32)
def _which(program: str, path: str) -> str | None:
    return shutil.which(program, path=path)


def _is_own_interpreter(program: str, path: str, cwd: str) -> bool:
    """Return whether a program is the interpreter of this process: its file, by a name in the same folder.

    The folder counts, for a virtual environment is where its link to the interpreter lies.
    """
    if not sys.executable:
        return False
    found = os.path.join(cwd, program) if "/" in program else _which(program, path)
    if found is None:
        return False
    found = os.path.abspath(found)
    own = os.path.abspath(sys.executable)
    return os.path.dirname(found) == os.path.dirname(own) and os.path.realpath(found) == os.path.realpath(own)


def _taken_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name in _TAKEN_AT_START or name.startswith(_TAKEN_AT_START_PREFIXES)
    }


def _is_module(name: str, folder: str) -> bool:
    spec = PathFinder.find_spec(name, [folder])
    return spec is not None and spec.loader is not None  # a folder without __init__ gives way to a real module
