"""Pipelines: sweeps and plain commands one after another, each with what the ones before have left."""

from __future__ import annotations

from hdcore.pipeline.plan import Plan, find_plan, plan_of_sweep
from hdcore.pipeline.steps import run_steps

__all__ = ["Plan", "find_plan", "plan_of_sweep", "run_steps"]
