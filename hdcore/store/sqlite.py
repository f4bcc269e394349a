"""The driver's store: the only connection that writes to a sweep."""

from __future__ import annotations

import os
import shutil
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hdcore.errors import InputError, RefusedError, StateError
from hdcore.reasons import Proposal, Stop
from hdcore.records import EarlierRun, NewRows, Parent, Reports, SweepSpec
from hdcore.store import earlier, queries, reasons
from hdcore.store.batch import BATCH_S, Batch
from hdcore.store.catalog import (
    DATABASE_NAME,
    check_name,
    check_new_name,
    check_root,
    draft_folder,
    make_private,
    make_root,
    note_order,
    remove_drafts,
    sweeps_folder,
)
from hdcore.store.check import damaged, translated
from hdcore.store.control import forget_requests
from hdcore.store.disk import check_room, drop_ballast, is_network, make_ballast, sync_folder
from hdcore.store.lock import DriverLock
from hdcore.store.make import ADD_RUN, check_database, make_database
from hdcore.store.migrate import migrate
from hdcore.store.records import StoredRun
from hdcore.store.series import LiveRun
from hdcore.typing import Configuration, RunStatus

_START_RUN = (
    "UPDATE run SET status = ?, reason = NULL, attempt = ?, devices = ?, started = ?, ended = NULL, duration_s = NULL,"
    " value = NULL, best_interval = NULL, exit_code = NULL, signal = NULL, report_offset = ?, dropped = 0,"
    " log_dropped_bytes = 0 WHERE number = ?"
)
_FINISH_RUN = (
    "UPDATE run SET status = ?, reason = ?, value = ?, best_interval = ?, exit_code = ?, signal = ?, duration_s = ?,"
    " ended = ?, dropped = dropped + ?, log_dropped_bytes = ? WHERE number = ?"
)
_NO_ROWS = NewRows()
_FORGET = (
    "DELETE FROM metric WHERE run = ?1 AND name IN (SELECT name FROM summary WHERE run = ?1)",
    "DELETE FROM note WHERE run = ?1 AND name IN (SELECT name FROM summary WHERE run = ?1)",
    "DELETE FROM curve WHERE run = ?1 AND name IN (SELECT name FROM summary WHERE run = ?1)",
    "DELETE FROM summary WHERE run = ?1",
)

MOST_DEATHS = 25
"""Of drivers, while one run ran. A run that takes its driver along each time must not keep the sweep from its end; but
drivers are killed for other reasons too, and long runs are there each time."""


