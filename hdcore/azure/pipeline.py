"""A pipeline file: steps that are sweeps or plain commands, joined by outputs that become inputs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from hdcore.azure import schema
from hdcore.azure.component import is_component
from hdcore.azure.fields import inner, mapping, number, refuse, required, shown
from hdcore.azure.load import legal_name, read_execution, read_labels, sweep_of
from hdcore.azure.reader import clean, read_file
from hdcore.errors import InputError
from hdcore.records import Limits, PipelineSpec, StepSpec, SweepSpec
from hdcore.typing import Goal

_KEYS = (
    *("$schema", "type", "name", "display_name", "experiment_name", "description", "tags", "properties"),
    *("settings", "compute", "identity", "inputs", "outputs", "jobs"),
)
_SETTINGS = (
    *("default_compute", "default_datastore", "continue_on_step_failure", "force_rerun"),
    *("continue_run_on_failed_optional_input", "default_environment"),
)
_COMMAND_KEYS = (
    *("$schema", "type", "name", "display_name", "experiment_name", "description", "tags", "properties"),
    *("inputs", "outputs", "compute", "identity", "limits", "queue_settings", "services", "hdcore"),
    *("component", "command", "code", "environment", "environment_variables", "resources", "distribution"),
)
_TRIAL_KEYS = ("command", "code", "environment", "environment_variables", "resources", "distribution")
_HDCORE_KEYS = ("gpus_per_run", "cpus_per_run", "shell", "retries")
_STEP_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_REFERENCE = re.compile(r"\$\{\{\s*parent\.([^{}]*?)\s*\}\}")


def is_pipeline(path: str | os.PathLike[str]) -> bool:
    """Return whether a file says that it is a pipeline; False for files that cannot be read."""
    try:
        kind = read_file(path).get("type")
    except InputError:
        return False
    return isinstance(kind, str) and kind.lower() == "pipeline"


def load_pipeline(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> PipelineSpec:
    """Read a pipeline file.

    Parameters
    ----------
    path : path-like
    inputs : mapping, optional
        Local paths (or values) that replace inputs: ``NAME`` of the pipeline and of every step that has it, or
        ``STEP.NAME``.
    overrides : mapping, optional
        As for `load_sweep`; they hold for all steps that are sweeps, ``name`` for the pipeline.

    Returns
    -------
    PipelineSpec
        The sweeps of its steps are named ``PIPELINE.STEP``.

    Raises
    ------
    InputError
        `source` is the path, `field` the dotted key (``jobs.train.limits``).
    """
    try:
        return pipeline_of(read_file(path), Path(path), inputs or {}, overrides or {})
    except InputError as error:
        if error.source is None:
            error.source = os.fspath(path)
        raise


def pipeline_of(
    data: Any, path: Path, inputs: Mapping[str, str], overrides: Mapping[str, Any], *, is_file: bool = True
) -> PipelineSpec:
    """Return what a mapping with the keys of a pipeline file specifies; `path` is the file that it stands in.

    `is_file` is False for a pipeline that was described in Python, see `sweep_of`.
    """
    return _Reader(data, path, inputs, overrides, is_file).pipeline()


class _Reader:
    def __init__(
        self, data: Any, path: Path, given: Mapping[str, str], overrides: Mapping[str, Any], is_file: bool
    ) -> None:
        self._data, self._path, self._given, self._overrides = data, path, given, overrides
        self._is_file = is_file
        self._folder = Path(os.path.abspath(path)).parent
        self._outputs: dict[str, tuple[str, str]] = {}  # of the pipeline -> step and its output
        self._used: set[str] = set()  # of `given`
        self._inputs: dict[str, Any] = {}
        self._jobs: dict[str, Any] = {}

    def pipeline(self) -> PipelineSpec:
        data = mapping(self._data, "", _KEYS)
        labels = read_labels(data)
        if data.get("settings") is not None:
            mapping(data["settings"], "settings", _SETTINGS)
        schema.ignored_sections(data, "", {"compute": (str, dict), "identity": (dict,), "outputs": (dict,)})
        self._inputs = {} if data.get("inputs") is None else mapping(data["inputs"], "inputs")
        self._jobs = mapping(required(data, "jobs", "", "declare the steps"), "jobs")
        if not self._jobs:
            refuse("jobs", "is empty; declare at least one step")
        name = self._overrides.get("name")
        if name is not None:
            name = schema.read_name(name, "--name")
        elif data.get("name") is not None:
            name = schema.read_name(data["name"])
        name = name or legal_name(labels["display_name"] or self._path.stem)
        found = {step: self._step(step, job, name) for step, job in self._jobs.items()}
        for key in self._given:
            if key not in self._used:
                known = sorted({f"{step}.{n}" for step, one in found.items() for n in one.spec.inputs})
                raise InputError(
                    f"no step has such an input; there is {', '.join(known) or 'none'}",
                    source="--input", field=clean(key),
                )  # fmt: skip
        warnings = tuple(f"jobs.{step}: {text}" for step, one in found.items() for text in one.spec.warnings)
        return PipelineSpec(
            name=name,
            steps=tuple(_in_order(found)),
            source=os.path.abspath(self._path),
            warnings=warnings,
            outputs=self._outputs,
            **labels,
        )

    def _step(self, step: str, job: Any, pipeline: str) -> StepSpec:
        field = inner("jobs", step)
        if not _STEP_NAME.fullmatch(step):
            refuse(field, "is no name of a step; use letters, digits and _, starting with a letter or _")
        data = dict(mapping(job, field))
        kind = data.get("type", "command" if "component" in data or "command" in data else None)
        if not isinstance(kind, str) or kind.lower() not in ("sweep", "command"):
            refuse(f"{field}.type", f"is {shown(kind)}; write sweep or command")
        bindings: dict[str, tuple[str, str]] = {}
        aliases: dict[str, str] = {}
        try:
            data["inputs"] = self._bound_inputs(data.get("inputs"), bindings, aliases)
            data["outputs"] = self._plain_outputs(step, data.get("outputs"))
            given = self._given_for(step, [name for name in data["inputs"] if name not in bindings], aliases)
            read = _sweep if kind.lower() == "sweep" else _command
            spec = read(data, self._path, given, self._overrides, f"{pipeline}.{step}", self._is_file)
        except InputError as error:
            if error.source is None:
                error.field = field if error.field is None else f"{field}.{error.field}"
            raise
        open_inputs = {name: replace(spec.inputs[name], local=None) for name in bindings}
        return StepSpec(name=step, spec=replace(spec, inputs={**spec.inputs, **open_inputs}), bindings=bindings)

    def _bound_inputs(
        self, inputs: Any, bindings: dict[str, tuple[str, str]], aliases: dict[str, str]
    ) -> dict[str, Any]:
        """Replace references to the pipeline's inputs by what they are, and note those to outputs of steps.

        `aliases` takes the names of the pipeline's inputs by those of the step's.
        """
        found: dict[str, Any] = {}
        for name, item in ({} if inputs is None else mapping(inputs, "inputs")).items():
            field = inner("inputs", name)
            text = item.get("path") if isinstance(item, dict) else item
            match = _REFERENCE.fullmatch(text.strip()) if isinstance(text, str) else None
            if match is None:
                if isinstance(text, str) and "${{" in text:
                    refuse(field, f"is {shown(text)}; write ${{{{parent.inputs.NAME}}}} or a step's output whole")
                found[name] = item
                continue
            more = {key: value for key, value in item.items() if key != "path"} if isinstance(item, dict) else {}
            parts = match[1].split(".")
            if parts[0] == "inputs" and len(parts) == 2:
                found[name] = self._of_pipeline(parts[1], field, more)
                aliases[name] = parts[1]
            elif parts[0] == "jobs" and len(parts) == 4 and parts[2] == "outputs":
                bindings[name] = (self._known_step(parts[1], field), parts[3])
                found[name] = {"path": text, **more}
            else:
                refuse(
                    field, f"refers to '{clean(match[0])}'; write parent.inputs.NAME or parent.jobs.STEP.outputs.NAME"
                )
        return found

    def _of_pipeline(self, name: str, field: str, more: dict[str, Any]) -> Any:
        if name not in self._inputs:
            refuse(field, f"refers to the pipeline's input '{clean(name)}'; it has {', '.join(self._inputs) or 'none'}")
        item = self._inputs[name]
        if isinstance(item, dict) and "path" not in item:
            value = item.get("default", item.get("value"))
            if value is None:
                refuse(inner("inputs", name), "has neither a path nor a default")
            return value
        return {**item, **more} if isinstance(item, dict) else item

    def _plain_outputs(self, step: str, outputs: Any) -> Any:
        """Drop where Azure would put an output, which stays in the run's folder; note which ones are the pipeline's."""
        if not isinstance(outputs, dict):
            return outputs
        plain: dict[str, Any] = {}
        for name, item in outputs.items():
            match = _REFERENCE.fullmatch(str(item.get("path", "") if isinstance(item, dict) else item).strip())
            if match is not None and match[1].startswith("outputs."):
                self._outputs[match[1].partition(".")[2]] = (step, str(name))
            if match is not None and isinstance(item, str):
                plain[name] = None
            elif isinstance(item, dict) and "${{" in str(item.get("path", "")):
                plain[name] = {key: value for key, value in item.items() if key != "path"}
            else:
                plain[name] = item
        return plain

    def _known_step(self, step: str, field: str) -> str:
        if step not in self._jobs:
            refuse(field, f"refers to the step '{clean(step)}'; there is {', '.join(self._jobs)}")
        return step

    def _given_for(self, step: str, names: Sequence[str], aliases: Mapping[str, str]) -> dict[str, str]:
        """Return the user's local paths for inputs of a step."""
        found: dict[str, str] = {}
        for name in names:
            for key in (aliases.get(name, name), f"{step}.{name}"):  # the more exact one wins
                if key in self._given:
                    found[name] = self._given[key]
                    self._used.add(key)
        return found


