"""Runs of a Python function: a spawner forked from the driver, a forked child for each run, nothing pickled.

The function, its module and all data that it closes over are simply there, because the process is a copy. What the copy
must not keep is dealt with here: the driver's locks and sockets, its buffered output, its exit handlers, its random
state.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from hdcore._native import shim
from hdcore.executors.protocol import unpack_environment


def fork_spawner(control: socket.socket, function: Callable[..., Any], private_fds: Iterable[int]) -> int:
    """Fork a spawner that serves on `control` and calls `function` in each run's process; return its pid."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # else every run would write the buffered text again
    with warnings.catch_warnings():
        # A fork of a process with threads may copy a lock that is held. The spawner itself only runs C code; the user's
        # function is as safe as under multiprocessing's fork method.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = _serve(control, function, private_fds)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _serve(control: socket.socket, function: Callable[..., Any], private_fds: Iterable[int]) -> int:
    os.setsid()
    signal.set_wakeup_fd(-1)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in {0, 1, 2, *private_fds, *_locked_fds()}:
        os.dup2(null, fd)  # not closed: another file would get the number, under an object that still writes to it
    os.close(null)
    gc.freeze()  # collecting would touch, and so copy, every page that is shared with the driver
    request = shim.serve(control.detach())
    return 0 if request is None else _call(function, request)


def _locked_fds() -> list[int]:
    """Descriptors that hold a file lock of the driver: a copy would hold it beyond the driver's death."""
    locked = []
    for name in os.listdir("/proc/self/fdinfo"):
        try:
            with open(f"/proc/self/fdinfo/{name}", "rb") as file:
                text = file.read()
        except OSError:  # the descriptor of the listing itself
            continue
        if b"FLOCK" in text or b"OFDLCK" in text:
            locked.append(int(name))
    return locked


def _call(function: Callable[..., Any], request: bytes) -> int:
    """Be the run: call the function in a process that looks like a fresh one; return the exit code."""
    os.environ.clear()
    os.environb.update(unpack_environment(request))
    # What an interpreter that starts would take from there: the stand-ins for packages that are not installed.
    wanted = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [folder for folder in dict.fromkeys(wanted) if folder and folder not in sys.path]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    atexit._clear()  # the driver's: they would remove its temporary files
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # Python's own generator re-seeds itself after a fork
    try:
        from hdcore import runtime

        runtime._client = None  # the driver may have asked for its own
        run = runtime.get_run()
        function(run.configuration, run)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    # As at the end of a program: wait for its threads, then run its exit handlers.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code & 0xFF
