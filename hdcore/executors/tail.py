"""Picking up reports: reading what was appended to a run's report file, and being told that something was."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable

from hdcore._native import shim
from hdcore.records import MetricRow
from hdcore.store.wire import is_incomplete, parse_lines

CHUNK_BYTES = 128 << 10
"""Read at a time: about 2,000 rows, so a backlog of any size passes through in little memory."""


class ReportTail:
    """The report file of one run, read from an offset on.

    The descriptor is opened once: a run that replaces or links its report file is read no further.
    """

    def __init__(self, path: str, offset: int) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        self.offset = offset
        self._is_skipping = False  # in the middle of a line longer than a chunk

    def read(self, *, is_final: bool = False) -> tuple[list[MetricRow], int, bool]:
        """Return (rows, dropped lines, whether there may be more now). `is_final`: the writer is gone."""
        data = os.pread(self.fd, CHUNK_BYTES, self.offset)
        is_full = len(data) == CHUNK_BYTES
        if self._is_skipping:
            end = data.find(b"\n") + 1
            self._is_skipping = end == 0
            skipped = end or len(data)
            self.offset += skipped
            data = data[skipped:]
        if not data:
            return [], 0, is_full
        now = time.time()
        rows, consumed, dropped = parse_lines(data, now)
        if is_final and not is_full and consumed < len(data):
            more, _, bad = parse_lines(data[consumed:] + b"\n", now)  # the last line was never finished
            rows, consumed, dropped = [*rows, *more], len(data), dropped + bad
        elif is_full and consumed == 0:
            self._is_skipping, consumed, dropped = True, len(data), dropped + 1
        self.offset += consumed
        return rows, dropped, is_full

    def is_incomplete(self) -> bool:
        """Whether the run has ended with reports that it could not write: then its history has a gap."""
        return is_incomplete(self.fd)

    def is_spoiled(self) -> bool:
        """Whether the script wrote its report file anew instead of appending: reports may be missing."""
        about = os.fstat(self.fd)
        return about.st_nlink == 0 or about.st_size < self.offset

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class ReportWatch:
    """Says which report files grew: by inotify, or `fd` is None and the caller has to look at all from time to time.

    inotify joins equal events that were not read yet, so a flood of reports is one event.
    """

    _EVENT = struct.Struct("iIII")

    def __init__(self) -> None:
        self.fd: int | None = None
        self._numbers: dict[int, int] = {}
        try:
            self.fd = shim.watch_open()
        except OSError:  # fs.inotify.max_user_instances is used up
            pass

    def add(self, path: str, number: int) -> int | None:
        """Watch the report file of a run; None: not possible, look at it from time to time."""
        if self.fd is None:
            return None
        try:
            watch = shim.watch_add(self.fd, os.fsencode(path))
        except OSError:  # fs.inotify.max_user_watches is used up
            return None
        self._numbers[watch] = number
        return watch

    def remove(self, watch: int | None) -> None:
        if self.fd is not None and watch is not None and self._numbers.pop(watch, None) is not None:
            shim.watch_remove(self.fd, watch)

    def read(self) -> Iterable[int]:
        """Return the runs whose files grew since the last call; empties the queue."""
        grown: dict[int, None] = {}
        while self.fd is not None:
            try:
                data = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                break
            for at in range(0, len(data), self._EVENT.size):  # events of a watched file have no name behind them
                watch, mask, _, _ = self._EVENT.unpack_from(data, at)
                if mask & shim.OVERFLOWED:
                    return list(self._numbers.values())
                if watch in self._numbers:
                    grown[self._numbers[watch]] = None
        return grown

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
