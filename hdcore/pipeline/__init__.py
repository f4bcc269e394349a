"""Pipelines: sweeps and plain commands one after another, each with what the ones before have left."""

from __future__ import annotations

from hdcore.pipeline.plan import Plan, PlanState, cancel_plan, find_plan, list_plans, plan_of_sweep, read_plan
from hdcore.pipeline.steps import output_path, run_steps

__all__ = [
    "Plan",
    "PlanState",
    "cancel_plan",
    "find_plan",
    "list_plans",
    "output_path",
    "plan_of_sweep",
    "read_plan",
    "run_steps",
]
