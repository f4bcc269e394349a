"""The loop over a real store and an executor that plays scripts: limits, policy, retries, requests, stops."""

from __future__ import annotations

import itertools
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from hdcore.driver import drive
from hdcore.errors import ExecutorError, InputError, NoRoomError, StoreError
from hdcore.observer import EndedRun, Observer
from hdcore.records import Launch, Limits, SweepSpec
from hdcore.signals import StopSignals
from hdcore.store import Store, StoreReader, request_cancel
from hdcore.typing import Goal, RunStatus

sys.path.insert(0, os.path.dirname(__file__))
from scripted import Play, ScriptedExecutor, bare_launch


def make_spec(runs: int = 6, **more: Any) -> SweepSpec:
    limits = Limits(
        max_total_runs=runs, max_concurrent_runs=more.pop("concurrent", None), timeout_s=more.pop("timeout_s", None)
    )
    more.setdefault("space", {"x": ["uniform", [0, 1]]})
    return SweepSpec(name="s", metric="loss", goal=Goal.MINIMIZE, limits=limits, command="true", seed=7, **more)


class Witness(Observer):
    def __init__(self) -> None:
        self.ended: list[EndedRun] = []
        self.notices: list[str] = []
        self.requeued: list[int] = []
        self.last: tuple[RunStatus, str] | None = None

    def run_ended(self, run: EndedRun) -> None:
        self.ended.append(run)

    def run_requeued(self, number: int, reason: str | None) -> None:
        self.requeued.append(number)

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def sweep_ended(self, status: RunStatus, reason: str) -> None:
        self.last = (status, reason)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "root"


def go(root: Path, spec: SweepSpec, executor: ScriptedExecutor, **more: Any) -> tuple[RunStatus, Witness]:
    witness = Witness()
    with Store.create(root, spec, sweep_id="HD_test") as store:
        status = drive(store, executor, prepare=bare_launch, observer=witness, **more)
    assert executor.is_closed
    return status, witness


def again(root: Path, executor: ScriptedExecutor, **more: Any) -> tuple[RunStatus, Witness]:
    witness = Witness()
    with Store.open(root, "s") as store:
        status = drive(store, executor, prepare=bare_launch, observer=witness, **more)
    return status, witness


def stored(root: Path) -> tuple[Any, list[Any], Any]:
    with StoreReader.open(root / "sweeps" / "s") as reader:
        return reader.sweep(), reader.runs(), reader.best()


def test_a_sweep_runs_to_its_end_and_the_store_holds_all_of_it(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play([5.0, 1.0 + number, 3.0]), slots=3)
    status, witness = go(root, make_spec(7), executor)
    sweep, runs, best = stored(root)
    assert status is RunStatus.COMPLETED
    assert (sweep.status, sweep.reason) == (RunStatus.COMPLETED, "all runs done")
    assert [run.number for run in runs] == list(range(7))
    assert {run.status for run in runs} == {RunStatus.COMPLETED}
    assert [run.value for run in runs] == [min(1.0 + n, 3.0) for n in range(7)]
    assert [run.interval for run in runs] == [2, 2, 2, 3, 3, 3, 3]
    assert (best.number, best.value) == (0, 1.0)
    assert executor.started == [(n, 1) for n in range(7)]
    assert executor.most_at_once == 3
    assert sorted(run.number for run in witness.ended) == list(range(7))


@pytest.mark.parametrize("sampler", ["random", "sobol", "grid", "bayesian"])
def test_the_time_that_the_sampler_takes_is_stored_with_each_run_and_told(root: Path, sampler: str) -> None:
    told: list[float] = []

    class Listener(Witness):
        def runs_proposed(self, count: int, sampler_s: float) -> None:
            told.extend([sampler_s] * count)

    spec = make_spec(10, space={"x": ["choice", [list(range(50))]]}, sampler={"type": sampler})
    with Store.create(root, spec, sweep_id="HD_test") as store:
        drive(
            store, ScriptedExecutor(lambda number, attempt: Play(), slots=3), prepare=bare_launch, observer=Listener()
        )
    sweep, runs, _ = stored(root)
    assert [run.sampler_s for run in runs] == told
    assert all(0 < seconds < 60 for seconds in told)
    assert sweep.sampler_s_per_run == pytest.approx(sum(told) / 10)


