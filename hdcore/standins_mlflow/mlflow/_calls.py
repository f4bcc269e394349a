"""What scripts call as ``mlflow.…``: metrics go to the report file, the rest to the run's journal and outputs."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hdcore.tracking import URI
from hdcore.tracking.copying import copy_file, copy_folder
from hdcore.tracking.trial import Trial, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

_told: set[str] = set()


class MlflowException(Exception):  # noqa: N818 - MLflow's name
    """What MLflow raises."""

    error_code = "INTERNAL_ERROR"

    @property
    def message(self) -> str:
        return str(self)


class RestException(MlflowException):
    """What a server of MLflow answers."""


_trial: Trial | None = None
_local = threading.local()


def trial() -> Trial:
    """Return the trial; outside of one this raises RuntimeError."""
    global _trial
    if _trial is None:
        _trial = Trial()
    return _trial


def _tell(text: str) -> None:
    if text not in _told:
        _told.add(text)
        warn(text)


def _stack() -> list[ActiveRun]:
    if not hasattr(_local, "stack"):
        _local.stack = []
        _local.last = None
    found: list[ActiveRun] = _local.stack
    return found


# ---------------------------------------------------------------------- runs


class ActiveRun:
    """A run, as `start_run` and `get_run` return it; its ``with`` ends it."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    @property
    def info(self) -> SimpleNamespace:
        """Id, name, state, times, folder of artifacts."""
        known = trial().logged_run(self._run_id).info
        return SimpleNamespace(
            run_id=self._run_id,
            run_uuid=self._run_id,
            run_name=known.get("name", self._run_id),
            experiment_id=trial().sweep_id,
            status=known.get("status", "RUNNING"),
            start_time=known.get("start"),
            end_time=known.get("end"),
            lifecycle_stage="active",
            artifact_uri=trial().artifacts_of(self._run_id),
        )

    @property
    def data(self) -> SimpleNamespace:
        """Metrics (the last of each), parameters, tags."""
        known = trial().logged_run(self._run_id)
        metrics = {name: row[1] for name, row in known.latest.items()}
        return SimpleNamespace(metrics=metrics, params=known.params, tags=known.tags)

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        end_run("FINISHED" if kind is None else "FAILED")


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Start the trial's run, or one nested in the active run."""
    stack, here = _stack(), trial()
    if stack and not nested:
        raise MlflowException(
            f"run {stack[-1]._run_id} is active; end it with mlflow.end_run(), or start one in it with nested=True"
        )
    if log_system_metrics:
        _tell("mlflow is not installed, and its stand-in logs no system metrics")
    started = int(time.time() * 1000)
    parent = parent_run_id or (stack[-1]._run_id if stack else None)
    if run_id is not None:
        _known(run_id)
    elif parent is not None:
        run_id = here.start_nested(parent, run_name, started)
    else:
        run_id = here.id
    info = {"status": "RUNNING", "start": started, **({"name": run_name} if run_name else {})}
    all_tags = {**(tags or {}), **({"mlflow.note.content": description} if description else {})}
    here.write(run=run_id, info=info, tags={name: str(value) for name, value in all_tags.items()})
    os.environ.pop("MLFLOW_RUN_ID", None)
    stack.append(ActiveRun(run_id))
    return stack[-1]


def end_run(status: str = "FINISHED") -> None:
    """End the active run, if there is one. The trial's own status comes from its exit code."""
    stack = _stack()
    if stack:
        run = stack.pop()
        _local.last = run
        trial().write(run=run._run_id, info={"status": status, "end": int(time.time() * 1000)})


def active_run() -> ActiveRun | None:
    """Return the active run of this thread."""
    stack = _stack()
    return stack[-1] if stack else None


def last_active_run() -> ActiveRun | None:
    """Return the active run of this thread, or the one that was."""
    return active_run() or _local.last


def get_run(run_id: str) -> ActiveRun:
    """Return the trial's run or one nested in it."""
    _known(run_id)
    return ActiveRun(run_id)


