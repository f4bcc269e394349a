"""``azure.ai.ml.dsl.pipeline`` and the jobs that it makes."""

from __future__ import annotations

import copy
import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

from hdcore.azure.load import is_remote
from hdcore.azure.v2.command import CommandJob, Job, inputs_document, outputs_document, trial_document
from hdcore.azure.v2.entities import Entity
from hdcore.azure.v2.exceptions import UnexpectedKeywordError, ValidationException
from hdcore.azure.v2.inputs import Input, Output, Ports
from hdcore.azure.v2.nodes import NodeOutput, Nodes, PipelineInput, note_node
from hdcore.azure.v2.sweep import SweepJob, labels_document, sweep_document
from hdcore.errors import NotServedError

_SETTINGS = (
    *("default_compute", "default_datastore", "continue_on_step_failure", "force_rerun"),
    *("continue_run_on_failed_optional_input",),
)
_STEP_LABELS = ("name", "display_name", "experiment_name", "description", "tags")


class PipelineJobSettings(Entity):
    """Settings for all steps. There is one compute here, a step that fails ends the pipeline, and every step runs."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**{**dict.fromkeys(_SETTINGS), **keywords})


class PipelineJob(Job):
    """Steps that are sweeps or commands, each with what the ones before have left.

    Attributes
    ----------
    jobs : mapping
        Name -> step.
    inputs, outputs : mapping
    settings : PipelineJobSettings
    """

    type = "pipeline"

    def __init__(
        self,
        *,
        component: Any = None,
        inputs: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
        jobs: dict[str, Any] | None = None,
        settings: PipelineJobSettings | None = None,
        identity: Any = None,
        **keywords: Any,
    ) -> None:
        if component is not None:
            raise NotServedError("PipelineJob: hdcore knows no pipeline components; give jobs=, or use @dsl.pipeline")
        super().__init__(**keywords)
        self.jobs: Any = MappingProxyType(dict(jobs or {}))
        self.inputs: Any = Ports("input", inputs)
        self.outputs: Any = Ports("output", outputs)
        self.settings = settings or PipelineJobSettings()
        self.identity = identity
        self._file: tuple[Path, dict[str, Any]] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("inputs", "outputs") and not isinstance(value, Ports):
            value = Ports(name[:-1], value)
        super().__setattr__(name, value)


def pipeline(
    func: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    version: str | None = None,
    display_name: str | None = None,
    description: str | None = None,
    experiment_name: str | None = None,
    tags: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Make a function whose body joins steps one that returns a `PipelineJob`.

    Every job that is made in it is a step, named by its variable. What it returns, a dictionary, are the outputs of the
    pipeline.

    Parameters
    ----------
    non_pipeline_inputs : list of str, optional
        Parameters that the function gets as they are.
    """
    raw = kwargs.pop("non_pipeline_inputs", None) or kwargs.pop("non_pipeline_parameters", None) or []
    compute = kwargs.pop("compute", None) or kwargs.pop("default_compute_target", None)
    settings = {key: kwargs[key] for key in _SETTINGS if key in kwargs}

    def decorate(function: Callable[..., Any]) -> Callable[..., PipelineJob]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def make(*args: Any, **keywords: Any) -> PipelineJob:
            try:
                given = signature.bind(*args, **keywords)
            except TypeError as error:
                raise UnexpectedKeywordError(f"pipeline {function.__name__}: {error}") from None
            given.apply_defaults()
            job = PipelineJob(
                inputs={key: _as_input(value) for key, value in given.arguments.items() if key not in raw},
                display_name=display_name or name or function.__name__,
                description=description or inspect.getdoc(function),
                experiment_name=experiment_name,
                tags=tags,
                compute=compute,
                settings=PipelineJobSettings(**settings),
            )
            for key in job.inputs:
                given.arguments[key] = PipelineInput(job, key)
            with Nodes() as nodes:
                outputs, variables = _call(function, given.args, given.kwargs)
            job.jobs = MappingProxyType(nodes.named(variables))
            if outputs is not None and not isinstance(outputs, dict):
                raise ValidationException(
                    f"returns a {type(outputs).__name__}; return a dictionary of outputs of its steps",
                    field=f"pipeline {function.__name__}",
                )
            job.outputs = dict(outputs or {})
            note_node(job)
            return job

        return make

    return decorate if func is None else decorate(func)