def test_the_limit_of_concurrent_runs_holds_below_the_capacity(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play(), slots=4)
    go(root, make_spec(8, concurrent=2), executor)
    assert executor.most_at_once == 2


def test_a_sweep_whose_last_device_is_gone_ends_and_can_be_resumed(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play())

    def lose(polls: int) -> None:
        assert polls < 100, "the driver waits for devices that are gone"
        if len(executor.started) == 2:
            executor.why_blocked = "1 GPUs per run; 0 are left that answer"

    executor.on_poll = lose
    with pytest.raises(ExecutorError, match="0 are left that answer; mend that, then `hdcore resume s`"):
        go(root, make_spec(6), executor)
    assert executor.is_closed
    sweep, runs, _ = stored(root)
    assert (sweep.status, sweep.reason) == (RunStatus.QUEUED, "1 GPUs per run; 0 are left that answer")
    assert [run.status for run in runs] == [RunStatus.COMPLETED] * 2
    status, _ = again(root, ScriptedExecutor(lambda number, attempt: Play()))
    assert status is RunStatus.COMPLETED
    assert len(stored(root)[1]) == 6


def test_a_used_up_space_ends_the_sweep_early(root: Path) -> None:
    space = {"x": ["choice", [[1, 2, 3]]]}
    executor = ScriptedExecutor(lambda number, attempt: Play())
    status, witness = go(root, make_spec(10, space=space, sampler={"type": "grid"}), executor)
    assert status is RunStatus.COMPLETED
    assert witness.last == (RunStatus.COMPLETED, "search space exhausted")
    assert len(stored(root)[1]) == 3


def test_configurations_do_not_depend_on_the_number_of_slots(root: Path) -> None:
    for name, slots in (("one", 1), ("four", 4)):
        go(root / name, make_spec(9), ScriptedExecutor(lambda number, attempt: Play([1.0] * (1 + number % 3)), slots))
    one, four = ([run.configuration for run in stored(root / name)[1]] for name in ("one", "four"))
    assert one == four


