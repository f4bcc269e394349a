"""What waits to be written, and the transactions that write it."""

from __future__ import annotations

import os
import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hdcore.errors import StateError, StoreError
from hdcore.store.catalog import DATABASE_NAME
from hdcore.store.check import connect, store_error, translated
from hdcore.store.disk import drop_ballast
from hdcore.store.series import PIECE_VALUES, LiveRun, Series, pack
from hdcore.store.syncer import Syncer

BATCH_ROWS = 1_000
BATCH_S = 0.25

_CLOSING_TIMEOUT_S = 1.0  # how long the last checkpoint waits for readers

_ADD_METRIC = "INSERT INTO metric VALUES (?, ?, ?, ?, ?, ?, ?)"
_ADD_NOTE = "INSERT INTO note VALUES (?, ?, ?, ?, ?, ?)"
_SET_SUMMARY = "REPLACE INTO summary VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_PIECE = "INSERT INTO curve VALUES (?, ?, ?, ?)"
_SET_OFFSET = "UPDATE run SET report_offset = ?, dropped = dropped + ? WHERE number = ?"


class Batch:
    """The writing connection and everything that it has not written yet.

    One `commit` writes all of it: first the statements in their order, then rows, summaries and offsets of the living
    runs. A `statement` must therefore not depend on rows that wait.

    Attributes
    ----------
    metrics, notes : list of tuple
        Rows of the tables of the same names; for the owner to append to.
    must_sync : bool
        The next commit is to be brought to the disk at once, beside the driver's work.
    must_wait : bool
        The next commit is to be on the disk when it returns.
    has_failed : bool
        A commit has failed; the sweep has to end.
    """

    def __init__(self, folder: Path, live: dict[int, LiveRun], *, always_sync: bool) -> None:
        self.folder = folder
        self.connection = connect(folder / DATABASE_NAME, "rw")
        self.connection.execute("PRAGMA cache_size=-8000")
        self.metrics: list[tuple[int, int, int, int | None, float | None, int, float]] = []
        self.notes: list[tuple[int, int, int, int | None, str, float]] = []
        self.must_sync = False
        self.must_wait = False
        self.has_failed = False
        self._live = live
        self._statements: list[tuple[str, Sequence[Any]]] = []
        # A store that was made on a network file system and moved has no WAL, wherever it is now.
        mode = self.connection.execute("PRAGMA journal_mode").fetchone()[0]
        self._always_sync = always_sync or mode != "wal"
        self._level = ""
        self._syncer = Syncer(folder / f"{DATABASE_NAME}-wal")
        self._is_broken = False
        self._is_closed = False
        self._pid = os.getpid()
        self._file = os.stat(folder / DATABASE_NAME)

    def add(self, statement: str, values: Sequence[Any]) -> None:
        """Let the next commit execute a statement."""
        self._statements.append((statement, values))

    def take_over(self, number: int, run: LiveRun) -> None:
        """Let the next commit write what a run that ends has changed."""
        for series in run.changed:
            self.add(_SET_SUMMARY, series.row(number))
        if run.is_changed:
            self.add(_SET_OFFSET, (run.offset, run.dropped, number))

    def add_pieces(self, number: int, changed: Iterable[Series], least: int = 1) -> None:
        """Let the next commit write the ends of the curves of a run that have at least so many values."""
        for series in changed:
            if len(series.values) >= least:
                self.add(_ADD_PIECE, (series.name_id, number, *series.next_piece()))

    def add_curve(self, name: int, number: int, first: int, values: array[float]) -> None:
        """Let the next commit write reports as pieces of a curve, from piece `first` on."""
        for piece, at in enumerate(range(0, len(values), PIECE_VALUES), first):
            self.add(_ADD_PIECE, (name, number, piece, pack(values[at : at + PIECE_VALUES])))

    def forget_rows(self, number: int) -> None:
        """Drop the rows of a run that wait."""
        self.metrics[:] = [row for row in self.metrics if row[1] != number]
        self.notes[:] = [row for row in self.notes if row[1] != number]

    @property
    def has_statements(self) -> bool:
        return bool(self._statements)

    @property
    def is_full(self) -> bool:
        """True if there are enough rows for a commit of their own."""
        return len(self.metrics) + len(self.notes) >= BATCH_ROWS

    @property
    def is_empty(self) -> bool:
        return not (
            self._statements or self.metrics or self.notes or any(run.is_changed for run in self._live.values())
        )

    @property
    def is_of_parent(self) -> bool:
        """True in a forked child, which must leave everything to its parent."""
        return self._pid != os.getpid()

    def commit(self) -> None:
        """Write everything in one transaction.

        Raises
        ------
        StoreError
            If that fails. What could not be written stays; after a full disk it was tried once more with the room of
            the ballast, so it may be written all the same.
        """
        name = self.folder.name
        if self._is_closed:
            raise StateError(f"sweep {name!r} is closed")
        if self.is_of_parent:
            raise StateError("a store cannot be used after a fork; open the sweep with StoreReader")
        if self._is_broken:
            if self.is_empty:
                return
            raise StoreError(f"sweep {name!r}: the disk failed; check it, then `hdcore resume {name}`")
        self.check()
        if self.is_empty:
            return
        for number, run in self._live.items():
            self.add_pieces(number, run.changed, PIECE_VALUES)
        try:
            self._write()
        except sqlite3.Error as error:
            self.has_failed = True
            self._roll_back()
            kind = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
            # After a failed sync the kernel may have thrown the pages away: a second try would only seem to work.
            self._is_broken = kind == sqlite3.SQLITE_IOERR
            if kind == sqlite3.SQLITE_FULL and drop_ballast(self.folder):
                try:
                    self._write()
                except sqlite3.Error:
                    self._roll_back()
            raise store_error(name, error) from error
        self._check_place()

    def _check_place(self) -> None:
        """Notice that the file has another name now, or none: nobody would find what is written to it."""
        try:
            is_there = os.path.samestat(self._file, os.stat(self.folder / DATABASE_NAME))
        except OSError:
            is_there = False
        if not is_there:
            self.has_failed = True
            raise StoreError(
                f"sweep {self.folder.name!r}: {self.folder} was moved or removed while the sweep ran; "
                "put it back, or give its new place with --root, and resume it"
            )

    def check(self) -> None:
        """Raise StoreError if what was committed could not be brought to the disk."""
        error = self._syncer.error
        if error is not None and not self._is_broken:
            self.has_failed = self._is_broken = True
            name = self.folder.name
            raise StoreError(
                f"sweep {name!r}: the disk failed ({error.strerror}); check it and its free space,"
                f" then `hdcore resume {name}`"
            ) from error

    def _write(self) -> None:
        level = "FULL" if self.must_wait or self._always_sync else "NORMAL"
        connection = self.connection
        if level != self._level:
            connection.execute(f"PRAGMA synchronous={level}")  # not allowed inside a transaction
            self._level = level
        connection.execute("BEGIN IMMEDIATE")
        for statement, values in self._statements:
            connection.execute(statement, values)
        if self.metrics:
            connection.executemany(_ADD_METRIC, self.metrics)
        if self.notes:
            connection.executemany(_ADD_NOTE, self.notes)
        for number, run in self._live.items():
            if run.is_changed:
                connection.executemany(_SET_SUMMARY, [series.row(number) for series in run.changed])
                connection.execute(_SET_OFFSET, (run.offset, run.dropped, number))
        connection.execute("COMMIT")
        self._statements.clear()
        self.metrics.clear()
        self.notes.clear()
        if self.must_sync and level == "NORMAL":
            self._syncer.request()
        self.must_sync = self.must_wait = False
        for run in self._live.values():
            run.settle()

    def _roll_back(self) -> None:
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass

    def close(self) -> None:
        """Commit, move the WAL into the database, close. Idempotent; in a forked child it does nothing.

        After a StoreError of an earlier call this one raises no other: there is nothing more to say.
        """
        if self._is_closed or self.is_of_parent:
            return
        had_failed = self.has_failed
        try:
            self._syncer.close()
            if not self._is_broken:
                self.commit()
                with translated(self.folder.name):
                    self.connection.execute(f"PRAGMA busy_timeout={int(_CLOSING_TIMEOUT_S * 1000)}")
                    self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except StoreError:
            if not had_failed:
                raise
        finally:
            self._is_closed = True
            if self._is_broken:
                self._close_without_checkpoint()
            else:
                self.connection.close()

    def _close_without_checkpoint(self) -> None:
        """Leave the WAL as it is. The last connection to close would sync again, so let a read-only one be the last."""
        try:
            last = connect(self.folder / DATABASE_NAME, "ro")
            last.execute("SELECT count(*) FROM sweep").fetchone()
        except sqlite3.Error:
            self.connection.close()
            return
        self.connection.close()
        last.close()
