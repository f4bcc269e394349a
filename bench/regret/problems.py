"""The problems: four families, two halves, known optima. Everything is minimised.

========== ========================================================================================================
smooth     few minima, well described by a Gaussian process
multimodal many minima of similar shape
heavy      values over many decades, cliffs, diverging runs
mixed      real models of scikit-learn, tabulated (`make_tables`), and one synthetic conditional space
========== ========================================================================================================

Every optimum is off the centre of the box and off its diagonal; where the classical function has it there, the function
is moved (and for some rotated) by a fixed seed, see `functions.affine`. The value at the optimum is exact by
construction, or in the tables the smallest cell. A problem named `..._noisy` gives `observe`d values with noise, which
is a function of (problem, seed, number of the evaluation); regret is always taken from the noise-free value of the
configuration with the best observed value.

Choices in hdcore (priors, schedules, thresholds) are fitted on the half `fit`; claims are made on the half `report`. A
problem and its noisy variant are in the same half.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

import hdcore as hd

from . import functions as fn
from .grids import BOOST, FOREST, MLP, NEIGHBORS, SGD, SVM

FAMILIES = ("smooth", "multimodal", "heavy", "mixed")
HALVES = ("fit", "report")
FLOOR = 1e-6
"""Regrets below this share of the problem's scale count as this share: continuous problems without noise."""
COARSE_FLOOR = 1e-3
"""The same for tables, whose smallest steps are about that, and for noisy problems, where less cannot be seen."""

