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

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hdcore.bindings.axes import Axis, interval, log_stepped, options, stepped
from hdcore.errors import SpaceError
from hdcore.space import SearchSpace

if TYPE_CHECKING:
    from hdcore.typing import Configuration, FloatVector


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
        return stepped(low, high, step)
    if isinstance(distribution, IntDistribution):
        return log_stepped(int(low), int(high))
    return interval(low, high, is_log=distribution.log)


def _categorical(distribution: CategoricalDistribution) -> Axis:
    def place(value: Any) -> int:
        return int(distribution.to_internal_repr(value))

    # Optuna takes 1, 1.0 and True for one choice, the first of them.
    places = [k for k, choice in enumerate(distribution.choices) if place(choice) == k]
    return options([distribution.choices[k] for k in places], lambda value: places.index(place(value)))


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
