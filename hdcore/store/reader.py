"""Reading a sweep: while a driver writes, after a crash, from a copy on a read-only medium."""

from __future__ import annotations

import os
import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hdcore.errors import InputError, RefusedError
from hdcore.reasons import Proposal, Stop
from hdcore.records import EarlierRun, Parent
from hdcore.store import earlier, queries, reasons
from hdcore.store.catalog import DATABASE_NAME, check_sweep_folder
from hdcore.store.check import check_header, check_schema, connect, translated
from hdcore.store.lock import read_driver
from hdcore.store.records import DriverInfo, MetricSummary, Note, PastAttempt, Point, StoredRun, StoredSweep


class StoreReader:
    """A sweep, open for reading. It never writes to the database, never checkpoints, and never waits for the driver.

    Every call sees what is committed at that moment; calls inside one `snapshot` see the same state. Methods may be
    called from any thread, one at a time. Use as a context manager, or `close`.

    Every method raises RefusedError if the bytes on the disk turn out to be damaged, StoreError if the disk fails.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        # Not for callers: use `open`.
        self.folder = folder
        self._connection = connection
        self._primary: str | None = None

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> StoreReader:
        """Open the sweep in `folder` (from `catalog.resolve` or `list_sweeps`).

        Raises
        ------
        RefusedError
            If the database is damaged, foreign, empty or newer, or the folder is not the user's own.
        StoreError
            If it cannot be opened.
        """
        path = Path(folder)
        with translated(path.name):
            check_sweep_folder(path)
            check_header(path / DATABASE_NAME)
            connection = _connect(path)
            try:
                connection.execute("PRAGMA query_only=on")
                check_schema(connection, path.name)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all calls inside the ``with`` see one state of the sweep. To be kept short: the WAL grows meanwhile."""
        with translated(self.folder.name):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def sweep(self) -> StoredSweep:
        """Return the sweep's row and the number of runs in each status."""
        with translated(self.folder.name):
            return queries.read_sweep(self._connection)

    def runs(self) -> list[StoredRun]:
        """Return all runs in order of number, with the summary of the primary metric; reads no series."""
        with translated(self.folder.name):
            return queries.read_runs(self._connection, self._metric())

    def run(self, number: int) -> StoredRun:
        """Return one run.

        Raises
        ------
        InputError
            If there is no such run.
        """
        with translated(self.folder.name):
            found = queries.read_runs(self._connection, self._metric(), number) if 0 <= number < 2**63 else []
            if not found:
                count = self._connection.execute("SELECT count(*) FROM run").fetchone()[0]
                have = f"it has runs 0 to {count - 1}" if count else "it has no runs yet"
                raise InputError(f"sweep {self.folder.name!r} has no run {number}; {have}", field="run")
            return found[0]

    def changed_runs(self, first: int, others: Sequence[int]) -> list[StoredRun]:
        """Return the runs from a number on, and some others, in order; reads no other rows."""
        with translated(self.folder.name):
            return queries.read_some_runs(self._connection, self._metric(), first, others)

    def best(self) -> StoredRun | None:
        """Return the ended run with the best finite value, however it ended; of equal ones the lowest number."""
        with translated(self.folder.name):
            spec = queries.read_spec(self._connection)
            return queries.read_best(self._connection, spec.metric, spec.goal)

    def summaries(self, number: int) -> list[MetricSummary]:
        """Return the summaries of all metrics of a run; an empty list if it has none."""
        with translated(self.folder.name):
            return queries.read_summaries(self._connection, number)

    def series(
        self, number: int, names: Sequence[str] | None = None, most: int | None = None
    ) -> dict[str, list[Point]]:
        """Return the reports of a run, name -> list of (interval, step or None, value or None, flag).

        Parameters
        ----------
        names : sequence of str, optional
            All names by default; unknown ones are left out.
        most : int, optional
            At most so many points a name: first, last, and lowest and highest of each of equal pieces between.
        """
        with translated(self.folder.name):
            return queries.read_series(self._connection, number, names, most)

    def reports(self, number: int, after: int = 0) -> array[float]:
        """Return the reports of the primary metric of a run after so many; NaN and infinities as reported."""
        with translated(self.folder.name):
            return queries.read_reports_after(self._connection, self._metric(), number, after)

    def notes(self, number: int) -> dict[str, list[Note]]:
        """Return the texts that a run reported, name -> list of (ordinal, step or None, text)."""
        with translated(self.folder.name):
            return queries.read_notes(self._connection, number)

    def curves(self, *, living: bool = False, of: Sequence[int] | None = None) -> dict[int, array[float]]:
        """Return the reports of the primary metric of each ended run, NaN and infinities as they were reported.

        Parameters
        ----------
        living : bool, default False
            Those of runs in flight too.
        of : sequence of int, optional
            These runs alone, whether they have ended or not.
        """
        read = queries.read_all_curves if living else queries.read_curves
        with translated(self.folder.name):
            if of is not None:
                return queries.read_curves_of(self._connection, self._metric(), of)
            return read(self._connection, self._metric())

    def report_times(self) -> dict[int, array[float]]:
        """Return when the sweep heard of each report of the primary metric, by run; seconds since the epoch."""
        with translated(self.folder.name):
            return queries.read_report_times(self._connection, self._metric())

    def earlier_runs(self) -> list[tuple[str, EarlierRun]]:
        """Return the runs of earlier sweeps that this one started from, each with the name of its sweep."""
        with translated(self.folder.name):
            return earlier.read_runs(self._connection)

    def parents(self) -> list[Parent]:
        """Return the earlier sweeps that this one started from; empty for stores of versions that had none."""
        with translated(self.folder.name):
            return earlier.read_parents(self._connection)

    def proposal(self, number: int) -> Proposal | None:
        """Return how the configuration of a run came to be; None if that was not stored."""
        with translated(self.folder.name):
            return reasons.read_proposal(self._connection, number)

    def stop(self, number: int) -> Stop | None:
        """Return why the policy ended a run; None if it has not, or if that was not stored."""
        with translated(self.folder.name):
            return reasons.read_stop(self._connection, number)

    def attempts(self, number: int) -> list[PastAttempt]:
        """Return the attempts of a run before its last one, in order, as far as they were stored."""
        with translated(self.folder.name):
            return reasons.read_attempts(self._connection, number)

    def metric_rows(self) -> int:
        """Return the number of reports of all runs and metrics, from the summary rows."""
        with translated(self.folder.name):
            count: int = self._connection.execute("SELECT coalesce(sum(count), 0) FROM summary").fetchone()[0]
            return count

    def driver(self) -> DriverInfo | None:
        """Return who drives the sweep (`alive`), or who did; None if nobody ever has."""
        return read_driver(self.folder)

    def marks(self) -> tuple[tuple[int, int] | None, ...]:
        """Return size and time of the database's files: they change with every commit."""
        found: list[tuple[int, int] | None] = []
        for name in (DATABASE_NAME, f"{DATABASE_NAME}-wal"):
            try:
                status = os.stat(self.folder / name)
                found.append((status.st_size, status.st_mtime_ns))
            except OSError:
                found.append(None)
        return tuple(found)

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()

    def __enter__(self) -> StoreReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _metric(self) -> str:
        if self._primary is None:
            self._primary = queries.read_spec(self._connection).metric
        return self._primary


_NO_SHARED_MEMORY = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


def _connect(folder: Path) -> sqlite3.Connection:
    """Open the database read-only, whatever is left of its WAL.

    SQLite reads a WAL through a shared-memory file, which it makes anew after a crash; that needs a folder that can be
    written. In one that cannot (a medium, an archive, a full disk) a database without a WAL is read as it is, and one
    with a WAL is refused, because its newest runs would be missing.
    """
    database = folder / DATABASE_NAME
    connection = connect(database, "ro", check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection
    except sqlite3.OperationalError as error:
        connection.close()
        if (error.sqlite_errorcode & 0xFF) not in _NO_SHARED_MEMORY:
            raise
        driver = read_driver(folder)
        if driver is not None and driver.alive:
            raise  # what it writes would be read torn
    except BaseException:
        connection.close()
        raise
    wal = Path(f"{database}-wal")
    if wal.exists() and wal.stat().st_size:
        raise RefusedError(
            f"sweep {folder.name!r} has changes in sweep.db-wal, which need a folder that can be written; "
            "copy the folder to a place with room that you can write"
        )
    return connect(database, "ro&immutable=1", check_same_thread=False)