Configuration = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One objective.

    Attributes
    ----------
    name, family, half : str
    space : SearchSpace
    function : callable
        Configuration -> noise-free value.
    optimum : float
        Its minimum over the space.
    best : dict
        A configuration that has it.
    noise : callable or None
        Generator -> one draw to be added to an observed value.
    floor : float
        Smallest regret that counts, as a share of `scale`.
    """

    name: str
    family: str
    half: str
    space: hd.SearchSpace
    function: Callable[[Configuration], float]
    optimum: float
    best: Configuration
    noise: Callable[[np.random.Generator], float] | None = None
    floor: float = FLOOR

    def observe(self, configuration: Configuration, seed: int, evaluation: int) -> tuple[float, float]:
        """Value a sampler is told, and the noise-free value."""
        value = self.function(configuration)
        if self.noise is None:
            return value, value
        stream = np.random.default_rng([crc32(self.name.encode()), seed, evaluation])
        return value + self.noise(stream), value

    @property
    def scale(self) -> float:
        """Median regret of one random configuration."""
        return _scale(self.name)

    def regret(self, value: float) -> float:
        """Distance from the optimum in shares of `scale`, not below the floor."""
        return max((value - self.optimum) / self.scale, self.floor)


@cache
def _scale(name: str) -> float:
    problem = PROBLEMS[name]
    columns = hd.sample(problem.space, 1000, seed=1)
    values = [
        problem.function({key: _item(column[k]) for key, column in columns.items()}) for k in range(1000)
    ]  # fmt: skip
    return float(np.median(values)) - problem.optimum


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


PROBLEMS: dict[str, Problem] = {}
"""Name -> problem, in the order of the report."""


def _add(name: str, family: str, half: str, space: dict[str, Any], function: Any, optimum: float, best: Any, **more: Any) -> None:  # fmt: skip  # noqa: E501
    assert family in FAMILIES
    assert half in HALVES
    PROBLEMS[name] = Problem(name, family, half, hd.SearchSpace(space), function, optimum, best, **more)


def _box(
    name: str,
    family: str,
    half: str,
    function: Callable[[np.ndarray], float],
    optimum: float,
    place: fn.Affine,
    **more: Any,
) -> None:
    """Add a function on [0, 1]^d; samplers see every axis as a position in the box anyway."""
    d = len(place.u_best)
    names = [f"x{k}" for k in range(d)]

    def value(configuration: Configuration) -> float:
        return function(place(np.array([configuration[n] for n in names])))

    best = dict(zip(names, place.u_best.tolist(), strict=True))
    _add(name, family, half, dict.fromkeys(names, hd.uniform(0, 1)), value, optimum, best, **more)


def _at(z_best: Any, low: Any, width: Any) -> fn.Affine:
    """A plain box [low, low + width] without rotation."""
    z_best, low, width = (np.asarray(a, float) + np.zeros(len(z_best)) for a in (z_best, low, width))
    return fn.Affine(np.diag(width), (z_best - low) / width, z_best)


def _normal(sd: float) -> Callable[[np.random.Generator], float]:
    return lambda stream: sd * float(stream.standard_normal())


def _unlucky(scale: float) -> Callable[[np.random.Generator], float]:
    """Noise that only harms, with tails so heavy that it has no variance."""
    return lambda stream: scale * abs(float(stream.standard_t(1.5)))


# ---------------------------------------------------------------------------------------------------------- smooth

_HARTMANN = _at(fn.HARTMANN_BEST, [-0.1, -0.05, 0.13, 0.09, -0.12, 0.07], 1.0)
# A sum of bumps with centres in [0, 1]^6 has all its maxima there, so the moved box has no better one outside.
_box("branin2", "smooth", "fit", fn.branin, 0.39788735772973816, _at([math.pi, 2.275], [-5, 0], 15))
_box("hartmann6", "smooth", "report", fn.hartmann6, -3.322368011415515, _HARTMANN)
_box("rosenbrock5", "smooth", "fit", fn.rosenbrock, 0.0, fn.affine(21, np.ones(5), 4.0, rotated=True))
_box("levy8", "smooth", "fit", fn.levy, 0.0, fn.affine(22, np.ones(8), 20.0, rotated=False))
_box("ellipsoid10", "smooth", "report", fn.sphere, 0.0,
     fn.affine(23, np.zeros(10), 10 ** np.linspace(0, 1.5, 10), rotated=True))  # fmt: skip
_box("ellipsoid20", "smooth", "fit", fn.sphere, 0.0,
     fn.affine(24, np.zeros(20), 10 ** np.linspace(1, -1, 20), rotated=False))  # fmt: skip
_box("hartmann6_noisy", "smooth", "report", fn.hartmann6, -3.322368011415515, _HARTMANN, noise=_normal(0.1),
     floor=COARSE_FLOOR)  # fmt: skip

# ------------------------------------------------------------------------------------------------------ multimodal

_ACKLEY = fn.affine(31, np.zeros(5), 40.0, rotated=True)
_box("ackley5", "multimodal", "fit", fn.ackley, 0.0, _ACKLEY)
_box("rastrigin4", "multimodal", "report", fn.rastrigin, 0.0, fn.affine(32, np.zeros(4), 7.0, rotated=False))
_box("shekel4", "multimodal", "report", fn.shekel, -10.536443153483534,
     fn.affine(33, fn.SHEKEL_BEST, 10.0, rotated=False))  # fmt: skip
_box("styblinski8", "multimodal", "fit", fn.styblinski, 8 * -39.166165703771416,
     fn.affine(34, np.full(8, fn.STYBLINSKI_BEST), 9.0, rotated=False))  # fmt: skip
_box("michalewicz5", "multimodal", "report", fn.michalewicz, -4.687658179088148,
     _at(fn.MICHALEWICZ_BEST, 0.0, [3.2, 3.9, 3.3, 3.25, 4.1]))  # fmt: skip
_box("ackley5_noisy", "multimodal", "fit", fn.ackley, 0.0, _ACKLEY, noise=_normal(0.5), floor=COARSE_FLOOR)

# ----------------------------------------------------------------------------------------------------------- heavy


def _training(configuration: Configuration) -> float:
    """Final loss of a training run: a bowl in log coordinates that ends at a cliff, just above the best step size."""
    lr, momentum = math.log10(configuration["lr"]), configuration["momentum"]
    width, decay = math.log10(configuration["width"]), math.log10(configuration["decay"])
    step = lr - math.log10(1 - momentum) + 0.4 * (width - 2.35) + 1.2  # 0 is best
    bowl = 0.3 * step**2 + 0.05 * (decay + 3.9 - 0.5 * step) ** 2 + 0.4 * (width - 2.35) ** 2
    bowl += 0.6 * (momentum - 0.83) ** 2
    over = max(0.0, step - 0.2)
    return 0.25 + bowl + math.expm1(min(12.0 * over, 14.0)) + (0.3 if over else 0.0)


_TRAINING = {
    "lr": hd.loguniform(math.log(1e-6), math.log(1.0)),
    "momentum": hd.uniform(0.0, 0.99),
    "width": hd.loguniform(math.log(16), math.log(2048)),
    "decay": hd.loguniform(math.log(1e-6), math.log(1e-1)),
}
_TRAINING_BEST = {"lr": 10**-1.2 * (1 - 0.83), "momentum": 0.83, "width": 10**2.35, "decay": 10**-3.9}

_box("goldstein2", "heavy", "fit", fn.goldstein, 3.0, _at([0.0, -1.0], [-2.4, -2.1], 4.0))
_box("dixonprice6", "heavy", "fit", fn.dixon_price, 0.0,
     fn.affine(41, fn.dixon_price_best(6), 15.0, rotated=False))  # fmt: skip
_box("steepbowl7", "heavy", "report", fn.steep_bowl, 0.0,
     fn.affine(42, np.zeros(7), 9 * 10 ** np.linspace(0, -0.7, 7), rotated=True))  # fmt: skip
_box("rosenbrock10", "heavy", "fit", fn.rosenbrock, 0.0, fn.affine(43, np.ones(10), 12.0, rotated=False))
_add("training4", "heavy", "report", _TRAINING, _training, 0.25, _TRAINING_BEST)
_add("training4_noisy", "heavy", "report", _TRAINING, _training, 0.25, _TRAINING_BEST, noise=_unlucky(0.02),
     floor=COARSE_FLOOR)  # fmt: skip

# ----------------------------------------------------------------------------------------------------------- mixed

_TABLES = Path(__file__).parent / "tables"


def _ranks(levels: tuple[Any, ...]) -> dict[Any, int]:
    return {level: k for k, level in enumerate(levels)}


def _tabulated(name: str, half: str, key: str, **axes: tuple[Any, ...]) -> None:
    """Add a table whose axes are choices, in the order of `axes`; numbers are ordered levels for every sampler."""
    with np.load(_TABLES / f"{name}.npz") as file:
        table = file[key].astype(float)
    ranks = {axis: _ranks(levels) for axis, levels in axes.items()}

    def value(configuration: Configuration) -> float:
        return float(table[tuple(rank[configuration[axis]] for axis, rank in ranks.items())])

    cell = np.unravel_index(table.argmin(), table.shape)
    best = {axis: levels[k] for (axis, levels), k in zip(axes.items(), cell, strict=True)}
    space = {axis: hd.choice(*levels) for axis, levels in axes.items()}
    _add(name, "mixed", half, space, value, float(table.min()), best, floor=COARSE_FLOOR)


def _svm(name: str, half: str) -> None:
    """Add the support-vector table: what else there is to choose depends on the kernel."""
    with np.load(_TABLES / f"{name}.npz") as file:
        tables = {kernel: file[kernel].astype(float) for kernel in ("rbf", "sigmoid", "poly", "linear")}
    axes = {"c": SVM.c, "gamma": SVM.gamma, "degree": SVM.degree}
    ranks = {axis: _ranks(levels) for axis, levels in axes.items()}
    own = {"rbf": ("c", "gamma"), "sigmoid": ("c", "gamma"), "poly": ("c", "gamma", "degree"), "linear": ("c",)}

    def value(configuration: Configuration) -> float:
        kernel = configuration["kernel"]
        return float(tables[kernel["name"]][tuple(ranks[axis][kernel[axis]] for axis in own[kernel["name"]])])

    kernel = min(tables, key=lambda k: tables[k].min())
    cell = np.unravel_index(tables[kernel].argmin(), tables[kernel].shape)
    best = {"name": kernel} | {axis: axes[axis][k] for axis, k in zip(own[kernel], cell, strict=True)}
    options = [{"name": k} | {axis: hd.choice(*axes[axis]) for axis in names} for k, names in own.items()]
    optimum = min(float(table.min()) for table in tables.values())
    _add(name, "mixed", half, {"kernel": hd.choice(*options)}, value, optimum, {"kernel": best}, floor=COARSE_FLOOR)


def _network(configuration: Configuration) -> float:
    """Synthetic loss over a conditional space; a sum of terms that are each 0 at the best configuration."""
    optimizer, rate = configuration["optimizer"], configuration["dropout"]
    rough = 0.0
    if optimizer["name"] == "sgd":
        step = math.log10(optimizer["lr"]) + 1.6 - 0.8 * (optimizer["momentum"] - 0.87)
        rough += 1.5 * (optimizer["momentum"] - 0.87) ** 2
    else:
        step = math.log10(optimizer["lr"]) + 3.2
        rough += 0.12 if optimizer["name"] == "adam" else 0.2
    activation = {"relu": 0.15, "gelu": 0.0, "tanh": 0.35, "selu": 0.08}[configuration["activation"]]
    norm = {"none": 0.4, "batch": 0.1, "layer": 0.0}[configuration["norm"]]
    depth, units = configuration["depth"] + 1, configuration["units"]
    capacity = math.log2(depth * units) - math.log2(5 * 176)
    rough += 0.25 * step**2 + 0.06 * math.sin(4 * math.pi * step) ** 2
    rough += 0.05 * abs(depth - 5) + 0.1 * capacity**2 + (rate - 0.22 - 0.3 * activation) ** 2
    return rough + activation + norm * (1 + 0.5 * abs(step)) + 0.2 * activation * norm


_NETWORK = {
    "optimizer": hd.choice(
        {"name": "sgd", "lr": hd.loguniform(-11, 0), "momentum": hd.uniform(0, 0.99)},
        {"name": "adam", "lr": hd.loguniform(-14, -2)},
        {"name": "lion", "lr": hd.loguniform(-14, -2)},
    ),
    "activation": hd.choice("relu", "gelu", "tanh", "selu"),
    "norm": hd.choice("none", "batch", "layer"),
    "depth": hd.randint(8),
    "units": hd.choice(*range(16, 513, 16)),
    "dropout": hd.uniform(0, 0.7),
}
_NETWORK_BEST = {
    "optimizer": {"name": "sgd", "lr": 10**-1.6, "momentum": 0.87},
    "activation": "gelu",
    "norm": "layer",
    "depth": 4,
    "units": 176,
    "dropout": 0.22,
}

_svm("svm_digits", "report")
_tabulated("forest_diabetes", "fit", "mse", **vars(FOREST))
_tabulated("boost_diabetes", "report", "mse", **vars(BOOST) | {"trees": BOOST.trees})
_tabulated("mlp_cancer", "fit", "loss", **vars(MLP))
_tabulated("neighbors_digits", "report", "error", **vars(NEIGHBORS))
_tabulated("sgd_digits", "fit", "error", **vars(SGD))
_add("network10", "mixed", "report", _NETWORK, _network, 0.0, _NETWORK_BEST, floor=COARSE_FLOOR)