def _as_input(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _call(function: Callable[..., Any], args: Any, keywords: Any) -> tuple[Any, dict[str, Any]]:
    """Call a function; return its result and its local variables at the end, whose names are those of the steps."""
    found: dict[str, Any] = {}
    inner = inspect.unwrap(function)
    before = sys.getprofile()

    def look(frame: FrameType, event: str, arg: Any) -> None:
        if event == "return" and frame.f_code is inner.__code__:
            found.update(frame.f_locals)

    sys.setprofile(look)
    try:
        result = function(*args, **keywords)
    finally:
        sys.setprofile(before)
    return result, found


# ---------------------------------------------------------------------- what a pipeline file would say


def pipeline_document(job: PipelineJob, warnings: list[str]) -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
    """Return what a pipeline file would say of a job, and which step's output each output of the pipeline is.

    Raises
    ------
    InputError
        If something is missing that no default can stand for.
    """
    inputs = {name: value for name, value in job.inputs.items() if value is not None}
    for name, value in inputs.items():
        if isinstance(value, NodeOutput | PipelineInput):
            raise ValidationException("belongs to a step that is not in this pipeline", field=f"inputs.{name}")
    data = {**labels_document(job), "type": "pipeline", "inputs": inputs_document(inputs, {})}
    data.pop("name", None)
    if job._file is not None:
        _, document = job._file
        return {**document, **data, "outputs": outputs_document(job.outputs)}, {}
    steps = flat_steps(job)
    names = {id(node): name for name, node in steps.items()}
    places = _Places(job, names)
    if not steps:
        raise ValidationException("has no steps; call components or commands in its function", field="pipeline")
    data["jobs"] = {name: places.step(name, node, warnings) for name, node in steps.items()}
    return data, {name: places.of_output(name, value) for name, value in job.outputs.items()}


def flat_steps(job: PipelineJob, before: str = "") -> dict[str, Any]:
    """Return the steps of a pipeline and of those in it."""
    found: dict[str, Any] = {}
    for name, node in job.jobs.items():
        if isinstance(node, PipelineJob):
            found |= flat_steps(node, f"{before}{name}_")
        else:
            found[before + name] = node
    return found


class _Places:
    """Puts references as a file has them into the place of what a function handed on."""

    def __init__(self, job: PipelineJob, names: dict[int, str]) -> None:
        self._job, self._names = job, names

    def step(self, name: str, node: Any, warnings: list[str]) -> dict[str, Any]:
        """Return what a file would say of a step."""
        node = copy.copy(node)
        if isinstance(node, SweepJob):
            node.trial = copy.copy(node.trial)
            if node.trial is not None:
                node.trial.inputs = self._inputs(name, node.trial.inputs)
            node.inputs = self._inputs(name, node.inputs)
            document = sweep_document(node, warnings)
        elif isinstance(node, CommandJob):
            node.inputs = self._inputs(name, node.inputs)
            for key, value in node.inputs.items():
                if hasattr(value, "to_json"):
                    raise ValidationException("is an expression; call .sweep(…) on the step", field=f"{name}.{key}")
            inputs = inputs_document(node.inputs, {})
            document = {
                "type": "command",
                **trial_document(node, {}, inputs),
                "inputs": inputs,
                "outputs": outputs_document(node.outputs),
            }
            timeout = getattr(node.limits, "timeout", None)
            if timeout:
                document["limits"] = {"timeout": timeout}
        else:
            kind = getattr(node, "type", None) or type(node).__name__
            raise NotServedError(f"pipeline: step {name}: hdcore runs command and sweep steps; this is a {kind} step")
        return {key: value for key, value in document.items() if key not in _STEP_LABELS}

    def _inputs(self, step: str, inputs: Any) -> dict[str, Any]:
        found = {name: self._value(value, f"{step}.inputs.{name}") for name, value in inputs.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _value(self, value: Any, field: str) -> Any:
        while isinstance(value, PipelineInput) and value._owner.inputs is not self._job.inputs:
            value = value.result()  # of a pipeline in this one
        if isinstance(value, PipelineInput):
            if value.result() is None:
                return None  # optional, and not given
            return str(value)
        if isinstance(value, Input) and isinstance(value.path, NodeOutput | PipelineInput):
            inner = self._value(value.path, field)
            return {"type": value.type, "path": inner, **({"mode": value.mode} if value.mode else {})}
        if isinstance(value, PipelineJob):
            value = _only(value.outputs, field)
        elif isinstance(value, CommandJob | SweepJob):
            value = _only(value.outputs, field)  # a step itself stands for the one output that it has
        if not isinstance(value, NodeOutput):
            return value
        step, output = self.of_output(field, value)
        return {"type": value.type, "path": f"${{{{parent.jobs.{step}.outputs.{output}}}}}"}

    def of_output(self, field: str, value: Any) -> tuple[str, str]:
        """Return step and name of an output."""
        if not isinstance(value, NodeOutput):
            raise ValidationException(
                f"is a {type(value).__name__}; give an output of a step, such as step.outputs.model", field=field
            )
        node = value._node
        while id(node) not in self._names and hasattr(node, "_became"):
            node = node._became  # the sweep that the command was made
        if id(node) not in self._names:
            raise ValidationException("is an output of a step that is not in this pipeline", field=field)
        return self._names[id(node)], value._name


def _only(outputs: Any, field: str) -> Any:
    if len(outputs) != 1:
        raise ValidationException(
            f"is a step with the outputs {', '.join(outputs) or 'none'}; say which, as step.outputs.NAME", field=field
        )
    return next(iter(outputs.values()))


# ---------------------------------------------------------------------- from files and from what is stored


def pipeline_of_file(path: Path, data: dict[str, Any]) -> PipelineJob:
    """Return the job of a pipeline file; what it says of its steps stays as it is."""
    from hdcore.azure.pipeline import load_pipeline

    load_pipeline(path)  # what is wrong with it is said now
    settings = data.get("settings") or {}
    job = PipelineJob(
        name=data.get("name"),
        display_name=data.get("display_name") or path.stem,
        experiment_name=data.get("experiment_name"),
        description=data.get("description"),
        tags=data.get("tags"),
        compute=data.get("compute") if isinstance(data.get("compute"), str) else None,
        inputs={name: _file_input(item, path.parent) for name, item in (data.get("inputs") or {}).items()},
        outputs={name: Output(**(item or {})) for name, item in (data.get("outputs") or {}).items()},
        jobs={name: Entity(**item) for name, item in data["jobs"].items()},
        settings=PipelineJobSettings(**settings),
    )
    job._file = (path, data)
    return job


def _file_input(item: Any, folder: Path) -> Any:
    if not isinstance(item, dict):
        return item
    path = item.get("path")
    if isinstance(path, str) and not is_remote(path):
        item = {**item, "path": os.path.abspath(folder / path.removeprefix("file://"))}
    if "value" in item:
        return item["value"]
    return Input(**item)
