"""The Bayesian sampler: CPU a proposal beside other samplers and LAPACK, in a fresh process, with pending runs.

    pytest bench/bench_gp.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

All times are CPU of one thread. A proposal is measured while the history grows from n / sqrt(2) to n sqrt(2) results,
one after each, so that every kind of fit counts as often as it happens: an octave holds one fit from the prior and all
refits. Above 1,000 results the window is one refit of each view, and the fits that come once a third of an octave are
measured before it and spread over the results until the next one. Other samplers fit at every proposal: a few of them
after n results are enough.

Histories are random points, or the points of a real Bayesian run, which lie close together and make fits harder (above
1,414 results it is continued by small steps around its best points). `dpotrfs` is the time over SciPy's Cholesky
factorisation of min(n, 1000) points, `hdcores` over our proposal for the same history in the same session.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import hdcore as hd

sys.path.insert(0, str(Path(__file__).parent))
from gp_cases import QUICK, Case, distributions, dpotrf, objective, space_of

SIZES = [100] if QUICK else [100, 500, 1000]
LARGE = [] if QUICK else [2000, 5000, 10_000]
SPACES = ["6"] if QUICK else ["6", "20"]
MIXED = Case("mixed", "random", 60 if QUICK else 200), Case("mixed", "real", 60 if QUICK else 200)
KINDS = ["random", "real"]
OCTAVE = 1000
"""Up to so many results a whole octave is measured."""
REAL = 1414
"""Longest real run: the upper end of the octave around 1,000."""

CASES = [*(Case(s, kind, n) for s in SPACES for n in SIZES for kind in KINDS), *MIXED]
LARGE_CASES = [Case(s, kind, n) for s in SPACES for n in LARGE for kind in KINDS]
FOUND: dict[Case, float] = {}
"""Mean seconds of our proposals, by case."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    if find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)
    with threadpool_limits(1):
        yield


# ---------------------------------------------------------------------- histories


@cache
def real_run(space: str, n: int) -> np.ndarray:
    """Encoded configurations of a Bayesian run."""
    optimizer = hd.Optimizer(space_of(space), sampler="bayesian", goal="minimize", seed=1)
    for _ in range(n):
        run = optimizer.ask()
        optimizer.tell(run.number, objective(optimizer.table.encoded[run.number]))
    return np.array(optimizer.table.encoded)


@cache
def history(space: str, kind: str, n: int) -> np.ndarray:
    """Encoded rows."""
    rng = np.random.default_rng(n)
    d = len(space_of(space).columns)
    if kind == "random":
        return space_of(space).snap(rng.random((n, d)))
    longest = (
        REAL
        if not QUICK and space != "mixed"
        else round(2**0.5 * max(case.n for case in CASES if case.space == space or QUICK))
    )
    rows = real_run(space, longest)[:n]
    best = rows[np.argsort([objective(row) for row in rows])[:50]]
    more = best[rng.integers(len(best), size=n - len(rows))]
    return np.concatenate([rows, np.clip(more + 0.03 * rng.standard_normal(more.shape), 0, 1)])


# ---------------------------------------------------------------------- samplers, one step at a time


@dataclass
class Ours:
    """Proposals while a history goes on, whatever was proposed."""

    case: Case
    at: int = field(init=False)

    def __post_init__(self) -> None:
        n = self.case.n
        is_whole = n <= OCTAVE
        first, self.stop = (round(n / 2**0.5), round(n * 2**0.5)) if is_whole else (n, n + n // 20)
        self.rows = history(self.case.space, self.case.kind, self.stop)
        self.optimizer = hd.Optimizer(space_of(self.case.space), sampler="bayesian", goal="minimize", seed=1)
        self.at = 0
        while self.at < first - 2:
            self.feed()
        start = process_time()
        for _ in range(2):  # each view is fitted once
            self.ask()
            self.feed()
        self.anchors_s = 0.0 if is_whole else (process_time() - start) / (0.26 * n)
        self.rounds = self.stop - first

    def ask(self) -> None:
        row = self.optimizer.sampler.propose(self.optimizer.table, self.at, 1)[0]
        self.optimizer.space.decode_row(row)

    def feed(self) -> None:
        row = self.rows[self.at]
        self.optimizer.restore(self.at, self.optimizer.space.decode_row(row), "completed", objective(row))
        self.at += 1


class Optuna:
    """A sampler of Optuna; what it proposes is told as failed, which it leaves out."""

    def __init__(self, case: Case, sampler: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.module, self.case, self.at = optuna, case, 0
        self.study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=0))
        self.distributions = distributions(case.space)
        self.rounds = 20 if sampler == "TPESampler" else {100: 8, 200: 6, 500: 4}.get(case.n, 3)
        self.rows = history(case.space, case.kind, case.n + self.rounds + 2)
        while self.at < case.n:
            self.feed()

    def ask(self) -> None:
        self.trial = self.study.ask(self.distributions)

    def feed(self) -> None:
        if self.at > self.case.n:
            self.study.tell(self.trial, state=self.module.trial.TrialState.FAIL)
        row = self.rows[self.at]
        configuration = space_of(self.case.space).decode_row(row)
        made = self.module.trial.create_trial(
            params=configuration, distributions=self.distributions, value=objective(row)
        )
        self.study.add_trial(made)
        self.at += 1