def test_the_policy_ends_a_run_at_the_interval_of_its_word(root: Path) -> None:
    policy = {"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 2}}
    executor = ScriptedExecutor(lambda number, attempt: Play([float(number)] * 6), slots=3)
    status, _ = go(root, make_spec(3, policy=policy), executor)
    _, runs, _ = stored(root)
    assert status is RunStatus.COMPLETED
    assert [run.status for run in runs] == [RunStatus.COMPLETED, RunStatus.CANCELED, RunStatus.CANCELED]
    assert runs[2].reason == "median stopping at interval 2"
    assert runs[2].value == 2.0


def test_a_run_that_fails_is_started_again_while_retries_are_left(root: Path) -> None:
    def script(number: int, attempt: int) -> Play:
        return Play([9.0, 9.0], RunStatus.FAILED, "exit code 3") if attempt < 3 else Play([4.0])

    executor = ScriptedExecutor(script, slots=1)
    status, witness = go(root, make_spec(1, retries=2), executor)
    _, runs, _ = stored(root)
    assert status is RunStatus.COMPLETED
    assert executor.started == [(0, 1), (0, 2), (0, 3)]
    assert (runs[0].status, runs[0].attempt, runs[0].value, runs[0].interval) == (RunStatus.COMPLETED, 3, 4.0, 1)
    assert witness.requeued == [0, 0]
    assert runs[0].primary.count == 1  # the reports of failed attempts are gone


def test_retries_are_used_up_in_the_end(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play([], RunStatus.FAILED, "exit code 3"), slots=2)
    status, _ = go(root, make_spec(2, retries=1), executor)
    sweep, runs, best = stored(root)
    assert status is sweep.status is RunStatus.FAILED
    assert [run.attempt for run in runs] == [2, 2]
    assert {run.reason for run in runs} == {"exit code 3"}
    assert best is None


def test_one_failed_run_does_not_fail_the_sweep(root: Path) -> None:
    def script(number: int, attempt: int) -> Play:
        return Play([1.0]) if number == 2 else Play([], RunStatus.FAILED, "signal SIGSEGV")

    status, _ = go(root, make_spec(4), ScriptedExecutor(script))
    assert status is RunStatus.COMPLETED


def test_the_sweep_timeout_cancels_what_runs_and_says_so(root: Path) -> None:
    time = itertools.count(0.0, 0.25)
    script = lambda number, attempt: Play([1.0], endless=number > 0)  # noqa: E731
    status, witness = go(root, make_spec(9, timeout_s=10), ScriptedExecutor(script), clock=lambda: next(time))
    _, runs, _ = stored(root)
    assert status is RunStatus.COMPLETED
    assert witness.last == (RunStatus.COMPLETED, "sweep timeout of 10 s")
    assert [run.status for run in runs] == [RunStatus.COMPLETED, RunStatus.CANCELED, RunStatus.CANCELED]
    assert runs[1].reason == "sweep timeout of 10 s"


def test_a_sweep_whose_time_is_over_before_any_run_completed_is_canceled(root: Path) -> None:
    time = itertools.count(0.0, 1.0)
    executor = ScriptedExecutor(lambda number, attempt: Play([], endless=True))
    status, _ = go(root, make_spec(4, timeout_s=5), executor, clock=lambda: next(time))
    assert status is RunStatus.CANCELED


@pytest.mark.parametrize("jump_s", [-86400.0 * 365, 0.0, 86400.0 * 365])
def test_a_clock_that_is_set_while_a_sweep_runs_changes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    told = itertools.chain([1.8e9] * 5, itertools.repeat(1.8e9 + jump_s))
    monkeypatch.setattr("time.time", lambda: next(told))
    monotonic = itertools.count(0.0, 0.25)
    script = lambda number, attempt: Play([float(number)], endless=number == 3)  # noqa: E731
    _, witness = go(root, make_spec(9, timeout_s=20), ScriptedExecutor(script), clock=lambda: next(monotonic))
    _, runs, _ = stored(root)
    assert witness.last == (RunStatus.COMPLETED, "sweep timeout of 20 s")
    assert [run.number for run in runs if run.status is not RunStatus.COMPLETED] == [3]
    assert [run.duration_s for run in runs] == [0.5] * 9
    assert [run.value for run in runs] == [float(number) for number in range(9)]


def test_a_cancel_request_ends_one_run_and_another_the_sweep(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play([1.0], endless=True), slots=2)
    folder = root / "sweeps" / "s"

    def wish(polls: int) -> None:
        if polls == 3:
            request_cancel(folder, 1)
        if polls == 12:
            request_cancel(folder)

    executor.on_poll = wish
    time = itertools.count(0.0, 1.0)
    status, _ = go(root, make_spec(9), executor, clock=lambda: next(time))
    sweep, runs, _ = stored(root)
    assert status is sweep.status is RunStatus.CANCELED
    assert sweep.reason == "canceled by user"
    assert [run.number for run in runs] == [0, 1, 2]  # run 2 took the place of run 1
    assert {(run.status, run.reason) for run in runs} == {(RunStatus.CANCELED, "canceled by user")}


def test_a_signal_leaves_the_sweep_resumable_with_the_same_configurations(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play([2.0], endless=number >= 2), slots=2)
    with StopSignals() as stop:
        executor.on_poll = lambda polls: stop.request(signal.SIGINT) if polls == 8 else None
        status, witness = go(root, make_spec(6), executor, stop=stop)
        assert stop.exit_code == 130
    sweep, before, _ = stored(root)
    assert status is sweep.status is RunStatus.QUEUED
    assert sweep.reason == "stopped by SIGINT"
    assert [run.status for run in before] == [RunStatus.COMPLETED] * 2 + [RunStatus.QUEUED] * 2
    assert witness.requeued == [2, 3]

    second = ScriptedExecutor(lambda number, attempt: Play([1.0]), slots=2)
    status, _ = again(root, second)
    _, after, _ = stored(root)
    assert status is RunStatus.COMPLETED
    assert second.started == [(2, 2), (3, 2), (4, 1), (5, 1)]
    assert [run.configuration for run in after[:4]] == [run.configuration for run in before]
    assert [run.value for run in after] == [2.0, 2.0, 1.0, 1.0, 1.0, 1.0]

    go(root / "whole", make_spec(6), ScriptedExecutor(lambda number, attempt: Play()))
    assert [run.configuration for run in stored(root / "whole")[1]] == [run.configuration for run in after]


@pytest.mark.parametrize("reason", ["signal SIGTERM", "exit code 143: Terminated", "signal SIGHUP", "signal SIGKILL"])
@pytest.mark.parametrize("stop_at", [None, 4, 8])
def test_a_run_that_a_shutdown_ended_has_not_failed(root: Path, reason: str, stop_at: int | None) -> None:
    """Signals come to all processes of a machine at about the same time, in any order."""

    def script(number: int, attempt: int) -> Play:
        return Play([1.0], RunStatus.FAILED, reason) if number == 0 else Play(endless=True)

    executor = ScriptedExecutor(script, slots=2)  # run 0 ends in the third poll
    clock = itertools.count(0.0, 0.1)
    with StopSignals() as stop:
        executor.on_poll = lambda polls: stop.request() if polls in (stop_at, 60) else None
        go(root, make_spec(2), executor, stop=stop, clock=lambda: next(clock))
    is_excused = stop_at is not None and "SIGKILL" not in reason
    assert stored(root)[1][0].status is (RunStatus.QUEUED if is_excused else RunStatus.FAILED)


@pytest.mark.parametrize("what", ["a shutdown may explain", "is excused"])
def test_a_run_that_is_canceled_after_it_has_failed_is_not_tried_again(root: Path, what: str) -> None:
    play = Play([1.0], RunStatus.FAILED, "signal SIGTERM" if what == "a shutdown may explain" else "no processes")
    play.is_excused = what == "is excused"
    executor = ScriptedExecutor(lambda number, attempt: play if (number, attempt) == (0, 1) else Play(), slots=1)
    folder = root / "sweeps" / "s"
    executor.cancel = lambda number, reason, grace_s=5.0: None  # type: ignore[assignment,misc]  # it has ended
    clock = itertools.count(0.0, 0.1)
    with StopSignals() as stop:
        # The run ends in the third poll: just after the request, or some turns before it.
        executor.on_poll = lambda polls: request_cancel(folder, 0) if polls == (2 if play.is_excused else 5) else None
        go(root, make_spec(2, retries=1), executor, stop=stop, clock=lambda: next(clock))
    canceled = stored(root)[1][0]
    assert (canceled.status, canceled.reason, canceled.attempt) == (RunStatus.CANCELED, "canceled by user", 1)
    assert canceled.value == 1.0


def test_a_run_that_fails_while_the_driver_stops_starts_again(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play([], endless=True), slots=1)

    def cancel(number: int, reason: str, *, grace_s: float = 5.0) -> None:  # the script makes an error of the signal
        executor.live[number] = (executor.live[number][0], Play([], RunStatus.FAILED, "exit code 1: interrupted"), [0])

    executor.cancel = cancel  # type: ignore[method-assign]
    with StopSignals() as stop:
        executor.on_poll = lambda polls: stop.request() if polls == 3 else None
        status, witness = go(root, make_spec(2), executor, stop=stop)
    assert status is stored(root)[1][0].status is RunStatus.QUEUED
    assert witness.requeued == [0]


def test_a_second_signal_ends_the_runs_at_once(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play([], endless=True), slots=1)
    graces: list[float] = []
    original = executor.cancel

    def cancel(number: int, reason: str, *, grace_s: float = 5.0) -> None:
        graces.append(grace_s)
        if grace_s == 0.0:
            original(number, reason)

    executor.cancel = cancel  # type: ignore[method-assign]
    with StopSignals() as stop:
        executor.on_poll = lambda polls: stop.request(signal.SIGINT) if polls in (3, 6) else None
        status, _ = go(root, make_spec(2), executor, stop=stop)
    assert status is RunStatus.QUEUED
    assert graces == [5.0, 0.0]


def test_real_signals_only_set_a_flag() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.drain() == 2
        assert stop.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_metric_that_never_comes_is_told_once_with_the_names_that_came(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play([("acc", 1.0), ("Loss", 2.0)]))
    status, witness = go(root, make_spec(4), executor)
    assert status is RunStatus.COMPLETED
    first, last = witness.notices
    assert first.startswith("run 0 ended without a report of the primary metric 'loss'; reported were 'Loss', 'acc'")
    assert last.startswith("all 4 completed runs ended without a report of the primary metric 'loss'; reported were")


@pytest.mark.parametrize(
    ("runs", "notice"),
    [
        (30, ["the first 10 runs all failed: exit code 1: no x; Ctrl-C stops the sweep"]),
        (3, ["all 3 runs failed: exit code 1: no x"]),
        (1, ["the only run failed: exit code 1: no x"]),
    ],
)
def test_first_runs_that_all_fail_are_told_once(root: Path, runs: int, notice: list[str]) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play([], RunStatus.FAILED, "exit code 1: no x"))
    assert go(root, make_spec(runs), executor)[1].notices == notice


