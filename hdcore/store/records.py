"""What comes out of a store: a sweep, its runs, the summary of a metric."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TypeAlias

import msgspec

from hdcore.records import SweepSpec
from hdcore.typing import Configuration, Goal, RunStatus


class Flag(IntEnum):
    """Why a stored value is NULL; FINITE where it is not."""

    FINITE = 0
    NAN = 1
    INF = 2
    MINUS_INF = 3

    @classmethod
    def of(cls, value: float) -> Flag:
        if math.isfinite(value):
            return cls.FINITE
        return cls.NAN if math.isnan(value) else cls.INF if value > 0 else cls.MINUS_INF

    @property
    def word(self) -> str:
        return _WORDS[self]

    def restore(self, value: float | None) -> float:
        """Return the reported double, NaN and infinities included."""
        return value if self == 0 and value is not None else _VALUES[self]


_WORDS = ("", "nan", "inf", "-inf")
_VALUES = (math.nan, math.nan, math.inf, -math.inf)

Point: TypeAlias = tuple[int, int | None, float | None, int]
"""One stored report: interval, step or None, value or None, `Flag`."""

Note: TypeAlias = tuple[int, int | None, str]
"""One stored text: ordinal, step or None, text."""


class MetricSummary(msgspec.Struct, frozen=True, gc=False):
    """What lists show of one metric of one run; kept up to date with each batch, so no series is read for it.

    Attributes
    ----------
    count : int
        Reports so far; also the last interval.
    last : float or None
        Latest value; None where it was not finite (`last_flag` says what it was) and where only texts were reported.
    lowest, highest : float or None
        Of the finite values, with the first interval that had them.
    notes : int
        Reports of this name that were texts (strings and booleans); they are no intervals.
    """

    name: str
    count: int
    last: float | None
    last_flag: int
    last_step: int | None
    lowest: float | None
    lowest_interval: int | None
    highest: float | None
    highest_interval: int | None
    notes: int = 0

    def best(self, goal: Goal) -> float | None:
        return self.highest if goal is Goal.MAXIMIZE else self.lowest

    def best_interval(self, goal: Goal) -> int | None:
        return self.highest_interval if goal is Goal.MAXIMIZE else self.lowest_interval


class StoredRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the store holds it. Times are wall clock, for display; order comes from `number`.

    Attributes
    ----------
    attempt : int
        0 before the first start.
    value : float or None
        Final value, set when the run ended; None if it had no finite one. Of a living run see `primary`.
    interval : int or None
        Interval that reported `value`.
    offset : int
        Bytes of the report file that are stored.
    dropped : int
        Report lines that were refused.
    sampler_s : float or None
        CPU seconds that the sampler took to propose it; None if nobody measured.
    primary : MetricSummary or None
        Summary of the sweep's primary metric; None before its first report.
    """

    number: int
    configuration: Configuration
    status: RunStatus
    reason: str | None
    attempt: int
    value: float | None
    interval: int | None
    created: float
    started: float | None
    ended: float | None
    duration_s: float | None
    devices: tuple[str, ...]
    exit_code: int | None
    signal: str | None
    offset: int
    dropped: int
    log_dropped_bytes: int
    sampler_s: float | None = None
    primary: MetricSummary | None = None


class PastAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt of a run that was followed by another one.

    Attributes
    ----------
    ended : float or None
        None where its driver was gone by then.
    """

    attempt: int
    reason: str | None
    started: float | None
    ended: float | None
    devices: tuple[str, ...]


class StoredSweep(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep as the store holds it.

    Attributes
    ----------
    counts : dict
        A number for every status, zero included.
    sampler_s_per_run : float or None
        Mean CPU seconds that the sampler took to propose a run; None if nobody measured.
    """

    name: str
    sweep_id: str
    spec: SweepSpec
    status: RunStatus
    reason: str | None
    created: float
    started: float | None
    ended: float | None
    counts: dict[RunStatus, int]
    sampler_s_per_run: float | None = None


class DriverInfo(msgspec.Struct, frozen=True):
    """Who holds, or last held, a sweep. Only `alive` is a fact (the kernel's lock); the rest is text for messages."""

    pid: int | None
    host: str | None
    since: str | None
    alive: bool


class CancelRequest(msgspec.Struct, frozen=True):
    """A wish for the driver: cancel one run, or the sweep (None)."""

    run: int | None
