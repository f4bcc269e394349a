"""Making the database of a new sweep, and looking at that of an old one before a driver writes to it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hdcore.errors import StoreError
from hdcore.records import NewRows
from hdcore.store import earlier, queries, reasons
from hdcore.store.check import APPLICATION_ID, VERSION, check_header, check_pages, check_schema, connect, schema_steps
from hdcore.typing import RunStatus

ADD_RUN = "INSERT INTO run VALUES (?, ?, ?, NULL, 0, NULL, NULL, ?, NULL, NULL, NULL, '[]', NULL, NULL, 0, 0, 0, ?)"


def make_database(database: Path, spec: str, sweep_id: str, first: NewRows, *, is_slow: bool) -> None:
    """Make the file with its tables and its first rows, all of it synced and none of it left in a WAL."""
    # SQLite gives -wal and -shm the mode of the database, whatever the umask.
    fd = os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(fd, 0o600)
    finally:
        os.close(fd)
    connection = connect(database, "rw")
    try:
        connection.execute("PRAGMA synchronous=FULL")
        mode = connection.execute(f"PRAGMA journal_mode={'DELETE' if is_slow else 'WAL'}").fetchone()[0]
        if not is_slow and mode != "wal":
            raise StoreError(
                f"{database} is on a file system without shared memory (journal mode {mode}); choose another root"
            )
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        for statements in schema_steps():
            for statement in statements:
                connection.execute(statement)
        now = time.time()
        connection.execute(
            "INSERT INTO sweep VALUES (1, ?, ?, ?, NULL, ?, NULL, NULL)", (sweep_id, spec, RunStatus.QUEUED, now)
        )
        connection.executemany(
            ADD_RUN,
            [(k, queries.to_json(given), RunStatus.QUEUED, now, None) for k, given in enumerate(first.configurations)],
        )
        told = [(k, reasons.to_text(proposal)) for k, proposal in enumerate(first.proposals)]
        connection.executemany(reasons.ADD_PROPOSAL, told)
        earlier.write_parents(connection, first.parents)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def check_database(database: Path, name: str) -> None:
    """Refuse a database that is not a store of ours, whole; it is only read."""
    check_header(database)
    connection = connect(database, "ro")
    try:
        check_schema(connection, name)
        check_pages(connection, database)
        spec = queries.read_sweep(connection).spec
        queries.read_runs(connection, spec.metric)
        earlier.read_runs(connection)
    finally:
        connection.close()
