"""Sampling: whole matrices, Sobol points, and one `ask` of the random sampler.

    pytest bench/bench_sampling.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

Each group holds the baselines and hdcore; `extra_info` has the time per configuration in microseconds and, for hdcore,
the ratio to the baseline of the same session (below 1: hdcore is faster).
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import optuna
import pytest
from scipy import stats
from scipy.stats import qmc

import hdcore as hd
from hdcore._native import sampling as native
from hdcore.history import RunTable
from hdcore.sampling import RandomSampler
from hdcore.sampling.sobol import even_points

QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
N = 200_000 if QUICK else 1_000_000
SOBOL = 1 << (12 if QUICK else 16)
FINITE = 20_000 if QUICK else 100_000
SMALL = 2_000
SPACE = hd.SearchSpace(
    {
        "lr": hd.loguniform(-9, -2),
        "momentum": hd.uniform(0.5, 0.99),
        "units": hd.quniform(16, 512, 16),
        "optimizer": hd.choice("sgd", "adam", "lamb"),
        "depth": hd.randint(7),
        "shift": hd.normal(0, 1),
        "scale": hd.lognormal(0, 2),
        "decay": hd.loguniform(-12, -3),
        "batch": hd.choice(16, 32, 64),
        "dropout": hd.uniform(0, 0.5),
    }
)


def numpy_columns(n: int, seed: int = 7) -> dict[str, Any]:
    """The same draws by the calls of one NumPy Generator as everybody makes it, on NumPy's fastest bit generator."""
    g = np.random.default_rng(seed)
    return {
        "lr": np.exp(g.uniform(-9, -2, n)),
        "momentum": g.uniform(0.5, 0.99, n),
        "units": np.round(g.uniform(16, 512, n) / 16) * 16,
        "optimizer": g.choice(["sgd", "adam", "lamb"], n),
        "depth": g.integers(7, size=n),
        "shift": g.normal(0, 1, n),
        "scale": g.lognormal(0, 2, n),
        "decay": np.exp(g.uniform(-12, -3, n)),
        "batch": g.choice([16, 32, 64], n),
        "dropout": g.uniform(0, 0.5, n),
    }


def bare_calls(n: int, seed: int = 7) -> list[Any]:
    """Nothing but the Generator's calls, one a parameter: no exp, no rounding, no options."""
    g = np.random.default_rng(seed)
    uniforms = [g.uniform(low, high, n) for low, high in ((-9, -2), (0.5, 0.99), (16, 512), (-12, -3), (0, 0.5))]
    levels = [g.integers(count, size=n) for count in (3, 7, 3)]
    return [*uniforms, *levels, g.normal(0, 1, n), g.lognormal(0, 2, n)]


def loop(n: int) -> list[dict[str, Any]]:
    """The plain Python loop."""
    r = random.Random(7)
    return [
        {
            "lr": math.exp(r.uniform(-9, -2)),
            "momentum": r.uniform(0.5, 0.99),
            "units": float(round(r.uniform(16, 512) / 16) * 16),
            "optimizer": r.choice(["sgd", "adam", "lamb"]),
            "depth": r.randrange(7),
            "shift": r.gauss(0, 1),
            "scale": r.lognormvariate(0, 2),
            "decay": math.exp(r.uniform(-12, -3)),
            "batch": r.choice([16, 32, 64]),
            "dropout": r.uniform(0, 0.5),
        }
        for _ in range(n)
    ]


OPTUNA_SPACE: dict[str, optuna.distributions.BaseDistribution] = {
    "lr": optuna.distributions.FloatDistribution(math.exp(-9), math.exp(-2), log=True),
    "momentum": optuna.distributions.FloatDistribution(0.5, 0.99),
    "units": optuna.distributions.FloatDistribution(16, 512, step=16),
    "optimizer": optuna.distributions.CategoricalDistribution(["sgd", "adam", "lamb"]),
    "depth": optuna.distributions.IntDistribution(0, 6),
    "shift": optuna.distributions.FloatDistribution(-3, 3),  # Optuna has no normal distribution
    "scale": optuna.distributions.FloatDistribution(0.01, 100, log=True),
    "decay": optuna.distributions.FloatDistribution(math.exp(-12), math.exp(-3), log=True),
    "batch": optuna.distributions.CategoricalDistribution([16, 32, 64]),
    "dropout": optuna.distributions.FloatDistribution(0, 0.5),
}


def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=7))


