"""What every source is turned into before it is stored."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from hdcore.typing import Configuration, Goal, RunStatus


class ForeignRun(msgspec.Struct, kw_only=True):
    """A run that another program made and that has ended.

    Attributes
    ----------
    configuration : dict
        May lack parameters of the space: other programs have spaces that depend on the run.
    value : float or None
        Final value of the primary metric; None if there is no finite one.
    series : dict
        Name of a metric -> its reports in order, each with its step or None.
    reason : str or None
        Why it ended, where that says more than the status.
    started, ended : float or None
        Seconds since the epoch.
    """

    configuration: Configuration
    status: RunStatus
    value: float | None = None
    series: dict[str, list[tuple[int | None, float]]] = {}
    reason: str | None = None
    started: float | None = None
    ended: float | None = None


class ForeignSweep(msgspec.Struct, kw_only=True):
    """A search that another program made.

    Attributes
    ----------
    name : str
        What it is called there; any text.
    space : dict
        Serialised search space.
    source : str
        Where it comes from, for people.
    total : int
        Runs that were found; more than `runs` has if some had not ended.
    dropped : dict
        Why runs are left out -> how many.
    inferred : bool
        The space is a guess from the values.
    """

    name: str
    metric: str
    goal: Goal
    space: dict[str, Any]
    runs: list[ForeignRun]
    source: str
    total: int
    dropped: dict[str, int] = {}
    inferred: bool = False


def finite(value: float | None) -> float | None:
    """Return a value that a run can have; None for none and for one that is not finite."""
    return value if value is not None and math.isfinite(value) else None


def best_of(reports: list[tuple[int | None, float]], goal: Goal) -> float | None:
    """Return the best finite value of a series; None if it has none."""
    values = [value for _, value in reports if math.isfinite(value)]
    return max(values, key=lambda value: value * goal.sign, default=None)
