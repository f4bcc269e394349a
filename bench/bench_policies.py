"""Policies: one shot over a matrix, streaming, memory; each beside its baseline.

    pytest bench/bench_policies.py --benchmark-only

Every test first asserts that both sides give the same answer (where they answer the same question). Ratios of CPU
time, best of the rounds, are put into ``extra_info``, so that the JSON of a run holds them. The comparison with Ray
needs ``pip install "ray[tune]"``; without it that one says so and is left out.
"""

from __future__ import annotations

import os
import time
from itertools import cycle, islice, product

import numpy as np
import pytest

from hdcore.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    Record,
    TruncationSelectionPolicy,
    compare,
    evaluate,
    replay,
)
from hdcore.typing import Goal

RUNS, INTERVALS = 100_000, 100
IS_QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")


def learning_curves(runs: int, intervals: int, seed: int = 0) -> np.ndarray:
    """Saturating curves with noise: runs differ in level and speed, as those of a first, wide sweep do."""
    rng = np.random.default_rng(seed)
    level, speed = rng.normal(0, 1, (runs, 1)), np.exp(rng.normal(0, 0.7, (runs, 1)))
    curve = 0.9 / (1 + np.exp(-level)) * (1 - np.exp(-np.arange(1, intervals + 1) * speed / 20))
    return curve + rng.normal(0, 0.01, (runs, intervals))


@pytest.fixture(scope="module")
def curves() -> np.ndarray:
    return learning_curves(RUNS, INTERVALS)


def cpu_seconds(function, rounds: int = 7) -> float:
    """Least CPU seconds of several calls: a ratio of these holds on a busy machine too."""
    times = []
    for _ in range(rounds):
        start = time.thread_time()
        function()
        times.append(time.thread_time() - start)
    return min(times)


def numpy_lockstep(kind: str, scores: np.ndarray, delay: int, factor: float) -> np.ndarray:
    """The same decisions, an interval at a time, with whole-array operations."""
    runs, intervals = scores.shape
    best, total, stopped = np.full(runs, -np.inf), np.zeros(runs), np.zeros(runs, np.int64)
    count = np.zeros(runs)
    for k in range(1, intervals + 1):
        living = stopped == 0
        best[living] = np.maximum(best[living], scores[living, k - 1])
        total[living] += scores[living, k - 1]
        count[living] += 1
        if k >= delay:
            if kind == "median":
                edge = np.median(np.minimum(total / count, best))
            else:
                top = best.max()
                edge = top / (1 + factor) if top >= 0 else top * (1 + factor)
            stopped[living & (best < edge)] = k
    return stopped


ONE_SHOT = {
    "median": MedianStoppingPolicy(1, 5),
    "bandit": BanditPolicy(1, 0.1, None, 5),
    "truncation": TruncationSelectionPolicy(20, 1, 5),
}


@pytest.mark.parametrize("kind", ["sum of the matrix", *ONE_SHOT])
@pytest.mark.benchmark(group="one shot, 100,000 x 100, against summing the matrix")
def test_one_shot(benchmark, curves, kind):
    if kind == "sum of the matrix":
        benchmark(curves.sum)
        return
    policy = ONE_SHOT[kind]
    if kind != "truncation":
        assert np.array_equal(evaluate(policy, curves, "maximize"), numpy_lockstep(kind, curves, 5, 0.1))
    benchmark(evaluate, policy, curves, "maximize")
    ours = cpu_seconds(lambda: evaluate(policy, curves, "maximize"))
    benchmark.extra_info["ratio to sum"] = ours / cpu_seconds(curves.sum)


@pytest.mark.parametrize("runs", [1_000, 100_000])
@pytest.mark.parametrize("kind", ["median", "bandit", "truncation"])
@pytest.mark.benchmark(group="streaming in batches, time of all reports: 1,000 and 100,000 runs")
def test_streaming(benchmark, curves, kind, runs):
    policy = ONE_SHOT[kind]
    numbers, table = np.arange(runs), np.ascontiguousarray(curves[:runs].T)

    def stream():
        judge = policy.judge()
        for row in table:
            judge.report_many(numbers, row)

    small = np.arange(50)
    one, many = policy.judge(), policy.judge()
    for row in table[:20, :50]:
        assert many.report_many(small, row).tolist() == [one.report(run, row[run]) for run in range(50)]
    benchmark(stream)
    cost = cpu_seconds(stream, 2 if IS_QUICK else 3) / table.size
    benchmark.extra_info["ns a report"] = cost * 1e9
    if runs > 1_000:
        few, first = np.arange(1_000), np.ascontiguousarray(table[:, :1_000])

        def stream_few():
            judge = policy.judge()
            for row in first:
                judge.report_many(few, row)

        benchmark.extra_info["of 1,000 runs"] = cost / (cpu_seconds(stream_few) / first.size)


