"""Readers beside a writer, after it, and where nothing can be written."""

from __future__ import annotations

import math
import shutil
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store.support import add, fill, losses, make_spec, start

from hdcore.errors import InputError, RefusedError
from hdcore.store import Store, StoreReader, thin
from hdcore.store import reader as reader_module
from hdcore.typing import Goal, RunStatus


def test_a_reader_sees_what_is_committed_while_the_driver_writes(store: Store) -> None:
    add(store, 2)
    with StoreReader.open(store.folder) as reader:
        start(store, 0)
        assert reader.run(0).status is RunStatus.RUNNING
        store.add_reports(losses(0, [1.0]))
        assert reader.series(0) == {}
        store.flush()
        assert reader.series(0) == {"loss": [(1, None, 1.0, 0)]}
        store.finish_run(0, RunStatus.COMPLETED, value=1.0, interval=1, at=1.0)
        assert reader.sweep().counts[RunStatus.COMPLETED] == 1
        best = reader.best()
        assert best is not None
        assert best.number == 0
        assert reader.metric_rows() == 1


def test_a_snapshot_is_one_state(store: Store) -> None:
    add(store, 1)
    with StoreReader.open(store.folder) as reader:
        with reader.snapshot():
            assert reader.runs()[0].status is RunStatus.QUEUED
            start(store, 0)
            assert reader.runs()[0].status is RunStatus.QUEUED
        assert reader.runs()[0].status is RunStatus.RUNNING


def test_a_reader_never_waits_for_an_open_transaction_of_the_driver(store: Store) -> None:
    fill(store, 2)
    store._connection.execute("BEGIN IMMEDIATE")
    store._connection.execute("UPDATE sweep SET status = 'Failed'")
    with StoreReader.open(store.folder) as reader:
        assert reader.sweep().status is RunStatus.QUEUED
    store._connection.execute("ROLLBACK")


def test_a_reader_cannot_write_and_never_checkpoints(store: Store) -> None:
    fill(store, 3)
    database = store.folder / "sweep.db"
    wal = store.folder / "sweep.db-wal"
    before = (database.read_bytes(), wal.read_bytes())
    with StoreReader.open(store.folder) as reader:
        with pytest.raises(Exception, match=r"readonly|read-only"):
            reader._connection.execute("DELETE FROM run")
        reader.runs()
    assert (database.read_bytes(), wal.read_bytes()) == before


def test_an_open_reader_does_not_keep_the_driver_from_closing(store: Store, root: Path) -> None:
    fill(store, 3)
    with StoreReader.open(store.folder) as reader:
        reader.runs()
        store.close()
        assert len(reader.runs()) == 3
    with Store.open(root, "s1") as again:
        assert len(again.runs()) == 3


def test_the_best_run_is_the_best_of_the_ended_ones_and_the_first_of_equals(new_store: Callable[..., Store]) -> None:
    for goal, expected in ((Goal.MINIMIZE, 1), (Goal.MAXIMIZE, 4)):
        store = new_store(goal.value, goal)
        add(store, 7)
        values = [None, 1.0, 1.0, 2.0, 5.0, 5.0]
        ends = [RunStatus.COMPLETED, RunStatus.CANCELED, RunStatus.COMPLETED, *[RunStatus.COMPLETED] * 3]
        with StoreReader.open(store.folder) as reader:
            assert reader.best() is None
            for number in reversed(range(6)):
                store.finish_run(number, ends[number], value=values[number], interval=1, at=1.0)
            best = reader.best()
            assert best is not None
            assert best.number == expected


def test_unknown_runs_are_wrong_input(store: Store) -> None:
    with StoreReader.open(store.folder) as reader:
        with pytest.raises(InputError, match="no runs yet"):
            reader.run(0)
        add(store, 3)
        for number in (3, -1, 2**70):
            with pytest.raises(InputError, match="runs 0 to 2"):
                reader.run(number)
        assert reader.series(99) == {}
        assert reader.summaries(99) == []


@given(st.lists(st.floats(), min_size=1, max_size=60), st.integers(0, 70), st.booleans())
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
def test_a_thinned_series_keeps_its_ends_and_extremes(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], most: int, has_ended: bool
) -> None:
    with Store.create(tmp_path_factory.mktemp("root"), make_spec(), sweep_id="HD_1") as store:
        add(store, 1)
        start(store, 0)
        store.add_reports(losses(0, values))
        store.flush()
        if has_ended:
            store.finish_run(0, RunStatus.COMPLETED, at=1.0)
        with StoreReader.open(store.folder) as reader:
            whole = reader.series(0)["loss"]
            thin = reader.series(0, most=most)["loss"]
    assert len(thin) <= max(most, 0)
    assert set(map(repr, thin)) <= set(map(repr, whole))
    assert [p[0] for p in thin] == sorted({p[0] for p in thin})
    if most >= len(values):
        assert thin == whole
    if most >= 2:
        assert thin[-1] == whole[-1]
    if most >= 4:
        finite = [p[2] for p in whole if p[2] is not None]
        kept = [p[2] for p in thin if p[2] is not None]
        assert thin[0] == whole[0]
        assert (min(kept, default=None), max(kept, default=None)) == (
            min(finite, default=None),
            max(finite, default=None),
        )


@given(st.lists(st.floats(-4, 4) | st.sampled_from([math.nan, math.inf, -math.inf, 4.0])), st.integers(1, 20))
@settings(deadline=None)
def test_extremes_of_short_and_long_series_are_the_same(values: list[float], width: int) -> None:
    found = thin.extremes(array("d", values), width)
    assert found == (thin._extremes_numpy(array("d", values), width) if values else set())
    for at in range(0, len(values), width):
        piece = values[at : at + width]
        finite = [value for value in piece if math.isfinite(value)]
        kept = [values[k - 1] for k in found if at < k <= at + width]
        assert 1 <= len(kept) <= 2
        if finite:
            assert (min(kept), max(kept)) == (min(finite), max(finite))


@pytest.fixture
def archive(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where SQLite cannot make its shared memory (as root, permissions alone would not stop it)."""
    fill(store, 3)
    monkeypatch.setattr(reader_module, "connect", _connect_without_shared_memory(reader_module.connect))
    return store.folder


def _connect_without_shared_memory(real: Callable[..., object]) -> Callable[..., object]:
    import sqlite3

    def connect(database: Path, mode: str, **options: object) -> object:
        if "immutable" not in mode:
            connection = sqlite3.connect(":memory:", factory=Unopenable)
            return connection
        return real(database, mode, **options)

    class Unopenable(sqlite3.Connection):
        def execute(self, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error

    return connect


def test_an_archive_without_a_wal_is_read_as_it_is(store: Store, archive: Path) -> None:
    store.close()
    with StoreReader.open(archive) as reader:
        assert len(reader.runs()) == 3
    assert not (archive / "sweep.db-shm").exists()


def test_an_archive_with_a_wal_is_refused_rather_than_read_in_part(store: Store, archive: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(archive, copy, ignore=shutil.ignore_patterns("*-shm"))
    with pytest.raises(RefusedError, match=r"sweep\.db-wal"):
        StoreReader.open(copy)
