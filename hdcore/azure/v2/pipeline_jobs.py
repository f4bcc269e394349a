"""Pipelines that were submitted, for ``MLClient.jobs``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hdcore.azure.v2.entities import Entity, JobService
from hdcore.azure.v2.exceptions import JobException
from hdcore.azure.v2.inputs import Output
from hdcore.azure.v2.pipeline import PipelineJob
from hdcore.hyperdrive.drive import PIPELINE_LOG_NAME
from hdcore.pipeline import PlanState, find_plan, list_plans, output_path, read_plan
from hdcore.store import list_sweeps


def find_pipeline(root: Path, name: Any) -> PlanState | None:
    """Return the pipeline of a name."""
    return read_plan(root, name) if isinstance(name, str) and find_plan(root, name) else None


def stored_pipeline(state: PlanState) -> PipelineJob:
    """Return the job of a stored pipeline as it stands."""
    spec = state.spec
    job = PipelineJob(
        name=spec.name,
        display_name=spec.display_name or None,
        experiment_name=spec.experiment_name or None,
        description=spec.description or None,
        tags=dict(spec.tags),
        outputs={name: Output(path=f"azureml://jobs/{spec.name}/outputs/{name}") for name in spec.outputs},
        jobs={step.name: Entity(name=state.sweeps.get(step.name), type=_kind(step.spec)) for step in spec.steps},
    )
    job.status = state.status.value
    job.id = spec.name
    job.studio_url = state.folder.as_uri()
    job.services = {"Studio": JobService(endpoint=job.studio_url, type="Studio")}
    if state.error:
        job.properties["error"] = state.error
    return job


def step_names(state: PlanState) -> Iterator[str]:
    """Yield the names of the jobs of the steps that have begun."""
    for step in state.spec.steps:
        if step.name in state.sweeps:
            yield state.sweeps[step.name]


def top_level(root: Path) -> Iterator[str]:
    """Yield the names of the jobs that are no step of another one, pipelines first, each kind newest first."""
    steps: set[str] = set()
    for name in list_plans(root):
        steps.update(read_plan(root, name).sweeps.values())
        yield name
    yield from (name for name, _ in list_sweeps(root) if name not in steps)


def log_of(state: PlanState) -> Path:
    """Return the path of what the driver says."""
    return state.folder / "files" / PIPELINE_LOG_NAME


def output_of(state: PlanState, root: Path, name: str) -> Path:
    """Return the local path of an output of a pipeline.

    Raises
    ------
    JobException
        If it has none of this name, or the step has not left it.
    """
    if name not in state.spec.outputs:
        known = ", ".join(state.spec.outputs) or "none"
        raise JobException(f"job {state.spec.name} has no output {name!r}; it has {known}")
    step, output = state.spec.outputs[name]
    sweep = state.sweeps.get(step)
    path = None if sweep is None else output_path(root, sweep, output)
    if path is None or not os.path.exists(path):
        raise JobException(f"job {state.spec.name}: step {step} has left no output {output!r}")
    return path


def _kind(spec: Any) -> str:
    return "sweep" if spec.space else "command"
