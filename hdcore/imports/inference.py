"""Values and spaces of columns that say nothing about their kind."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hdcore.command import format_value
from hdcore.errors import InputError, SpaceError
from hdcore.space import SearchSpace
from hdcore.space.distributions import Choice
from hdcore.space.values import Distribution, identity, is_number
from hdcore.typing import Configuration

FEW = 10
"""Up to so many different whole numbers are options of a choice, more of them a range."""

LOG_RANGE = 100.0
"""Positive values that span such a factor are taken as drawn from a logarithmic range."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_WORDS = {"true": True, "false": False}


def read_columns(columns: Mapping[str, Sequence[str]], space: SearchSpace | None = None) -> list[Configuration]:
    """Return configurations of columns of text; an empty cell is a parameter that the run does not have.

    With a space each cell is what its parameter can be; without one a column holds whole numbers, numbers, truth
    values or, if not all of its cells are of one of these kinds, text.
    """
    rows: list[Configuration] = [{} for _ in next(iter(columns.values()), ())]
    for name, cells in columns.items():
        parameter = None if space is None else space.parameters.get(name)
        values = _guessed(cells) if parameter is None else [_fitted(parameter, cell) for cell in cells]
        for row, cell, value in zip(rows, cells, values, strict=True):
            if cell != "":
                row[name] = value
    return rows


def infer_space(configurations: Iterable[Configuration]) -> dict[str, Any]:
    """Return a serialised space that holds all of some configurations."""
    values: dict[str, list[Any]] = {}
    for configuration in configurations:
        for name, value in configuration.items():
            values.setdefault(name, []).append(value)
    if not values:
        raise InputError("no parameter was found; name one with --param NAME=COLUMN", field="--param")
    space = {name: _expression(found) for name, found in values.items()}
    try:
        return SearchSpace(space).to_json()
    except SpaceError as error:
        raise InputError(f"{error}; give the space with --space SWEEP.yml") from None


def _expression(values: list[Any]) -> list[Any]:
    distinct = list({identity(value): value for value in values}.values())
    if not all(map(is_number, distinct)) or len(distinct) == 1:
        return ["choice", [distinct]]
    low, high = min(distinct), max(distinct)
    if all(isinstance(value, int) for value in distinct):
        return ["choice", [sorted(distinct)]] if len(distinct) <= FEW else ["quniform", [low, high, 1]]
    if len(distinct) <= FEW and len(values) >= 3 * len(distinct):  # a grid: each value comes again and again
        return ["choice", [sorted(distinct)]]
    if low > 0 and high / low >= LOG_RANGE:
        return ["loguniform", [math.log(low), math.log(high)]]
    return ["uniform", [low, high]]


def _guessed(cells: Sequence[str]) -> list[Any]:
    given = [cell for cell in cells if cell != ""]
    if all(_INTEGER.fullmatch(cell) for cell in given):
        return [int(cell) if cell else None for cell in cells]
    if all(number(cell) is not None for cell in given):
        return [number(cell) for cell in cells]
    if all(cell.lower() in _WORDS for cell in given):
        return [_WORDS.get(cell.lower()) for cell in cells]
    return [_structure(cell) for cell in cells]


def _fitted(parameter: Any, cell: str) -> Any:
    """Read a cell as one of the values that a parameter can have; as it is if it is none."""
    options = parameter.options if isinstance(parameter, Choice) else () if _is_drawn(parameter) else (parameter,)
    for option in options:
        if not isinstance(option, dict) and cell in (format_value(option), str(option)):
            return option
    if cell.lower() in _WORDS and _WORDS[cell.lower()] in options:
        return _WORDS[cell.lower()]
    found = _guessed([cell])[0]
    return found


def _is_drawn(parameter: Any) -> bool:
    return isinstance(parameter, Distribution)


def _structure(cell: str) -> Any:
    """Read a dictionary or list that was written as JSON; other text as it is."""
    if cell[:1] in ("{", "["):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            pass
    return cell


def number(cell: str) -> float | None:
    """Return the finite number that a text is; None if it is none."""
    if "_" in cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
