"""The run that a script belongs to, as the script sees it: `Run.get_context`. Standard library only.

Values go through `hdcore.runtime`, so policies and store have them at once; tables, tags and properties go to the run's
journal, files to its folders. Outside of a sweep there is the offline run, which prints what it is told.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.consumption import INPUTS_VARIABLE, Inputs
from hdcore.hyperdrive.exceptions import RunEnvironmentException
from hdcore.hyperdrive.experiment import Experiment
from hdcore.hyperdrive.homes import ABOUT_NAME, ROOT_RUN_VARIABLE, Home, as_logged
from hdcore.hyperdrive.metrics import MOST_TEXT
from hdcore.hyperdrive.run import Run
from hdcore.hyperdrive.workspace import Workspace
from hdcore.runtime import Client, get_run

_OUTSIDE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}

_current: Any = None


def context(allow_offline: bool = True) -> Any:
    """Return the run of this process; the same object each time.

    Raises
    ------
    RunEnvironmentException
        Outside of a sweep, unless that is allowed.
    """
    global _current
    client = get_run()
    if client.is_in_sweep:
        if not isinstance(_current, _SubmittedRun) or _current._client is not client:
            _current = _SubmittedRun(client)
        return _current
    if not allow_offline:
        raise RunEnvironmentException()
    if not isinstance(_current, _OfflineRun):
        _current = _OfflineRun()
    return _current


class LiveHome(Home):
    """The run that this process belongs to, by its environment."""

    type = "azureml.scriptrun"

    def __init__(self, client: Client) -> None:
        folder = Path(client.output_dir).parent
        sweep_folder = folder.parent.parent
        super().__init__(client.id or "", sweep_folder.parent.parent, folder)
        about = _read_json(sweep_folder / ABOUT_NAME)
        self.number = client.number or 0
        is_single = about.get("kind") == "run"
        self.parent_id = os.environ.get(ROOT_RUN_VARIABLE) if is_single else self.id.rpartition("_")[0]
        self.experiment_name = os.environ.get("AZUREML_ARM_PROJECT_NAME") or sweep_folder.name
        self._client = client

    def status(self) -> str:
        return "Running"

    def times(self) -> tuple[float | None, float | None]:
        try:
            return (self.folder / "configuration.json").stat().st_mtime, None
        except OSError:
            return None, None

    def attempt(self) -> int | None:
        return self._client.attempt

    def scalars(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        try:
            data = Path(os.environ["HDCORE_REPORT"]).read_bytes()
        except (OSError, KeyError):
            return found
        for line in data.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                value = entry.get("value")
                if value is None:
                    value = as_logged(str(entry.get("text")))
                found.setdefault(entry["name"], []).append(
                    _OUTSIDE.get(value, value) if isinstance(value, str) else value
                )
        return found

    def inputs(self) -> str | None:
        return os.environ.get(INPUTS_VARIABLE)

    def definition(self) -> dict[str, Any]:
        return {
            "script": os.path.basename(sys.argv[0]),
            "command": "",
            "arguments": list(sys.argv[1:]),
            "target": "local",
            "environment": _read_json(self.folder.parent.parent / ABOUT_NAME).get("trial", {}).get("environment") or {},
        }


class _SubmittedRun(Run):
    """The run of this process, in a sweep or alone.

    `complete`, `fail` and `cancel` do not end it: its exit code does.
    """

    def __init__(self, client: Client) -> None:
        home = LiveHome(client)
        workspace = Workspace(
            os.environ.get("AZUREML_ARM_SUBSCRIPTION") or "local",
            os.environ.get("AZUREML_ARM_RESOURCEGROUP") or "local",
            os.environ.get("AZUREML_ARM_WORKSPACE_NAME") or "local",
            _root=home.root,
        )
        name = home.experiment_name
        super().__init__(Experiment(workspace, name, _skip_name_validation=True), home.id, _home=home)
        self._client = client

    def _log_value(self, name: str, value: Any, step: int | None) -> None:
        if isinstance(value, str) and len(json.dumps(value)) > MOST_TEXT:
            self._note("metric", name=name, value=value, step=step)
        else:
            self._client.log(name, value, step)

    def _note(self, kind: str, **fields: Any) -> None:
        try:
            super()._note(kind, **fields)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # As for reports: a full disk does not end a training.
            print(f"hdcore: {fields.get('name')!r} cannot be logged: {error.strerror}", file=sys.stderr, flush=True)

    @property
    def parent(self) -> Run | None:
        """The sweep, as a stand-in that knows its id, experiment and tags."""
        home = self._home
        if os.environ.get("HDCORE_PIPELINE_STEPS"):
            return self  # a step, whose parent is the pipeline's run: that is this one
        if home.parent_id is None:
            return None
        if home.parent_id == os.environ.get(ROOT_RUN_VARIABLE):
            return super().parent  # a pipeline
        parent = _ParentHome(home.parent_id, home.root, home.folder.parent.parent)
        parent.experiment_name = home.experiment_name
        return Run(self.experiment, parent.id, _home=parent)

    def complete(self, _set_status: bool = True) -> None:
        """Do nothing: reports are written when they are logged, and the exit code decides."""

    def fail(self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True) -> None:
        """Note an error; the exit code decides about the status."""
        if error_details is not None:
            self._home.journal.add("error", message=str(error_details), code=error_code)

    def cancel(self) -> Any:
        """Warn: a script cannot cancel its own run; it may exit."""
        import logging

        logging.getLogger("hdcore").warning("Run.cancel: a run cannot cancel itself; leave the script instead")
        return False


class _ParentHome(Home):
    """The sweep around a run, without its store."""

    type = "hyperdrive"

    def status(self) -> str:
        return "Running"

    def times(self) -> tuple[float | None, float | None]:
        return None, None


class _OfflineRun:
    """Takes all that a run takes, outside of any, and prints it."""

    def __init__(self) -> None:
        self.id = f"OfflineRun_{uuid.uuid4()}"
        self.type = "offline"
        self.status = "Running"
        self.tags: dict[str, str] = {}
        self.properties: dict[str, str] = {}
        self.input_datasets = Inputs(os.environ.get(INPUTS_VARIABLE))
        self.output_datasets: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"OfflineRun(Id: {self.id})"

    def __enter__(self) -> _OfflineRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.complete()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(Run, name):
            raise AttributeError(
                f"the run is offline and has no {name}; submit the script, or look at run.id.startswith('OfflineRun')"
            )
        raise AttributeError(f"'_OfflineRun' object has no attribute {name!r}")

    @property
    def number(self) -> int:
        return 0

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:
        """Print the value."""
        print(f"Attempted to log scalar metric {name}:\n{value}")

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        """Print the list."""
        print(f"Attempted to log list metric {name}:\n{value}")

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        """Print the row."""
        print(f"Attempted to log row metric {name}:\n{kwargs}")

    def log_table(self, name: str, value: Any, description: str = "") -> None:
        """Print the table."""
        print(f"Attempted to log table metric {name}:\n{value}")

    def log_image(self, name: str, path: Any = None, plot: Any = None, description: str = "") -> None:
        """Print the name of the image."""
        print(f"Attempted to log image metric {name}{f' from {path}' if path is not None else ''}")

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        """Print the matrix."""
        print(f"Attempted to log confusion matrix {name}:\n{value}")

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        """Print the table."""
        print(f"Attempted to log accuracy table {name}:\n{value}")

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        """Print the predictions."""
        print(f"Attempted to log predictions {name}:\n{value}")

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        """Print the residuals."""
        print(f"Attempted to log residuals {name}:\n{value}")

    def tag(self, key: str, value: Any = None) -> None:
        """Keep a tag until the end of the process."""
        self.tags[str(key)] = str(value)

    def set_tags(self, tags: Any) -> None:
        self.tags.update({str(key): str(value) for key, value in tags.items()})

    def get_tags(self) -> dict[str, str]:
        return self.tags

    def add_properties(self, properties: Any) -> None:
        self.properties.update({str(key): str(value) for key, value in properties.items()})

    def get_properties(self) -> dict[str, str]:
        return self.properties

    def get_status(self) -> str:
        return self.status

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> None:
        """Print the name of the file."""
        print(f"Attempted to upload file {name} from {path_or_stream}")

    def upload_files(self, names: Any, paths: Any, **_: Any) -> None:
        """Print the names of the files."""
        print(f"Attempted to upload files {list(names)}")

    def upload_folder(self, name: str, path: Any, datastore_name: str | None = None) -> None:
        """Print the name of the folder."""
        print(f"Attempted to upload folder {name} from {path}")

    def register_model(self, model_name: str, model_path: str | None = None, **_: Any) -> None:
        """Print the name of the model."""
        print(f"Attempted to register model {model_name}")

    def child_run(self, name: str | None = None, **_: Any) -> _OfflineRun:
        return _OfflineRun()

    def flush(self, timeout_seconds: float = 300) -> None:
        """Do nothing."""

    def start(self) -> None:
        self.status = "Running"

    def complete(self, _set_status: bool = True) -> None:
        """Set the status; print nothing."""
        self.status = "Completed"

    def fail(self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True) -> None:
        """Print the error."""
        self.status = "Failed"
        print(f"Run failed{f': {error_details}' if error_details is not None else ''}")

    def cancel(self) -> None:
        """Set the status."""
        self.status = "Canceled"

    def get_secret(self, name: str) -> str | None:
        return os.environ.get(name)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
