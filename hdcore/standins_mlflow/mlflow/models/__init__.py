"""``mlflow.models``: signatures, which scripts give to `log_model`."""

from __future__ import annotations

from mlflow._submodules import refusal
from mlflow.models.signature import ModelSignature, infer_signature

__all__ = ["ModelSignature", "infer_signature"]


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(f"module 'mlflow.models' has no attribute {name!r}")
    raise AttributeError(refusal(f"mlflow.models.{name}"))
