"""Steps between versions of the schema. A step turns version n into n + 1, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Mapping
from itertools import groupby

from hdcore.store.check import VERSION, schema_steps
from hdcore.store.queries import read_reports
from hdcore.store.series import PIECE_VALUES, pack
from hdcore.typing import RunStatus


def _change_schema(version: int) -> Callable[[sqlite3.Connection], None]:
    """Return the step to a version that only has more tables or columns."""

    def step(connection: sqlite3.Connection) -> None:
        for statement in schema_steps()[version - 1]:
            connection.execute(statement)

    return step


def _add_curves(connection: sqlite3.Connection) -> None:
    """1 to 2: the metrics of ended runs stand as packed doubles beside their rows; deaths of drivers are counted."""
    _change_schema(2)(connection)
    ended = {
        number
        for number, status in connection.execute("SELECT number, status FROM run")
        if RunStatus(status).is_terminal
    }
    for (name, number), group in groupby(read_reports(connection), key=lambda report: report[:2]):
        if number not in ended:
            continue
        values = array("d", (value for _, _, value in group))
        for piece, at in enumerate(range(0, len(values), PIECE_VALUES)):
            row = (name, number, piece, pack(values[at : at + PIECE_VALUES]))
            connection.execute("INSERT INTO curve VALUES (?, ?, ?, ?)", row)


STEPS: Mapping[int, Callable[[sqlite3.Connection], None]] = {
    1: _add_curves,
    **{version - 1: _change_schema(version) for version in range(3, VERSION + 1)},
}
"""Version -> step; version 1 is the first one."""


def migrate(
    connection: sqlite3.Connection,
    steps: Mapping[int, Callable[[sqlite3.Connection], None]] = STEPS,
    target: int = VERSION,
) -> int:
    """Bring a store to the present version in one transaction; return the version it had.

    Either all steps are done or none is: `user_version` is part of the transaction.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version >= target:
        return version
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, target):
            steps[step](connection)
        connection.execute(f"PRAGMA user_version={target:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return version