@pytest.mark.parametrize("kind", ["median", "bandit", "truncation"])
@pytest.mark.benchmark(group="a live sweep: runs start as others end, those that are stopped end, 10,000 x 100")
def test_live_sweep(benchmark, curves, kind):
    """What a driver asks for, in batches of what a turn brings: 100 runs at a time, ends told."""
    policy, table, at_once = ONE_SHOT[kind], curves[:10_000], 100

    def live():
        judge, waiting = policy.judge(), iter(range(at_once, len(table)))
        numbers, done, reports = np.arange(at_once), np.zeros(at_once, np.int64), 0
        stopped = np.zeros(len(table), np.int64)
        while len(numbers):
            verdicts = judge.report_many(numbers, table[numbers, done])
            reports, done = reports + len(numbers), done + 1
            over = verdicts | (done == INTERVALS)
            for slot in np.flatnonzero(over):
                judge.end(numbers[slot])
                stopped[numbers[slot]] = done[slot] if verdicts[slot] else 0
                numbers[slot], done[slot] = next(waiting, -1), 0
            numbers, done = numbers[numbers >= 0], done[numbers >= 0]
        return reports, stopped

    reports, stopped = live()
    assert np.count_nonzero(stopped) > 1_000
    benchmark.pedantic(live, rounds=2 if IS_QUICK else 5, iterations=1)
    benchmark.extra_info["ns a report"] = benchmark.stats.stats.min / reports * 1e9


@pytest.mark.parametrize("who", ["hdcore", "optuna"])
@pytest.mark.benchmark(group="streaming median, one Python call a report, 1,000 runs x 50")
def test_streaming_against_optuna(benchmark, curves, who):
    """Optuna's pruner compares with the median of the others' values at the step, so decisions are not the same.

    hdcore takes all 50,000 reports a round. Optuna is asked about the 50 steps of one further trial when 999 are
    complete, which is the state in which hdcore makes its last 50 decisions; time a report is compared.
    """
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    runs, intervals = 1000, 50
    scores = curves[:runs, :intervals]
    if who == "hdcore":
        reports = [(run, float(scores[run, k])) for k in range(intervals) for run in range(runs)]
        policy = MedianStoppingPolicy(1, 5)
        sample = learning_curves(60, 30)
        judge, stopped = policy.judge(), np.zeros(60, np.int64)
        for k in range(30):
            for run in range(60):
                if not stopped[run] and judge.report(run, sample[run, k]):
                    stopped[run] = k + 1
                    judge.end(run)
        assert np.array_equal(stopped, replay([policy], sample, "maximize")[0].stopped_at)

        def stream():
            report = policy.judge().report
            for run, score in reports:
                report(run, score)

        benchmark(stream)
        benchmark.extra_info["us a report"] = cpu_seconds(stream, 3) / len(reports) * 1e6
        return
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(1, 5))
    for row in scores[:-1]:
        study.add_trial(
            optuna.trial.create_trial(
                value=float(row[-1]), intermediate_values={k: float(v) for k, v in enumerate(row, 1)}
            )
        )

    def last_trial():
        trial = study.ask()
        for k, value in enumerate(scores[-1], 1):
            trial.report(float(value), k)
            trial.should_prune()

    benchmark.pedantic(last_trial, rounds=3, iterations=1)
    benchmark.extra_info["us a report"] = cpu_seconds(last_trial, 3) / intervals * 1e6


class RayTrial:
    def __init__(self, number):
        self.trial_id = str(number)


