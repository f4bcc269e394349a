"""Steps between versions of the schema. A step turns version n into n + 1, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from hdcore.store.check import VERSION, schema_steps


def _add_sampler_time(connection: sqlite3.Connection) -> None:
    for statement in schema_steps()[1]:
        connection.execute(statement)


STEPS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: _add_sampler_time}
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
