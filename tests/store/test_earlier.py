"""Runs of earlier sweeps in a store, and stores of the version that had none."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import pytest
from store.support import fill, make_spec, make_version

from hdcore.errors import RefusedError
from hdcore.records import EarlierRun, NewRows, Parent
from hdcore.store import Store, StoreReader
from hdcore.store.check import VERSION, connect, expected_schema
from hdcore.typing import RunStatus

PARENTS = (
    (
        Parent(name="b", sweep_id="HD_b", total=3, dropped=(("'lr' outside uniform(0, 1)", 1),), notes=("a note",)),
        (
            EarlierRun(0, {"lr": 0.5, "units": 16}, RunStatus.COMPLETED, 0.25, (1.0, 0.25)),
            EarlierRun(7, {"lr": 0.1, "units": {"deep": [1, 2.5, None, True]}}, RunStatus.FAILED),
        ),
    ),
    (Parent(name="a", sweep_id="HD_a", total=1), (EarlierRun(0, {"lr": 1e-300}, RunStatus.CANCELED, 1.0, (1.0,)),)),
)


def test_a_store_begins_with_runs_and_parents(root: Path) -> None:
    first = NewRows(({"lr": 0.5, "units": 16}, {"lr": 0.25, "units": 32}), PARENTS)
    with Store.create(root, make_spec(), sweep_id="HD_1", first=first) as store:
        assert [(run.number, run.configuration, run.status, run.attempt) for run in store.runs()] == [
            (0, {"lr": 0.5, "units": 16}, RunStatus.QUEUED, 0),
            (1, {"lr": 0.25, "units": 32}, RunStatus.QUEUED, 0),
        ]
        store.start_run(0, 1, (), 1.0)
        store.add_runs([(2, {"lr": 0.0, "units": 16})])
        earlier = store.earlier_runs()
    assert earlier == [(parent.name, run) for parent, runs in PARENTS for run in runs]
    with StoreReader.open(root / "sweeps" / "s1") as reader:
        assert reader.parents() == [parent for parent, _ in PARENTS]
        assert [parent.kept for parent in reader.parents()] == [2, 1]
        assert reader.parents()[0].line == ("2 of 3 runs of b; dropped: 1 ('lr' outside uniform(0, 1)); a note")


def test_a_report_that_was_not_finite_keeps_its_place(root: Path) -> None:
    run = EarlierRun(0, {}, RunStatus.COMPLETED, 1.0, (math.nan, 1.0, math.inf, -math.inf))
    parents = ((Parent(name="a", sweep_id="HD_a", total=1), (run,)),)
    with Store.create(root, make_spec(), sweep_id="HD_1", first=NewRows(parents=parents)) as store:
        ((_, found),) = store.earlier_runs()
    assert math.isnan(found.reports[0])
    assert found.reports[1:] == (1.0, math.inf, -math.inf)


def test_files_come_with_the_folder_or_there_is_no_folder(root: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "large").write_text("half of it")
        raise OSError(28, "No space left on device")

    with pytest.raises(Exception, match="No space"):
        Store.create(root, make_spec(), sweep_id="HD_1", fill=fail)
    assert [entry.name for entry in (root / "sweeps").iterdir() if entry.is_dir()] == []
    with Store.create(root, make_spec(), sweep_id="HD_1", fill=lambda folder: (folder / "x").mkdir()) as store:
        assert (store.folder / "x").is_dir()


def test_a_store_of_version_1_is_read_as_it_is_and_migrated_by_its_next_driver(root: Path, store: Store) -> None:
    fill(store, 3)
    before = store.runs()
    store.close()
    database = root / "sweeps" / "s1" / "sweep.db"
    make_version(database, 1)
    with StoreReader.open(database.parent) as reader:
        assert reader.runs() == before
        assert reader.parents() == []
        old_curves = reader.curves()
    with Store.open(root, "s1") as opened:
        assert opened.runs() == before
        assert opened.earlier_runs() == []
        assert opened.curves() == old_curves
        assert [len(curve) for curve in old_curves.values()] == [3, 3, 3]
        opened.add_runs([(3, {"lr": 0.5, "units": 16})])
    connection = connect(database, "ro")
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")) == expected_schema()
    connection.close()
    with StoreReader.open(database.parent) as reader:
        assert len(reader.runs()) == 4


def test_a_store_of_version_1_with_later_tables_is_refused(root: Path, store: Store) -> None:
    store.close()
    connection = sqlite3.connect(root / "sweeps" / "s1" / "sweep.db", isolation_level=None)
    connection.execute("PRAGMA user_version=1")
    connection.close()
    with pytest.raises(RefusedError, match="schema"):
        StoreReader.open(root / "sweeps" / "s1")