def test_failures_beside_a_run_that_did_not_fail_are_not_told(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play() if number == 3 else Play([], RunStatus.FAILED, "x"))
    assert go(root, make_spec(30), executor)[1].notices == []


def test_refused_report_lines_are_told_once_a_sweep(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play([1.0, 1.0]))
    executor.dropped = 2
    _, witness = go(root, make_spec(4), executor)
    (notice,) = witness.notices
    assert notice == 'run 0: 2 report lines were refused; a line is like {"name": "loss", "value": 0.5}'


def test_values_that_are_not_finite_count_as_intervals_and_are_never_the_best(root: Path) -> None:
    values = {0: [math.nan, 3.0, -math.inf], 1: [math.nan], 2: [math.inf, 4.0]}
    go(root, make_spec(3), ScriptedExecutor(lambda number, attempt: Play(values[number])))
    _, runs, best = stored(root)
    assert [(run.value, run.interval) for run in runs] == [(3.0, 2), (None, None), (4.0, 2)]
    assert best.number == 0


def test_a_run_that_cannot_be_made_ready_fails_and_the_others_go_on(root: Path) -> None:
    def prepare(number: int, attempt: int, configuration: Any) -> Any:
        if number == 1:
            raise InputError("its command names no input")
        return bare_launch(number, attempt, configuration)

    executor = ScriptedExecutor(lambda number, attempt: Play(), slots=1)
    with Store.create(root, make_spec(3), sweep_id="HD_test") as store:
        assert drive(store, executor, prepare=prepare) is RunStatus.COMPLETED
    _, runs, _ = stored(root)
    assert [run.status for run in runs] == [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.COMPLETED]
    assert runs[1].reason == "its command names no input"


