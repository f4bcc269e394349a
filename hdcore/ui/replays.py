"""Replays of sweeps for the portal: one at a time, each in a process of its own, their results kept.

A request never waits for a replay, and what a replay costs is bounded: `replay_process` steps back behind the runs and
holds itself to some memory and CPU, one works while others wait in line, and no more wait than `MOST_WAITING`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hdcore.errors import RefusedError
from hdcore.store import StoreReader

MOST_WAITING = 8
MOST_KEPT = 32
"""Sweeps whose last result is remembered; one takes some 30 kB."""

MOST_S = 1800.0
"""A replay on a machine whose CPUs are all taken by runs is given little of them."""

_PROGRAM = (sys.executable, "-P", "-m", "hdcore.ui.replay_process")  # -P: the folder that we stand in holds no modules


@dataclass
class _Job:
    folder: Path
    mark: tuple[Any, ...]
    state: str = "waiting"  # working, done, failed, stopped
    asked: float = field(default_factory=time.monotonic)
    error: str | None = None
    process: subprocess.Popen[bytes] | None = None


class Replays:
    """Asks for replays, tells how they are and what they found. Every method may be called from any thread."""

    def __init__(self, program: Sequence[str] = _PROGRAM, most_s: float = MOST_S) -> None:
        self._program, self._most_s = tuple(program), most_s
        self._lock = threading.Condition()
        self._line: list[_Job] = []
        self._last: OrderedDict[Path, _Job] = OrderedDict()  # the newest of each sweep
        self._found: OrderedDict[Path, tuple[tuple[Any, ...], msgspec.Raw]] = OrderedDict()
        self._is_closed = False
        self._worker: threading.Thread | None = None

    def tell(self, folder: Path) -> dict[str, Any]:
        """Return how the replay of a sweep is, and the last result, which may be of an earlier state of the sweep.

        Raises
        ------
        RefusedError, StoreError
            If the sweep cannot be read.
        """
        mark = _mark(folder)
        with self._lock:
            job, found = self._last.get(folder), self._found.get(folder)
            is_busy = job is not None and job.state in ("waiting", "working")
            return {
                "state": "none" if job is None else job.state,
                "since_s": time.monotonic() - job.asked if job is not None and is_busy else None,
                "error": None if job is None else job.error,
                "is_current": found is not None and found[0] == mark,
                "result": None if found is None or is_busy else found[1],
            }

    def ask(self, folder: Path) -> str:
        """Ask for a replay of a sweep as it is now, and return what is done about it.

        Raises
        ------
        RefusedError
            If too many are waiting already.
        """
        mark = _mark(folder)
        with self._lock:
            job, found = self._last.get(folder), self._found.get(folder)
            if job is not None and job.state in ("waiting", "working"):
                return f"{job.state} already"
            if found is not None and found[0] == mark:
                return "nothing has changed since"
            if len(self._line) >= MOST_WAITING:
                raise RefusedError("replay: too many are waiting; stop one, or try again later")
            job = _Job(folder, mark)
            _put(self._last, folder, job)
            self._line.append(job)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="replays", daemon=True)
                self._worker.start()
            self._lock.notify()
            return "asked for"

    def stop(self, folder: Path) -> str:
        """Stop the replay of a sweep, or take it out of the line."""
        with self._lock:
            job = self._last.get(folder)
            if job is None or job.state not in ("waiting", "working"):
                return "no replay is under way"
            self._stop(job)
            return "stopped"

    def close(self) -> None:
        """Stop everything; idempotent."""
        with self._lock:
            self._is_closed = True
            for job in self._last.values():
                if job.state in ("waiting", "working"):
                    self._stop(job)
            self._lock.notify()
            worker = self._worker
        if worker is not None:
            worker.join()

    def _stop(self, job: _Job) -> None:
        job.state = "stopped"
        if job in self._line:
            self._line.remove(job)
        if job.process is not None:
            job.process.kill()

    def _work(self) -> None:
        """The one thread that starts processes and waits for them."""
        while True:
            with self._lock:
                while not self._line and not self._is_closed:
                    self._lock.wait()
                if self._is_closed:
                    return
                job = self._line.pop(0)
                job.state = "working"
                try:
                    job.process = self._start(job)
                except OSError as cause:
                    job.state, job.error = "failed", f"cannot start a replay: {cause.strerror}"
                    continue
            found, error = _outcome(job.process, self._most_s)
            with self._lock:
                if job.state == "stopped":
                    continue
                job.state, job.error = ("done", None) if error is None else ("failed", error)
                if found is not None:
                    _put(self._found, job.folder, (job.mark, found))

    def _start(self, job: _Job) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._program, str(job.folder)],
            stdin=subprocess.PIPE,  # nothing is written; it ends with us
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the server, which then stops this one
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )


def _mark(folder: Path) -> tuple[Any, ...]:
    """What changes with every commit of a sweep."""
    with StoreReader.open(folder) as reader:
        return tuple(mark for mark in reader.marks() if mark is not None and mark[0] > 0)


def _outcome(process: subprocess.Popen[bytes], most_s: float) -> tuple[msgspec.Raw | None, str | None]:
    """Wait for a process and return what it found, or what went wrong."""
    assert process.stdout is not None
    assert process.stdin is not None
    timer = threading.Timer(most_s, process.kill)
    timer.start()
    try:
        text = process.stdout.read()
        code = process.wait()
    finally:
        is_late = not timer.is_alive()
        timer.cancel()
        process.stdout.close()
        process.stdin.close()
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and is_late):
        return None, "the replay took too long for the portal; `hdcore replay` in a terminal has all the time it needs"
    if code == -signal.SIGKILL:
        return None, "the replay was killed; the machine may be out of memory"
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None, f"the replay ended with exit code {code} and said nothing; `hdcore replay` says more"
    if "error" in document:
        return None, str(document["error"])
    return msgspec.Raw(text), None


def _put(kept: OrderedDict[Path, Any], folder: Path, value: Any) -> None:
    """Remember a value, and forget that of the sweep that was asked about longest ago."""
    kept[folder] = value
    kept.move_to_end(folder)
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)
