"""Running the steps of a pipeline."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from hdcore.errors import HdcoreError, RefusedError, StateError
from hdcore.pipeline.plan import Plan, status_of_sweep
from hdcore.records import StepSpec, SweepSpec
from hdcore.store import Store, StoredRun, StoreReader, run_folder
from hdcore.sweep import create_sweep, free_name
from hdcore.typing import RunStatus

Drive: TypeAlias = Callable[[Store, bool], RunStatus]
"""Drives one sweep to its end; told whether an earlier driver had it."""


def run_steps(plan: Plan, drive: Drive, say: Callable[[str], None] = lambda line: None) -> RunStatus:
    """Run the steps that are not done yet, in order.

    A step that an earlier call has left in the middle goes on. One that has failed or was canceled is begun anew, in a
    sweep of its own, with the code as it is now.

    Parameters
    ----------
    say : callable
        Takes a line for people before each step.

    Returns
    -------
    RunStatus
        COMPLETED, or QUEUED if a signal has stopped the sweep of a step.

    Raises
    ------
    StateError
        If a step has failed, so that the ones after it cannot run, or the pipeline was canceled; it can be resumed.
    """
    plan.note_error("")
    try:
        return _run_steps(plan, drive, say)
    except HdcoreError as error:
        plan.note_error(str(error))
        raise


def _run_steps(plan: Plan, drive: Drive, say: Callable[[str], None]) -> RunStatus:
    name = plan.spec.name
    for place, step in enumerate(plan.spec.steps, 1):
        title = f"{name}: step {place} of {len(plan.spec.steps)}, {step.name}"
        status = status_of_sweep(plan.root, plan.sweeps.get(step.name))
        if status is RunStatus.COMPLETED:
            say(f"{title}: done before")
            continue
        if plan.is_canceled:
            raise StateError(f"pipeline {name}: canceled before step {step.name}; `hdcore resume {name}` goes on")
        say(title)
        if status is None or status.is_terminal:
            with _begin(plan, step) as store:
                status = drive(store, False)
        else:
            with Store.open(plan.root, plan.sweeps[step.name]) as store:
                status = drive(store, True)
        if status is RunStatus.QUEUED:
            return status
        if status is not RunStatus.COMPLETED:
            raise _stopped(plan, step, f"it is {status.value}{_reason(plan, step)}")
    return RunStatus.COMPLETED


def bound_spec(plan: Plan, step: StepSpec) -> SweepSpec:
    """Return the sweep of a step with the local paths of its inputs.

    An output of a sweep is that of its best run among those that have completed: one that was stopped may have left
    half of it.
    """
    inputs = dict(step.spec.inputs)
    for name, (other, output) in step.bindings.items():
        folder = plan.root / "sweeps" / plan.sweeps[other]
        run = _best_completed(folder)
        if run is None:
            raise _stopped(plan, step, f"no run of step {other} has completed with a value of its primary metric")
        path = run_folder(folder, run.number) / "outputs" / output
        if not path.exists():
            raise _stopped(plan, step, f"run {run.number} of step {other} has left no output {output!r}")
        inputs[name] = msgspec.structs.replace(inputs[name], local=os.fspath(path))
    return msgspec.structs.replace(step.spec, inputs=inputs)


def _begin(plan: Plan, step: StepSpec) -> Store:
    spec = bound_spec(plan, step)
    while True:
        spec = msgspec.structs.replace(spec, name=free_name(plan.root, step.spec.name))
        # Noted first: a sweep that nobody knows of would be in the way of the next try.
        plan.begin(step.name, spec.name)
        try:
            return create_sweep(plan.root, spec)
        except RefusedError:
            if not (plan.root / "sweeps" / spec.name).exists():
                raise


def _reason(plan: Plan, step: StepSpec) -> str:
    """Return why a step has failed: the last words of a run of it."""
    with StoreReader.open(plan.root / "sweeps" / plan.sweeps[step.name]) as reader:
        failed = [run.reason for run in reader.runs() if run.status is RunStatus.FAILED and run.reason]
    return f" ({failed[-1]})" if failed else ""


def output_path(root: Path, sweep: str, output: str) -> Path | None:
    """Return the path of an output of a step's best run; None if no run has completed."""
    run = _best_completed(root / "sweeps" / sweep)
    return None if run is None else run_folder(root / "sweeps" / sweep, run.number) / "outputs" / output


def _best_completed(folder: Path) -> StoredRun | None:
    with StoreReader.open(folder) as reader:
        spec, runs = reader.sweep().spec, reader.runs()
    done = [run for run in runs if run.status is RunStatus.COMPLETED and (run.value is not None or not spec.metric)]
    return max(done, key=lambda run: ((run.value or 0.0) * spec.goal.sign, -run.number), default=None)


def _stopped(plan: Plan, step: StepSpec, why: str) -> HdcoreError:
    name = plan.spec.name
    return StateError(f"pipeline {name}: step {step.name}: {why}; mend that, then `hdcore resume {name}`")