def test_an_error_of_the_disk_is_one_line_and_ends_everything(root: Path) -> None:
    def prepare(number: int, attempt: int, configuration: Any) -> Any:
        if number == 3:
            raise OSError(28, "No space left on device", "runs/0003")
        return bare_launch(number, attempt, configuration)

    executor = ScriptedExecutor(lambda number, attempt: Play())
    with Store.create(root, make_spec(6), sweep_id="HD_test") as store:
        with pytest.raises(StoreError, match=r"No space left on device.*hdcore resume s") as caught:
            drive(store, executor, prepare=prepare)
        assert "\n" not in str(caught.value)
    assert executor.is_closed
    status, _ = again(root, ScriptedExecutor(lambda number, attempt: Play()))
    assert status is RunStatus.COMPLETED
    assert len(stored(root)[1]) == 6


def test_a_run_whose_reports_found_no_room_runs_again_after_a_resume(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play(are_reports_lost=number == 2))
    with (
        Store.create(root, make_spec(6), sweep_id="HD_test") as store,
        pytest.raises(StoreError, match=r"run 2 could not report.*hdcore resume s"),
    ):
        drive(store, executor, prepare=bare_launch)
    assert executor.is_closed
    executor = ScriptedExecutor(lambda number, attempt: Play())
    status, _ = again(root, executor)
    assert status is RunStatus.COMPLETED
    assert (2, 2) in executor.started
    assert {run.status for run in stored(root)[1]} == {RunStatus.COMPLETED}


def test_resuming_a_sweep_that_is_done_starts_nothing(root: Path) -> None:
    go(root, make_spec(3), ScriptedExecutor(lambda number, attempt: Play()))
    executor = ScriptedExecutor(lambda number, attempt: Play())
    status, _ = again(root, executor)
    assert status is RunStatus.COMPLETED
    assert executor.started == []


