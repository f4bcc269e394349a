"""What the writer remembers of the runs that run: the state of their summary rows."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from typing import Any

from hdcore.store.records import Flag

PIECE_VALUES = 1 << 17
"""Of a curve: the driver keeps about this much of each metric of a living run, 1 MiB."""

MOST_NAMES = 1_000
"""Metric names of one run, the primary metric not counted; more is a script that puts values into names."""


class Series:
    """The summary row of one metric of one run."""

    __slots__ = ("count", "highest", "highest_interval", "last", "last_flag", "last_step", "lowest", "lowest_interval",
                 "name_id", "notes", "pieces", "values")  # fmt: skip

    def __init__(self, name_id: int) -> None:
        self.name_id = name_id
        self.count = 0
        self.notes = 0
        self.last: float | None = None
        self.last_flag = 0
        self.last_step: int | None = None
        self.lowest: float | None = None
        self.lowest_interval: int | None = None
        self.highest: float | None = None
        self.highest_interval: int | None = None
        self.values = array("d")  # the reports that are in no piece of the curve yet
        self.pieces = 0

    def report(self, value: float, step: int | None) -> tuple[float | None, int]:
        """Count one interval; return what is stored: the double or None, and its flag."""
        self.count += 1
        self.values.append(value)
        self.last_step = step
        if value - value != 0.0:  # NaN or infinite: never the best
            flag = int(Flag.of(value))
            self.last, self.last_flag = None, flag
            return None, flag
        self.last, self.last_flag = value, 0
        if self.lowest is None or value < self.lowest:
            self.lowest, self.lowest_interval = value, self.count
        if self.highest is None or value > self.highest:
            self.highest, self.highest_interval = value, self.count
        return value, 0

    def note(self) -> int:
        """Count one text, which is no interval; return its ordinal."""
        self.notes += 1
        return self.notes

    def next_piece(self) -> tuple[int, bytes]:
        """Return number and bytes of the next piece of the curve, and begin another."""
        piece = self.pieces, pack(self.values)
        self.pieces += 1
        self.values = array("d")
        return piece

    def row(self, number: int) -> tuple[Any, ...]:
        """Return the row of table `summary`."""
        return (
            number,
            self.name_id,
            self.count,
            self.notes,
            self.last,
            self.last_flag,
            self.last_step,
            self.lowest,
            self.lowest_interval,
            self.highest,
            self.highest_interval,
        )


class LiveRun:
    """One attempt of a run between its start and its end."""

    __slots__ = ("attempt", "changed", "dropped", "has_primary", "is_changed", "offset", "series")

    def __init__(self, attempt: int, offset: int) -> None:
        self.attempt = attempt
        self.offset = offset
        self.dropped = 0  # since the last commit
        self.series: dict[str, Series] = {}
        self.changed: set[Series] = set()
        self.has_primary = False
        self.is_changed = False

    def add_name(self, name: str, id_of: Callable[[str], int], *, is_primary: bool) -> Series | None:
        """Return the series of a new name; None if the run has too many. The primary metric always has room."""
        if not is_primary and len(self.series) - self.has_primary >= MOST_NAMES:
            return None
        self.has_primary = self.has_primary or is_primary
        series = self.series[name] = Series(id_of(name))
        return series

    def settle(self) -> None:
        """All of it is committed."""
        self.changed.clear()
        self.dropped = 0
        self.is_changed = False


def pack(values: array[float]) -> bytes:
    """Return doubles as they are stored in table `curve`: little-endian, NaN and infinities included."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()


def unpack(data: bytes) -> array[float]:
    """Return what `pack` took.

    Raises
    ------
    ValueError
        If these are no whole doubles.
    """
    values = array("d")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values
