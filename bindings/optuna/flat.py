"""Parameters of a search space as parameters of trials: one a column, so that nested choices lie side by side.

=========================  =========================================================================
uniform, loguniform        FloatDistribution
normal, lognormal          FloatDistribution between mu -/+ 4 sigma, as Optuna has no bell
quniform, qnormal, …       FloatDistribution with step
qloguniform with q = 1     IntDistribution with log
randint                    IntDistribution
choice, constant           CategoricalDistribution; values that Optuna does not take are JSON text
parameter of an option     the same by the name of its column, ``conv.0.units``, where the option is chosen
=========================  =========================================================================

Bounds are widened to hold all values that there are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hdcore.space import SearchSpace
from hdcore.space.distributions import Choice, RandInt
from hdcore.space.layout import Bell, Column, Interval, grid_ends, level_order
from hdcore.space.reading import read
from hdcore.space.values import Distribution, identity, serialised

SIGMAS = 4.0


class FlatParameter:
    """One parameter of a space, with all that is nested in it.

    Parameters
    ----------
    name : str
    expression : Distribution or constant
    values : sequence
        All values that it has had.
    """

    def __init__(self, name: str, expression: Any, values: Sequence[Any]) -> None:
        self._name, self._space = name, SearchSpace({name: expression})
        self._constant = None if isinstance(expression, Distribution) else _Options([expression])
        rows = [self._numbers(value) for value in values]
        self._columns = [
            (column.name, _converter(column, [row[k] for row in rows if not math.isnan(row[k])]))
            for k, column in enumerate(self._space.columns)
        ]

    def of(self, value: Any) -> Iterator[tuple[str, Any, BaseDistribution]]:
        """Yield name, value and distribution of each parameter that a trial has for a value of this one."""
        if self._constant is not None:
            yield self._name, self._constant.value(0), self._constant.distribution
        for (name, converter), number in zip(self._columns, self._numbers(value), strict=True):
            if not math.isnan(number):
                yield name, converter.value(number), converter.distribution

    def _numbers(self, value: Any) -> list[float]:
        return read(self._space.tree, self._space.columns, {self._name: value})


class _Options:
    """A choice; its numbers are levels."""

    def __init__(self, by_level: Sequence[Any]) -> None:
        plain = all(option is None or isinstance(option, bool | int | float | str) for option in by_level)
        different = len({identity(option) for option in by_level})
        if plain and len(set(by_level)) == different:
            self._options = list(by_level)
        else:  # dictionaries, tuples; 1 and True, which are one value for Optuna
            self._options = [json.dumps(serialised(option), ensure_ascii=False) for option in by_level]
        self.distribution = CategoricalDistribution(list(dict.fromkeys(self._options)))

    def value(self, number: float) -> Any:
        return self._options[int(number)]


class _Interval:
    """A range without a grid."""

    def __init__(self, low: float, high: float, *, is_log: bool) -> None:
        self.distribution = FloatDistribution(low, high, log=is_log and low > 0)

    def value(self, number: float) -> float:
        return number


class _Grid:
    """Multiples of q, from k = first to k = last, exact in decimals as Optuna's bounds are."""

    def __init__(self, q: float, first: int, last: int) -> None:
        self._q, self._unit = q, Decimal(str(q))
        self.distribution = FloatDistribution(float(self._unit * first), float(self._unit * last), step=q)

    def value(self, number: float) -> float:
        return float(self._unit * round(number / self._q))


class _Whole:
    """Whole numbers."""

    def __init__(self, low: int, high: int, *, is_log: bool = False) -> None:
        self.distribution = IntDistribution(low, high, log=is_log)

    def value(self, number: float) -> int:
        return round(number)


def _converter(column: Column, seen: Sequence[float]) -> _Options | _Interval | _Grid | _Whole:
    source = column.distribution
    if isinstance(source, Choice):
        return _Options([source.options[k] for k in level_order(source)[0]])
    if isinstance(source, RandInt):
        return _Whole(0, source.upper - 1)
    assert isinstance(source, Interval | Bell)
    low, high = _range(source)
    if source.q == 0:
        return _Interval(min(low, *seen, high), max(low, *seen, high), is_log=source.logarithmic)
    places = [round(value / source.q) for value in seen]
    if isinstance(source, Interval):
        ends = [int(end) for end in grid_ends(source)]
    else:
        ends = [round(low / source.q), round(high / source.q)]
    first, last = min(ends + places), max(ends + places)
    if source.q == 1 and source.logarithmic and isinstance(source, Interval) and first >= 1:
        return _Whole(first, last, is_log=True)
    return _Grid(source.q, first, last)


def _range(source: Interval | Bell) -> tuple[float, float]:
    if isinstance(source, Interval):
        low, high = float(source.min_value), float(source.max_value)
    else:
        low, high = source.mu - SIGMAS * source.sigma, source.mu + SIGMAS * source.sigma
    return (math.exp(low), math.exp(high)) if source.logarithmic else (low, high)
