"""A parameter of another framework beside the one of hdcore's that stands for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hdcore.space.distributions import Choice, LogUniform, QLogUniform, QUniform, RandInt, Uniform
from hdcore.space.values import Distribution, identity

MOST_STEPS = 2**53
"""More values than a float64 can tell apart are drawn from an interval and rounded."""

NEAR = 1e-8
"""Share of a step by which a value may be beside the grid, as in Optuna."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter on both sides.

    Attributes
    ----------
    expression : Distribution
        The parameter in the search space.
    read : callable
        The framework's value -> value in the search space; ValueError or TypeError if it cannot be one.
    write : callable
        Value in the search space -> the framework's, always one that it allows.
    """

    expression: Distribution
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def constant(value: float) -> Axis:
    """A range of one value; an interval of ours has a width."""

    def read(given: float) -> float:
        if not math.isclose(given, value, rel_tol=NEAR, abs_tol=NEAR):
            raise ValueError(f"{given} is not {value}, the only value")
        return value

    return Axis(Choice((value,)), read, lambda given: value)


def interval(low: float, high: float, *, is_log: bool) -> Axis:
    """All values between two bounds."""
    if low == high:
        return constant(low)
    drawn = LogUniform(math.log(low), math.log(high)) if is_log else Uniform(low, high)
    return Axis(drawn, float, lambda value: min(max(low, value), high))  # exp(log(high)) may be above high


def rounded(low: float, high: float, q: float, *, is_log: bool) -> Axis:
    """Values between two bounds, rounded to multiples of `q`; the bounds are multiples."""
    drawn = QLogUniform(math.log(low), math.log(high), q) if is_log else QUniform(low, high, q)
    return Axis(drawn, float, lambda value: min(max(low, value), high))  # 3 * 0.1 is above 0.3


def stepped(low: float, high: float, step: float) -> Axis:
    """A grid from `low` on, of whole numbers where all three are; `high` is its last value."""

    def place(value: float) -> int:
        k = round((value - low) / step)
        if not math.isclose(low + k * step, value, rel_tol=NEAR, abs_tol=NEAR * step):
            raise ValueError(f"{value} is not {low} plus a multiple of {step}")
        return k

    def value(k: int) -> float:
        return min(max(low, low + k * step), high)

    steps = round((high - low) / step) + 1
    if steps <= MOST_STEPS:
        return Axis(RandInt(steps), place, value)
    return Axis(Uniform(low - step / 2, high + step / 2), float, lambda drawn: value(round((drawn - low) / step)))


def log_stepped(low: int, high: int, step: int = 1) -> Axis:
    """The multiples of `step` from `low` to `high`, on a log scale; the end values have their whole cells."""
    if low == high:
        return constant(low)
    drawn = QLogUniform(math.log(low - step / 2), math.log(high + step / 2), step)
    return Axis(drawn, float, lambda value: min(max(low, round(value)), high))


def is_plain(option: Any) -> bool:
    """Return whether a value can be an option of a choice as it is, and be known again after JSON."""
    return (
        option is None or isinstance(option, bool | int | str) or (isinstance(option, float) and math.isfinite(option))
    )


def options(choices: Sequence[Any], place: Callable[[Any], int]) -> Axis:
    """A choice; `place` finds the index of a value in `choices`. Any object may be one: by its index, if need be."""
    inner = list(choices) if all(map(is_plain, choices)) else [str(k) for k in range(len(choices))]
    by_option = {identity(option): choice for choice, option in reversed(list(zip(choices, inner, strict=True)))}
    return Axis(Choice(tuple(inner)), lambda value: inner[place(value)], lambda option: by_option[identity(option)])