def fastest(function: Callable[[], Any], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        begin = perf_counter()
        function()
        times.append(perf_counter() - begin)
    return min(times)


def record(benchmark: Any, configurations: int) -> None:
    if benchmark.stats is not None:
        benchmark.extra_info["us_per_configuration"] = benchmark.stats.stats.min / configurations * 1e6


def compare(benchmark: Any, ours: Callable[[], Any], theirs: Callable[[], Any], name: str) -> None:
    """Time `ours` and store its ratio to `theirs`, the fastest of rounds that alternate (the machine may be busy)."""
    pairs = [(fastest(ours, 1), fastest(theirs, 1)) for _ in range(7)]
    benchmark.extra_info[f"ratio_to_{name}"] = min(p[0] for p in pairs) / min(p[1] for p in pairs)


@pytest.fixture(scope="module", autouse=True)
def same_answers() -> None:
    """All sides draw from the same distributions."""
    ours, numpys, plain = hd.sample(SPACE, 20_000, seed=7), numpy_columns(20_000), loop(20_000)
    for name, column in ours.items():
        assert column.dtype == numpys[name].dtype, name
        values = [one[name] for one in plain]
        if column.dtype.kind == "f" and name != "units":
            assert stats.ks_2samp(column, numpys[name]).pvalue > 1e-3, name
            assert stats.ks_2samp(column, values).pvalue > 1e-3, name
        else:
            levels, counts = np.unique(column, return_counts=True)
            others = [np.unique(other, return_counts=True) for other in (numpys[name], values)]
            assert all(np.array_equal(levels, other) for other, _ in others), name
            assert all(stats.chi2_contingency([counts, other]).pvalue > 1e-3 for _, other in others), name


@pytest.mark.benchmark(group=f"sample: {N:,} configurations of 10 parameters")
class TestSample:
    def test_numpy_generator(self, benchmark: Any) -> None:
        benchmark.pedantic(numpy_columns, (N,), rounds=7, warmup_rounds=1)
        record(benchmark, N)

    def test_numpy_bare_generator_calls(self, benchmark: Any) -> None:
        benchmark.pedantic(bare_calls, (N,), rounds=7, warmup_rounds=1)
        record(benchmark, N)

    def test_hdcore(self, benchmark: Any) -> None:
        benchmark.pedantic(hd.sample, (SPACE, N, 7), rounds=7, warmup_rounds=1)
        record(benchmark, N)
        compare(benchmark, lambda: hd.sample(SPACE, N, 7), lambda: bare_calls(N), "bare_generator_calls")
        compare(benchmark, lambda: hd.sample(SPACE, N, 7), lambda: numpy_columns(N), "numpy_generator")


@pytest.mark.benchmark(group="sample: 2,000 configurations of 10 parameters")
class TestFew:
    def test_plain_loop(self, benchmark: Any) -> None:
        benchmark.pedantic(loop, (SMALL,), rounds=5)
        record(benchmark, SMALL)

    def test_optuna_random(self, benchmark: Any) -> None:
        def ask() -> None:
            one = study()
            for _ in range(200):
                one.ask(OPTUNA_SPACE)

        benchmark.pedantic(ask, rounds=3)
        record(benchmark, 200)

    def test_hdcore(self, benchmark: Any) -> None:
        benchmark.pedantic(hd.sample, (SPACE, SMALL, 7), rounds=20, warmup_rounds=2)
        record(benchmark, SMALL)


@pytest.mark.benchmark(group="ask: one configuration of 10 parameters")
class TestAsk:
    def test_optuna_study_ask(self, benchmark: Any) -> None:
        one = study()
        benchmark.pedantic(one.ask, (OPTUNA_SPACE,), rounds=200, warmup_rounds=5)
        record(benchmark, 1)

    def test_hdcore_sampler_and_table(self, benchmark: Any) -> None:
        sampler = RandomSampler()
        sampler.bind(SPACE, 7)
        table = RunTable(len(SPACE.columns))

        def ask() -> dict[str, Any]:
            row = sampler.propose(table, table.n, 1)[0]
            table.append(row)
            return SPACE.decode_row(row)

        benchmark.pedantic(ask, rounds=5000, warmup_rounds=100)
        record(benchmark, 1)

    def test_hdcore_optimizer(self, benchmark: Any) -> None:
        optimizer = hd.Optimizer(SPACE, sampler="random", goal="maximize", seed=7)
        benchmark.pedantic(optimizer.ask, rounds=5000, warmup_rounds=100)
        record(benchmark, 1)


@pytest.mark.parametrize("who", ["SciPy", "hdcore"])
@pytest.mark.benchmark(group=f"Sobol: {SOBOL:,} scrambled points in 10 dimensions")
def test_sobol(benchmark: Any, who: str) -> None:
    """Without scrambling both sides have the same points; scrambled, each its own, as evenly spread."""
    plain = np.empty((1024, 10))
    native.Sobol(10, np.empty(0, np.uint64)).fill(0, plain)
    assert np.array_equal(plain, qmc.Sobol(10, scramble=False).random(1024))
    spread = [qmc.discrepancy(p[:1024]) for p in (even_points(1024, 10, 7), qmc.Sobol(10, rng=7).random(1024))]
    assert max(spread) < 2 * min(spread)
    if who == "SciPy":
        benchmark.pedantic(lambda: qmc.Sobol(10, rng=7).random(SOBOL), rounds=5, warmup_rounds=1)
    else:
        benchmark.pedantic(even_points, (SOBOL, 10, 7), rounds=5, warmup_rounds=1)
    record(benchmark, SOBOL)


@pytest.mark.benchmark(group=f"exhaust: {FINITE:,} configurations of a finite space")
def test_hdcore_random_to_the_last_one(benchmark: Any) -> None:
    space = hd.SearchSpace(
        {"a": hd.choice(*range(100)), "b": hd.randint(100), "c": hd.choice(*range(FINITE // 10_000))}
    )

    def exhaust() -> int:
        sampler = RandomSampler()
        sampler.bind(space, 7)
        table = RunTable(3)
        while len(row := sampler.propose(table, table.n, 1)):
            table.append(row[0])
        return len({row.tobytes() for row in table.encoded})

    assert benchmark.pedantic(exhaust, rounds=1 if QUICK else 2) == FINITE
    record(benchmark, FINITE)
