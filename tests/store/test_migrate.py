"""Steps between versions: all of them or none."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import msgspec
import pytest
from store.support import add, fill, losses, make_version, start, tables

from hdcore.reasons import Proposal
from hdcore.store import Store, StoreReader
from hdcore.store.check import VERSION, expected_schema, schema_steps
from hdcore.store.migrate import STEPS, migrate
from hdcore.typing import RunStatus


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


def test_a_store_of_version_1_is_read_as_it_is_and_gets_its_curves_when_it_is_resumed(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdcore.store.migrate.PIECE_VALUES", 3)
    add(store, 4)
    for number, values in enumerate([[1.0, math.inf, 3.0, -math.inf, 5.0], [7.0], [9.0, 10.0]]):
        start(store, number)
        store.add_reports(losses(number, values))
        store.add_reports(losses(number, [0.25], name="accuracy"))
    store.finish_run(0, RunStatus.COMPLETED, value=1.0, interval=1, at=1.0)
    store.finish_run(1, RunStatus.FAILED, at=1.0)
    store.finish_run(3, RunStatus.CANCELED, at=1.0)
    before = store.runs()
    store.close()
    make_version(store.folder / "sweep.db", 1)
    with StoreReader.open(store.folder) as reader:
        assert reader.runs() == before
        assert len(reader.series(0)["loss"]) == 5
    with Store.open(root, "s1") as again:
        assert {number: list(values) for number, values in again.curves().items()} == {
            0: [1.0, math.inf, 3.0, -math.inf, 5.0],
            1: [7.0],
        }
        assert again.runs()[:2] == before[:2]
        assert version(again._connection) == VERSION
    with StoreReader.open(store.folder) as reader:
        assert [run.status for run in reader.runs()] == ["Completed", "Failed", "Queued", "Canceled"]


def test_a_store_that_does_not_know_the_samplers_time_is_read_and_learns_it_when_it_is_resumed(
    store: Store, root: Path
) -> None:
    fill(store, 3)
    before = store.runs()
    store.close()
    make_version(store.folder / "sweep.db", 1)
    with StoreReader.open(store.folder) as reader:
        assert reader.runs() == before
        assert reader.sweep().sampler_s_per_run is None
    with Store.open(root, "s1") as again:
        again.add_runs([(3, {"lr": 0.5}), (4, {"lr": 0.6})], sampler_s=0.25)
        assert [run.sampler_s for run in again.runs()] == [None] * 3 + [0.25] * 2
        assert tables(again._connection) == expected_schema()
    with StoreReader.open(store.folder) as reader:
        assert reader.sweep().sampler_s_per_run == 0.25
        assert reader.runs()[:3] == before


@pytest.mark.parametrize("old", range(1, VERSION))
def test_a_store_of_any_version_opens_as_it_is_and_ends_with_the_schema_of_a_new_one(
    store: Store, root: Path, old: int
) -> None:
    fill(store, 2)
    before = store.runs()
    store.close()
    make_version(store.folder / "sweep.db", old)
    with StoreReader.open(store.folder) as reader:
        assert [msgspec.structs.replace(run, sampler_s=None) for run in before] == reader.runs()
        assert (reader.proposal(0), reader.stop(0), reader.attempts(0)) == (None, None, [])
    with Store.open(root, "s1") as again:
        again.add_runs([(2, {"lr": 0.5})], proposals=[Proposal(how="sobol")])
        assert tables(again._connection) == expected_schema()
    with StoreReader.open(store.folder) as reader:
        assert reader.runs()[:2] == before
        assert [reader.proposal(n) for n in (1, 2)] == [None, Proposal(how="sobol")]
