"""``mlflow.exceptions``: what scripts catch."""

from __future__ import annotations

from mlflow._calls import MlflowException, RestException

__all__ = ["MlflowException", "RestException"]
