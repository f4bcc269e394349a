"""Optuna's distributions as parameters of a search space: one column each, values to and fro.

===========================  ==================================================================
FloatDistribution            uniform, loguniform
FloatDistribution with step  randint: the number of the step, as Optuna's grid starts at `low`
IntDistribution              randint: the number of the step
IntDistribution with log     qloguniform whose end values have their whole cells
CategoricalDistribution      choice; numbers are ordered, as in every space of hdcore
===========================  ==================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hdcore.errors import SpaceError
from hdcore.space import SearchSpace
from hdcore.space.distributions import Choice, LogUniform, QLogUniform, RandInt, Uniform
from hdcore.space.values import Distribution, identity

if TYPE_CHECKING:
    from hdcore.typing import Configuration, FloatVector

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
        Optuna's value -> value in the search space; ValueError or TypeError if it cannot be one.
    write : callable
        Value in the search space -> Optuna's, always one that the distribution holds.
    """

    expression: Distribution
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def axis_of(distribution: BaseDistribution) -> Axis:
    """Return the parameter that an Optuna distribution stands for.

    Raises
    ------
    SpaceError
        If it is none of Optuna's three kinds, or cannot be drawn from.
    """
    if isinstance(distribution, CategoricalDistribution):
        return _categorical(distribution)
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise SpaceError(f"{distribution!r} is of a kind that hdcore does not know; use float, int or categorical")
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is not None and not distribution.log:
        return _stepped(low, high, step)
    if low == high:  # an interval of ours has a width
        return Axis(Choice((low,)), lambda value: low, lambda value: low)
    if isinstance(distribution, IntDistribution):
        whole = QLogUniform(math.log(low - 0.5), math.log(high + 0.5), 1)
        return Axis(whole, float, lambda value: min(max(low, round(value)), high))
    interval = LogUniform(math.log(low), math.log(high)) if distribution.log else Uniform(low, high)
    return Axis(interval, float, lambda value: min(max(low, value), high))  # exp(log(high)) may be above high


def _stepped(low: float, high: float, step: float) -> Axis:
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


def _categorical(distribution: CategoricalDistribution) -> Axis:
    def place(value: Any) -> int:
        return int(distribution.to_internal_repr(value))

    # Optuna takes 1, 1.0 and True for one choice, the first of them.
    choices = [choice for k, choice in enumerate(distribution.choices) if place(choice) == k]
    is_plain = all(
        choice is None or isinstance(choice, bool | int | str) or (isinstance(choice, float) and math.isfinite(choice))
        for choice in choices
    )
    options = choices if is_plain else [str(place(choice)) for choice in choices]  # any object may be a choice
    by_place = {place(choice): option for choice, option in zip(choices, options, strict=True)}
    by_option = {identity(option): choice for choice, option in zip(choices, options, strict=True)}
    return Axis(
        Choice(tuple(options)), lambda value: by_place[place(value)], lambda option: by_option[identity(option)]
    )


class Axes:
    """A search space of Optuna's as one of hdcore's.

    Attributes
    ----------
    distributions : dict
        As Optuna has them.
    space : SearchSpace
        Parameters in order of their names, so that the order in which an objective asks for them plays no role.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.distributions = dict(sorted(distributions.items()))
        self._axes = {name: axis_of(distribution) for name, distribution in self.distributions.items()}
        self.space = SearchSpace({name: axis.expression for name, axis in self._axes.items()})

    def configuration(self, params: Mapping[str, Any]) -> Configuration | None:
        """Return the configuration of a trial's parameters; None if it lacks some or has values of another space."""
        try:
            return {name: axis.read(params[name]) for name, axis in self._axes.items()}
        except (KeyError, TypeError, ValueError):
            return None

    def encode(self, params: Mapping[str, Any]) -> FloatVector | None:
        """Return the encoded row of a trial's parameters; None as for `configuration`."""
        configuration = self.configuration(params)
        try:
            return None if configuration is None else self.space.encode([configuration])[0]
        except SpaceError:  # the same name, another range
            return None

    def decode(self, row: FloatVector) -> dict[str, Any]:
        """Return Optuna's values of an encoded row."""
        configuration = self.space.decode_row(row)
        return {name: axis.write(configuration[name]) for name, axis in self._axes.items()}
