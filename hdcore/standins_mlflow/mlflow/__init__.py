"""Stands in for MLflow in trials whose interpreter has none; where there is one, that one is imported instead.

This folder is on PYTHONPATH, so it comes before installed packages, and the workspace cannot know which interpreter a
trial's command will start. So this module looks at the rest of the path first, and gives way.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import PathFinder

_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _gives_way() -> bool:
    """Put this folder behind all others, and return whether one of those has MLflow."""
    others = [entry for entry in sys.path if os.path.abspath(entry) != _FOLDER]
    found = PathFinder.find_spec("mlflow", others)
    if found is None or found.loader is None:
        return False
    sys.path[:] = [*others, _FOLDER]
    return True


if _gives_way():
    del sys.modules["mlflow"]
    _real = importlib.import_module("mlflow")  # is in the place of this module now, and the importer takes it

    def __getattr__(name: str) -> object:
        """Serve a thread that took hold of this module while it gave way."""
        return getattr(_real, name)
else:
    from hdcore_trial import load_hdcore

    load_hdcore()

    from mlflow import _submodules as _submodules
    from mlflow._calls import (
        MlflowClient,
        active_run,
        autolog,
        create_experiment,
        delete_tag,
        end_run,
        get_artifact_uri,
        get_experiment,
        get_experiment_by_name,
        get_parent_run,
        get_run,
        get_tracking_uri,
        is_tracking_uri_set,
        last_active_run,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_image,
        log_input,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_table,
        log_text,
        register_model,
        search_runs,
        set_experiment,
        set_tag,
        set_tags,
        set_tracking_uri,
        start_run,
    )

    __version__ = "0+hdcore"

    __all__ = [
        "MlflowClient",
        "active_run",
        "autolog",
        "create_experiment",
        "delete_tag",
        "end_run",
        "get_artifact_uri",
        "get_experiment",
        "get_experiment_by_name",
        "get_parent_run",
        "get_run",
        "get_tracking_uri",
        "is_tracking_uri_set",
        "last_active_run",
        "log_artifact",
        "log_artifacts",
        "log_dict",
        "log_figure",
        "log_image",
        "log_input",
        "log_metric",
        "log_metrics",
        "log_param",
        "log_params",
        "log_table",
        "log_text",
        "register_model",
        "search_runs",
        "set_experiment",
        "set_tag",
        "set_tags",
        "set_tracking_uri",
        "start_run",
    ]

    def __getattr__(name: str) -> object:
        """Import flavours on use, as MLflow does; refuse all else by name."""
        if name in _submodules.SERVED:
            return importlib.import_module(f"mlflow.{name}")
        if name.startswith("__"):
            raise AttributeError(f"module 'mlflow' has no attribute {name!r}")
        raise AttributeError(_submodules.refusal(f"mlflow.{name}"))
