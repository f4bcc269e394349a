"""``load_job`` and its kin: objects from YAML files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

from hdcore.azure.component import read_declared_inputs
from hdcore.azure.load import is_remote, load_sweep
from hdcore.azure.reader import read_file, read_mapping
from hdcore.azure.v2.command import CommandComponent, CommandJob
from hdcore.azure.v2.entities import AmlCompute, Asset, Compute, ComputeInstance, Data, Entity, Environment, Model
from hdcore.azure.v2.exceptions import ValidationException
from hdcore.azure.v2.inputs import Input, Output
from hdcore.azure.v2.pipeline import pipeline_of_file
from hdcore.azure.v2.settings import RandomSamplingAlgorithm
from hdcore.azure.v2.sweep import sweep_job
from hdcore.errors import NotServedError

A = TypeVar("A", bound=Asset)

_COMMAND_KEYS = (
    *("name", "display_name", "experiment_name", "description", "tags", "properties", "command", "environment"),
    *("environment_variables", "compute", "distribution"),
)


def load_job(source: Any, *, relative_origin: str | None = None, params_override: Any = None, **kwargs: Any) -> Any:
    """Return the job of a file: a sweep, a command or a pipeline.

    Parameters
    ----------
    source : path-like or file
    params_override : list of dict, optional
        Attributes to set on the job, such as ``[{"name": "again"}]``.

    Raises
    ------
    InputError
        If the file is wrong.
    """
    path, data = _read(source, relative_origin)
    kind = str(data.get("type", "command" if "command" in data else "")).lower()
    job: Any
    if kind == "sweep":
        spec = load_sweep(path)
        job = sweep_job(spec)
        job.name = data.get("name")
        sampling = data.get("sampling_algorithm")
        if isinstance(sampling, dict) and str(sampling.get("type", "")).lower() == "random":
            job.sampling_algorithm = RandomSamplingAlgorithm(rule=sampling.get("rule"), seed=sampling.get("seed"))
        if data.get("hdcore"):
            job._block = data["hdcore"]
    elif kind == "command":
        job = _command(CommandJob, data, path.parent)
    elif kind == "pipeline":
        job = pipeline_of_file(path, data)
    else:
        raise NotServedError(
            f"load_job: {path}: hdcore runs command, sweep and pipeline jobs; this is a {kind or 'nameless'} job"
        )
    for change in params_override or []:
        for key, value in change.items():
            setattr(job, key, value)
    return job


def load_component(source: Any = None, *, relative_origin: str | None = None, **kwargs: Any) -> CommandComponent:
    """Return the command component of a file; calling it makes a job."""
    path, data = _read(source if source is not None else kwargs.get("path"), relative_origin)
    if str(data.get("type", "command")).lower() != "command":
        raise NotServedError(f"load_component: {path}: hdcore knows command components; this is {data.get('type')!r}")
    component = _command(CommandComponent, data, path.parent)
    assert isinstance(component, CommandComponent)
    component.inputs = read_declared_inputs(data)
    component.version = None if data.get("version") is None else str(data["version"])
    return component


def load_environment(source: Any, *, relative_origin: str | None = None, **kwargs: Any) -> Environment:
    """Return the environment of a file."""
    return _asset(Environment, source, relative_origin)


def load_data(source: Any, *, relative_origin: str | None = None, **kwargs: Any) -> Data:
    """Return the data asset of a file."""
    return _asset(Data, source, relative_origin)


def load_model(source: Any, *, relative_origin: str | None = None, **kwargs: Any) -> Model:
    """Return the model of a file."""
    return _asset(Model, source, relative_origin)


def load_compute(source: Any, *, relative_origin: str | None = None, **kwargs: Any) -> Compute:
    """Return the compute of a file."""
    _, data = _read(source, relative_origin)
    kind = ComputeInstance if str(data.get("type", "")).lower() == "computeinstance" else AmlCompute
    return kind(**{key: value for key, value in data.items() if key not in ("$schema", "type")})


def load_workspace(source: Any, *, relative_origin: str | None = None, **kwargs: Any) -> Entity:
    """Return the workspace of a file."""
    from hdcore.azure.v2.entities import Workspace

    _, data = _read(source, relative_origin)
    return Workspace(**{key: value for key, value in data.items() if key != "$schema"})


def _read(source: Any, relative_origin: str | None) -> tuple[Path, dict[str, Any]]:
    """Return the path and the document of what was given, which may be an open file."""
    if hasattr(source, "read"):
        text = source.read()
        data = text if isinstance(text, bytes) else text.encode()
        origin = relative_origin or getattr(source, "name", None) or os.path.join(os.getcwd(), "job.yml")
        return Path(os.path.abspath(origin)), read_mapping(data)
    if not isinstance(source, str | os.PathLike):
        raise ValidationException(f"is {source!r}; give the path of a YAML file", field="source")
    path = Path(os.path.abspath(source))
    return path, read_file(path)


def _command(kind: type[CommandJob], data: dict[str, Any], folder: Path) -> CommandJob:
    job = kind(**{key: data[key] for key in _COMMAND_KEYS if data.get(key) is not None})
    code = data.get("code")
    if code is not None:
        job.code = code if is_remote(code) else os.path.abspath(folder / code)
    job.inputs = {name: _input(item, folder) for name, item in (data.get("inputs") or {}).items()}
    job.outputs = {
        name: Output(**{key: value for key, value in (item or {}).items() if key in ("type", "mode")})
        for name, item in (data.get("outputs") or {}).items()
    }
    timeout = (data.get("limits") or {}).get("timeout")
    if timeout is not None:
        job.set_limits(timeout=timeout)
    return job


def _input(item: Any, folder: Path) -> Any:
    if not isinstance(item, dict):
        return item
    path = item.get("path")
    if isinstance(path, str) and not is_remote(path):
        item = {**item, "path": os.path.abspath(folder / path.removeprefix("file://"))}
    return Input(**item)


def _asset(kind: type[A], source: Any, relative_origin: str | None) -> A:
    path, data = _read(source, relative_origin)
    keywords = {key: value for key, value in data.items() if key != "$schema"}
    inner = keywords.get("path")
    if isinstance(inner, str) and not is_remote(inner):
        keywords["path"] = os.path.abspath(path.parent / inner.removeprefix("file://"))
    return kind(**keywords)