def _sweep(
    data: dict[str, Any], path: Path, given: Mapping[str, str], overrides: Mapping[str, Any], name: str, is_file: bool
) -> SweepSpec:
    data = {key: value for key, value in data.items() if key != "name"}
    more = {**overrides, "name": name}
    return sweep_of({"sampling_algorithm": "random", **data}, path, given, more, is_file=is_file)


def _command(
    data: dict[str, Any], path: Path, given: Mapping[str, str], overrides: Mapping[str, Any], name: str, is_file: bool
) -> SweepSpec:
    """Return a sweep of one run, which nothing is searched in."""
    mapping(data, "", _COMMAND_KEYS)
    warnings: list[str] = []
    block = data.get("hdcore")
    more = {} if block is None else schema.read_hdcore(mapping(block, "hdcore", _HDCORE_KEYS))
    try:
        folder = Path(os.path.abspath(path)).parent
        execution = read_execution(
            _trial(data), data, folder, searched={}, shell=more.get("shell", "auto"), given=given, warnings=warnings
        )
    except InputError as error:
        if error.field is not None:
            error.field = re.sub(r"^trial(\.|$)", r"component\1" if "component" in data else "", error.field)
        raise
    if not is_file and data.get("code") is None:
        execution["code"] = None
    limits = {} if data.get("limits") is None else mapping(data["limits"], "limits", ("timeout",))
    timeout = limits.get("timeout")
    return SweepSpec(
        name=schema.read_name(name),
        space={},
        metric="",
        goal=Goal.MINIMIZE,
        limits=Limits(
            max_total_runs=1,
            run_timeout_s=float(number(timeout, "limits.timeout")) if timeout else None,
        ),
        source=os.path.abspath(path),
        warnings=tuple(warnings),
        **execution,
        **read_labels(data),
        **more,
    )


