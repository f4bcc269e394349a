"""The loop that copies runs as they end: nothing twice, and what failed again at the end."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hdcore.document import is_driven
from hdcore.errors import RefusedError, StoreError, without_password
from hdcore.store import StoreReader
from hdcore.tracking.export.target import Target, make_target

if TYPE_CHECKING:
    from typing import Any

LOOK_S = 1.0
LONGEST_PAUSE_S = 60.0
"""After failures in a row."""

LAST_TRIES, LAST_PAUSE_S = 3, 2.0

_RUNS_PER_SECOND = 2_000
"""A sweep with more runs is read less often."""


def export_sweep(folder: Path, kind: str, *, until: threading.Event | None = None, say: Callable[[str], None]) -> int:
    """Copy a sweep to a tracker and return the number of its ended runs.

    Parameters
    ----------
    folder : pathlib.Path
        Of the sweep.
    kind : str
        One of `TRACKERS`.
    until : threading.Event, optional
        Go on until it is set, or the sweep has no driver any more.
    say : callable
        Takes one line about the first failure of a row.

    Raises
    ------
    RefusedError
        If another process copies this sweep there.
    StoreError
        If runs could not be copied, also at the end.
    """
    target = make_target(kind, folder)
    with _alone(folder, kind):
        return _Copier(folder, kind, target, say).run(until)


class _Copier:
    def __init__(self, folder: Path, kind: str, target: Target, say: Callable[[str], None]) -> None:
        self.folder, self.kind, self.target, self.say = folder, kind, target, say
        self.done: set[int] | None = None  # None: to be asked anew
        self.failures = 0
        self.ended = 0
        self.last = ""

    def run(self, until: threading.Event | None) -> int:
        mark: Any = None
        while True:
            with StoreReader.open(self.folder) as reader:
                # before the runs are read: none can end later unseen
                is_live = until is not None and not until.is_set() and is_driven(reader)
                now = reader.marks()
                if is_live and now != mark and self._tried(lambda: self._copy(reader), "the sweep goes on, and "):
                    mark = now
                count = sum(reader.sweep().counts.values())
            if until is None or not is_live:
                break
            until.wait(min(LONGEST_PAUSE_S, max(LOOK_S, count / _RUNS_PER_SECOND) * 2**self.failures))
        for attempt in range(LAST_TRIES):
            if attempt:
                time.sleep(LAST_PAUSE_S)
            with StoreReader.open(self.folder) as reader:
                if self._tried(lambda: self._copy(reader, is_last=True)):
                    return self.ended
        missing = self.ended - len(self.done or ())
        name = self.folder.name
        raise StoreError(
            f"{self.kind}: {missing} of {self.ended} runs of {name} are not there ({self.last});"
            f" when it works again: `hdcore export {name} --track {self.kind}`"
        )

    def _tried(self, work: Callable[[], None], meanwhile: str = "") -> bool:
        try:
            work()
        except Exception as error:  # whatever a client library or a server comes up with
            told = without_password(f"{type(error).__name__}: {error}")  # clients tell the whole address
            self.last = " ".join(told.split())[:300]
            if not self.failures:
                self.say(f"{self.kind}: {self.last}; {meanwhile}this is tried again")
            self.failures += 1
            return False
        self.failures = 0
        return True

    def _copy(self, reader: StoreReader, *, is_last: bool = False) -> None:
        ended = [run for run in reader.runs() if run.status.is_terminal]
        self.ended = len(ended)
        if self.failures or self.done is None:
            self.done = self.target.begin(reader)
        for run in ended:
            if run.number not in self.done:
                self.target.export(reader, run)
                self.done.add(run.number)
        if is_last:
            self.target.finish(reader)


@contextmanager
def _alone(folder: Path, kind: str) -> Iterator[None]:
    """Hold the right to copy a sweep to one tracker."""
    handle = os.open(folder / f"tracked-{kind}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                f"sweep {folder.name} is being copied to {kind} by another process; wait for it"
            ) from None
        yield
    finally:
        os.close(handle)
