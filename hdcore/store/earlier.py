"""Runs of earlier sweeps in the store of the sweep that started from them: read as they were when it was made."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Sequence

import msgspec

from hdcore.records import EarlierRun, Parent
from hdcore.store.queries import from_json, to_json
from hdcore.store.series import pack, unpack

_SINCE = 3  # version of the schema that has these tables


def write_parents(connection: sqlite3.Connection, parents: Sequence[tuple[Parent, Sequence[EarlierRun]]]) -> None:
    """Add the parents of a new sweep, in order, with their runs; part of the caller's transaction."""
    for key, (parent, runs) in enumerate(parents, 1):
        connection.execute(
            "INSERT INTO parent VALUES (?, ?, ?, ?, ?, ?)",
            (key, parent.name, parent.sweep_id, parent.total, to_json(parent.dropped), to_json(parent.notes)),
        )
        connection.executemany(
            "INSERT INTO earlier VALUES (NULL, ?, ?, ?, ?, ?, ?)",
            [
                (key, run.number, to_json(run.configuration), run.status, run.value, pack(array("d", run.reports)))
                for run in runs
            ],
        )


def read_parents(connection: sqlite3.Connection) -> list[Parent]:
    """Return the parents in order."""
    if not _has_tables(connection):
        return []
    rows = connection.execute("SELECT name, sweep_id, runs, dropped, notes FROM parent ORDER BY id")
    return [
        msgspec.convert(
            {"name": name, "sweep_id": key, "total": runs, "dropped": from_json(dropped), "notes": from_json(notes)},
            Parent,
        )
        for name, key, runs, dropped, notes in rows
    ]


def read_runs(connection: sqlite3.Connection) -> list[tuple[str, EarlierRun]]:
    """Return all runs with the names of their sweeps, in order of parent and number."""
    if not _has_tables(connection):
        return []
    rows = connection.execute(
        "SELECT p.name, e.run, e.configuration, e.status, e.value, e.reports FROM parent AS p"
        " JOIN earlier AS e ON e.parent = p.id ORDER BY e.id"
    )
    found = []
    for name, number, configuration, status, value, reports in rows:
        fields = {
            "number": number,
            "configuration": from_json(configuration),
            "status": status,
            "value": value,
            "reports": unpack(reports).tolist(),
        }
        found.append((str(name), msgspec.convert(fields, EarlierRun)))
    return found


def _has_tables(connection: sqlite3.Connection) -> bool:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version >= _SINCE
