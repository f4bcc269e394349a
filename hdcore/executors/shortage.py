"""Waiting while the machine has no processes, memory or descriptors for one more run.

That is no fault of the runs: were they called failed, a minute of it would use up a sweep of hundreds.
"""

from __future__ import annotations

import errno
from time import monotonic

LACKING = frozenset((errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE))
"""Errors that go by themselves, when other processes end."""

FIRST_S = 1.0
LONGEST_S = 60.0


class Pause:
    """Each pause that follows one without a start in between is twice as long; after it one run at a time is tried."""

    def __init__(self) -> None:
        self._length_s = 0.0
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        return monotonic() < self._until

    def bound(self, room: int) -> int:
        """Return how many of the runs that have room are to be started now."""
        if not self._length_s:
            return room
        return 0 if self.is_on else min(room, 1)

    def begin(self) -> None:
        """A run could not be started; of several at a time the first one counts."""
        if not self.is_on:
            self._length_s = min(max(FIRST_S, 2.0 * self._length_s), LONGEST_S)
            self._until = monotonic() + self._length_s

    def forget(self) -> None:
        """A run was started."""
        self._length_s = 0.0
