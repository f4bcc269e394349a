"""The loop that joins engine, store and executor: one thread, one turn at a time.

A turn looks at stop signals, cancel requests and the clock, starts what fits, waits for events at most `TURN_S`, and
handles them. Work is per event, never per run: the last of 10,000 runs costs what the first one cost.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

import msgspec

from hdcore.engine import Optimizer
from hdcore.engine.warm_start import add_earlier_runs
from hdcore.errors import ExecutorError, HdcoreError, NoRoomError, StoreError
from hdcore.observer import EndedRun, Observer
from hdcore.policies.slack import ENOUGH_RUNS, slack_warning
from hdcore.reasons import Stop
from hdcore.records import EarlierRun, Event, Launch, MetricRow, Reports, RunEnd, RunStarted, SweepSpec
from hdcore.signals import StopSignals
from hdcore.store import ControlReader
from hdcore.typing import Configuration, RunStatus

if TYPE_CHECKING:
    from hdcore.executors.base import Executor
    from hdcore.store import Store, StoredRun

TURN_S = 0.1
"""Longest wait for events: what a cancel request from another process may have to wait."""

GRACE_S = 5.0
"""Between SIGTERM and SIGKILL of a run."""

SHUTDOWN_S = 2.0
"""Who shuts down a machine, a service or a batch job signals all of its processes at once. A run that such a signal
has ended waits this long for the driver's own one; when that comes, the run has not failed but starts again later."""

_OF_A_SHUTDOWN = tuple(
    f"{what} {which}"
    for what, names in (("signal", ("SIGTERM", "SIGHUP", "SIGINT")), ("exit code", (143, 129, 130)))
    for which in names
)
_STOPPED = "driver stopped"
_BY_USER = "canceled by user"
_NAMES_SHOWN = 8
_FIRST_RUNS = 10
"""Runs that all have to fail before the user is told that something is wrong with the sweep."""
_POLICY_WORDS = {
    "Bandit": "bandit",
    "MedianStopping": "median stopping",
    "TruncationSelection": "truncation selection",
}


class Prepare(Protocol):
    """Makes a run ready: its folder, its command line, its environment."""

    def __call__(self, number: int, attempt: int, configuration: Configuration) -> Launch: ...


@dataclass(slots=True)
class _Flight:
    """A run between its start and its end."""

    configuration: Configuration
    attempt: int
    intervals: int = 0
    best: float = math.nan
    best_interval: int | None = None
    ending: str | None = None  # the reason that was given to the executor
    stop: Stop | None = None  # what the policy saw when it ended the run


