"""From what was logged to what ``get_metrics`` returns. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hdcore.hyperdrive.exceptions import UserErrorException

ENTRIES = ("metric", "row", "table", "artifact")
"""Kinds of journal entries that are metrics."""

MOST_TEXT = 3_000
"""Characters of a text that go through the report file; longer ones are journal entries."""


def plain_value(name: str, value: Any) -> Any:
    """Return a number, bool or text for what a script logs as one value.

    NumPy scalars and tensors with one element become numbers; what is unknown becomes its ``repr``.

    Raises
    ------
    UserErrorException
        If it is a list, range or generator: `log_list` takes those.
    """
    if isinstance(value, (bool, int, float, str)):
        return value
    item = getattr(value, "item", None)
    if callable(item):
        try:
            found = item()
        except (ValueError, RuntimeError, TypeError):  # more than one element
            found = None
        if isinstance(found, (bool, int, float, str)):
            return found
    if _is_many(value):
        raise UserErrorException(
            f"log: {name!r} was given a {type(value).__name__}, which is no single value; use log_list"
        )
    try:
        return float(value) if hasattr(type(value), "__float__") else repr(value)
    except (TypeError, ValueError, OverflowError):
        return repr(value)


def plain_list(name: str, values: Iterable[Any]) -> list[Any]:
    """Return the values of a list, each as `plain_value` has it."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise UserErrorException(f"log_list: {name!r} was given a {type(values).__name__}; give a list, or use log")
    return [plain_value(name, value) for value in values]


def plain_cell(name: str, value: Any) -> Any:
    """Return the cell of a row; lists are refused."""
    if _is_many(value):
        raise UserErrorException(f"log_row: {name!r} was given a {type(value).__name__}; a cell holds one value")
    return None if value is None else plain_value(name, value)


def plain_table(name: str, table: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a table, which have one length.

    Raises
    ------
    UserErrorException
        If it is no dictionary of columns, or they have different lengths.
    """
    if not isinstance(table, Mapping):
        raise UserErrorException(f"log_table: {name!r} was given a {type(table).__name__}; give a dictionary")
    columns = {
        str(key): [None if item is None else plain_value(name, item) for item in column]
        if _is_many(column)
        else [plain_cell(name, column)]
        for key, column in table.items()
    }
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise UserErrorException(f"log_table: {name!r} has columns of different lengths {lengths}; make them equal")
    return columns


def shape(scalars: Mapping[str, list[Any]], entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return metrics as Azure does: one value as itself, several as a list, a table as a dictionary of columns.

    Parameters
    ----------
    scalars : mapping
        Name -> values in order, from the reports.
    entries : iterable of mapping
        Journal entries of the kinds `ENTRIES`.
    """
    values: dict[str, list[Any]] = {name: list(series) for name, series in scalars.items()}
    tables: dict[str, _Table] = {}
    for entry in entries:
        name = str(entry.get("name"))
        if entry["kind"] in ("metric", "artifact"):
            values.setdefault(name, []).append(entry.get("value"))
            continue
        columns = entry.get("columns")
        if isinstance(columns, Mapping):
            tables.setdefault(name, _Table()).add(columns)
    found: dict[str, Any] = {name: _collapse(series) for name, series in values.items() if series}
    for name, table in tables.items():
        found[name] = {key: _collapse(column) for key, column in table.columns.items()}
    return found


class _Table:
    """Rows and pieces of columns, put together; a column that comes later has None before."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {}
        self._rows = 0

    def add(self, piece: Mapping[str, Any]) -> None:
        lists = {key: value if isinstance(value, list) else [value] for key, value in piece.items()}
        size = max((len(column) for column in lists.values()), default=0)
        for key in lists:
            self.columns.setdefault(key, [None] * self._rows)
        for key, column in self.columns.items():
            column.extend(lists.get(key, [None] * size))
        self._rows += size


def _collapse(series: list[Any]) -> Any:
    return series[0] if len(series) == 1 else series


def _is_many(value: Any) -> bool:
    if isinstance(value, (list, tuple, range, set)) or getattr(value, "ndim", 0) > 0:
        return True
    return not isinstance(value, (str, bytes, Mapping)) and hasattr(value, "__next__")
