"""Tabulate real scikit-learn models, once: `python -m bench.regret.make_tables [NAME ...]`.

Each table is the full grid of one model's space on a data set that ships with scikit-learn, as `tables/NAME.npz` with
one array per branch of the space; `problems.py` turns a configuration into the indices. Seeds are fixed, the folds
too. All tables together take about four minutes of one core.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from .grids import BOOST, FOREST, MLP, NEIGHBORS, SGD, SVM

TABLES = Path(__file__).parent / "tables"
Folds = list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]


def _digits(n: int, folds: int) -> Folds:
    """`folds` disjoint validation parts of `n` digits, each with the rest as training part; features in [0, 1]."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold

    x, y = load_digits(return_X_y=True)
    chosen = np.random.default_rng(11).permutation(len(x))[:n]
    x, y = x[chosen] / 16.0, y[chosen]
    split = StratifiedKFold(folds, shuffle=True, random_state=11).split(x, y)
    return [(x[fit], y[fit], x[check], y[check]) for fit, check in split]


def _diabetes(folds: int) -> Folds:
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import KFold

    x, y = load_diabetes(return_X_y=True)
    split = KFold(folds, shuffle=True, random_state=12).split(x)
    return [(x[fit], y[fit], x[check], y[check]) for fit, check in split]


def _cancer(folds: int) -> Folds:
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import StratifiedKFold

    x, y = load_breast_cancer(return_X_y=True)
    split = StratifiedKFold(folds, shuffle=True, random_state=13).split(x, y)
    parts = []
    for fit, check in split:
        mean, sd = x[fit].mean(0), x[fit].std(0)
        parts.append(((x[fit] - mean) / sd, y[fit], (x[check] - mean) / sd, y[check]))
    return parts


def _cells(*axes: Any) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """Indices and values of every cell of a grid."""
    for cell in product(*(range(len(axis)) for axis in axes)):
        yield cell, tuple(axis[k] for axis, k in zip(axes, cell, strict=True))


def _grid(*axes: Any) -> np.ndarray:
    return np.full([len(axis) for axis in axes], np.nan)


def _mean_error(make: Callable[[], Any], folds: Folds) -> float:
    wrong = [1.0 - make().fit(x, y).score(a, b) for x, y, a, b in folds]
    return float(np.mean(wrong))


def svm_digits() -> dict[str, np.ndarray]:
    """Error of a support-vector classifier, by kernel."""
    from sklearn.svm import SVC

    folds = _digits(500, 3)
    tables = {}
    for kernel in ("rbf", "sigmoid"):
        tables[kernel] = _grid(SVM.c, SVM.gamma)
        for cell, (c, gamma) in _cells(SVM.c, SVM.gamma):
            tables[kernel][cell] = _mean_error(lambda c=c, g=gamma, k=kernel: SVC(C=c, gamma=g, kernel=k), folds)
    tables["poly"] = _grid(SVM.c, SVM.gamma, SVM.degree)
    for cell, (c, gamma, degree) in _cells(SVM.c, SVM.gamma, SVM.degree):
        tables["poly"][cell] = _mean_error(
            lambda c=c, g=gamma, d=degree: SVC(C=c, gamma=g, degree=d, kernel="poly"), folds
        )
    tables["linear"] = _grid(SVM.c)
    for cell, (c,) in _cells(SVM.c):
        tables["linear"][cell] = _mean_error(lambda c=c: SVC(C=c, kernel="linear"), folds)
    return tables


def forest_diabetes() -> dict[str, np.ndarray]:
    """Mean squared error of forests."""
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

    models = {"forest": RandomForestRegressor, "extra": ExtraTreesRegressor}
    folds = _diabetes(2)
    axes = (FOREST.model, FOREST.bootstrap, FOREST.depth, FOREST.leaf, FOREST.features)
    table = _grid(*axes)
    for cell, (model, bootstrap, depth, leaf, features) in _cells(*axes):
        losses = []
        for x, y, a, b in folds:
            fitted = models[model](
                n_estimators=16, bootstrap=bootstrap, max_depth=depth, min_samples_leaf=leaf, max_features=features,
                random_state=5,
            ).fit(x, y)  # fmt: skip
            losses.append(np.mean((fitted.predict(a) - b) ** 2))
        table[cell] = np.mean(losses)
    return {"mse": table}