def test_late_words_of_an_earlier_attempt_are_not_heard(root: Path) -> None:
    from hdcore.records import MetricRow, Reports

    def script(number: int, attempt: int) -> Play:
        return Play([9.0], RunStatus.FAILED, "exit code 1") if attempt == 1 else Play([5.0, 5.0])

    executor = ScriptedExecutor(script, slots=1)

    def late(polls: int) -> None:
        if executor.started and executor.started[-1] == (0, 2):
            executor.events.append(Reports(0, 1, (MetricRow("loss", -1.0),), 10))

    executor.on_poll = late
    go(root, make_spec(1, retries=1), executor)
    assert stored(root)[1][0].value == 5.0


def test_memory_and_work_do_not_grow_with_the_runs(root: Path) -> None:
    import gc
    import tracemalloc

    executor = ScriptedExecutor(lambda number, attempt: Play([1.0]), slots=2)
    executor.started = _Forgetful()  # type: ignore[assignment]
    sizes: list[int] = []

    class Measure(Observer):
        ended = 0

        def run_ended(self, run: EndedRun) -> None:
            self.ended += 1
            if self.ended in (100, 600):
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])

    with Store.create(root, make_spec(650), sweep_id="HD_test") as store:
        tracemalloc.start()
        try:
            drive(store, executor, prepare=bare_launch, observer=Measure())
        finally:
            tracemalloc.stop()
    assert (sizes[1] - sizes[0]) / 500 < 2000  # bytes a run


class _Forgetful(list):  # type: ignore[type-arg]
    def append(self, item: object) -> None:
        pass


def test_a_run_without_room_waits_and_those_behind_it_pass(root: Path) -> None:
    executor = ScriptedExecutor(lambda number, attempt: Play(), slots=2)
    executor.too_big = {1}

    def make_room(polls: int) -> None:
        if len(executor.started) == 5:
            executor.too_big.clear()

    executor.on_poll = make_room
    status, _ = go(root, make_spec(6), executor)
    assert status is RunStatus.COMPLETED
    assert sorted(executor.started) == [(n, 1) for n in range(6)]
    assert executor.started[-1] == (1, 1) or executor.started.index((1, 1)) == 5


def test_a_run_whose_devices_another_sweep_took_waits(root: Path) -> None:
    class Beaten(ScriptedExecutor):
        refusals = 3

        def start(self, launch: Launch) -> tuple[str, ...]:
            if self.refusals and launch.number == 1:
                self.refusals -= 1
                raise NoRoomError("taken")
            return super().start(launch)

    executor = Beaten(lambda number, attempt: Play(), slots=2)
    status, _ = go(root, make_spec(4), executor)
    assert status is RunStatus.COMPLETED
    assert sorted(executor.started) == [(n, 1) for n in range(4)]


def test_an_excused_failure_costs_no_retry(root: Path) -> None:
    def script(number: int, attempt: int) -> Play:
        play = Play([9.0], RunStatus.FAILED, "out of GPU memory") if attempt < 3 else Play([4.0])
        play.is_excused = attempt < 3
        return play

    executor = ScriptedExecutor(script, slots=1)
    status, witness = go(root, make_spec(1), executor)
    assert status is RunStatus.COMPLETED
    assert executor.started == [(0, 1), (0, 2), (0, 3)]
    assert witness.requeued == [0, 0]


@pytest.mark.parametrize(("slack", "told"), [(50.0, "would stop none of 10"), (1.0, None)])
def test_a_slack_beside_the_scale_is_told_once_after_ten_runs(root: Path, slack: float, told: str | None) -> None:
    policy = {"name": "Bandit", "properties": {"slack_amount": slack, "delay_evaluation": 3}}
    executor = ScriptedExecutor(lambda number, attempt: Play([3.0, 1.0 + number % 4]), slots=3)
    _, witness = go(root, make_spec(24, policy=policy), executor)
    assert [told in notice if told else False for notice in witness.notices] == ([True] if told else [])


def test_reports_and_ends_are_stored_in_the_order_in_which_the_policy_heard_of_them(root: Path) -> None:
    go(root, make_spec(9), ScriptedExecutor(lambda number, attempt: Play([5.0, 4.0, 3.0]), slots=4))
    with StoreReader.open(root / "sweeps" / "s") as reader:
        times, ends = reader.report_times(), {run.number: run.ended for run in reader.runs()}
    heard = [at for number in sorted(times) for at in times[number]]
    assert len({*heard, *ends.values()}) == 9 * 3 + 9
    assert all(list(at) == sorted(at) and at[-1] < ends[number] for number, at in times.items())
