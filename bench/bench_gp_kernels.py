"""The kernels of the Gaussian process over SciPy's Cholesky factorisation of the same size, answers compared first.

    pytest bench/bench_gp_kernels.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

CPU of one thread. `condition on one` is what a further result costs: one row of covariances and its product with the
inverse, so it is compared with reading a triangle of that size as well.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hdcore._native import gp as native

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from gp_cases import QUICK, cpu, dpotrf

problems = import_module("gp.problems")
twin = import_module("reference.gp")


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield


@pytest.mark.parametrize("d", [6] if QUICK else [6, 20])
@pytest.mark.parametrize("kernel", ["kernel matrix", "likelihood and gradient", "8 gradients", "condition on one"])
@pytest.mark.benchmark(group="kernels, n = 1,000 (300 when quick), in dpotrfs", timer=process_time)
def test_kernel(benchmark, kernel, d):
    n = 300 if QUICK else 1000
    p = problems.Problem(n, d)
    acquisition, model = p.acquisition()
    Q = p.queries(8)
    if kernel == "kernel matrix":
        noise, K = np.full(n, 1e-3), np.zeros((n, p.U.shape[1]))

        def work():
            native.kmat(n, p.z, p.w2, model.sf2, noise, K)

        work()
        expected = model.kernel(p.X, p.X) + 1e-3 * np.eye(n)
        np.testing.assert_allclose(np.tril(K[:, :n]), np.tril(expected), rtol=1e-11)
    elif kernel == "likelihood and gradient":
        grad = np.empty(d + 2)
        args = (p.U, p.clamp, p.theta, p.y, p.v, p.e, 0.0, 0.0, p.prior, grad)

        def work():
            return native.nll_grad(p.workspace, n, *args)

        expected, slopes = twin.nll_grad(p.X, p.y, p.theta, p.clamp, p.prior, p.v, p.e)
        np.testing.assert_allclose(work(), expected, rtol=1e-9)
        np.testing.assert_allclose(grad, slopes, rtol=1e-6, atol=1e-6)
    elif kernel == "8 gradients":
        value, slopes = np.empty(8), np.empty_like(Q)

        def work():
            acquisition.values(Q, value, slopes)

        np.testing.assert_allclose(problems.values(acquisition, Q), twin.log_ei(model, Q, p.best), rtol=1e-7)
    else:
        v, k = np.empty((1, p.U.shape[1])), np.empty((1, p.U.shape[1]))

        def work():
            acquisition.project(Q[:1], v, k)

        work()
        np.testing.assert_allclose(k[0, :n], model.kernel(Q[:1], p.X)[0], rtol=1e-11)
        np.testing.assert_allclose(v[0, :n], np.linalg.solve(model.A, k[0, :n]), rtol=1e-5, atol=1e-8)
    benchmark.pedantic(work, rounds=15, iterations=1, warmup_rounds=2)
    benchmark.extra_info |= {"ms": 1e3 * benchmark.stats.stats.min, "dpotrfs": benchmark.stats.stats.min / dpotrf(n)}
    if kernel == "condition on one":
        triangle = np.random.default_rng(0).random(n * (n + 1) // 2)
        benchmark.extra_info["reads"] = benchmark.stats.stats.min / cpu(lambda: triangle @ triangle, 30)
