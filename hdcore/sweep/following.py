"""Watching a sweep that another process drives: changes of its store, told to a view as its driver would tell them."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from hdcore.document import is_driven
from hdcore.observer import EndedRun
from hdcore.typing import RunStatus

if TYPE_CHECKING:
    from hdcore.store import StoredRun, StoreReader
    from hdcore.views.progress import Progress

DRIVER_GONE = "its driver is gone"


class Follower:
    """Tells a view what has happened in a sweep since the last look.

    A look costs by the runs that have changed, not by all there are, and nothing while the files stand still.

    Parameters
    ----------
    reader : StoreReader
        Stays open.
    view : Progress
    """

    def __init__(self, reader: StoreReader, view: Progress) -> None:
        self._reader, self._view = reader, view
        self._mark: object = None
        self._known = 0  # runs seen so far
        self._open: dict[int, _Seen] = {}  # that have not ended
        with reader.snapshot():
            sweep, runs, curves = reader.sweep(), reader.runs(), reader.curves()
        settled = [run for run in runs if run.status is not RunStatus.RUNNING]
        view.sweep_started(sweep.spec, reader.folder, settled, curves)
        driver = reader.driver()
        since = _timestamp(None if driver is None else driver.since)
        if since is not None:
            ended = sum(run.status.is_terminal and (run.ended or 0.0) >= since for run in runs)
            view.joined(max(0.0, time.time() - since), ended)
        for parent in reader.parents():
            view.started_from(parent)
        self._known = len(runs)
        self._open = {run.number: _Seen(run.status, run.attempt) for run in settled if not run.status.is_terminal}
        for run in runs:
            if run.status is RunStatus.RUNNING:
                self._tell(run)

    def look(self) -> bool:
        """Take in what is new; False, and the view knows how it ended, if the sweep is not driven any more."""
        reader, view = self._reader, self._view
        driven = is_driven(reader)  # before the rows: the last ones come before the driver goes
        mark = reader.marks()
        if mark != self._mark or not driven:
            self._mark = mark
            with reader.snapshot():
                sweep = reader.sweep()
                runs = reader.changed_runs(self._known, tuple(self._open))
                for run in runs:
                    self._tell(run)
            if sweep.status.is_terminal or not driven:
                is_over = sweep.status.is_terminal
                reason = sweep.reason or ("" if is_over or sweep.status is RunStatus.QUEUED else DRIVER_GONE)
                view.sweep_ended(sweep.status if is_over else RunStatus.QUEUED, reason)
                return False
        return True

    def _tell(self, run: StoredRun) -> None:
        number, view = run.number, self._view
        self._known = max(self._known, number + 1)
        if number not in self._open and run.sampler_s is not None:
            view.runs_proposed(1, run.sampler_s)
        seen = self._open.get(number) or _Seen(RunStatus.QUEUED, 0)
        if seen.status is RunStatus.RUNNING and (run.attempt != seen.attempt or run.status is RunStatus.QUEUED):
            view.run_requeued(number, run.reason)
            seen.status = RunStatus.QUEUED
        if seen.status is RunStatus.QUEUED and run.attempt > seen.attempt:
            view.run_started(number, run.configuration, run.attempt, run.devices)
            if run.started is not None:
                view.run_age(number, max(0.0, time.time() - run.started))
            seen = _Seen(RunStatus.RUNNING, run.attempt)
            if run.status is RunStatus.QUEUED:
                view.run_requeued(number, run.reason)
                seen.status = RunStatus.QUEUED
        if seen.status is RunStatus.RUNNING:
            for value in self._reader.reports(number, seen.reports):
                seen.reports += 1
                view.run_reported(number, seen.reports, value)
        self._open[number] = seen
        if run.status.is_terminal:
            del self._open[number]
            took_s = run.duration_s or 0.0
            view.run_ended(EndedRun(number, run.status, run.reason, run.value, run.interval, took_s))


class _Seen:
    """What the view has been told of a run."""

    __slots__ = ("attempt", "reports", "status")

    def __init__(self, status: RunStatus, attempt: int) -> None:
        self.status, self.attempt, self.reports = status, attempt, 0


def _timestamp(text: str | None) -> float | None:
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
