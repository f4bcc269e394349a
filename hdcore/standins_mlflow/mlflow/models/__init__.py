"""``infer_signature``, which scripts call for `log_model`. The stand-in's models have no signature."""

from __future__ import annotations

from typing import Any

from mlflow._submodules import refusal


def infer_signature(*arguments: Any, **more: Any) -> None:
    """Return None: no signature."""


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(f"module 'mlflow.models' has no attribute {name!r}")
    raise AttributeError(refusal(f"mlflow.models.{name}"))
