"""A job becomes a sweep of hdcore's store, or a pipeline of them, with a driver beside the program."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hdcore.azure.load import is_remote, legal_name, missing_here, sweep_of
from hdcore.azure.pipeline import pipeline_of
from hdcore.azure.settings import engine_block, given_path, local_paths
from hdcore.azure.v2.assets import registered_path
from hdcore.azure.v2.command import CommandJob, inputs_document, outputs_document, trial_document
from hdcore.azure.v2.exceptions import ValidationException
from hdcore.azure.v2.pipeline import PipelineJob, flat_steps, pipeline_document
from hdcore.azure.v2.sweep import SweepJob, labels_document, sweep_document
from hdcore.errors import NotServedError
from hdcore.hyperdrive.compute import has_gpu
from hdcore.hyperdrive.submit import NO_METRIC, has_gpus
from hdcore.records import InputSpec, PipelineSpec, SweepSpec


def submit(job: Any, root: Path, **changes: Any) -> Path:
    """Store a job and start it.

    Parameters
    ----------
    job : SweepJob, CommandJob or PipelineJob
    root : Path
        Of the sweeps.
    **changes
        Labels instead of those of the job; None changes nothing.

    Returns
    -------
    Path
        The folder of the sweep, or of the pipeline.

    Raises
    ------
    InputError
        If the job cannot be meant, or needs what is not on this machine; nothing was made.
    RefusedError
        If a job of this name exists.
    HyperDriveServiceException
        If its driver could not start.
    """
    from hdcore.hyperdrive.drive import start_driver
    from hdcore.sweep import check_runnable, create_sweep

    job = copy.copy(job)
    for key, value in changes.items():
        if value is not None:
            setattr(job, key, value)
    if isinstance(job, PipelineJob):
        return _submit_pipeline(job, root)
    spec = specification(job, root)
    for problem in missing_here(msgspec.structs.replace(spec, source="")):  # the line of the call says where it is
        raise problem
    check_runnable(spec)
    for warning in spec.warnings:
        print(f"hdcore: warning: {warning}", file=sys.stderr, flush=True)
    with create_sweep(root, spec, takes_free_name=job.name is None) as store:
        folder = store.folder
    start_driver(folder)
    return folder


def _submit_pipeline(job: PipelineJob, root: Path) -> Path:
    from hdcore.hyperdrive.drive import start_driver
    from hdcore.pipeline import Plan
    from hdcore.sweep import check_runnable

    spec = pipeline_specification(job, root)
    for step in spec.steps:
        for problem in missing_here(msgspec.structs.replace(step.spec, source="")):
            if problem.field is None or problem.field.removeprefix("inputs.") not in step.bindings:
                problem.field = f"jobs.{step.name}.{problem.field}"
                raise problem
        check_runnable(step.spec)
    for warning in spec.warnings:
        print(f"hdcore: warning: {warning}", file=sys.stderr, flush=True)
    with Plan.create(root, spec, takes_free_name=job.name is None) as plan:
        folder = plan.folder
    start_driver(folder)
    return folder


def pipeline_specification(job: PipelineJob, root: Path) -> PipelineSpec:
    """Describe the steps of a pipeline.

    Raises
    ------
    InputError
        If it cannot be meant.
    """
    warnings: list[str] = []
    data, outputs = pipeline_document(job, warnings)
    name = legal_name(str(job.name or job.display_name or job.experiment_name or job.type))
    path = Path.cwd() / f"{name}.job" if job._file is None else job._file[0]
    given = {key: value for key, value in local_paths().items() if _is_asked_for(data, key)}
    spec = pipeline_of(data, path, given, {"name": name}, is_file=job._file is not None)
    steps = []
    nodes = {} if job._file is not None else flat_steps(job)
    for step in spec.steps:
        found = {key: item if key in step.bindings else _found(item, root) for key, item in step.spec.inputs.items()}
        block = engine_block()
        node = nodes.get(step.name)
        if (
            not block
            and node is not None
            and _wants_gpu(job, node, getattr(node, "trial", None) or node)
            and has_gpus()
        ):
            block = {"gpus_per_run": 1}
        own = msgspec.structs.replace(step.spec, inputs=found, experiment_name=spec.experiment_name, **block)
        steps.append(msgspec.structs.replace(step, spec=own))
    return msgspec.structs.replace(
        spec,
        steps=tuple(steps),
        outputs={**spec.outputs, **outputs},
        warnings=(*warnings, *spec.warnings),
    )


def _is_asked_for(data: Mapping[str, Any], name: str) -> bool:
    """Return whether a pipeline, or a step of it, has an input of this name."""
    jobs = data.get("jobs") or {}
    steps = {f"{step}.{key}" for step, job in jobs.items() for key in (job.get("inputs") or {})}
    return name in (data.get("inputs") or {}) or name in steps or any(name == one.partition(".")[2] for one in steps)


def specification(job: Any, root: Path) -> SweepSpec:
    """Describe the sweep of a job.

    Raises
    ------
    InputError
        If the job cannot be meant.
    """
    warnings: list[str] = []
    if isinstance(job, SweepJob):
        data, block = sweep_document(job, warnings), getattr(job, "_block", None)
    elif isinstance(job, CommandJob):
        data, block = _command_document(job), None
    else:
        kind = getattr(job, "type", None) or type(job).__name__
        raise NotServedError(
            f"jobs.create_or_update: hdcore runs command, sweep and pipeline jobs; this is a {kind} job"
        )
    trial = job.trial if isinstance(job, SweepJob) else job
    guessed = {"gpus_per_run": 1} if _wants_gpu(job, trial) and has_gpus() else {}
    block = {**guessed, **(block or {}), **engine_block()}
    if block:
        data["hdcore"] = block
    given = local_paths()
    stem = legal_name(str(job.display_name or job.experiment_name or job.type))
    inputs = {name: path for name, path in given.items() if name in data["inputs"]}
    spec = sweep_of(data, Path.cwd() / f"{stem}.job", inputs, {}, is_file=False)
    found = {name: _found(item, root) for name, item in spec.inputs.items()}
    source = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] not in ("", "-c", "-m") else ""
    return msgspec.structs.replace(spec, inputs=found, source=source, warnings=(*warnings, *spec.warnings))


def _command_document(job: CommandJob) -> dict[str, Any]:
    """Return a sweep of one run without parameters; what it reports is kept, and no metric is asked for."""
    searched = [name for name, value in job.inputs.items() if hasattr(value, "to_json")]
    if searched:
        raise ValidationException("is an expression; call .sweep(…) on the job first", field=f"inputs.{searched[0]}")
    inputs = inputs_document(job.inputs, {})
    return {
        **labels_document(job),
        "type": "sweep",
        "search_space": {},
        "sampling_algorithm": "random",
        "objective": {"goal": "maximize", "primary_metric": NO_METRIC},
        "limits": {
            "max_total_trials": 1,
            **(
                {"trial_timeout": _seconds(job.limits.timeout)} if job.limits is not None and job.limits.timeout else {}
            ),
        },
        "inputs": inputs,
        "outputs": outputs_document(job.outputs),
        "trial": trial_document(job, {}, inputs),
    }


def _wants_gpu(*jobs: Any) -> bool:
    """Return whether jobs are meant for GPUs, by the names of what they are to run on and in."""
    for job in jobs:
        environment = getattr(job, "environment", None)
        resources = getattr(job, "resources", None)
        words = f"{getattr(environment, 'name', environment)} {getattr(environment, 'image', '')}".lower()
        size = str(getattr(resources, "instance_type", None) or "").lower()
        if has_gpu(job.compute) or "gpu" in words or "cuda" in words or size.startswith(("standard_n", "gpu")):
            return True
    return False


def _seconds(timeout: Any) -> Any:
    from hdcore.azure.v2.settings import SweepJobLimits

    return SweepJobLimits(trial_timeout=timeout).trial_timeout


def _found(item: InputSpec, root: Path) -> InputSpec:
    """Give a cloud input its local path: what the user gave for its path, or what is registered, or another job's."""
    if item.type == "literal" or item.local is not None or item.path is None or not is_remote(item.path):
        return item
    from hdcore.azure.v2.jobs import job_path

    local = given_path(item.path) or registered_path(root, item.path)
    if local is None and (path := job_path(root, item.path)) is not None:
        local = os.fspath(path)
    if local is None or is_remote(local):
        local = given_path(item.path.removeprefix("azureml:").partition(":")[0].partition("@")[0])
    return item if local is None else msgspec.structs.replace(item, local=os.path.abspath(local))