@pytest.mark.parametrize("who", ["hdcore", "ray"])
@pytest.mark.benchmark(group="streaming median against Ray, one Python call a report, the last of 1,000 runs x 50")
def test_streaming_against_ray(benchmark, curves, who):
    """Ray leaves the run that is judged out of its median: with a copy of it among the others the rules are the same.

    Both are asked about the 50 reports of a last run when 999 are complete; population="reached", no delay.
    """
    try:
        from ray.tune.schedulers import MedianStoppingRule, TrialScheduler
    except ImportError:
        pytest.skip("ray is not installed, so nothing is compared with it: pip install 'ray[tune]'")
    runs, intervals = 1_000, 50
    scores = curves[: runs - 1, :intervals]
    policy = MedianStoppingPolicy(population="reached")

    def results(row):
        return [{"training_iteration": k, "score": float(value)} for k, value in enumerate(row, 1)]

    rule = MedianStoppingRule(
        time_attr="training_iteration", metric="score", mode="max", grace_period=1, min_samples_required=1
    )
    for number, row in enumerate(scores):
        rule._results[RayTrial(number)] = results(row)  # as complete runs, without asking about each of their reports

    def of_ray(row):
        twin, last = RayTrial("twin"), RayTrial("last")
        rule._results[twin] = results(row)
        found = []
        for result in results(row):
            found.append(rule.on_trial_result(None, last, result) == TrialScheduler.STOP)
            rule._stopped_trials.discard(last)
        del rule._results[twin], rule._results[last]
        return found

    judge = policy.judge()
    for column in scores.T:
        judge.report_many(np.arange(runs - 1), column)
    numbers = iter(range(runs, 1_000_000))

    def of_hdcore(row):
        run = next(numbers)
        return [judge.report(run, value) for value in row]

    decisions = []
    for last in range(runs, runs + (2 if IS_QUICK else 6)):
        fresh, own = policy.judge(), curves[last, :intervals]
        for column in scores.T:
            fresh.report_many(np.arange(runs - 1), column)
        found = [fresh.report(runs, value) for value in own.tolist()]
        assert found == of_ray(own)
        decisions += found
    assert len(set(decisions)) == 2  # some are stopped, some are not
    row = curves[runs, :intervals].tolist()
    ask = of_ray if who == "ray" else of_hdcore
    benchmark.pedantic(ask, (row,), rounds=2 if who == "ray" else 20, iterations=1)
    benchmark.extra_info["us a report"] = cpu_seconds(lambda: ask(row), 2 if who == "ray" else 20) / intervals * 1e6


def mixed_settings(count):
    """Settings of all three policies, with delays, intervals and slacks of all sizes."""
    found = []
    for delay, every, step in product(range(20), (1, 2, 5), range(10)):
        found.append(MedianStoppingPolicy(every, delay, population="reached" if step % 5 == 4 else "all"))
        found.append(BanditPolicy(every, 0.02 * 2**step, None, delay))
        found.append(TruncationSelectionPolicy(5 + 9 * step, every, delay))
    order = np.random.default_rng(0).permutation(len(found))
    return [found[i] for i in islice(cycle(order), count)]


@pytest.mark.parametrize("kind", ["one after the other", "1,000 mixed settings"])
@pytest.mark.benchmark(group="replay of 10^6 reports (10,000 x 100), 8 workers, by one CPU")
def test_many_settings(benchmark, curves, kind):
    """All settings and their table: savings, losses, ranks kept. Beside it: each setting for itself, at its cost."""
    data, count = curves[:10_000], 30 if IS_QUICK else 1_000
    policies = mixed_settings(count)
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        together = replay(policies[:12], data, "maximize", workers=8)
        for policy, effect in zip(policies[:12], together, strict=True):
            assert np.array_equal(effect.stopped_at, replay([policy], data, "maximize", workers=8)[0].stopped_at)
        record = Record(name="bench", curves=data, goal=Goal.MAXIMIZE, workers=8)
        some = policies if kind == "1,000 mixed settings" else policies[:30]

        def work():
            start = time.thread_time()
            if kind == "1,000 mixed settings":
                compare(policies, [record], orders=0)
            else:
                for policy in some:
                    replay([policy], data, "maximize", workers=8)
            return (time.thread_time() - start) / len(some)

        seconds = benchmark.pedantic(work, rounds=1, iterations=1)
        benchmark.extra_info |= {"CPU s for 1,000": seconds * 1_000, "ns a report": seconds * 1e9 / data.size}
    finally:
        os.sched_setaffinity(0, cpus)


@pytest.mark.parametrize("workers", [1, 100])
@pytest.mark.parametrize("kind", ["median", "bandit", "truncation"])
@pytest.mark.benchmark(group="replay, 10,000 x 100")
def test_replay(benchmark, curves, kind, workers):
    benchmark(replay, [ONE_SHOT[kind]], curves[:10_000], "maximize", workers=workers)


LIVE_ONLY = TruncationSelectionPolicy(20, 1, 5, True)


@pytest.mark.parametrize("policy", [*ONE_SHOT.values(), LIVE_ONLY], ids=["median", "bandit", "truncation", "live only"])
@pytest.mark.benchmark(group="memory of a live sweep of 10,000 x 100, against its matrix of reports")
def test_memory(benchmark, curves, policy):
    table = np.ascontiguousarray(curves[:10_000].T)
    numbers = np.arange(10_000)

    def live():
        judge = policy.judge()
        for row in table:
            judge.report_many(numbers, row)
        return judge

    judge = benchmark.pedantic(live, rounds=1, iterations=1)
    benchmark.extra_info["bytes to matrix"] = judge.nbytes / table.nbytes
    assert judge.nbytes <= 3 * table.nbytes
