"""Tasks whose runs are whole curves: real ones, tabulated, and synthetic ones whose optimum is known.

======== ===========================================================================================================
real     every configuration of a sweep of 300 to 500 that was really trained, with its curves; the sampler chooses
         among these configurations and no others
drawn    functions of the regret suite as what a run ends with, on a way there that depends on the configuration too
======== ===========================================================================================================

Losses and metrics are as the scripts reported them, NaN where a run diverged. What a run is worth is its best report,
as everywhere in hdcore.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

import hdcore as hd

from ..regret.problems import PROBLEMS

CURVES = Path(__file__).parent / "curves"
FAMILIES = ("real", "drawn")
FLOOR = 1e-3
"""Regrets below this share of a task's scale count as none: less cannot be seen in tables."""

Configuration = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One task.

    Attributes
    ----------
    name, family : str
    goal : str
    space : SearchSpace
    curve : callable
        Encoded configuration -> its reports, shape (intervals,).
    optimum : float
        The best report of all configurations.
    scale : float
        Distance from there to the median configuration.
    rows : ndarray of float64, shape (configurations, d), or None
        Encoded, if there are no others to choose from.
    """

    name: str
    family: str
    goal: str
    space: hd.SearchSpace
    curve: Callable[[np.ndarray], np.ndarray]
    optimum: float
    scale: float
    intervals: int
    rows: np.ndarray | None = None
    finals: np.ndarray | None = None

    def regret(self, value: float) -> float:
        """How much is left to gain: real: share of the configurations that are better; drawn: distance from the optimum
        in shares of that of the median configuration, 0 below the floor."""
        if self.finals is not None:
            sign = hd.Goal.parse(self.goal).sign
            return float(np.mean(sign * self.finals > sign * value + 1e-7 * abs(value)))
        share = abs(value - self.optimum) / self.scale
        return share if share > FLOOR else 0.0


# ---------------------------------------------------------------------- real curves

_NETWORK: dict[str, Any] = {
    "lr": hd.log_range(1e-4, 2.0),
    "momentum": hd.choice(0.0, 0.5, 0.9, 0.99),
    "wd": hd.log_range(1e-7, 1e-1),
    "batch": hd.choice(16, 32, 64, 128),
    "width": hd.quniform(8, 96, 8),
    "layers": hd.choice(1, 2, 3),
    "act": hd.choice("relu", "tanh", "sigmoid"),
    "opt": hd.choice("sgd", "adam"),
    "dropout": hd.choice(0.0, 0.2, 0.5),
    "sched": hd.choice("const", "cosine", "step", "warmup"),
    "init": hd.log_range(0.1, 3.0),
}
_LINEAR: dict[str, Any] = {
    "alpha": hd.log_range(1e-7, 1e-1),
    "eta0": hd.log_range(1e-6, 10.0),
    "schedule": hd.choice("constant", "invscaling", "adaptive", "optimal"),
    "power_t": hd.uniform(0.1, 0.9),
    "penalty": hd.choice("l2", "l1", "elasticnet"),
    "average": hd.choice(False, True),
    "subsample": hd.choice(0.05, 0.25, 1.0),
}
_BOOSTING: dict[str, Any] = {
    "lr": hd.log_range(1e-3, 2.0),
    "depth": hd.quniform(1, 6, 1),
    "subsample": hd.choice(0.1, 0.3, 0.6, 1.0),
    "leaf": hd.choice(1, 3, 10, 30),
    "features": hd.choice("all", "sqrt", 0.2),
    "loss": hd.choice("squared_error", "absolute_error", "huber"),
}
_ADA: dict[str, Any] = {
    "lr": hd.log_range(1e-2, 3.0),
    "depth": hd.quniform(1, 4, 1),
    "leaf": hd.choice(1, 2, 5, 20),
}
SPACES: dict[str, dict[str, Any]] = {
    "digits_mlp": _NETWORK,
    "bc_mlp": _NETWORK | {"batch": hd.choice(8, 16, 32), "lr": hd.log_range(1e-5, 1.0)},
    "mnist5k_mlp": _NETWORK | {"batch": hd.choice(64, 128, 256), "width": hd.quniform(16, 64, 16)},
    "bc_sgd": _LINEAR,
    "wine_sgd": _LINEAR,
    "diabetes_gb": _BOOSTING,
    "iris_ada": _ADA,
}
GOALS = {"accuracy": "maximize", "log_loss": "minimize", "mse": "minimize"}


def _real(name: str) -> Task:
    table, _, metric = name.partition(".")
    space = hd.SearchSpace(SPACES[table])
    with np.load(CURVES / f"{table}.npz") as archive:
        curves = archive[metric].astype(np.float64)
        params = json.loads(str(archive["params"]))
    for given in params:
        for key, value in given.items():
            given[key] = "all" if value is None else value
    rows = space.snap(space.encode(params))
    _, first = np.unique(rows, axis=0, return_index=True)
    first.sort()
    rows, curves = rows[first], curves[first]
    at = {row.tobytes(): i for i, row in enumerate(rows)}

    def curve(row: np.ndarray) -> np.ndarray:
        return curves[at[row.tobytes()]]

    goal = GOALS[metric]
    sign = 1.0 if goal == "maximize" else -1.0
    best = sign * np.where(np.isfinite(curves), sign * curves, -np.inf).max(axis=1)
    optimum = float(sign * (sign * best).max())
    return Task(
        name, "real", goal, space, curve, optimum, abs(float(np.median(best)) - optimum), curves.shape[1], rows, best
    )


# ---------------------------------------------------------------------- drawn curves

LENGTH = 50


def _stream(row: np.ndarray) -> np.random.Generator:
    return np.random.default_rng(crc32(row.tobytes()))


def _drawn(name: str) -> Task:
    kind, _, function = name.partition(".")
    problem = PROBLEMS[function]
    steps = np.arange(1, LENGTH + 1) / LENGTH

    def curve(u: np.ndarray) -> np.ndarray:
        final = problem.function(problem.space.decode_row(u))
        regret = (final - problem.optimum) / problem.scale
        # How fast a run comes down depends on the configuration, smoothly, and on nothing that it ends with.
        speed = 0.5 * (1.0 + np.sin(5.0 * u.sum()))
        if kind == "exponential":
            left = np.exp(-steps * (4.0 + 8.0 * speed))
            left -= left[-1]
        elif kind == "power":
            left = (LENGTH * steps) ** -(0.5 + 0.8 * speed)
            left -= left[-1]
        else:  # crossing: the better a run ends, the slower it begins
            rate = 2.0 + 8.0 * regret / (1.0 + regret)
            left = np.exp(-steps * rate)
            left -= left[-1]
        shaken = 1.0 + 0.1 * _stream(u).standard_normal(LENGTH)
        return final + problem.scale * (1.0 + 0.5 * regret) * left * np.maximum(shaken, 0.0)

    return Task(name, "drawn", "minimize", problem.space, curve, problem.optimum, problem.scale, LENGTH)


NAMES = {
    **dict.fromkeys(
        (
            "digits_mlp.accuracy", "digits_mlp.log_loss", "bc_mlp.accuracy", "bc_mlp.log_loss", "mnist5k_mlp.accuracy",
            "mnist5k_mlp.log_loss", "bc_sgd.accuracy", "bc_sgd.log_loss", "wine_sgd.accuracy", "wine_sgd.log_loss",
            "diabetes_gb.mse", "iris_ada.accuracy", "iris_ada.log_loss",
        ),
        "real",
    ),
    **dict.fromkeys(
        (
            "exponential.hartmann6", "exponential.training4", "power.branin2", "power.rosenbrock5",
            "crossing.hartmann6",
        ),
        "drawn",
    ),
}  # fmt: skip
"""Name -> family, in the order of the report."""


@cache
def task(name: str) -> Task:
    """The task of a name, made once."""
    return _real(name) if NAMES[name] == "real" else _drawn(name)
