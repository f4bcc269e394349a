"""From a configuration to one number a column, with all checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from hdcore.errors import SpaceError
from hdcore.space.distributions import RandInt
from hdcore.space.layout import Bell, Branch, Column, Constant, Interval, Tree, grid_ends
from hdcore.space.values import identity, is_number, named, plain, serialised

Exact: TypeAlias = Callable[[int, float], bool]

SLACK = 1e-9
"""Relative tolerance, in bounds and in steps of q: values may have gone through text or another library's exp."""


def read(
    tree: Tree, columns: tuple[Column, ...], configuration: Mapping[str, Any], exact: Exact | None = None
) -> list[float]:
    """Return the value of each column: a number, for choices the level, NaN where inactive.

    Parameters
    ----------
    exact : callable, optional
        Tells of a column and a number if decoding can give that very number; decides between options that overlap.

    Raises
    ------
    SpaceError
        If names or values do not fit.
    """
    numbers = [math.nan] * len(columns)
    _read(tree, columns, configuration, numbers, strict=False, exact=exact)
    return numbers


def _read(
    tree: Tree,
    columns: tuple[Column, ...],
    configuration: Any,
    numbers: list[float],
    *,
    strict: bool,
    exact: Exact | None,
) -> None:
    """Fill in `numbers`; `strict` accepts values of the very types only that decoding gives."""
    if not isinstance(configuration, Mapping):
        raise SpaceError(f"a configuration is a dictionary of values, not {configuration!r}")
    for name in configuration:
        if name not in tree:
            near = get_close_matches(str(name), tree, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the space has {', '.join(tree) or 'no parameters'}"
            raise SpaceError(f"parameter {name!r} is not in the space; {hint}", parameter=str(name))
    for name, node in tree.items():
        if name not in configuration:
            raise SpaceError(
                f"parameter {name!r} has no value in the configuration; give all parameters", parameter=name
            )
        value = plain(configuration[name])
        try:
            if isinstance(node, Constant):
                if identity(value) != identity(node.value) and (strict or not _same_number(value, node.value)):
                    raise SpaceError(f"is {value!r}, but the space holds the constant {node.value!r}")
            elif isinstance(node, Branch):
                _read_option(node, columns, value, numbers, strict=strict, exact=exact)
            else:
                column = columns[node.column]
                numbers[node.column] = _number(column, value)
                if strict and isinstance(value, int) != isinstance(column.distribution, RandInt):
                    raise SpaceError(
                        f"{value!r} is of type {type(value).__name__}, which {column.distribution!r} never gives"
                    )
                if strict and exact is not None and not exact(node.column, numbers[node.column]):
                    raise SpaceError(f"{value!r} is no float64 that {column.distribution!r} gives")
        except SpaceError as error:
            raise named(error, name) from None


def _read_option(
    node: Branch, columns: tuple[Column, ...], value: Any, numbers: list[float], *, strict: bool, exact: Exact | None
) -> None:
    """Find the option that a value comes from: first by types too, then, unless `strict`, by 1 == 1.0 as well."""
    if isinstance(value, Mapping):
        refusal: SpaceError | None = None
        for is_strict in (True,) if strict else (True, False):
            for k, option in enumerate(node.options):
                if node.canonical[k] == k and isinstance(option, Tree) and set(value) == set(option):
                    inner = list(numbers)
                    try:
                        _read(option, columns, value, inner, strict=is_strict, exact=exact)
                    except SpaceError as error:
                        refusal = error
                        continue
                    numbers[:] = inner
                    numbers[node.column] = float(k)
                    return
        if refusal is not None:
            raise refusal
    else:
        try:
            level = node.by_identity.get(identity(value))
        except TypeError:  # a value that cannot be hashed is no option
            level = None
        if level is None and not strict:
            level = next((k for k, option in enumerate(node.options) if _same_number(value, option)), None)
        if level is not None:
            numbers[node.column] = float(level)
            return
    options = ", ".join(str(serialised(option)) for option in columns[node.column].distribution.content())
    raise SpaceError(f"{value!r} is none of its options {options}")


def _number(column: Column, value: Any) -> float:
    distribution = column.distribution
    if not is_number(value) or not math.isfinite(value):
        raise SpaceError(f"{value!r} is no finite number, and {distribution!r} draws numbers")
    x = float(value)
    if isinstance(distribution, RandInt):
        if x != int(x) or not 0 <= x < distribution.upper:
            raise SpaceError(f"{value!r} is no whole number from 0 to {distribution.upper - 1}")
        return x
    q = float(distribution.q) if isinstance(distribution, (Interval, Bell)) else 0.0
    if q > 0:
        first, last = grid_ends(distribution)
        step = x / q
        if abs(step - round(step)) > SLACK * max(1.0, abs(step)):
            raise SpaceError(f"{value!r} is no multiple of q as {distribution!r} draws")
        if not first <= round(step) <= last:
            raise SpaceError(
                f"{value!r} is never drawn by {distribution!r}: its values go from {first * q!r} to {last * q!r}"
            )
        return x
    low, high = _support(distribution)
    slack = SLACK * max(abs(low), abs(high)) if math.isfinite(high - low) else 0.0
    slack = min(slack, SLACK * (high - low)) if 0 < high - low < math.inf else slack
    if not low - slack <= x <= high + slack:
        raise SpaceError(f"{value!r} is never drawn by {distribution!r}, whose values are {low!r} to {high!r}")
    return x


def _support(distribution: Any) -> tuple[float, float]:
    if isinstance(distribution, Interval):
        low, high = float(distribution.min_value), float(distribution.max_value)
        return (math.exp(low) * (1 - SLACK), math.exp(high) * (1 + SLACK)) if distribution.logarithmic else (low, high)
    if distribution.sigma == 0:
        centre = math.exp(distribution.mu) if distribution.logarithmic else float(distribution.mu)
        return centre - abs(centre) * SLACK, centre + abs(centre) * SLACK
    return (0.0 if distribution.logarithmic else -math.inf), math.inf


def _same_number(value: Any, option: Any) -> bool:
    """1 and 1.0 are the same to a reader of JSON; True is neither."""
    return is_number(value) and is_number(option) and value == option