def _known(run_id: str) -> None:
    try:
        trial().logged_run(run_id)
    except KeyError:
        raise MlflowException(f"the trial {trial().id} has no run {run_id!r}") from None


def _current(run_id: str | None) -> str:
    if run_id is not None:
        _known(run_id)
        return run_id
    return (active_run() or start_run())._run_id


# ---------------------------------------------------------------------- what is logged


def log_metric(
    key: str, value: float, step: int | None = None, synchronous: bool | None = None, *unused: Any,
    run_id: str | None = None, **more: Any,
) -> None:  # fmt: skip
    """Report a metric of the trial, or keep one of a nested run."""
    log_metrics({key: value}, step, run_id=run_id)


def log_metrics(
    metrics: Mapping[str, float], step: int | None = None, synchronous: bool | None = None,
    run_id: str | None = None, **more: Any,
) -> None:  # fmt: skip
    """Report several metrics."""
    where = _current(run_id)
    if where == trial().id:
        for name, value in metrics.items():
            trial().report(name, value, step)
        return
    now = int(time.time() * 1000)
    trial().write(run=where, metrics=[[name, float(value), step or 0, now] for name, value in metrics.items()])


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Keep a parameter; return its value."""
    log_params({key: value})
    return value


def log_params(params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> None:
    """Keep parameters."""
    trial().log_params(_current(run_id), {name: str(value) for name, value in params.items()})


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> None:
    """Keep a tag."""
    set_tags({key: value})


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> None:
    """Keep tags."""
    trial().write(run=_current(None), tags={name: str(value) for name, value in tags.items()})


def delete_tag(key: str) -> None:
    """Take a tag away."""
    trial().write(run=_current(None), tags={key: None})


# ---------------------------------------------------------------------- artifacts


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Return the folder of the active run's artifacts, or the path of one of them."""
    return _place(artifact_path or "", None)


