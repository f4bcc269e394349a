"""What the ``train`` of LightGBM and XGBoost logs by itself, under the names that MLflow gives it.

Parameters, every metric of every round as ``DATA-METRIC``, the model as ``outputs/model``.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from hdcore.tracking.trial import warn
from mlflow import _calls, _models

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_switch: dict[str, dict[str, bool]] = {}


def switch(library: str, *, on: bool, log_models: bool) -> None:
    """Turn it on or off for a library that has been imported."""
    is_new = library not in _switch
    _switch[library] = {"on": on, "log_models": log_models}
    module: Any = sys.modules.get(library)
    if module is None or not is_new or not on:
        if module is None:
            del _switch[library]
        return
    watched = _watch(module.train, library)
    module.train = watched
    inner: Any = sys.modules.get(f"{library}.sklearn")
    if inner is not None and hasattr(inner, "train"):
        inner.train = watched


def _watch(original: Callable[..., Any], library: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def train(params: Any, *given: Any, **more: Any) -> Any:
        if not _switch[library]["on"]:
            return original(params, *given, **more)
        run = _calls.active_run()
        run_id = run.info.run_id if run is not None else _calls.trial().id
        _quietly(library, lambda: _log_params(params, given, more, run_id))
        report = _lightgbm_callback if library == "lightgbm" else _xgboost_callback
        more["callbacks"] = [*(more.get("callbacks") or []), report(run_id)]
        model = original(params, *given, **more)
        if _switch[library]["log_models"]:
            _quietly(library, lambda: _models.log(library, model, "model", run_id=run_id))
        return model

    return train


def _quietly(library: str, log: Callable[[], Any]) -> None:
    """As in MLflow, logging never ends a training."""
    try:
        log()
    except Exception as error:
        warn(f"what {library}.train did could not be logged: {type(error).__name__}: {error}")


def _log_params(params: Any, given: tuple[Any, ...], more: Mapping[str, Any], run_id: str) -> None:
    found = dict(params or {})
    if len(given) > 1:
        found["num_boost_round"] = given[1]
    found |= {name: value for name, value in more.items() if isinstance(value, (int, float, str, bool))}
    _calls.log_params({name: str(value)[:6000] for name, value in found.items()}, run_id=run_id)


def _lightgbm_callback(run_id: str) -> Any:
    def report(environment: Any) -> None:
        found = {f"{one[0]}-{one[1]}".replace("@", "_at_"): one[2] for one in environment.evaluation_result_list or ()}
        _calls.log_metrics(found, step=environment.iteration, run_id=run_id)

    report.order = 5  # type: ignore[attr-defined]  # before early stopping, which raises
    return report


def _xgboost_callback(run_id: str) -> Any:
    import xgboost  # type: ignore[import-not-found,unused-ignore]

    class Report(xgboost.callback.TrainingCallback):  # type: ignore[misc,unused-ignore]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            found = {
                f"{data}-{metric}".replace("@", "_at_"): values[-1][0] if isinstance(values[-1], tuple) else values[-1]
                for data, metrics in evals_log.items()
                for metric, values in metrics.items()
            }
            _calls.log_metrics(found, step=epoch, run_id=run_id)
            return False

    return Report()
