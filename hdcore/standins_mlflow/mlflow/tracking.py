"""``mlflow.tracking``: the same calls by their older names."""

from __future__ import annotations

from mlflow._calls import MlflowClient, get_tracking_uri, is_tracking_uri_set, set_tracking_uri
from mlflow._submodules import refusal

__all__ = ["MlflowClient", "get_tracking_uri", "is_tracking_uri_set", "set_tracking_uri"]


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(f"module 'mlflow.tracking' has no attribute {name!r}")
    raise AttributeError(refusal(f"mlflow.tracking.{name}"))
