"""Steps between versions: all of them or none."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from store.support import fill

from hdcore.store import Store, StoreReader
from hdcore.store.check import VERSION, expected_schema, schema_steps
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
    assert len(schema_steps()) == VERSION
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


def test_a_store_of_version_1_is_read_as_it_is_and_migrated_by_its_next_driver(store: Store, root: Path) -> None:
    fill(store, 3)
    before = store.runs()
    store.close()
    database = store.folder / "sweep.db"
    with sqlite3.connect(database) as old:
        old.execute("ALTER TABLE run DROP COLUMN sampler_s")
        old.execute("PRAGMA user_version=1")
        assert set(old.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")) == expected_schema(1)
    old.close()
    with StoreReader.open(store.folder) as reader:
        assert reader.runs() == before
        assert reader.sweep().sampler_s_per_run is None
    with Store.open(root, "s1") as again:
        again.add_runs([(3, {"lr": 0.5}), (4, {"lr": 0.6})], sampler_s=0.25)
        assert [run.sampler_s for run in again.runs()] == [None] * 3 + [0.25] * 2
    with StoreReader.open(store.folder) as reader:
        assert reader.sweep().sampler_s_per_run == 0.25
        assert reader.runs()[:3] == before
    new = sqlite3.connect(database)
    assert set(new.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")) == expected_schema()
    new.close()