def drive(
    store: Store,
    executor: Executor,
    *,
    prepare: Prepare | None = None,
    observer: Observer | None = None,
    stop: StopSignals | None = None,
    slots: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RunStatus:
    """Run a sweep from where its store stands to its end, or until it is stopped.

    Parameters
    ----------
    store : Store
        Open for writing; stays open.
    executor : Executor
        Closed at the end, whatever happens: nothing of the sweep lives after this returns or raises.
    prepare : callable, optional
        Number, attempt, configuration -> Launch. By default the workspace's.
    observer : Observer, optional
    stop : StopSignals, optional
        Entered. The first signal ends the runs with grace and leaves the sweep resumable, the second at once.
    slots : int, optional
        Runs at a time, instead of what the sweep says.
    clock : callable
        Monotonic seconds; bounds the sweep's timeout, which counts from this call (a resumed sweep has it anew).

    Returns
    -------
    RunStatus
        Of the sweep: terminal, or QUEUED when `stop` ended it.

    Raises
    ------
    StoreError
        If the disk or the store failed; the sweep can be resumed.
    ExecutorError
        If no run can start any more (every GPU is gone); the sweep can be resumed.
    """
    control = ControlReader(store.folder)
    try:
        driver = _Driver(
            store, executor, control, prepare or _workspace_of(store), observer or Observer(), stop, slots, clock
        )
        return driver.run()
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        name = store.spec.name
        raise StoreError(
            f"sweep {name}: {error.strerror or error}{where}; make room, then `hdcore resume {name}`"
        ) from error
    finally:
        executor.close()
        control.close()


def restore_optimizer(
    spec: SweepSpec,
    runs: Sequence[StoredRun],
    curves: Mapping[int, Sequence[float]],
    earlier: Sequence[tuple[str, EarlierRun]] = (),
) -> Optimizer:
    """Rebuild the engine of a stored sweep; runs that are not finished are pending and without reports."""
    optimizer = Optimizer(spec.space, sampler=spec.sampler, goal=spec.goal, policy=spec.policy, seed=spec.seed)
    add_earlier_runs(optimizer, earlier)
    for run in runs:
        if run.status.is_terminal:
            value = math.nan if run.value is None else run.value
            optimizer.restore(run.number, run.configuration, run.status, value, curves.get(run.number, ()))
        else:
            optimizer.restore(run.number, run.configuration)
    return optimizer


class _Driver:
    def __init__(
        self,
        store: Store,
        executor: Executor,
        control: ControlReader,
        prepare: Prepare,
        observer: Observer,
        stop: StopSignals | None,
        slots: int | None,
        clock: Callable[[], float],
    ) -> None:
        self.store, self.executor, self.prepare, self.observer = store, executor, prepare, observer
        self.stop, self.clock = stop, clock
        self.spec = store.spec
        self.bound = slots or self.spec.limits.max_concurrent_runs
        self.control = control
        self.flights: dict[int, _Flight] = {}
        self.waiting: deque[tuple[int, Configuration, int]] = deque()  # number, configuration, attempts so far
        self.failures: dict[int, int] = {}  # only of runs that have failed
        policy = str((self.spec.policy or {}).get("name", "policy"))
        self.policy_word = _POLICY_WORDS.get(policy, policy)
        self.count = dict.fromkeys(RunStatus, 0)
        self.names_seen: set[str] = set()
        self.has_primary = False  # the primary metric was reported at least once
        self.spoiled_told = False
        self.refused_told = False
        self.last_words: str | None = None  # why no run is started any more; None while the sweep goes on
        self.stopped = False  # by a signal: running runs become Queued
        self.doubtful: deque[tuple[float, RunEnd]] = deque()  # until when, which end: a shutdown may explain it
        self.hurried = False
        self.latest = 0.0  # last time that was written down for a report or an end

        runs = store.runs()
        curves = store.curves()
        self.has_primary = bool(curves)
        self.mismatch_told = not self.spec.metric  # a step of a pipeline that has none
        self.optimizer = restore_optimizer(self.spec, runs, curves, store.earlier_runs())
        self.asked = len(runs)
        for run in runs:
            if run.status.is_terminal:
                self.count[run.status] += 1
            else:
                self.waiting.append((run.number, run.configuration, run.attempt))
        observer.sweep_started(self.spec, store.folder, runs, curves)
        if store.warning is not None:
            observer.notice(store.warning)
        for number in store.given_up:
            observer.notice(f"run {number}: {runs[number].reason}")
        if not any(run.attempt for run in runs):
            for parent in store.parents():
                observer.started_from(parent)

    # ------------------------------------------------------------------ the loop

    def run(self) -> RunStatus:
        limits = self.spec.limits
        deadline = math.inf if not limits.timeout_s else self.clock() + limits.timeout_s
        if self.stop is not None:
            self.executor.wake_on(self.stop.fileno())
        self.store.set_sweep(RunStatus.RUNNING, None, time.time())
        next_look = 0.0
        patience = 0.0
        while True:
            events = self.executor.poll(patience)
            now = self.clock()
            # What ends and what starts in a turn goes to the disk in one commit.
            with self.store.turn() if any(isinstance(event, RunEnd) for event in events) else nullcontext():
                self._heed_signals()
                for event in events:
                    self._handle(event)
                self._settle_doubtful(now)
                if now >= next_look:
                    self._heed_requests()
                    next_look = now + TURN_S
                if now >= deadline and self.last_words is None:
                    self._wind_up(f"sweep timeout of {limits.timeout_s:g} s")
                chosen = self._choose() if self.last_words is None else []
            is_served = self._start(chosen)
            if not self.flights and (self.last_words is not None or not (self.waiting or self._may_ask())):
                return self._close()
            if not self.flights and (why := self.executor.blocked()) is not None:
                self._give_up(why)
            self.store.tick(now)
            self.observer.tick()
            patience = TURN_S if is_served else 0.0

    def _may_ask(self) -> bool:
        return self.asked < self.spec.limits.max_total_runs and not self.optimizer.exhausted

    def _give_up(self, why: str) -> NoReturn:
        """End the driver: nothing runs, and nothing can start any more. The sweep waits for `resume`."""
        name = self.spec.name
        self.store.set_sweep(RunStatus.QUEUED, why, time.time())
        self.store.flush()
        raise ExecutorError(f"sweep {name}: no run can start: {why}; mend that, then `hdcore resume {name}`")

    def _close(self) -> RunStatus:
        if self.stopped:
            status = RunStatus.QUEUED
        elif self.last_words == _BY_USER:
            status = RunStatus.CANCELED
        elif self.count[RunStatus.COMPLETED]:
            status = RunStatus.COMPLETED
        elif self.count[RunStatus.FAILED]:
            status = RunStatus.FAILED
        else:
            status = RunStatus.CANCELED if self.count[RunStatus.CANCELED] else RunStatus.COMPLETED
        reason = self.last_words
        if reason is None:
            reason = "search space exhausted" if self.asked < self.spec.limits.max_total_runs else "all runs done"
        if not self.stopped:
            for number, _, _ in self.waiting:  # queued runs of a sweep that is over
                self._settle(number, RunStatus.CANCELED, reason)
            self.waiting.clear()
        self.store.set_sweep(status, reason, time.time())
        self.store.flush()
        if self.mismatch_told and not self.has_primary and self.count[RunStatus.COMPLETED] > 1:
            self._tell_mismatch(f"all {self.count[RunStatus.COMPLETED]} completed runs")  # the first word is far above
        self.observer.sweep_ended(status, reason)
        return status

    # ------------------------------------------------------------------ starting

    def _choose(self) -> list[tuple[int, Configuration, int]]:
        """Return the runs that fit now, with the attempts they have had; new ones are in the store afterwards."""
        free = self.executor.capacity()
        if self.bound is not None:
            free = min(free, self.bound - len(self.flights))
        if free <= 0:
            return []
        chosen = [self.waiting.popleft() for _ in range(min(free, len(self.waiting)))]
        wanted = min(free - len(chosen), self.spec.limits.max_total_runs - self.asked)
        if wanted > 0 and not self.optimizer.exhausted:
            began = time.thread_time()
            proposed = self.optimizer.ask(wanted)
            if proposed:
                sampler_s = (time.thread_time() - began) / len(proposed)
                self.asked += len(proposed)
                # Number, configuration and its reasons are on disk before anything of the run exists.
                self.store.add_runs(
                    [(run.number, run.configuration) for run in proposed],
                    sampler_s=sampler_s,
                    proposals=[run.proposal for run in proposed],
                )
                self.observer.runs_proposed(len(proposed), sampler_s)
                chosen += [(run.number, run.configuration, 0) for run in proposed]
        return chosen

    def _start(self, chosen: list[tuple[int, Configuration, int]]) -> bool:
        """Start runs; False if one could not even be made ready, so that its place is free again."""
        if not chosen:
            return True
        is_served = True
        deferred: list[tuple[int, Configuration, int]] = []
        with self.store.turn():
            for number, configuration, attempts in chosen:
                attempt = attempts + 1
                if not self.executor.has_room(number, configuration):
                    deferred.append((number, configuration, attempts))
                    continue
                try:
                    launch = _after_leftovers(self.prepare(number, attempt, configuration))
                except HdcoreError as error:
                    if isinstance(error, StoreError):
                        raise
                    self._settle(number, RunStatus.FAILED, str(error))
                    is_served = False
                    continue
                try:
                    devices = self.executor.start(launch)
                except NoRoomError:  # another sweep took the devices in this moment
                    deferred.append((number, configuration, attempts))
                    continue
                self.flights[number] = _Flight(configuration, attempt)
                self.store.start_run(number, attempt, devices, time.time(), offset=launch.offset)
                self.observer.run_started(number, configuration, attempt, devices)
        self.waiting.extendleft(reversed(deferred))
        return is_served

    # ------------------------------------------------------------------ events

    def _handle(self, event: Event) -> None:
        flight = self.flights.get(event.number)
        if flight is None or event.attempt != flight.attempt:
            return  # a late word of an attempt that is over
        if isinstance(event, Reports):
            self._reported(event, flight)
        elif isinstance(event, RunEnd):
            if self.stop is not None and self.last_words is None and _may_be_of_a_shutdown(event):
                self.doubtful.append((self.clock() + SHUTDOWN_S, event))
            else:
                self._ended(event, flight)
        else:
            assert isinstance(event, RunStarted)

    def _settle_doubtful(self, now: float) -> None:
        while self.doubtful and (now >= self.doubtful[0][0] or self.last_words is not None):
            event = self.doubtful.popleft()[1]
            self._ended(event, self.flights[event.number])

    def _reported(self, event: Reports, flight: _Flight) -> None:
        number, primary = event.number, self.spec.metric
        if event.dropped and not self.refused_told:
            self.refused_told = True
            lines = "1 report line was" if event.dropped == 1 else f"{event.dropped} report lines were"
            self.observer.notice(
                f'run {number}: {lines} refused; a line is like {{"name": {json.dumps(primary)}, "value": 0.5}}'
            )
        for row in event.rows:
            if row.name != primary or row.value is None:
                if len(self.names_seen) < 1000:
                    self.names_seen.add(row.name)
                continue
            self.has_primary = True
            flight.intervals += 1
            value = row.value
            if math.isfinite(value) and (math.isnan(flight.best) or self._is_better(value, flight.best)):
                flight.best, flight.best_interval = value, flight.intervals
            # First the decision, then the disk: the run hears of it before the next commit.
            if self.optimizer.report(number, value) and flight.ending is None:
                flight.stop = self.optimizer.explain(number).stop
                self._end_run(number, flight, f"{self.policy_word} at interval {flight.intervals}")
            self.observer.run_reported(number, flight.intervals, value)
        self.store.add_reports(self._stamped(event))

    def _stamped(self, event: Reports) -> Reports:
        """Put in when the policy heard of each report: from that order its decisions can be repeated."""
        primary = self.spec.metric
        rows = tuple(
            MetricRow(row.name, row.value, row.step, None, self._time())
            if row.name == primary and row.value is not None
            else row
            for row in event.rows
        )
        return msgspec.structs.replace(event, rows=rows)

    def _time(self) -> float:
        """Return the time of day, later than any that was returned before."""
        self.latest = max(time.time(), self.latest + 1e-6)
        return self.latest

    def _is_better(self, value: float, than: float) -> bool:
        return value * self.spec.goal.sign > than * self.spec.goal.sign

    def _end_run(self, number: int, flight: _Flight, reason: str) -> None:
        flight.ending = reason
        self.executor.cancel(number, reason, grace_s=GRACE_S)

    def _ended(self, event: RunEnd, flight: _Flight) -> None:
        number = event.number
        del self.flights[number]
        if event.is_report_spoiled and not self.spoiled_told:
            self.spoiled_told = True
            self.observer.notice(
                f"run {number} wrote its report file anew, so reports may be missing; append to it (>> in a shell)"
            )
        is_stopped = event.status is RunStatus.CANCELED and flight.ending == _STOPPED
        if is_stopped or (self.stopped and event.status is RunStatus.FAILED):
            self.store.requeue_run(number, _STOPPED)
            self.observer.run_requeued(number, _STOPPED)
            self.waiting.append((number, flight.configuration, flight.attempt))
            return
        if event.are_reports_lost:
            self.store.requeue_run(number, "disk full")
            self.store.flush()
            raise StoreError(
                f"sweep {self.spec.name}: the disk is full, run {number} could not report;"
                f" make room, then `hdcore resume {self.spec.name}`"
            )
        is_excused = event.is_excused and self.last_words is None
        if event.status is RunStatus.FAILED and (is_excused or self._may_retry(number)):
            if flight.ending == _BY_USER:  # who ends a run does not want another attempt of it
                self._settle(number, RunStatus.CANCELED, _BY_USER, flight, event)
                return
            self.failures[number] = self.failures.get(number, 0) + (not is_excused)
            self.optimizer.restart(number)
            self.store.requeue_run(number, event.reason or "failed")
            self.observer.run_requeued(number, event.reason)
            self.waiting.append((number, flight.configuration, flight.attempt))
            return
        if not self.has_primary and not self.mismatch_told and event.status is RunStatus.COMPLETED:
            self._tell_mismatch(f"run {number}")
        self._settle(number, event.status, event.reason, flight, event)

    def _may_retry(self, number: int) -> bool:
        return self.last_words is None and self.failures.get(number, 0) < self.spec.retries

    def _settle(
        self,
        number: int,
        status: RunStatus,
        reason: str | None,
        flight: _Flight | None = None,
        event: RunEnd | None = None,
    ) -> None:
        value = None if flight is None or math.isnan(flight.best) else flight.best
        interval = None if flight is None else flight.best_interval
        took_s = 0.0 if event is None else event.duration_s
        self.failures.pop(number, None)
        self.optimizer.tell(number, status=status)
        self.count[status] += 1
        self.store.finish_run(
            number,
            status,
            reason=reason,
            value=value,
            interval=interval,
            exit_code=None if event is None else event.exit_code,
            signal=None if event is None else event.signal,
            duration_s=took_s,
            at=self._time(),
            log_dropped_bytes=0 if event is None else event.log_dropped_bytes,
            stop=None if flight is None else flight.stop,
        )
        self.observer.run_ended(EndedRun(number, status, reason, value, interval, took_s))
        if status is RunStatus.FAILED and not self.stopped:
            self._heed_first_failures(reason)
        if status is RunStatus.COMPLETED and self.count[status] == ENOUGH_RUNS:
            self._heed_slack()

    def _heed_first_failures(self, reason: str | None) -> None:
        """Tell once that all of the first runs failed; the count says so only in that one moment."""
        first = min(_FIRST_RUNS, self.spec.limits.max_total_runs)
        failed = self.count[RunStatus.FAILED]
        if failed != first or self.count[RunStatus.COMPLETED] or self.count[RunStatus.CANCELED]:
            return
        is_over = self.last_words is not None or failed == self.spec.limits.max_total_runs
        which = "the only run" if first == 1 else f"the first {first} runs all" if not is_over else f"all {first} runs"
        self.observer.notice(f"{which} failed: {reason or 'failed'}" + ("" if is_over else "; Ctrl-C stops the sweep"))

    def _heed_slack(self) -> None:
        """Tell once if the policy's slack stops nearly nobody or nearly everybody."""
        reached = [run.value for run in self.optimizer.runs if run.status.is_terminal and run.value is not None]
        warning = slack_warning(self.optimizer.policy, reached, self.spec.goal)
        if warning is not None:
            self.observer.notice(warning)

    def _tell_mismatch(self, who: str) -> None:
        self.mismatch_told = True
        seen = sorted(self.names_seen)
        shown = ", ".join(repr(name) for name in seen[:_NAMES_SHOWN]) + (", …" if len(seen) > _NAMES_SHOWN else "")
        self.observer.notice(
            f"{who} ended without a report of the primary metric {self.spec.metric!r}; "
            + (f"reported were {shown}: write one of these as primary metric" if seen else "no metric was reported")
        )

    # ------------------------------------------------------------------ ending early

    def _heed_signals(self) -> None:
        signals = 0 if self.stop is None else self.stop.drain()
        if self.stop is None or not signals:
            return
        if self.last_words is None:
            self.stopped = True
            self._wind_up(f"stopped by {_signal_name(self.stop.first)}", _STOPPED)
        elif (signals > 1 or not self.stopped) and not self.hurried:  # no patience any more
            self.hurried = True
            for number in self.flights:
                self.executor.cancel(number, _STOPPED, grace_s=0.0)

    def _heed_requests(self) -> None:
        for request in self.control.poll():
            if request.run is None:
                if not self.stopped:
                    self._wind_up(_BY_USER)
                continue
            flight = self.flights.get(request.run)
            if flight is not None:
                if flight.ending is None:
                    self._end_run(request.run, flight, _BY_USER)
                continue
            for queued in self.waiting:
                if queued[0] == request.run:
                    self.waiting.remove(queued)
                    self._settle(request.run, RunStatus.CANCELED, _BY_USER)
                    break

    def _wind_up(self, reason: str, run_reason: str | None = None) -> None:
        """Start nothing any more and end what runs."""
        self.last_words = reason
        for number, flight in self.flights.items():
            if flight.ending is None:
                self._end_run(number, flight, run_reason or reason)


def _workspace_of(store: Store) -> Prepare:
    from hdcore.workspace import prepare_run, resumed_folder

    spec, folder, sweep_id = store.spec, store.folder, store.sweep_id

    def prepare(number: int, attempt: int, configuration: Configuration) -> Launch:
        resumed = resumed_folder(folder, number) if number < len(spec.resume_runs) else None
        return prepare_run(spec, folder, number, attempt, configuration, sweep_id=sweep_id, resume_from=resumed)

    return prepare


def _after_leftovers(launch: Launch) -> Launch:
    """Begin behind what stands in the report file already.

    A driver that was killed between starting a run and noting it leaves lines of an attempt that never was.
    """
    try:
        size = os.stat(launch.report).st_size
    except FileNotFoundError:
        return launch
    return launch if size <= launch.offset else msgspec.structs.replace(launch, offset=size)


def _may_be_of_a_shutdown(event: RunEnd) -> bool:
    return event.status is RunStatus.FAILED and (event.reason or "").startswith(_OF_A_SHUTDOWN)


def _signal_name(number: int | None) -> str:
    import signal

    return "a signal" if number is None else signal.Signals(number).name
