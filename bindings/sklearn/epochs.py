"""Cross-validation of estimators that are trained epoch by epoch, with ``partial_fit``."""

from __future__ import annotations

import time
from inspect import signature
from numbers import Number
from traceback import format_exc
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection._validation import _score
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples


def train(estimator: Any, X: Any, y: Any, epochs: int, classes: Any, fit_params: dict[str, Any]) -> Any:
    """Train an estimator for some epochs on all of the data."""
    more = {"classes": classes} if "classes" in signature(estimator.partial_fit).parameters else {}
    for _ in range(epochs):
        if y is None:
            estimator.partial_fit(X, **more, **fit_params)
        else:
            estimator.partial_fit(X, y, **more, **fit_params)
    return estimator


def classes_of(estimator: Any, y: Any) -> Any:
    """All classes, which a classifier must know although a fold may lack one; None for other estimators."""
    return np.unique(y) if y is not None and is_classifier(estimator) else None


def train_and_score(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    train_indices: Any,
    test_indices: Any,
    parameters: dict[str, Any] | None,
    epochs: int,
    classes: Any,
    scorer: Any,
    fit_params: dict[str, Any],
    score_params: dict[str, Any],
    error_score: Any,
    return_train_score: bool,
) -> dict[str, Any]:
    """Train one fold for some more epochs; the result has the form of scikit-learn's own ``_fit_and_score``.

    Parameters
    ----------
    estimator : object
        A fresh clone, or the estimator that the call before returned.
    parameters : dict or None
        To be set on a fresh one; None goes on.

    Returns
    -------
    dict
        ``test_scores``, ``train_scores``, ``fit_time``, ``score_time``, ``fit_error``, and the ``estimator``.
    """
    fit_params = _check_method_params(X, params=fit_params, indices=train_indices)
    on_train = _check_method_params(X, params=score_params, indices=train_indices)
    on_test = _check_method_params(X, params=score_params, indices=test_indices)
    if parameters is not None:
        estimator.set_params(**clone(parameters, safe=False))
    X_train, y_train = _safe_split(estimator, X, y, train_indices)
    X_test, y_test = _safe_split(estimator, X, y, test_indices, train_indices)
    result: dict[str, Any] = {"estimator": estimator, "n_test_samples": _num_samples(X_test), "fit_error": None}
    start = time.time()
    try:
        train(estimator, X_train, y_train, epochs, classes, fit_params)
    except Exception:
        if error_score == "raise":
            raise
        assert isinstance(error_score, Number)
        names = getattr(scorer, "_scorers", None)
        failed = error_score if names is None else dict.fromkeys(names, error_score)
        result |= {"fit_error": format_exc(), "fit_time": time.time() - start, "score_time": 0.0, "test_scores": failed}
        return result | ({"train_scores": failed} if return_train_score else {})
    result["fit_time"] = time.time() - start
    start = time.time()
    result["test_scores"] = _score(estimator, X_test, y_test, scorer, on_test, error_score)
    result["score_time"] = time.time() - start
    if return_train_score:
        result["train_scores"] = _score(estimator, X_train, y_train, scorer, on_train, error_score)
    return result