def _trial(data: dict[str, Any]) -> Any:
    """Return the step's command as the trial of a sweep: a mapping, or the path of a component."""
    component = data.get("component")
    if component is None:
        return {key: data[key] for key in _TRIAL_KEYS if key in data}
    if "command" in data:
        refuse("command", "stands beside a component, which has a command; remove one of them")
    if not is_component(component):
        what = "is a mapping" if isinstance(component, dict) else f"is {shown(component)}"
        refuse("component", f"{what}; give the path of a component's YAML file")
    return component


def _in_order(steps: Mapping[str, StepSpec]) -> list[StepSpec]:
    """Return the steps with every one after those whose outputs it takes, else as they stand in the file."""
    for name, step in steps.items():
        for taken, (other, output) in step.bindings.items():
            if output not in steps[other].spec.outputs:
                known = ", ".join(steps[other].spec.outputs) or "none"
                refuse(f"jobs.{name}.inputs.{taken}", f"step {other} has no output '{clean(output)}'; it has {known}")
    order: list[StepSpec] = []
    left = dict(steps)
    while left:
        ready = next(
            (name for name, step in left.items() if not any(other in left for other, _ in step.bindings.values())), None
        )
        if ready is None:
            refuse("jobs", f"the steps {', '.join(left)} wait for each other; break the circle")
        order.append(left.pop(ready))
    return order
