"""The Bayesian sampler: CPU per proposal beside Optuna's samplers and LAPACK, its kernels, and a fresh process.

    OPENBLAS_NUM_THREADS=1 pytest bench/bench_gp.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

All times are CPU of one thread. A proposal's `ms` is the mean over a window in which each view is refitted once or
more, plus what the anchors of the fit cost, spread over the results until the next anchor; `longest ms` is the longest
one. `dpotrfs` is `ms` over SciPy's Cholesky factorisation of min(n, 1000) points in the same session. Histories are
random points, or a real Bayesian run (above 1,000 results it is continued by small steps around its best points, since
points close together are what makes fits hard).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from scipy.linalg import lapack

import hdcore as hd
from hdcore._native import gp as native

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
problems = import_module("gp.problems")
twin = import_module("reference.gp")

QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
SIZES = [100, 500] if QUICK else [100, 500, 1000, 2000, 5000, 10_000]
DIMENSIONS = [6] if QUICK else [6, 20]
PEER_SIZES = [100] if QUICK else [100, 500, 1000]
REAL = 1000
"""Longest real run."""


def objective(x):
    return float(((x - 0.3) ** 2).sum() + 0.3 * np.sin(9 * x).sum())


def space(d):
    return {f"x{i}": hd.uniform(0, 1) for i in range(d)}


def configuration(row):
    return {f"x{i}": float(u) for i, u in enumerate(row)}


def point(run):
    return np.array(list(run.configuration.values()))


@cache
def real_run(n, d):
    optimizer = hd.Optimizer(space(d), sampler="bayesian", goal="minimize", seed=1)
    rows = np.empty((n, d))
    for i in range(n):
        run = optimizer.ask()
        rows[i] = point(run)
        optimizer.tell(run.number, objective(rows[i]))
    return rows


def history(kind, n, d):
    rng = np.random.default_rng(n)
    if kind == "random":
        return rng.random((n, d))
    rows = real_run(min(n, REAL), d)
    best = rows[np.argsort([objective(row) for row in rows])[:50]]
    more = best[rng.integers(len(best), size=n - len(rows))]
    return np.concatenate([rows, np.clip(more + 0.03 * rng.standard_normal(more.shape), 0, 1)])


def told(rows):
    optimizer = hd.Optimizer(space(rows.shape[1]), sampler="bayesian", goal="minimize", seed=0)
    optimizer.add_many([configuration(row) for row in rows], [objective(row) for row in rows])
    for _ in range(12):  # own runs of the initial design
        run = optimizer.ask()
        optimizer.tell(run.number, objective(point(run)))
    return optimizer


def cpu(f, rounds=9):
    """Least CPU of a few calls, in seconds."""
    best = np.inf
    for _ in range(rounds):
        start = process_time()
        f()
        best = min(best, process_time() - start)
    return best


@cache
def dpotrf(n):
    """CPU of SciPy's Cholesky factorisation, in seconds."""
    A = np.random.default_rng(0).random((n, n))
    A = np.asfortranarray(A @ A.T + n * np.eye(n))
    return cpu(lambda: lapack.dpotrf(A))


@pytest.mark.parametrize("pending", [0, 16])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("kind", ["random", "real"])
@pytest.mark.benchmark(group="one proposal", timer=process_time)
@pytest.mark.timeout(1200)
def test_proposal(benchmark, kind, d, n, pending):
    optimizer = told(history(kind, n, d))
    waiting = [optimizer.ask() for _ in range(pending)]
    start = process_time()
    for _ in range(2):  # one a view
        run = optimizer.ask()
        optimizer.tell(run.number, objective(point(run)))
    anchors = process_time() - start

    def ask():
        waiting.append(optimizer.ask())

    def tell():
        if len(waiting) > pending:
            run = waiting.pop(0)
            optimizer.tell(run.number, objective(point(run)))

    rounds = 20 if QUICK else min(max(40, n // 20), 100)
    benchmark.pedantic(ask, setup=tell, rounds=rounds, iterations=1)
    stats = benchmark.stats.stats
    ms = 1e3 * (stats.mean + anchors / (0.26 * n))
    benchmark.extra_info |= {"ms": ms, "longest ms": 1e3 * max(stats.max, anchors), "median ms": 1e3 * stats.median}
    benchmark.extra_info["dpotrfs"] = ms / 1e3 / dpotrf(min(n, 1000))


@pytest.mark.parametrize("n", PEER_SIZES)
@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("kind", ["random", "real"])
@pytest.mark.parametrize("sampler", ["TPESampler", "GPSampler"])
@pytest.mark.benchmark(group="one proposal", timer=process_time)
@pytest.mark.timeout(1200)
def test_proposal_of_optuna(benchmark, sampler, kind, d, n):
    optuna = pytest.importorskip("optuna")
    if sampler == "GPSampler" and find_spec("torch") is None:
        pytest.skip("Optuna's GPSampler wants torch, which is not installed")
    import warnings

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=0))
        bounds = {f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(d)}
        for row in history(kind, n, d):
            study.add_trial(
                optuna.trial.create_trial(params=configuration(row), distributions=bounds, value=objective(row))
            )
        trials = []

        def ask():
            trials.append(study.ask(bounds))

        def tell():
            if trials:
                trial = trials.pop()
                study.tell(trial, objective(np.array(list(trial.params.values()))))

        benchmark.pedantic(ask, setup=tell, rounds=3 if n > 100 else 8, iterations=1, warmup_rounds=1)
    benchmark.extra_info["ms"] = 1e3 * benchmark.stats.stats.mean
    benchmark.extra_info["dpotrfs"] = benchmark.stats.stats.mean / dpotrf(n)


@pytest.mark.parametrize("d", DIMENSIONS)
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
    benchmark.extra_info["dpotrfs"] = benchmark.stats.stats.min / dpotrf(n)


FRESH = """
import json, resource, sys
import hdcore as hd
rows, values = json.load(sys.stdin)
optimizer = hd.Optimizer({name: hd.uniform(0, 1) for name in rows[0]}, sampler="bayesian", goal="minimize", seed=0)
optimizer.add_many(rows, values)
while len(optimizer.runs) < len(rows) + 12:
    run = optimizer.ask()
    optimizer.tell(run.number, 1.0)
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([use.ru_utime + use.ru_stime, use.ru_maxrss / 1024]))
"""


@pytest.mark.parametrize("n", SIZES[:1] if QUICK else [100, 10_000])
@pytest.mark.benchmark(group="first proposals in a fresh process, d = 6, imports included")
def test_first_proposal_in_a_fresh_process(benchmark, n):
    rows = np.random.default_rng(0).random((n, 6))
    told_json = json.dumps([[configuration(row) for row in rows], [objective(row) for row in rows]])
    found = []

    def process():
        done = subprocess.run(
            [sys.executable, "-c", FRESH], input=told_json, capture_output=True, text=True, check=True
        )
        found.append(json.loads(done.stdout))

    benchmark.pedantic(process, rounds=3, iterations=1)
    benchmark.extra_info["CPU s"] = min(seconds for seconds, _ in found)
    benchmark.extra_info["peak MB"] = min(peak for _, peak in found)
