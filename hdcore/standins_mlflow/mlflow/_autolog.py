"""What scikit-learn's ``fit`` logs by itself, under the names that MLflow gives it.

Parameters, ``training_…`` metrics on the data of the fit, the model as ``outputs/model``. What is fitted inside another
fit (the steps of a pipeline, the candidates of a search) logs nothing.
"""

from __future__ import annotations

import functools
import threading
import warnings
from typing import TYPE_CHECKING, Any

from sklearn import metrics
from sklearn.base import BaseEstimator, is_classifier, is_regressor

from hdcore.tracking.trial import warn
from mlflow import _calls, _models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_local = threading.local()
_switch = {"on": False, "log_models": True, "installed": False}


def switch(*, on: bool, log_models: bool) -> None:
    """Turn it on or off, for classes that are there and classes that are imported later."""
    _switch.update(on=on, log_models=log_models)
    if not on or _switch["installed"]:
        return
    _switch["installed"] = True
    for kind in _kinds(BaseEstimator):
        _watch(kind)
    inherited = BaseEstimator.__init_subclass__.__func__

    def watch_new(cls: Any, /, **more: Any) -> None:
        inherited(cls, **more)
        _watch(cls)

    BaseEstimator.__init_subclass__ = classmethod(watch_new)


def _kinds(base: type) -> Iterator[type]:
    kind: type
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _watch(kind: type) -> None:
    original = vars(kind).get("fit")
    if not callable(original) or hasattr(original, "is_watched"):
        return

    @functools.wraps(original)
    def fit(self: Any, *arguments: Any, **more: Any) -> Any:
        if not _switch["on"] or getattr(_local, "is_fitting", False):
            return original(self, *arguments, **more)
        _local.is_fitting = True
        try:
            result = original(self, *arguments, **more)
            try:
                _log(self, *arguments, **more)
            except Exception as error:  # as in MLflow, logging never ends a training
                warn(f"what {type(self).__name__}.fit did could not be logged: {type(error).__name__}: {error}")
        finally:
            _local.is_fitting = False
        return result

    fit.is_watched = True  # type: ignore[attr-defined]
    kind.fit = fit  # type: ignore[attr-defined]


def _log(estimator: Any, x: Any, y: Any = None, sample_weight: Any = None, **more: Any) -> None:
    run = _calls.active_run()
    run_id = run.info.run_id if run is not None else _calls.trial().id
    params = dict(estimator.get_params(deep=not hasattr(estimator, "best_params_")))
    if hasattr(estimator, "best_params_"):
        params.update({f"best_{name}": value for name, value in estimator.best_params_.items()})
    _calls.log_params({name: str(value)[:6000] for name, value in params.items()}, run_id=run_id)
    found: dict[str, float] = {}
    if y is not None and (is_classifier(estimator) or is_regressor(estimator)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _scores(estimator, x, y, sample_weight)
    if hasattr(estimator, "best_score_"):
        found["best_cv_score"] = estimator.best_score_
    _calls.log_metrics({name: float(value) for name, value in found.items()}, run_id=run_id)
    if _switch["log_models"] and hasattr(estimator, "predict"):
        _models.log("sklearn", estimator, "model", run_id=run_id)


def _scores(estimator: Any, x: Any, y: Any, weight: Any) -> dict[str, float]:
    guess = estimator.predict(x)
    found: dict[str, float] = {}

    def add(name: str, score: Callable[..., float], *given: Any, **more: Any) -> None:
        try:
            found[f"training_{name}"] = score(*given, sample_weight=weight, **more)
        except ValueError:  # not defined for these data, as the area under the curve is for one class
            pass

    if is_classifier(estimator):
        for name in ("precision_score", "recall_score", "f1_score"):
            add(name, getattr(metrics, name), y, guess, average="weighted")
        add("accuracy_score", metrics.accuracy_score, y, guess)
        if hasattr(estimator, "predict_proba"):
            chance = estimator.predict_proba(x)
            add("log_loss", metrics.log_loss, y, chance)
            chance = chance[:, 1] if len(estimator.classes_) == 2 else chance
            add("roc_auc", metrics.roc_auc_score, y, chance, average="weighted", multi_class="ovr")
    else:
        add("mean_squared_error", metrics.mean_squared_error, y, guess)
        if "training_mean_squared_error" in found:
            found["training_root_mean_squared_error"] = found["training_mean_squared_error"] ** 0.5
        add("mean_absolute_error", metrics.mean_absolute_error, y, guess)
        add("r2_score", metrics.r2_score, y, guess)
    found["training_score"] = estimator.score(x, y) if weight is None else estimator.score(x, y, sample_weight=weight)
    return found
