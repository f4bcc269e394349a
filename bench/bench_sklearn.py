"""`HyperDriveSearchCV` against scikit-learn's own searches, on the same budget.

    pytest bench/bench_sklearn.py --benchmark-only        HDCORE_BENCH_QUICK=1: one seed and few configurations

Data sets that scikit-learn ships, the same ranges for all. The budget is 40 configurations of 5 folds on all of the
data; `HalvingRandomSearchCV` begins with 120 configurations on a ninth of it and has three rungs, which costs the same
number of samples. What counts is the configuration that a search calls best: its score on the folds of the search, on
all of the data. `unseen` is its score on other folds. Both are means over seeds; folds and configurations go with the
seed.
"""

from __future__ import annotations

import os
import time
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.stats as st
from sklearn import datasets
from sklearn.base import clone, is_classifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

import hdcore as hd
from hdcore.bindings.sklearn import HyperDriveSearchCV

pytestmark = [pytest.mark.timeout(7200, func_only=True), pytest.mark.filterwarnings("ignore")]
QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
SEEDS = 1 if QUICK else 5
N_ITER = 5 if QUICK else 40

SVM = {"svc__C": (1e-3, 1e3), "svc__gamma": (1e-6, 1e1)}
LOGISTIC = {"loss": "log_loss", "random_state": 0}
# data set -> estimator, scoring, bounds of log-uniform parameters, bounds of whole-number ones
PROBLEMS: dict[str, tuple[Any, str, dict[str, tuple[float, float]], dict[str, tuple[int, int]]]] = {
    "breast_cancer": (SVC(), "roc_auc", SVM, {}),
    "digits": (SVC(), "accuracy", SVM, {}),
    "wine": (
        SGDClassifier(penalty="elasticnet", learning_rate="constant", tol=None, **LOGISTIC),
        "neg_log_loss",
        {"sgdclassifier__alpha": (1e-7, 1e1), "sgdclassifier__eta0": (1e-4, 1e1), "sgdclassifier__l1_ratio": (1e-3, 1)},
        {"sgdclassifier__max_iter": (5, 60)},
    ),
    "diabetes": (
        SVR(),
        "r2",
        {"svr__C": (1e-3, 1e3), "svr__gamma": (1e-6, 1e1), "svr__epsilon": (1e-2, 1e2)},
        {},
    ),
    "iris": (
        SGDClassifier(learning_rate="invscaling", max_iter=50, tol=None, **LOGISTIC),
        "neg_log_loss",
        {"sgdclassifier__alpha": (1e-7, 1e1), "sgdclassifier__eta0": (1e-4, 1e1), "sgdclassifier__power_t": (1e-2, 1)},
        {},
    ),
}
SEARCHES = ("RandomizedSearchCV", "HalvingRandomSearchCV", "HyperDriveSearchCV")


def search(kind: str, name: str, cv: Any, seed: int) -> Any:
    model, scoring, logs, wholes = PROBLEMS[name]
    estimator = make_pipeline(StandardScaler(), clone(model))
    shared = {"cv": cv, "scoring": scoring, "random_state": seed, "refit": False}
    if kind == "HyperDriveSearchCV":
        space = {key: hd.log_range(*bounds) for key, bounds in logs.items()}
        space |= {key: hd.quniform(*bounds, 1) for key, bounds in wholes.items()}
        return HyperDriveSearchCV(estimator, space, n_iter=N_ITER, **shared)
    ranges = {key: st.loguniform(*bounds) for key, bounds in logs.items()}
    ranges |= {key: st.randint(low, high + 1) for key, (low, high) in wholes.items()}
    if kind == "RandomizedSearchCV":
        return RandomizedSearchCV(estimator, ranges, n_iter=N_ITER, **shared)
    n_samples = len(data(name)[0])
    return HalvingRandomSearchCV(
        estimator, ranges, n_candidates=3 * N_ITER, min_resources=n_samples // 9, factor=3, **shared
    )


@cache
def data(name: str) -> tuple[Any, Any]:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return (X[::3], y[::3]) if name == "digits" else (X, y)  # all of them take minutes and are as easy


@cache
def result(kind: str, name: str) -> tuple[float, float, float, float]:
    """Score on the search's folds, on unseen folds, standard deviation of the first over seeds, seconds of a search."""
    X, y = data(name)
    model, scoring, *_ = PROBLEMS[name]
    found, unseen, seconds = [], [], []
    for seed in range(SEEDS):
        kinds = (StratifiedKFold, RepeatedStratifiedKFold) if is_classifier(model) else (KFold, RepeatedKFold)
        cv = kinds[0](5, shuffle=True, random_state=seed)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = search(kind, name, cv, seed).fit(X, y)
        seconds.append(time.perf_counter() - start)
        best = clone(given.estimator).set_params(**given.best_params_)
        found.append(cross_val_score(best, X, y, cv=cv, scoring=scoring).mean())
        other = kinds[1](n_splits=5, n_repeats=2, random_state=1000 + seed)
        unseen.append(cross_val_score(best, X, y, cv=other, scoring=scoring).mean())
    return float(np.mean(found)), float(np.mean(unseen)), float(np.std(found)), float(np.mean(seconds))


@pytest.mark.benchmark(group="searches of scikit-learn: score on the folds of the search")
@pytest.mark.parametrize("kind", SEARCHES)
@pytest.mark.parametrize("name", PROBLEMS)
def test_search(benchmark: Any, name: str, kind: str) -> None:
    score, unseen, spread, seconds = benchmark.pedantic(lambda: result(kind, name), rounds=1)
    benchmark.extra_info |= {
        "score": f"{score:.5f}", "sd over seeds": f"{spread:.5f}", "unseen": f"{unseen:.5f}", "s": round(seconds, 1)
    }  # fmt: skip


@pytest.mark.benchmark(group="searches of scikit-learn: better on")
def test_better_on_most_problems(benchmark: Any) -> None:
    def wins() -> int:
        ours = SEARCHES[-1]
        return sum(all(result(ours, name)[0] > result(kind, name)[0] for kind in SEARCHES[:-1]) for name in PROBLEMS)

    won = benchmark.pedantic(wins, rounds=1)
    benchmark.extra_info["problems"] = f"{won} of {len(PROBLEMS)}"
    assert QUICK or won >= 4
