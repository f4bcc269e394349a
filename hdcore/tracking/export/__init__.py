"""Sweeps copied to experiment trackers: MLflow, Weights & Biases, TensorBoard.

A process of its own reads the store and writes there, so that a slow or absent server neither slows nor breaks a sweep.
"""

from __future__ import annotations

TRACKERS = ("mlflow", "wandb", "tensorboard")
