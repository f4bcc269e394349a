"""Bringing what is committed to the disk while its driver goes on."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class Syncer:
    """Syncs the WAL of a store in a thread of its own: one sync at a time, each for all commits before it.

    A commit that has not been synced is safe from the death of any process, for it stands in the kernel's memory; a
    power cut takes the last ones away, and leaves a prefix of the history. A sync takes what the disk takes, up to
    many milliseconds; waiting for one at each end of a run would leave slots empty that long.

    Calls come from one thread. SQLite holds its locks on other files: closing this descriptor frees none of them.
    """

    def __init__(self, wal: Path) -> None:
        self._wal = wal
        self._fd = -1
        self._thread: threading.Thread | None = None
        self._condition = threading.Condition()
        self._is_wanted = False
        self._is_busy = False
        self._is_ending = False
        self.error: OSError | None = None
        """Why a sync failed; what it was for may not be on the disk, and no further one would tell."""

    def request(self) -> None:
        """Have everything that is committed by now synced soon."""
        if self._thread is None:
            self._fd = os.open(self._wal, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            self._thread = threading.Thread(target=self._work, name="hdcore-sync", daemon=True)
            self._thread.start()
        with self._condition:
            self._is_wanted = True
            self._condition.notify_all()

    def wait(self) -> None:
        """Return when everything that was asked for is on the disk, or has failed."""
        with self._condition:
            while self._is_wanted or self._is_busy:
                self._condition.wait()

    def close(self) -> None:
        """Finish what was asked for and end the thread. Idempotent."""
        if self._thread is not None:
            self.wait()
            with self._condition:
                self._is_ending = True
                self._condition.notify_all()
            self._thread.join()
            self._thread = None
            os.close(self._fd)
            self._fd = -1

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._is_wanted and not self._is_ending:
                    self._condition.wait()
                if not self._is_wanted:
                    return
                self._is_wanted, self._is_busy = False, True
            try:
                if self.error is None:  # after a failed sync the kernel may have thrown the pages away
                    os.fdatasync(self._fd)
            except OSError as error:
                self.error = error
            with self._condition:
                self._is_busy = False
                self._condition.notify_all()