def boost_diabetes() -> dict[str, np.ndarray]:
    """Mean squared error of gradient boosting; the number of trees costs nothing, since the stages are nested."""
    from sklearn.ensemble import GradientBoostingRegressor

    folds = _diabetes(2)
    axes = (BOOST.rate, BOOST.depth, BOOST.subsample, BOOST.features)
    table = np.full([*(len(axis) for axis in axes), len(BOOST.trees)], np.nan)
    wanted = [n - 1 for n in BOOST.trees]
    for cell, (rate, depth, subsample, features) in _cells(*axes):
        losses = []
        for x, y, a, b in folds:
            fitted = GradientBoostingRegressor(
                n_estimators=max(BOOST.trees), learning_rate=rate, max_depth=depth, subsample=subsample,
                max_features=features, random_state=6,
            ).fit(x, y)  # fmt: skip
            stages = np.array([np.mean((p - b) ** 2) for p in fitted.staged_predict(a)])
            losses.append(stages[wanted])
        table[cell] = np.mean(losses, axis=0)
    return {"mse": table}


def mlp_cancer() -> dict[str, np.ndarray]:
    """Log loss of a small network after ten passes."""
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    folds = _cancer(2)
    axes = (MLP.activation, MLP.solver, MLP.rate, MLP.alpha, MLP.units)
    table = _grid(*axes)
    for cell, (activation, solver, rate, alpha, units) in _cells(*axes):
        losses = []
        for x, y, a, b in folds:
            fitted = MLPClassifier(
                (units,), activation=activation, solver=solver, learning_rate_init=rate, alpha=alpha, batch_size=32,
                max_iter=10, random_state=7,
            ).fit(x, y)  # fmt: skip
            losses.append(log_loss(b, fitted.predict_proba(a)))
        table[cell] = np.mean(losses)
    return {"loss": table}


def neighbors_digits() -> dict[str, np.ndarray]:
    """Error of nearest neighbours after a projection."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier

    folds = _digits(700, 3)
    axes = (NEIGHBORS.metric, NEIGHBORS.weights, NEIGHBORS.components, NEIGHBORS.neighbors)
    table = _grid(*axes)
    for j, components in enumerate(NEIGHBORS.components):
        projected = []
        for x, y, a, b in folds:
            pca = PCA(components, random_state=8).fit(x)
            projected.append((pca.transform(x), y, pca.transform(a), b))
        for (m, w, k), (metric, weights, neighbors) in _cells(NEIGHBORS.metric, NEIGHBORS.weights, NEIGHBORS.neighbors):
            table[m, w, j, k] = _mean_error(
                lambda n=neighbors, w=weights, m=metric: KNeighborsClassifier(
                    n, weights=w, metric=m, algorithm="brute"
                ),
                projected,
            )
    return {"error": table}


def sgd_digits() -> dict[str, np.ndarray]:
    """Error of linear models after four passes of stochastic gradients."""
    from sklearn.linear_model import SGDClassifier

    folds = _digits(500, 2)
    axes = (SGD.loss, SGD.penalty, SGD.schedule, SGD.alpha, SGD.rate)
    table = _grid(*axes)
    for cell, (loss, penalty, schedule, alpha, rate) in _cells(*axes):
        table[cell] = _mean_error(
            lambda loss=loss, penalty=penalty, schedule=schedule, alpha=alpha, rate=rate: SGDClassifier(
                loss=loss,
                penalty=penalty,
                learning_rate=schedule,
                alpha=alpha,
                eta0=rate,
                max_iter=4,
                tol=None,
                random_state=9,
            ),
            folds,
        )
    return {"error": table}


MAKERS = (svm_digits, forest_diabetes, boost_diabetes, mlp_cancer, neighbors_digits, sgd_digits)


def main(names: list[str]) -> None:
    """Make the named tables, or all."""
    warnings.simplefilter("ignore")  # models that did not converge are part of the space
    for maker in MAKERS:
        if names and maker.__name__ not in names:
            continue
        began = process_time()
        tables = {key: table.astype(np.float32) for key, table in maker().items()}
        assert all(np.isfinite(table).all() for table in tables.values())
        path = TABLES / f"{maker.__name__}.npz"
        np.savez_compressed(path, **tables)
        cells = sum(table.size for table in tables.values())
        seconds = process_time() - began
        print(f"{maker.__name__}: {cells} cells, {path.stat().st_size} bytes, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
