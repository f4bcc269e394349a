"""Steps between versions: all of them or none."""

from __future__ import annotations

import sqlite3

import pytest

from hdcore.store.check import VERSION, expected_schema
from hdcore.store.migrate import STEPS, migrate


@pytest.fixture
def connection() -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    memory.execute("CREATE TABLE a (x)")
    memory.execute("PRAGMA user_version=1")
    return memory


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_there_is_a_step_from_every_earlier_version() -> None:
    assert set(STEPS) == set(range(1, VERSION))
    assert len(expected_schema()) >= 6


def test_steps_run_in_order_and_set_the_version(connection: sqlite3.Connection) -> None:
    steps = {
        1: lambda c: c.execute("ALTER TABLE a ADD COLUMN y"),
        2: lambda c: c.execute("INSERT INTO a (x, y) VALUES (1, 2)"),
    }
    assert migrate(connection, steps, 3) == 1
    assert version(connection) == 3
    assert connection.execute("SELECT x, y FROM a").fetchall() == [(1, 2)]
    assert migrate(connection, steps, 3) == 3


def test_a_step_that_fails_undoes_all(connection: sqlite3.Connection) -> None:
    def fail(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, {1: lambda c: c.execute("ALTER TABLE a ADD COLUMN y"), 2: fail}, 3)
    assert version(connection) == 1
    assert [row[1] for row in connection.execute("PRAGMA table_info(a)")] == ["x"]
    connection.close()
