"""What several tests of the store use."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from hdcore.records import Limits, MetricRow, Reports, SweepSpec
from hdcore.store import Store
from hdcore.store.check import VERSION, expected_schema
from hdcore.typing import Goal, RunStatus


def make_spec(name: str = "s1", goal: Goal = Goal.MINIMIZE, metric: str = "loss") -> SweepSpec:
    return SweepSpec(
        name=name,
        space={"lr": ["uniform", [0, 1]], "units": ["choice", [[16, 32]]]},
        metric=metric,
        goal=goal,
        limits=Limits(max_total_runs=100),
        command="train.py --lr ${{search_space.lr}}",
        seed=7,
    )


def losses(number: int, values: Sequence[float], *, attempt: int = 1, offset: int = 0, name: str = "loss") -> Reports:
    return Reports(number, attempt, tuple(MetricRow(name, value, at=1.0) for value in values), offset)


def start(store: Store, number: int, attempt: int = 1) -> None:
    store.start_run(number, attempt, (), 10.0)


def add(store: Store, count: int) -> None:
    store.add_runs([(number, {"lr": number / 8, "units": 16}) for number in range(count)])


def fill(store: Store, finished: int, intervals: int = 3) -> None:
    """Add runs that are Completed with `intervals` reports each."""
    with store.turn():
        add(store, finished)
        for number in range(finished):
            start(store, number)
            store.add_reports(losses(number, [number + 1.0 + k for k in range(intervals)], offset=90))
            store.finish_run(number, RunStatus.COMPLETED, value=number + 1.0, interval=1, exit_code=0, at=12.0)


def files_of_a_crash(store: Store, to: Path) -> Path:
    """Copy the root as it would be found if the driver were killed now; return the copied root."""
    shutil.copytree(store.folder.parent.parent, to, ignore=shutil.ignore_patterns("*-shm"))
    return to


BROUGHT = {2: ("curve", "death"), 3: ("parent", "earlier"), 4: (), 5: ("proposal", "stop", "attempt")}


def make_version(database: Path, version: int) -> None:
    """Take out what the later versions brought."""
    connection = sqlite3.connect(database, isolation_level=None)
    if version < 4:
        connection.execute("ALTER TABLE run DROP COLUMN sampler_s")
    for later in range(version + 1, VERSION + 1):
        for table in BROUGHT[later]:
            connection.execute(f"DROP TABLE {table}")
    connection.execute(f"PRAGMA user_version={version}")
    assert tables(connection) == expected_schema(version)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def tables(connection: sqlite3.Connection) -> set[tuple[str, str, str, str | None]]:
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))
