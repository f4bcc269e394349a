"""Pipelines on the command line: `run` of a pipeline file, `resume` of a pipeline, `validate` of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdcore.cli.common import write
from hdcore.cli.run import warn
from hdcore.errors import InputError
from hdcore.typing import RunStatus
from hdcore.views.text import plural, printable

if TYPE_CHECKING:
    from hdcore.pipeline import Plan
    from hdcore.records import PipelineSpec, SweepSpec
    from hdcore.store import Store

_OF_ONE_SWEEP = ("executor", "preload", "resume_from", "resume_runs", "resume_rename", "resume_defaults")


def run_pipeline(
    root: Path,
    file: Path,
    inputs: Mapping[str, str],
    overrides: Mapping[str, Any],
    gpus: str | None,
    drive: Callable[..., tuple[RunStatus, int]],
    *,
    as_json: bool,
) -> int:
    """Run a pipeline file to its end; return the exit code."""
    from hdcore.azure import load_pipeline
    from hdcore.azure.reader import read_file
    from hdcore.pipeline import Plan
    from hdcore.sweep import check_runnable

    for key in _OF_ONE_SWEEP:
        if overrides.get(key):
            option = "--" + key.replace("_", "-").replace("runs", "run")
            raise InputError(
                "is for a single sweep; write it under `hdcore:` in a step", source=str(file), field=option
            )
    spec = load_pipeline(file, inputs=inputs, overrides=overrides)
    for problem in missing_of_steps(spec):
        raise problem
    for step in spec.steps:
        try:
            check_runnable(step.spec, gpus)
        except InputError as error:
            error.source, error.field = str(file), f"jobs.{step.name}.{error.field}"
            raise
    for warning in spec.warnings:
        warn(warning)
    has_name = overrides.get("name") is not None or "name" in read_file(file)
    with Plan.create(root, spec, takes_free_name=not has_name) as plan:
        return _run(plan, drive, as_json)


def resume_pipeline(root: Path, name: str, drive: Callable[..., tuple[RunStatus, int]], *, as_json: bool) -> int:
    """Go on with a stored pipeline; return the exit code."""
    from hdcore.pipeline import Plan

    with Plan.open(root, name) as plan:
        return _run(plan, drive, as_json)


def _run(plan: Plan, drive: Callable[..., tuple[RunStatus, int]], as_json: bool) -> int:
    from hdcore.pipeline import run_steps

    codes = [0]

    def one(store: Store, is_resumed: bool) -> RunStatus:
        status, code = drive(store, is_resumed=is_resumed, is_quiet=as_json)
        codes.append(code)
        return status

    try:
        status = run_steps(plan, one, (lambda line: None) if as_json else write)
    finally:
        if as_json:
            _tell_json(plan)
    name = plan.spec.name
    if status is RunStatus.QUEUED:
        if not as_json:
            write(f"{name}: stopped; `hdcore resume {name}` goes on with it")
        return codes[-1]
    if not as_json:
        write(f"{name}: Completed, {plural(len(plan.spec.steps), 'step')}")
        last = plan.sweeps[plan.spec.steps[-1].name]
        write(f"  more    hdcore list; hdcore show {last}")
    return max(codes)


def _tell_json(plan: Plan) -> None:
    from hdcore.document import to_json_text
    from hdcore.store import StoreReader

    steps = []
    for step in plan.spec.steps:
        sweep = plan.sweeps.get(step.name)
        entry: dict[str, Any] = {"name": step.name, "sweep": sweep, "status": RunStatus.QUEUED.value}
        if sweep is not None and (plan.root / "sweeps" / sweep).exists():
            with StoreReader.open(plan.root / "sweeps" / sweep) as reader:
                entry["status"] = reader.sweep().status.value
        steps.append(entry)
    write(to_json_text({"name": plan.spec.name, "steps": steps}))


def validate_pipeline(file: Path, as_json: bool) -> None:
    """Check a pipeline file; nothing is run or created."""
    from hdcore.azure import load_pipeline
    from hdcore.cli.main import describe

    spec = load_pipeline(file)
    notes = [*spec.warnings, *(describe(error)[1] for error in missing_of_steps(spec))]
    if as_json:
        from hdcore.document import to_json_text

        write(to_json_text({"file": str(file), "valid": True, "notes": notes, "steps": [s.name for s in spec.steps]}))
        return
    write(f"{printable(str(file))}: valid; a pipeline of {plural(len(spec.steps), 'step')}")
    for step in spec.steps:
        taken = ", ".join(f"{name} from {other}" for name, (other, _) in step.bindings.items())
        write(f"  {step.name}: {_about(step.spec)}" + (f"; takes {taken}" if taken else ""))
    for note in notes:
        write(f"note: {printable(note)}")


def missing_of_steps(spec: PipelineSpec) -> list[InputError]:
    """Return what the steps need and this machine does not have; what other steps will leave is not looked for."""
    from hdcore.azure import missing_here

    found = []
    for step in spec.steps:
        for problem in missing_here(step.spec):
            if problem.field is None or problem.field.removeprefix("inputs.") not in step.bindings:
                problem.field = f"jobs.{step.name}.{problem.field}"
                found.append(problem)
    return found


def _about(spec: SweepSpec) -> str:
    if not spec.metric:
        return "one run of a command"
    runs = plural(spec.limits.max_total_runs, "run")
    return f"{spec.goal.value} {printable(spec.metric)}, {spec.sampler['type']} sampler, at most {runs}"
