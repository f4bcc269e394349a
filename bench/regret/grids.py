"""Levels of the tabulated models: shared by the script that makes the tables and the problems that read them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np


def _powers(base: float, first: float, step: float, count: int) -> tuple[float, ...]:
    return tuple(float(base ** (first + step * k)) for k in range(count))


SVM = SimpleNamespace(c=_powers(2, -6, 1, 15), gamma=_powers(2, -11, 1, 14), degree=(2, 3))
FOREST = SimpleNamespace(
    model=("forest", "extra"),
    bootstrap=(True, False),
    depth=tuple(range(1, 9)),
    leaf=(1, 2, 3, 5, 8, 13, 21, 34, 55),
    features=tuple(round(0.1 * k, 1) for k in (1, 2, 3, 4, 6, 8, 10)),
)
BOOST = SimpleNamespace(
    rate=_powers(10, -2.5, 0.25, 11),
    depth=(1, 2, 3, 4, 6),
    subsample=(0.4, 0.7, 1.0),
    features=(0.2, 0.5, 1.0),
    trees=tuple(int(n) for n in np.unique(np.geomspace(4, 120, 12).round())),
)
MLP = SimpleNamespace(
    activation=("relu", "tanh", "logistic"),
    solver=("adam", "sgd"),
    rate=_powers(10, -4, 1 / 3, 13),
    alpha=_powers(10, -5, 1, 7),
    units=(4, 8, 16, 32),
)
NEIGHBORS = SimpleNamespace(
    metric=("euclidean", "manhattan", "chebyshev", "cosine"),
    weights=("uniform", "distance"),
    components=tuple(int(n) for n in np.unique(np.geomspace(2, 50, 14).round())),
    neighbors=tuple(range(1, 16)),
)
SGD = SimpleNamespace(
    loss=("hinge", "log_loss", "modified_huber", "perceptron"),
    penalty=("l2", "l1", "elasticnet"),
    schedule=("constant", "invscaling", "adaptive"),
    alpha=_powers(10, -6, 0.5, 10),
    rate=_powers(10, -3, 0.5, 8),
)