def log_artifact(local_path: str, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Copy a file (or a folder) into the run's outputs."""
    local = os.fspath(local_path)
    if os.path.isdir(local):
        inner = os.path.basename(os.path.abspath(local))
        log_artifacts(local, f"{artifact_path}/{inner}" if artifact_path else inner, run_id)
        return
    copy_file(local, _place(artifact_path or "", run_id))


def log_artifacts(local_dir: str, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Copy the files of a folder into the run's outputs."""
    copy_folder(os.fspath(local_dir), _place(artifact_path or "", run_id))


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Write a text into the run's outputs."""
    with open(_file(artifact_file, run_id), "w", encoding="utf-8") as file:
        file.write(text)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Write a dictionary into the run's outputs: as YAML if the file's name says so, else as JSON."""
    if artifact_file.endswith((".yaml", ".yml")):
        import yaml

        text = yaml.safe_dump(dictionary, sort_keys=False, allow_unicode=True)
    else:
        text = json.dumps(dictionary, indent=2, default=str)
    log_text(text, artifact_file, run_id)


def log_figure(
    figure: Any, artifact_file: str, *, save_kwargs: dict[str, Any] | None = None, run_id: str | None = None
) -> None:
    """Save a matplotlib or plotly figure into the run's outputs."""
    path = _file(artifact_file, run_id)
    if hasattr(figure, "savefig"):
        figure.savefig(path, **(save_kwargs or {}))
    elif artifact_file.endswith(".html"):
        figure.write_html(path, **(save_kwargs or {}))
    else:
        figure.write_image(path, **(save_kwargs or {}))


def log_image(
    image: Any, artifact_file: str | None = None, key: str | None = None, step: int | None = None, **more: Any
) -> None:
    """Save an image, of Pillow or an array, into the run's outputs."""
    name = artifact_file or f"images/{key}{'' if step is None else f'_{step}'}.png"
    path = _file(name, None)
    if hasattr(image, "save"):
        image.save(path)
        return
    from matplotlib import pyplot  # type: ignore[import-not-found,unused-ignore]

    pyplot.imsave(path, image)


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Write a table, a dictionary of columns or of pandas, into the run's outputs as JSON."""
    columns = {name: list(data[name]) for name in (data.columns if hasattr(data, "columns") else data)}
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    log_text(json.dumps({"columns": [*columns], "data": rows}, default=str), artifact_file, run_id)


def list_artifacts(folder: str | None, run_id: str | None, path: str) -> list[Any]:
    """Return the artifacts in a folder."""
    top = folder or _place("", run_id)
    at = os.path.join(top, path)
    found = []
    for name in sorted(os.listdir(at)) if os.path.isdir(at) else ():
        inner = os.path.join(at, name)
        is_dir = os.path.isdir(inner)
        size = None if is_dir else os.path.getsize(inner)
        found.append(SimpleNamespace(path=os.path.relpath(inner, top), is_dir=is_dir, file_size=size))
    return found


def register_model(model_uri: str, name: str, **more: Any) -> Any:
    """Register a model of the trial; return its version."""
    from mlflow import _models

    run_id = model_uri.removeprefix("runs:/").partition("/")[0] if model_uri.startswith("runs:/") else trial().id
    version = _models.register(name, _models.local_folder(model_uri), run_id)
    return SimpleNamespace(name=name, version=str(version), source=model_uri, run_id=run_id, status="READY")


def log_input(dataset: Any = None, context: str | None = None, tags: Any = None, **more: Any) -> None:
    """Say that data sets are not kept."""
    _tell("mlflow.log_input keeps nothing: mlflow is not installed in the interpreter of the trials")


def _place(path: str, run_id: str | None) -> str:
    """Return the absolute path of an artifact."""
    folder = os.path.realpath(trial().artifacts_of(_current(run_id)))
    found = os.path.realpath(os.path.join(folder, path))
    if os.path.commonpath([folder, found]) != folder:
        raise ValueError(f"artifact path {path!r} leads out of the run's outputs; give one below them")
    return found


def _file(path: str, run_id: str | None) -> str:
    found = _place(path, run_id)
    os.makedirs(os.path.dirname(found), exist_ok=True)
    return found


# ---------------------------------------------------------------------- surroundings


def autolog(*unused: Any, flavour: str = "mlflow", disable: bool = False, log_models: bool = True, **more: Any) -> None:
    """Log what scikit-learn's ``fit`` tells; say that nothing else is logged by itself."""
    served = []
    if flavour in ("mlflow", "mlflow.sklearn") and importlib.util.find_spec("sklearn") is not None:
        from mlflow import _autolog

        _autolog.switch(on=not disable, log_models=log_models)
        served.append("scikit-learn")
    for library, called in (("lightgbm", "LightGBM"), ("xgboost", "XGBoost")):
        if library in sys.modules and flavour in ("mlflow", f"mlflow.{library}"):
            from mlflow import _boosting

            _boosting.switch(library, on=not disable, log_models=log_models)
            served.append(called)
    if not disable and (flavour == "mlflow" or not served):
        what = f"logs what {' and '.join(served)} train{'s' * (len(served) == 1)}" if served else "does nothing"
        _tell(f"{flavour}.autolog {what}: mlflow is not installed in the interpreter of the trials")


def set_experiment(experiment_name: str | None = None, experiment_id: str | None = None, **more: Any) -> Any:
    """Return the sweep under the name that the script gives it."""
    return _experiment(experiment_name)


def create_experiment(name: str, artifact_location: str | None = None, tags: Any = None) -> str:
    """Return the sweep's id."""
    return trial().sweep_id


def get_experiment(experiment_id: str) -> Any:
    """Return the sweep."""
    return _experiment(None)


def get_experiment_by_name(name: str) -> Any:
    """Return the sweep under the name that the script gives it."""
    return _experiment(name)


def _experiment(name: str | None) -> SimpleNamespace:
    here = trial()
    return SimpleNamespace(
        experiment_id=here.sweep_id, name=name or here.sweep_id, artifact_location=here.outputs,
        lifecycle_stage="active", tags={},
    )  # fmt: skip


def get_parent_run(run_id: str) -> ActiveRun | None:
    """Return the run that a nested run is in."""
    _known(run_id)
    parent = trial().logged_run(run_id).info.get("parent")
    return None if parent is None else ActiveRun(str(parent))


def search_runs(experiment_ids: Any = None, filter_string: str = "", *unused: Any, **more: Any) -> Any:
    """Refuse: a trial knows itself alone."""
    raise MlflowException(
        "mlflow.search_runs: mlflow is not installed in the interpreter of the trials, and its stand-in knows this "
        "trial alone; install mlflow or mlflow-skinny"
    )


def get_tracking_uri() -> str:
    """Return the URI that means the sweep."""
    return URI


def set_tracking_uri(uri: object) -> None:
    """Say that what a run logs lands in its sweep all the same."""
    if not str(uri).startswith(URI):
        _tell("mlflow.set_tracking_uri changes nothing here: what a run logs lands in its sweep")


def is_tracking_uri_set() -> bool:
    """Return True."""
    return True


class MlflowClient:
    """The calls of MLflow's client that write to a run."""

    def __init__(self, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        if tracking_uri not in (None, URI):
            set_tracking_uri(tracking_uri)

    def get_run(self, run_id: str) -> ActiveRun:
        """Return a run."""
        return get_run(run_id)

    def get_experiment(self, experiment_id: str) -> Any:
        """Return the sweep."""
        return _experiment(None)

    def get_experiment_by_name(self, name: str) -> Any:
        """Return the sweep under the name that the script gives it."""
        return _experiment(name)

    def create_experiment(self, name: str, *unused: Any, **more: Any) -> str:
        """Return the sweep's id."""
        return trial().sweep_id

    def log_batch(
        self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = (), synchronous: bool | None = None
    ) -> None:
        """Report metrics, and keep parameters and tags."""
        for metric in metrics:
            log_metrics({metric.key: metric.value}, metric.step, run_id=run_id)
        if params:
            log_params({param.key: param.value for param in params}, run_id=run_id)
        for tag in tags:
            self.set_tag(run_id, tag.key, tag.value)

    def log_figure(self, run_id: str, figure: Any, artifact_file: str, **more: Any) -> None:
        """Save a figure into the run's outputs."""
        log_figure(figure, artifact_file, run_id=run_id, **more)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag away."""
        _known(run_id)
        trial().write(run=run_id, tags={key: None})

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[Any]:
        """Return the artifacts in a folder."""
        return list_artifacts(None, run_id, path or "")

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> str:
        """Return the local path of an artifact; with `dst_path` that of a copy."""
        from mlflow import artifacts

        found: str = artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=dst_path)
        return found

    def log_metric(self, run_id: str, key: str, value: float, timestamp: int | None = None, step: int | None = None,
                   **more: Any) -> None:  # fmt: skip
        """Report a metric."""
        log_metrics({key: value}, step, run_id=run_id)

    def log_param(self, run_id: str, key: str, value: Any, **more: Any) -> Any:
        """Keep a parameter."""
        log_params({key: value}, run_id=run_id)
        return value

    def set_tag(self, run_id: str, key: str, value: Any, **more: Any) -> None:
        """Keep a tag."""
        _known(run_id)
        trial().write(run=run_id, tags={key: str(value)})

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        """Copy a file into the run's outputs."""
        log_artifact(local_path, artifact_path, run_id)

    def log_artifacts(self, run_id: str, local_dir: str, artifact_path: str | None = None) -> None:
        """Copy the files of a folder into the run's outputs."""
        log_artifacts(local_dir, artifact_path, run_id)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Write a text into the run's outputs."""
        log_text(text, artifact_file, run_id)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Write a dictionary into the run's outputs."""
        log_dict(dictionary, artifact_file, run_id)

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """Note the end of a run."""
        _known(run_id)
        info = {"status": status or "FINISHED", "end": end_time or int(time.time() * 1000)}
        trial().write(run=run_id, info=info)

    def __getattr__(self, name: str) -> Any:
        from mlflow._submodules import refusal

        raise AttributeError(refusal(f"MlflowClient.{name}"))
