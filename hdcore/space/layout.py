"""Columns of a space: which parameter, option and level each encoded column stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

from hdcore.space.distributions import (
    Choice,
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    RandInt,
    Uniform,
)
from hdcore.space.values import Distribution, identity

Interval = Uniform | QUniform | LogUniform | QLogUniform
Bell = Normal | QNormal | LogNormal | QLogNormal


class Kind(IntEnum):
    """How a column is to be compared: by distance, by distance between levels, or by equality."""

    CONTINUOUS = 0
    ORDERED = 1
    CATEGORICAL = 2


CONTINUOUS, ORDERED, CATEGORICAL = Kind.CONTINUOUS, Kind.ORDERED, Kind.CATEGORICAL


@dataclass(frozen=True, slots=True)
class Column:
    """One encoded column.

    Attributes
    ----------
    name : str
        Name of the parameter; ``conv.0.units`` is `units` in option 0 (in declared order) of the choice `conv`.
    kind : Kind
    levels : int
        Number of values; 0 for a continuous column, -1 for a grid without ends.
    parent : int
        Column of the choice whose option holds this parameter, or -1.
    parent_level : int
        Level of `parent` at which this column is active; -1 without a parent.
    distribution : Distribution
    """

    name: str
    kind: Kind
    levels: int
    parent: int
    parent_level: int
    distribution: Distribution


@dataclass(frozen=True, slots=True)
class Constant:
    """A parameter that takes no column."""

    value: Any


@dataclass(frozen=True, slots=True)
class Leaf:
    """A parameter with one column and a number as value."""

    column: int


@dataclass(frozen=True, slots=True)
class Branch:
    """A choice.

    Attributes
    ----------
    options : tuple
        Options in order of levels: a plain value, or the `Tree` of a dictionary.
    canonical : tuple of int
        For each level the first one with the same value.
    declared : tuple of int
        Levels in the order in which the options were declared, without repeats.
    by_identity : dict
        Identity of a plain option -> level.
    """

    column: int
    options: tuple[Any, ...]
    canonical: tuple[int, ...]
    declared: tuple[int, ...]
    by_identity: dict[Any, int]


Node: TypeAlias = Constant | Leaf | Branch


class Tree(dict[str, Node]):
    """Parameters by name, in declared order."""


def lay_out(
    parameters: dict[str, Any], columns: list[Column], prefix: str = "", parent: int = -1, level: int = -1
) -> Tree:
    """Append the columns of some parameters, depth first, and return their tree."""
    tree = Tree()
    for name, value in parameters.items():
        index, path = len(columns), prefix + name
        if isinstance(value, Choice):
            tree[name] = _branch(value, columns, path, parent, level)
        elif isinstance(value, Distribution):
            count = count_levels(value)
            kind = CONTINUOUS if count == 0 else ORDERED
            columns.append(Column(path, kind, count, parent, level, value))
            tree[name] = Leaf(index)
        else:
            tree[name] = Constant(value)
    return tree


def _branch(choice: Choice, columns: list[Column], path: str, parent: int, level: int) -> Branch:
    index = len(columns)
    order, kind = level_order(choice)
    columns.append(Column(path, kind, len(order), parent, level, choice))
    first: dict[Any, int] = {}
    canonical: list[int] = []
    options: list[Any] = []
    for k, declared in enumerate(order):
        option = choice.options[declared]
        canonical.append(first.setdefault(identity(option), k))
        if canonical[k] != k:
            options.append(options[canonical[k]])
        elif isinstance(option, dict):
            options.append(lay_out(option, columns, f"{path}.{declared}.", index, k))
        else:
            options.append(option)
    places = dict.fromkeys(first[identity(option)] for option in choice.options)
    return Branch(index, tuple(options), tuple(canonical), tuple(places), first)


def level_order(choice: Choice) -> tuple[list[int], Kind]:
    """Return the options' indices in order of levels: by size for numbers, else as declared.

    Equal numbers of different types (1 and 1.0) have no order among them, so such a choice is categorical.
    """
    options = choice.options
    numbers = all(isinstance(option, (int, float)) and not isinstance(option, bool) for option in options)
    if numbers and len(set(options)) == len({identity(option) for option in options}):
        return sorted(range(len(options)), key=options.__getitem__), ORDERED
    return list(range(len(options))), CATEGORICAL


def count_levels(distribution: Distribution) -> int:
    """Number of levels of a column that is no choice: 0 for continuous, -1 for a grid without ends."""
    if isinstance(distribution, RandInt):
        return distribution.upper
    if is_single(distribution):
        return 1
    if isinstance(distribution, (QUniform, QLogUniform)):
        first, last = grid_ends(distribution)
        return int(last - first) + 1
    return -1 if isinstance(distribution, (QNormal, QLogNormal)) else 0


def is_single(distribution: Distribution) -> bool:
    """True if all draws are equal."""
    if isinstance(distribution, Interval):
        return distribution.min_value == distribution.max_value or (
            distribution.q > 0 and len(set(grid_ends(distribution))) == 1
        )
    if isinstance(distribution, Bell):
        return distribution.sigma == 0
    if isinstance(distribution, RandInt):
        return distribution.upper == 1
    return isinstance(distribution, Choice) and len(distribution.options) == 1


def grid_ends(distribution: Distribution) -> tuple[float, float]:
    """First and last multiple of q that is drawn, ``-inf`` and ``inf`` where there is none.

    A multiple whose cell touches the interval in one point only has no weight and is left out: quniform(0, 3.5, 1)
    rounds 3.5 up to 4, but 3.5 itself is drawn with probability 0.
    """
    if isinstance(distribution, Interval) and distribution.q > 0:
        low, high = float(distribution.min_value), float(distribution.max_value)
        if distribution.logarithmic:
            low, high = math.exp(low), math.exp(high)
        low, high = low / distribution.q, high / distribution.q
        first = math.floor(low + 0.5 + 1e-12 * max(1.0, abs(low)))
        last = math.ceil(high - 0.5 - 1e-12 * max(1.0, abs(high)))
        if first > last:  # both bounds on the edge between two cells
            first = last = round(low)
        return float(first), float(last)
    if isinstance(distribution, Bell) and distribution.q > 0:
        if distribution.sigma == 0:
            centre = math.exp(distribution.mu) if distribution.logarithmic else distribution.mu
            return (float(round(centre / distribution.q)),) * 2
        return (0.0 if distribution.logarithmic else -math.inf), math.inf
    return -math.inf, math.inf


def log_bounds(distribution: LogUniform) -> tuple[float, float]:
    """First and last value of a loguniform.

    The exponents alone survive serialisation, and exp(log(0.01)) is above 0.01: where a short decimal has exactly this
    logarithm, that is the bound which was meant.
    """
    return _log_bound(distribution.min_value), _log_bound(distribution.max_value)


def _log_bound(exponent: float) -> float:
    value = math.exp(exponent)
    short = float(f"{value:.12g}")
    return short if short > 0 and math.log(short) == exponent else value


def count(tree: Tree, columns: tuple[Column, ...]) -> int | None:
    """Number of distinct configurations of a tree whose options do not overlap, None if they are not finite."""
    product = 1
    for node in tree.values():
        if isinstance(node, Constant):
            continue
        if isinstance(node, Leaf):
            if columns[node.column].levels <= 0:
                return None
            product *= columns[node.column].levels
            continue
        total = 0
        for k in node.declared:
            option = node.options[k]
            inner = count(option, columns) if isinstance(option, Tree) else 1
            if inner is None:
                return None
            total += inner
        product *= total
    return product
