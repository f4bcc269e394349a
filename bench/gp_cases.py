"""What the benchmarks of the Gaussian process measure on: spaces, an objective, Cholesky factorisations."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from time import process_time
from typing import Any

import numpy as np
from scipy.linalg import lapack

import hdcore as hd

QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")

MIXED = {
    "dropout": hd.uniform(0, 1),
    "momentum": hd.uniform(0, 1),
    "learning_rate": hd.log_range(1e-5, 1e-1),
    "decay": hd.log_range(1e-6, 1e-2),
    "units": hd.quniform(16, 512, 16),
    "layers": hd.randint(8),
    "batch_size": hd.choice(16, 32, 64, 128),
    "optimizer": hd.choice("sgd", "adam", "lamb"),
    "activation": hd.choice("relu", "gelu", "tanh", "silu"),
    "nesterov": hd.choice(True, False),
}


@dataclass(frozen=True)
class Case:
    """A space ("6" and "20" are so many uniform parameters), a kind of history ("random", "real"), its length."""

    space: str
    kind: str
    n: int

    def __str__(self) -> str:
        return f"{'d' * (self.space != 'mixed')}{self.space} n{self.n} {self.kind}"


@cache
def space_of(name: str) -> hd.SearchSpace:
    return hd.SearchSpace(MIXED if name == "mixed" else {f"x{i}": hd.uniform(0, 1) for i in range(int(name))})


def distributions(name: str) -> dict[str, Any]:
    """The same space for Optuna."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if name != "mixed":
        return {parameter: FloatDistribution(0, 1) for parameter in space_of(name).tree}
    return {
        "dropout": FloatDistribution(0, 1),
        "momentum": FloatDistribution(0, 1),
        "learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
        "decay": FloatDistribution(1e-6, 1e-2, log=True),
        "units": FloatDistribution(16, 512, step=16),
        "layers": IntDistribution(0, 7),
        "batch_size": CategoricalDistribution([16, 32, 64, 128]),
        "optimizer": CategoricalDistribution(["sgd", "adam", "lamb"]),
        "activation": CategoricalDistribution(["relu", "gelu", "tanh", "silu"]),
        "nesterov": CategoricalDistribution([True, False]),
    }


def objective(encoded: np.ndarray) -> float:
    """Many shallow minima around the one of a bowl, in encoded coordinates."""
    return float(((encoded - 0.3) ** 2).sum() + 0.3 * np.sin(9 * encoded).sum())


def cpu(f: Any, rounds: int = 9) -> float:
    """Least CPU of a few calls, in seconds."""
    best = np.inf
    for _ in range(rounds):
        start = process_time()
        f()
        best = min(best, process_time() - start)
    return best


@cache
def dpotrf(n: int) -> float:
    """CPU of SciPy's Cholesky factorisation, in seconds."""
    A = np.random.default_rng(0).random((n, n))
    A = np.asfortranarray(A @ A.T + n * np.eye(n))
    return cpu(lambda: lapack.dpotrf(A))
