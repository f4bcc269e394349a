"""``mlflow.models.signature``."""

from __future__ import annotations

from mlflow.models import infer_signature

__all__ = ["infer_signature"]
