"""The acquisition function: log EI, its gradient and the climb to a maximum, beside SciPy and scikit-learn.

    pytest bench/bench_acquisition.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

All sides have the same hyperparameters and give the same answer, which is asserted first. CPU of one thread.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from scipy import optimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from threadpoolctl import threadpool_limits

from hdcore._native import acquisition

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
problems = import_module("gp.problems")
twin = import_module("reference.gp")

QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
N, D, POINTS, STARTS = (200, 6, 256, 4) if QUICK else (1_000, 6, 1_000, 8)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


class Case:
    """A model of `N` results, by us, by NumPy from the formulas, and by scikit-learn."""

    def __init__(self) -> None:
        self.problem = problems.Problem(N, D)
        self.native, self.model = self.problem.acquisition()
        self.best = self.problem.best
        self.points = self.problem.queries(POINTS)
        kernel = ConstantKernel(self.model.sf2) * Matern(self.model.length, nu=2.5)
        self.sklearn = GaussianProcessRegressor(kernel, alpha=self.model.noise, optimizer=None)
        self.sklearn.fit(self.problem.X, self.problem.y - self.model.mu)

    def by_numpy(self, x: np.ndarray) -> np.ndarray:
        found: np.ndarray = twin.log_ei(self.model, x, self.best)
        return found

    def by_sklearn(self, x: np.ndarray) -> np.ndarray:
        mean, sd = self.sklearn.predict(x, return_std=True)
        found: np.ndarray = twin.log_h((self.best - self.model.mu - mean) / sd) + np.log(sd)
        return found

    def by_hdcore(self, x: np.ndarray) -> np.ndarray:
        found: np.ndarray = problems.values(self.native, x)
        return found


@cache
def case() -> Case:
    return Case()


def note(benchmark: Any, what: str, count: int) -> None:
    benchmark.extra_info[what] = benchmark.stats.stats.min / count * 1e6


@pytest.mark.parametrize("who", ["scikit-learn", "numpy", "hdcore"])
@pytest.mark.benchmark(group=f"log EI of {POINTS:,} points, {N:,} results", timer=process_time)
def test_values(benchmark: Any, who: str) -> None:
    it = case()
    sides = {"scikit-learn": it.by_sklearn, "numpy": it.by_numpy, "hdcore": it.by_hdcore}
    np.testing.assert_allclose(it.by_hdcore(it.points), it.by_numpy(it.points), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(it.by_sklearn(it.points), it.by_numpy(it.points), rtol=1e-6, atol=1e-6)
    benchmark.pedantic(sides[who], (it.points,), rounds=3 if QUICK else 7, warmup_rounds=1)
    note(benchmark, "us a point", POINTS)


@pytest.mark.parametrize("who", ["differences", "hdcore"])
@pytest.mark.benchmark(group=f"log EI and its gradient at {POINTS // 8:,} points, {N:,} results", timer=process_time)
def test_gradients(benchmark: Any, who: str) -> None:
    """Beside forward differences of the NumPy twin, which is what an optimiser does without a gradient."""
    it = case()
    some = it.points[: POINTS // 8]

    def differences() -> np.ndarray:
        step = 1e-7
        moved = np.concatenate([some, *(some + step * np.eye(D)[k] for k in range(D))])
        found = it.by_numpy(moved).reshape(D + 1, -1)
        return (found[1:] - found[0]).T / step

    def ours() -> np.ndarray:
        _, slopes = problems.values(it.native, some, gradient=True)
        return np.asarray(slopes)

    central = problems.central_differences(it.by_numpy, some)
    scale = np.abs(central).max()
    np.testing.assert_allclose(ours(), central, rtol=1e-4, atol=1e-5 * scale)
    benchmark.pedantic(ours if who == "hdcore" else differences, rounds=3 if QUICK else 7, warmup_rounds=1)
    note(benchmark, "us a point", len(some))


@pytest.mark.parametrize("who", ["L-BFGS-B", "hdcore"])
@pytest.mark.benchmark(group=f"from {STARTS} points uphill to a maximum of log EI, {N:,} results", timer=process_time)
def test_search(benchmark: Any, who: str) -> None:
    """Beside SciPy's L-BFGS-B on our values and gradients: the climb alone is compared, not the model."""
    it = case()
    order = np.argsort(-it.by_hdcore(it.points))
    starts = np.ascontiguousarray(it.points[order[:STARTS]])
    none = np.zeros(D, np.int32)
    box = acquisition.Space(none, none, none, np.zeros(1), np.zeros(D + 1), none - 1, none - 1)
    scratch, value = np.empty(acquisition.search_size(D, STARTS)), np.empty(STARTS)

    def ours() -> float:
        x = starts.copy()
        it.native.search(box, x, value, np.zeros(D), 30, 3, scratch)
        return float(value.max())

    def negative(x: np.ndarray) -> tuple[float, np.ndarray]:
        found, slope = problems.values(it.native, x[None, :], gradient=True)
        return -float(found[0]), -slope[0]

    def scipys() -> float:
        ends = [optimize.minimize(negative, x, jac=True, bounds=[(0, 1)] * D, method="L-BFGS-B").fun for x in starts]
        return -min(ends)

    assert ours() >= scipys() - 1e-3 * abs(scipys())
    benchmark.pedantic(ours if who == "hdcore" else scipys, rounds=3 if QUICK else 7, warmup_rounds=1)
    note(benchmark, "us a start", STARTS)