class ScikitOptimize:
    """scikit-optimize's Gaussian process; it is fitted when a result is told, so that is part of a proposal.

    With 500 results one takes 20 s, with 1,000 minutes.
    """

    def __init__(self, case: Case) -> None:
        import skopt

        self.at, self.rounds = case.n, 3 if case.n <= 100 else 1
        self.rows = history(case.space, case.kind, case.n + self.rounds + 2).tolist()
        self.optimizer = skopt.Optimizer([(0.0, 1.0)] * len(self.rows[0]), "GP", random_state=0)
        first = self.rows[: case.n]
        self.optimizer.tell(first, [objective(np.array(row)) for row in first], fit=False)

    def ask(self) -> None:
        row = self.rows[self.at - 1]
        self.optimizer.tell(row, objective(np.array(row)))
        self.optimizer.ask()

    def feed(self) -> None:
        self.at += 1


def ours(case: Case) -> float:
    """Mean CPU seconds of our proposals."""
    if case not in FOUND:
        sampler = Ours(case)
        FOUND[case] = _mean(sampler.ask, sampler.feed, sampler.rounds) + sampler.anchors_s
    return FOUND[case]


def _mean(ask: Callable[[], Any], feed: Callable[[], Any], rounds: int) -> float:
    seconds = 0.0
    for _ in range(rounds):
        start = process_time()
        ask()
        seconds += process_time() - start
        feed()
    return seconds / rounds


# ---------------------------------------------------------------------- one proposal


