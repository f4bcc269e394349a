"""The report files of all live runs: which of them grew, and reading them in turn, a bounded chunk at a time."""

from __future__ import annotations

from hdcore.executors.tail import ReportTail, ReportWatch
from hdcore.records import Launch, Reports

LOOK_EVERY_S = 0.05
"""Between looks at report files that inotify does not watch."""


class Pickup:
    """Called from the driver's thread. `fd`, where there is one, becomes readable when a file grows: then `notice`."""

    def __init__(self) -> None:
        self._watch = ReportWatch()
        self._tails: dict[int, ReportTail] = {}
        self._watches: dict[int, int | None] = {}
        self._unwatched: set[int] = set()
        self._grown: dict[int, None] = {}  # to be read, in order

    @property
    def fd(self) -> int | None:
        return self._watch.fd

    @property
    def has_work(self) -> bool:
        return bool(self._grown)

    def open(self, launch: Launch) -> None:
        """Begin to follow the report file of a run.

        Raises
        ------
        OSError
            If the file cannot be opened or made.
        """
        number = launch.number
        self._tails[number] = ReportTail(launch.report, launch.offset)
        self._watches[number] = self._watch.add(launch.report, number)
        if self._watches[number] is None:
            self._unwatched.add(number)

    def close_run(self, number: int) -> None:
        tail = self._tails.pop(number, None)
        if tail is not None:
            tail.close()
            self._watch.remove(self._watches.pop(number))
            self._unwatched.discard(number)

    def notice(self) -> None:
        """Take note of the files that have grown."""
        self._grown.update(dict.fromkeys(self._watch.read()))

    def look(self) -> None:
        """Have the files that are not watched read."""
        self._grown.update(dict.fromkeys(self._unwatched))

    def touch(self, number: int) -> None:
        """Have the file of a run read, grown or not."""
        self._grown[number] = None

    def patience(self, wait_s: float) -> float:
        """Return how long to wait at most: not long, if there are files to look at."""
        return min(wait_s, LOOK_EVERY_S) if self._unwatched else wait_s

    def next(self) -> int | None:
        """Return the run whose file is to be read next, and forget that it is."""
        number = next(iter(self._grown), None)
        if number is not None:
            del self._grown[number]
        return number

    def read(self, launch: Launch, *, is_final: bool) -> tuple[Reports | None, bool]:
        """Return what is new in the file of a run and whether there is more, which comes after other runs' turns."""
        tail = self._tails[launch.number]
        rows, dropped, is_more = tail.read(is_final=is_final)
        if is_more:
            self._grown[launch.number] = None
        if not rows and not dropped:
            return None, is_more
        return Reports(launch.number, launch.attempt, tuple(rows), tail.offset, dropped), is_more

    def is_incomplete(self, number: int) -> bool:
        """Whether a run has ended with reports that it could not write: then its history has a gap."""
        return self._tails[number].is_incomplete()

    def is_spoiled(self, number: int) -> bool:
        """Whether a run wrote its report file anew instead of appending: reports may be missing."""
        return self._tails[number].is_spoiled()

    def fds(self) -> set[int]:
        return {tail.fd for tail in self._tails.values()}

    def close(self) -> None:
        for number in list(self._tails):
            self.close_run(number)
        self._watch.close()