class Store:
    """One sweep, open for writing by its driver.

    Made by `create` or `open`, which take the sweep's lock; `close` frees it. All calls come from one thread of one
    process; a forked child must not use it.

    Changes of state are committed when the call returns, and those of one `turn` when it ends: no death of a process
    undoes them. A commit that finishes a run is synced against power cuts beside the driver's work, the one that ends
    the sweep before it returns. Reports are collected and committed after 250 ms or 1,000 rows, and with any change of
    state. What is committed together is visible together.

    Every method that writes raises StoreError if the disk is full or fails, in one line for the user. After a full
    disk the reserve is given up and what was pending is tried once more, so that the history is whole to the last
    report where possible; the error is raised all the same, and the sweep has to end.

    Attributes
    ----------
    spec : SweepSpec
    sweep_id : str
    folder : pathlib.Path
        ``ROOT/sweeps/NAME``, absolute.
    requeued : tuple of int
        Runs that a dead driver had left Running, now Queued; filled by `open`.
    given_up : tuple of int
        Those that did not get another start, because so many drivers died under them, now Failed.
    warning : str or None
        One line that the user should see (a network file system).
    """

    def __init__(self, folder: Path, lock: DriverLock, *, is_slow: bool) -> None:
        # Not for callers: use `create` or `open`.
        self.folder = folder
        self._name = folder.name
        self._lock = lock
        self._is_closed = False
        self.warning = (
            f"sweep {folder.name!r} is on a network file system: the store is slow there and not safe in a crash"
            if is_slow
            else None
        )
        self._turns = 0
        self._waiting_since: float | None = None
        self._live: dict[int, LiveRun] = {}
        self._batch = Batch(folder, self._live, always_sync=is_slow)
        self._connection = self._batch.connection
        self.spec: SweepSpec = queries.read_spec(self._connection)
        self.sweep_id: str = self._connection.execute("SELECT sweep_id FROM sweep").fetchone()[0]
        self._names: dict[str, int] = dict(self._connection.execute("SELECT name, id FROM name"))
        self._next = self._connection.execute("SELECT count(*) FROM run").fetchone()[0]
        self._queued: set[int] = set()
        self.requeued: tuple[int, ...] = ()
        self.given_up: tuple[int, ...] = ()

    # ------------------------------------------------------------------ opening

    @classmethod
    def create(
        cls,
        root: Path,
        spec: SweepSpec,
        *,
        sweep_id: str,
        first: NewRows = _NO_ROWS,
        fill: Callable[[Path], None] | None = None,
    ) -> Store:
        """Make a new sweep and take its lock.

        The folder appears under its name with everything in it, or not at all.

        Parameters
        ----------
        first : NewRows
            What it begins with: Queued runs with the numbers 0, 1, …, and runs of earlier sweeps.
        fill : callable, optional
            Puts further files into the folder, which has another name then.

        Raises
        ------
        InputError
            If the name is not allowed, or the root is no folder.
        RefusedError
            If the name is in use, the root is somebody else's, or the file system cannot hold a store.
        StoreError
            If there is no room.
        """
        check_new_name(spec.name)
        with translated(spec.name):
            check_root(root)
            folder = sweeps_folder(root) / spec.name
            if os.path.lexists(folder):
                raise _name_in_use(spec.name)
            is_slow = is_network(_first_existing(root))
            check_room(root)
            text = queries.spec_to_json(spec)
            sweeps = make_root(root)
            remove_drafts(sweeps)
            draft = draft_folder(sweeps)
            make_private(draft)
            lock = None
            try:
                lock = DriverLock.acquire(draft)
                make_private(draft / "runs")
                make_ballast(draft)
                make_database(draft / DATABASE_NAME, text, sweep_id, first, is_slow=is_slow)
                if fill is not None:
                    fill(draft)
                sync_folder(draft)
                note_order(root, spec.name)
                try:
                    if folder.exists():  # rename would take the place of an empty folder
                        raise FileExistsError
                    os.rename(draft, folder)
                except OSError as error:
                    if isinstance(error, FileExistsError) or error.errno in (39, 20):  # ENOTEMPTY, ENOTDIR
                        raise _name_in_use(spec.name) from None
                    raise
                sync_folder(sweeps)
                store = cls(folder, lock, is_slow=is_slow)
                store._queued.update(range(len(first.configurations)))
                return store
            except BaseException:
                if lock is not None:
                    lock.release()
                shutil.rmtree(draft, ignore_errors=True)
                raise

    @classmethod
    def open(cls, root: Path, name: str) -> Store:
        """Take the lock of a sweep, check its database, and put the runs of a dead driver back into the queue.

        `attempt` of such a run is raised, and its old reports are dropped, when it starts again. A database that is
        refused has not been changed.

        Raises
        ------
        InputError
            If there is no such sweep.
        RefusedError
            If another driver has it, or the database is damaged, foreign or newer.
        StoreError
            If the disk fails or has no room.
        """
        check_name(name)
        with translated(name):
            check_root(root)
            folder = sweeps_folder(root).absolute() / name
            if not folder.is_dir() or folder.is_symlink():
                raise InputError(f"no sweep is named {name!r} in {root}; `hdcore list` shows them", field="name")
            is_slow = is_network(folder)
            lock = DriverLock.acquire(folder)
            store = None
            try:
                check_database(folder / DATABASE_NAME, name)
                check_room(folder)
                make_ballast(folder)
                forget_requests(folder)
                store = cls(folder, lock, is_slow=is_slow)
                migrate(store._connection)
                store._recover()
                return store
            except BaseException:
                if store is not None:
                    store._connection.close()
                drop_ballast(folder)
                lock.release()
                raise

    def _recover(self) -> None:
        rows = self._connection.execute(
            "SELECT number, status FROM run WHERE status IN (?, ?) ORDER BY number",
            (RunStatus.QUEUED, RunStatus.RUNNING),
        ).fetchall()
        self._queued = {number for number, _ in rows}
        orphans = [number for number, status in rows if status == RunStatus.RUNNING]
        deaths = dict(self._connection.execute("SELECT run, count FROM death"))
        self.given_up = tuple(number for number in orphans if deaths.get(number, 0) + 1 >= MOST_DEATHS)
        self.requeued = tuple(number for number in orphans if number not in self.given_up)
        highest = self._connection.execute("SELECT max(number) FROM run").fetchone()[0]
        if self._next != (0 if highest is None else highest + 1):
            raise damaged(self._name, "run numbers have gaps")
        with self.turn():
            for number in orphans:
                self._batch.add(
                    "INSERT INTO death VALUES (?, 1) ON CONFLICT (run) DO UPDATE SET count = count + 1", (number,)
                )
            for number in self.given_up:
                reason = f"its driver died {MOST_DEATHS} times while it ran; it is not started again"
                self.end_queued(number, RunStatus.FAILED, reason=reason, at=time.time())
            for number in self.requeued:
                self._batch.add(reasons.ADD_ATTEMPT, ("its driver ended", None, number))
                self._batch.add(
                    "UPDATE run SET status = ?, reason = ? WHERE number = ?",
                    (RunStatus.QUEUED, "its driver ended; will be started again", number),
                )

    def run_folder(self, number: int) -> Path:
        """Return the folder of a run; it may not exist yet."""
        return run_folder(self.folder, number)

    # ------------------------------------------------------------------ writing

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Join all changes of state inside the ``with`` into one commit at its end, also if it ends by an error.

        Nested turns belong to the outermost one.
        """
        self._turns += 1
        try:
            yield
        finally:
            self._turns -= 1
            if not self._turns and (self._batch.has_statements or self._batch.is_full):
                self.flush()

    def add_runs(
        self,
        runs: Sequence[tuple[int, Configuration]],
        *,
        sampler_s: float | None = None,
        proposals: Sequence[Proposal | None] = (),
    ) -> None:
        """Add Queued runs: number and configuration in one transaction.

        Parameters
        ----------
        sampler_s : float or None
            CPU seconds that the sampler took for each of them.
        proposals : sequence of Proposal or None
            How each of them came to be; empty if nobody knows.

        Raises
        ------
        StateError
            If the numbers do not go on where the last call stopped: 0, 1, 2, …
        """
        now = time.time()
        for number, configuration in runs:
            if number != self._next:
                raise StateError(f"run {number} was added where run {self._next} is the next one")
            self._batch.add(ADD_RUN, (number, queries.to_json(configuration), RunStatus.QUEUED, now, sampler_s))
            self._queued.add(number)
            self._next += 1
        for (number, _), proposal in zip(runs, proposals, strict=False):
            if proposal is not None:
                self._batch.add(reasons.ADD_PROPOSAL, (number, reasons.to_text(proposal)))
        self._changed()

    def start_run(self, number: int, attempt: int, devices: Sequence[str], at: float, *, offset: int = 0) -> None:
        """Set a Queued run Running. What an earlier attempt reported is dropped in the same transaction.

        Parameters
        ----------
        attempt : int
            1, 2, …; reports of other attempts are refused from now on.
        devices : sequence of str
        at : float
            Wall-clock seconds, for display.
        offset : int
            Where the report file of this attempt begins to be read.
        """
        if number not in self._queued:
            raise StateError(f"run {number} is not queued and cannot start; was the sweep resumed twice?")
        self._queued.discard(number)
        self._live[number] = LiveRun(attempt, offset)
        if attempt > 1:
            self._batch.forget_rows(number)  # of the same turn, not committed yet
            for statement in _FORGET:
                self._batch.add(statement, (number,))
        self._batch.add(_START_RUN, (RunStatus.RUNNING, attempt, queries.to_json(list(devices)), at, offset, number))
        self._changed()

    def add_reports(self, event: Reports) -> int:
        """Take report rows of a Running run; they are committed with their offset by a later `tick` or change of state.

        Returns
        -------
        int
            Rows that were taken. Rows of another attempt, or of a run that is not running, are not (0), and a run has
            at most 1,000 names beside the primary metric; rows with further names count as dropped.
        """
        run = self._live.get(event.number)
        if run is None or run.attempt != event.attempt:
            return 0
        number, metrics, notes = event.number, self._batch.metrics, self._batch.notes
        dropped = event.dropped
        for row in event.rows:
            series = run.series.get(row.name)
            if series is None:
                series = run.add_name(row.name, self._id_of, is_primary=row.name == self.spec.metric)
                if series is None:
                    dropped += 1
                    continue
            value = row.value
            if value is None:
                ordinal = series.note()
                notes.append((series.name_id, number, ordinal, row.step, row.text or "", row.at))
            else:
                stored, flag = series.report(value, row.step)
                metrics.append((series.name_id, number, series.count, row.step, stored, flag, row.at))
            run.changed.add(series)
        run.offset = event.offset
        run.dropped += dropped
        run.is_changed = True
        if not self._turns and self._batch.is_full:
            self.flush()
        return len(event.rows) - (dropped - event.dropped)

    def finish_run(
        self,
        number: int,
        status: RunStatus,
        *,
        reason: str | None = None,
        value: float | None = None,
        interval: int | None = None,
        exit_code: int | None = None,
        signal: str | None = None,
        duration_s: float = 0.0,
        at: float,
        dropped: int = 0,
        log_dropped_bytes: int = 0,
        stop: Stop | None = None,
    ) -> None:
        """End a Queued or Running run, together with all its reports; the commit is synced as soon as the disk can.

        Parameters
        ----------
        status : RunStatus
            COMPLETED, FAILED or CANCELED.
        value, interval : float, int or None
            Final value in the user's sign, and the interval that reported it. A value that is not finite is none.
        dropped : int
            Report lines refused beyond those that `add_reports` was told of.
        stop : Stop or None
            Why the policy ended it.
        """
        if not status.is_terminal:
            raise StateError(f"run {number} cannot end as {status}; give completed, failed or canceled")
        run = self._live.pop(number, None)
        if run is None:
            if number not in self._queued:
                raise StateError(f"run {number} is not queued or running and cannot end as {status}")
            self._queued.discard(number)
        else:
            self._batch.take_over(number, run)
            self._batch.add_pieces(number, run.series.values())
        if value is not None and value - value != 0.0:
            value = interval = None
        self._batch.add(
            _FINISH_RUN,
            (status, reason, value, interval, exit_code, signal, duration_s, at, dropped, log_dropped_bytes, number),
        )
        if stop is not None:
            self._batch.add(reasons.SET_STOP, (number, reasons.to_text(stop)))
        self._batch.must_sync = True
        self._changed()

    def end_queued(self, number: int, status: RunStatus, *, reason: str | None, at: float) -> None:
        """End a Queued run that is not started again; what its last attempt reported counts, as that of a living run.

        Parameters
        ----------
        status : RunStatus
            FAILED or CANCELED.
        """
        self.flush()  # its reports may wait
        with translated(self._name):
            [run] = queries.read_runs(self._connection, self.spec.metric, number)
            rests = queries.read_unpacked(self._connection, number)
        with self.turn():
            for name, pieces, values in rests:
                self._batch.add_curve(name, number, pieces, values)
            best = None if run.primary is None else run.primary.best(self.spec.goal)
            interval = None if run.primary is None else run.primary.best_interval(self.spec.goal)
            self.finish_run(number, status, reason=reason, value=best, interval=interval, at=at)

    def requeue_run(self, number: int, reason: str | None) -> None:
        """Put a Running run back into the queue (a retry, a driver that is asked to stop); its attempt count stays."""
        run = self._live.pop(number, None)
        if run is None:
            raise StateError(f"run {number} is not running and cannot be queued again")
        self._batch.take_over(number, run)
        self._queued.add(number)
        self._batch.add(reasons.ADD_ATTEMPT, (reason, time.time(), number))
        self._batch.add("UPDATE run SET status = ?, reason = ? WHERE number = ?", (RunStatus.QUEUED, reason, number))
        self._changed()

    def set_sweep(self, status: RunStatus, reason: str | None, at: float) -> None:
        """Set the status of the sweep: RUNNING notes the first start, a terminal one the end, QUEUED is 'stopped'."""
        if status.is_terminal:
            self._batch.add("UPDATE sweep SET status = ?, reason = ?, ended = ?", (status, reason, at))
            self._batch.must_wait = True
        else:
            self._batch.add(
                "UPDATE sweep SET status = ?, reason = ?, ended = NULL, started = coalesce(started, ?)",
                (status, reason, at if status is RunStatus.RUNNING else None),
            )
        self._changed()

    def tick(self, now: float) -> None:
        """Commit the collected reports if the oldest have waited for 250 ms.

        Parameters
        ----------
        now : float
            Monotonic seconds. The wait is counted from the first call after the first report.
        """
        self._batch.check()
        if self._batch.is_empty:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now
        elif now - self._waiting_since >= BATCH_S:
            self.flush()

    def flush(self) -> None:
        """Commit everything that is pending."""
        self._batch.commit()
        self._waiting_since = None

    def close(self) -> None:
        """Commit, move the WAL into the database, free the lock. Idempotent; the lock is freed in any case.

        After a StoreError of an earlier call this one raises no other: there is nothing more to say.
        """
        if self._is_closed or self._batch.is_of_parent:
            return
        self._is_closed = True
        try:
            self._batch.close()
        finally:
            drop_ballast(self.folder)
            self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ------------------------------------------------------------------ reading

    def runs(self) -> list[StoredRun]:
        """Return all runs in order of number, from the summary rows."""
        self.flush()
        with translated(self._name):
            return queries.read_runs(self._connection, self.spec.metric)

    def curves(self) -> dict[int, array[float]]:
        """Return the reports of the primary metric of each run that has any, by number and interval.

        NaN and infinities come back as they were reported; texts are no intervals. Runs that wait to be started again
        are left out, since their reports are dropped then.
        """
        self.flush()
        with translated(self._name):
            curves = queries.read_curves(self._connection, self.spec.metric)
        for number, run in self._live.items():
            series = run.series.get(self.spec.metric)
            if series is not None and series.values:
                curves[number] = curves.get(number, array("d")) + series.values
        return {number: values for number, values in curves.items() if number not in self._queued}

    def parents(self) -> list[Parent]:
        """Return the earlier sweeps that this one started from."""
        with translated(self._name):
            return earlier.read_parents(self._connection)

    def earlier_runs(self) -> list[tuple[str, EarlierRun]]:
        """Return the runs of earlier sweeps that this one started from, each with the name of its sweep, in order."""
        with translated(self._name):
            return earlier.read_runs(self._connection)

    # ------------------------------------------------------------------ inside

    def _changed(self) -> None:
        if not self._turns:
            self.flush()

    def _id_of(self, name: str) -> int:
        name_id = self._names.get(name)
        if name_id is None:
            name_id = self._names[name] = len(self._names) + 1
            self._batch.add("INSERT INTO name VALUES (?, ?)", (name_id, name))
        return name_id


def run_folder(folder: Path, number: int) -> Path:
    """Return the folder of a run of the sweep in `folder`."""
    return folder / "runs" / f"{number:04d}"


def _name_in_use(name: str) -> RefusedError:
    return RefusedError(
        f"a sweep named {name!r} exists; `hdcore resume {name}` continues it, --name gives another name"
    )


def _first_existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