@pytest.mark.parametrize("case", [*CASES, *LARGE_CASES], ids=str)
@pytest.mark.benchmark(group="CPU of one proposal", timer=process_time)
@pytest.mark.timeout(1200)
def test_hdcore(benchmark, case):
    sampler = Ours(case)
    benchmark.pedantic(sampler.ask, setup=sampler.feed, rounds=sampler.rounds - 1, iterations=1)
    stats = benchmark.stats.stats
    FOUND[case] = stats.mean + sampler.anchors_s
    benchmark.extra_info |= {"ms": 1e3 * FOUND[case], "median ms": 1e3 * stats.median, "longest ms": 1e3 * stats.max}
    benchmark.extra_info["dpotrfs"] = FOUND[case] / dpotrf(min(case.n, 1000))
    if case.n > OCTAVE:
        benchmark.extra_info["of 1,000"] = FOUND[case] / ours(Case(case.space, case.kind, OCTAVE))


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("sampler", ["TPESampler", "GPSampler"])
@pytest.mark.benchmark(group="CPU of one proposal", timer=process_time)
@pytest.mark.timeout(1200)
def test_optuna(benchmark, sampler, case):
    pytest.importorskip("optuna")
    if sampler == "GPSampler" and find_spec("torch") is None:
        pytest.skip("Optuna's GPSampler wants torch, which is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _compare(benchmark, Optuna(case, sampler), case)


@pytest.mark.parametrize("case", [case for case in CASES if case.space == "6" and case.n <= 500], ids=str)
@pytest.mark.benchmark(group="CPU of one proposal", timer=process_time)
@pytest.mark.timeout(1200)
def test_scikit_optimize(benchmark, case):
    pytest.importorskip("skopt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _compare(benchmark, ScikitOptimize(case), case)


def _compare(benchmark, sampler, case):
    warmups = int(not isinstance(sampler, ScikitOptimize))  # warm starts; that one fits from anew each time
    for _ in range(warmups):
        sampler.ask()
    benchmark.pedantic(sampler.ask, setup=sampler.feed, rounds=sampler.rounds, iterations=1)
    stats = benchmark.stats.stats
    benchmark.extra_info |= {"ms": 1e3 * stats.mean, "median ms": 1e3 * stats.median, "longest ms": 1e3 * stats.max}
    benchmark.extra_info["dpotrfs"] = stats.mean / dpotrf(min(case.n, 1000))
    benchmark.extra_info["hdcores"] = stats.mean / ours(case)


# ---------------------------------------------------------------------- pending runs


@pytest.mark.parametrize("case", [Case(s, "real", n) for s in SPACES for n in SIZES if n != 500], ids=str)
@pytest.mark.parametrize("way", ["16 are pending", "ask(16)"])
@pytest.mark.benchmark(group="CPU of one proposal beside 16 others", timer=process_time)
@pytest.mark.timeout(600)
def test_others(benchmark, way, case):
    """Proposals go on with what was proposed, as in a sweep with 16 workers, and are compared with those of one.

    All begin at the same size and are as many, so that they hold the same fits: at 1,000 results one comes every 50.
    """
    rounds = 16 if QUICK else 112

    def sweep(pending):
        optimizer = hd.Optimizer(space_of(case.space), sampler="bayesian", goal="minimize", seed=1)
        for number, row in enumerate(history(case.space, case.kind, case.n)):
            optimizer.restore(number, optimizer.space.decode_row(row), "completed", objective(row))
        waiting = [run.number for run in optimizer.ask(18)]

        def ask(n=1):
            waiting.extend(run.number for run in optimizer.ask(n))

        def tell(left=pending):
            while len(waiting) > left:
                number = waiting.pop(0)
                optimizer.tell(number, objective(optimizer.table.encoded[number]))

        tell()
        return ask, tell

    alone = _mean(*sweep(0), rounds)
    if way == "ask(16)":
        ask, tell = sweep(16)
        benchmark.pedantic(lambda: ask(16), setup=lambda: tell(0), rounds=rounds // 16, iterations=1)
        each = benchmark.stats.stats.mean / 16
    else:
        ask, tell = sweep(16)
        benchmark.pedantic(ask, setup=tell, rounds=rounds, iterations=1)
        each = benchmark.stats.stats.mean
    benchmark.extra_info |= {"ms": 1e3 * each, "alone ms": 1e3 * alone, "of alone": each / alone}


# ---------------------------------------------------------------------- stopped runs


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.benchmark(group="CPU of one proposal, every second run stopped", timer=process_time)
@pytest.mark.timeout(600)
def test_stopped(benchmark, n):
    """Runs with curves of 50 intervals, or a part if they were stopped; compared with a sweep that stopped nobody."""
    rounds = 16 if QUICK else 100
    space, rows = space_of("6"), history("6", "random", n + rounds + 1)
    lengths = np.random.default_rng(n).integers(5, 30, len(rows))

    def sweep(every):
        optimizer = hd.Optimizer(space, sampler="bayesian", goal="minimize", seed=1)

        def feed():
            number = optimizer.table.n
            is_stopped = number % every == 1
            steps = np.arange(1, 1 + (int(lengths[number]) if is_stopped else 50))
            optimizer.restore(
                number,
                space.decode_row(rows[number]),
                "canceled" if is_stopped else "completed",
                reports=objective(rows[number]) + np.exp(-steps / 8),
            )

        while optimizer.table.n < n:
            feed()
        return lambda: optimizer.sampler.propose(optimizer.table, optimizer.table.n, 1), feed

    whole = _mean(*sweep(10**9), rounds)
    ask, feed = sweep(2)
    benchmark.pedantic(ask, setup=feed, rounds=rounds, iterations=1)
    each = benchmark.stats.stats.mean
    benchmark.extra_info |= {"ms": 1e3 * each, "nobody stopped ms": 1e3 * whole, "of that": each / whole}


# ---------------------------------------------------------------------- a fresh process

TELL = """
import json, sys, time
rows, values = json.load(sys.stdin)
"""
HDCORE = """
import hdcore as hd
optimizer = hd.Optimizer({name: hd.uniform(0, 1) for name in rows[0]}, sampler="bayesian", goal="minimize", seed=0)
for number, (row, value) in enumerate(zip(rows, values)):
    optimizer.restore(number, row, "completed", value)
optimizer.ask()
"""
OPTUNA = """
import warnings
warnings.simplefilter("ignore")
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
bounds = {name: optuna.distributions.FloatDistribution(0, 1) for name in rows[0]}
study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=0))
for row, value in zip(rows, values):
    study.add_trial(optuna.trial.create_trial(params=row, distributions=bounds, value=value))
study.ask(bounds)
"""
# The peak of this process alone: `ru_maxrss` of a child begins with what its parent had.
USED = """
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([time.process_time(), peak / 1024]))
"""


@pytest.mark.parametrize("n", [100] if QUICK else [100, 1000, 10_000])
@pytest.mark.parametrize("library", ["hdcore", "optuna"])
@pytest.mark.benchmark(group="first proposal of a fresh process, d = 6, imports included")
@pytest.mark.timeout(1200)
def test_fresh_process(benchmark, library, n):
    """Read n results, tell them, ask once."""
    if library == "optuna":
        if find_spec("torch") is None or find_spec("optuna") is None:
            pytest.skip("Optuna's GPSampler wants torch, which is not installed")
        if n > 1000:
            pytest.skip("takes minutes with so many results")
    rows = history("6", "random", n)
    told = json.dumps([[space_of("6").decode_row(row) for row in rows], [objective(row) for row in rows]])
    script = TELL + (HDCORE if library == "hdcore" else OPTUNA) + USED
    found = []

    def process():
        done = subprocess.run([sys.executable, "-c", script], input=told, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))

    benchmark.pedantic(process, rounds=1 if n > 100 else 3, iterations=1)
    benchmark.extra_info |= {"CPU s": min(s for s, _ in found), "peak MB": min(peak for _, peak in found)}
