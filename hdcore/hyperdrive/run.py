"""`Run`: one run, from its script and from everywhere else.

Loads the standard library only, so that a script may ask for it in any interpreter; what reads stores is imported by
the methods that need it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.files import RunFiles
from hdcore.hyperdrive.metrics import ENTRIES, shape
from hdcore.hyperdrive.run_files import Artifacts
from hdcore.hyperdrive.run_logging import Logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.details import Details
    from hdcore.hyperdrive.environment import Environment
    from hdcore.hyperdrive.experiment import Experiment
    from hdcore.hyperdrive.homes import Home
    from hdcore.hyperdrive.workspace import Workspace

TERMINAL = frozenset(("Completed", "Failed", "Canceled"))


class Run(Artifacts, Logging):
    """One run: its metrics, files, tags and what became of it.

    Parameters
    ----------
    experiment : Experiment
    run_id : str
        Of any run of the workspace's root, whoever made it.

    Raises
    ------
    UserErrorException
        If there is none of this id.
    """

    def __init__(
        self, experiment: Experiment, run_id: str, outputs: Any = None, *, _home: Home | None = None, **kwargs: Any
    ) -> None:
        if _home is None:
            from hdcore.hyperdrive.stored import find_home

            _home = find_home(experiment.workspace._root, run_id)
        self._experiment = experiment
        self._home = _home

    def __repr__(self) -> str:
        return f"Run(Experiment: {self.experiment.name},\nId: {self.id},\nType: {self.type},\nStatus: {self.status})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: Any) -> None:
        if error is None:
            self.complete()
        else:
            self.fail(f"{type(error).__name__}: {error}")

    # ------------------------------------------------------------------ finding runs

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any) -> Any:
        """Return the run that this process belongs to.

        Parameters
        ----------
        allow_offline : bool
            Outside of any run, return one that prints what it is told.

        Raises
        ------
        RunEnvironmentException
            Outside of any run, if that is not allowed.
        """
        from hdcore.hyperdrive.context import context

        return context(allow_offline)

    @classmethod
    def get_submitted_run(cls, **kwargs: Any) -> Any:
        """Return the run that this process belongs to; the old name of `get_context`."""
        return cls.get_context(allow_offline=True)

    @staticmethod
    def get(workspace: Workspace, run_id: str) -> Run:
        """Return the run, or sweep, of an id."""
        from hdcore.hyperdrive.stored import find_home

        return as_run(workspace, find_home(workspace._root, run_id))

    @staticmethod
    def list(
        experiment: Experiment,
        type: str | None = None,
        tags: Any = None,
        properties: Any = None,
        status: str | None = None,
        include_children: bool = False,
        **_: Any,
    ) -> Iterator[Run]:
        """Yield the runs of an experiment, the newest first."""
        for run in experiment.get_runs(type=type, tags=tags, properties=properties, include_children=include_children):
            if status is None or run.get_status() == status:
                yield run

    # ------------------------------------------------------------------ what it is

    @property
    def id(self) -> str:
        return self._home.id

    @property
    def number(self) -> int:
        """Number of the run in its sweep."""
        return self._home.number

    @property
    def type(self) -> str:
        return self._home.type

    @property
    def experiment(self) -> Experiment:
        return self._experiment

    @property
    def parent(self) -> Run | None:
        """The run that this one belongs to: the sweep of a child run."""
        if self._home.parent_id is None:
            return None
        return Run.get(self.experiment.workspace, self._home.parent_id)

    @property
    def display_name(self) -> str:
        entry = self._home.journal.last("name")
        return self.id if entry is None else str(entry.get("value"))

    @display_name.setter
    def display_name(self, value: str) -> None:
        self._home.journal.add("name", value=str(value))

    name = display_name

    @property
    def description(self) -> str | None:
        entry = self._home.journal.last("description")
        return None if entry is None else str(entry.get("value"))

    @description.setter
    def description(self, value: str) -> None:
        self._home.journal.add("description", value=str(value))

    @property
    def status(self) -> str:
        return self.get_status()

    def get_status(self) -> str:
        """Return Azure's word: NotStarted, Queued, Running, CancelRequested, Completed, Failed, Canceled."""
        return self._home.status()

    def get_detailed_status(self) -> dict[str, Any]:
        return {"status": self.get_status(), "details": self._home.error(), "reason": None}

    def get_details(self) -> Details:
        """Return all about the run; keys are found in any case, ``['runDefinition']['Arguments']`` too."""
        from hdcore.hyperdrive.details import details

        return details(self._home)

    def get_details_with_logs(self) -> Details:
        """Return `get_details` with the contents of the logs."""
        found = self.get_details()
        files = self._run_files()
        found["logFiles"] = {
            name: files.find(name).read_text(encoding="utf-8", errors="replace") for name in found["logFiles"]
        }
        return found

    def get_portal_url(self) -> str:
        """Return the URL of the run's folder."""
        return self._home.folder.as_uri()

    def get_environment(self) -> Environment:
        """Return the environment that was submitted."""
        from hdcore.hyperdrive.environment import Environment

        definition = self._home.definition() or {}
        return Environment._of(dict(definition.get("environment") or {}))

    def get_snapshot_id(self) -> str:
        return self._home.parent_id or self.id

    def restore_snapshot(self, snapshot_id: str | None = None, path: str | None = None) -> str:
        """Copy the code that the run was started with into a folder; return its path."""
        from hdcore.hyperdrive.snapshot import restore

        return restore(self._home, path)

    # ------------------------------------------------------------------ metrics

    def get_metrics(
        self, name: str | None = None, recursive: bool = False, run_type: Any = None, populate: bool = False
    ) -> dict[str, Any]:
        """Return what was logged: a value that was logged once as itself, else a list; tables as columns.

        Parameters
        ----------
        name : str, optional
            Only this metric.
        recursive : bool
            The metrics of the runs under this one, by their ids.
        """
        if recursive:
            own = self.get_metrics(name)
            below = {run.id: run.get_metrics(name) for run in self.get_children(recursive=True)}
            return {self.id: own, **below} if own else below
        home = self._home
        found = shape(home.scalars(), home.journal.entries(*ENTRIES, attempt=home.attempt()))
        return found if name is None else {key: value for key, value in found.items() if key == name}

    def _log_value(self, name: str, value: Any, step: int | None) -> None:
        self._note("metric", name=name, value=value, step=step)

    def _note(self, kind: str, **fields: Any) -> None:
        attempt = self._home.attempt()
        self._home.journal.add(kind, **fields, **({} if attempt is None else {"attempt": attempt}))

    def _run_files(self) -> RunFiles:
        return RunFiles(self._home.folder)

    def _artifact_uri(self, file: str) -> str:
        return f"aml://artifactId/ExperimentRun/dcid.{self.id}/{file}"

    def flush(self, timeout_seconds: float = 300) -> None:
        """Return at once: what is logged is on its way when `log` returns."""

    # ------------------------------------------------------------------ tags and properties

    @property
    def tags(self) -> dict[str, str]:
        return self._home.tags()

    def get_tags(self) -> dict[str, str]:
        return self._home.tags()

    def tag(self, key: str, value: Any = None) -> None:
        """Set a tag; its value may be left out."""
        self._home.journal.add("tag", name=str(key), value=None if value is None else str(value))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags; others stay."""
        for key, value in tags.items():
            self.tag(key, value)

    def remove_tags(self, tags: Iterable[str]) -> None:
        for key in tags:
            self._home.journal.add("untag", name=str(key))

    @property
    def properties(self) -> dict[str, str]:
        return self._home.properties()

    def get_properties(self) -> dict[str, str]:
        return self._home.properties()

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Set properties, each once and for all.

        Raises
        ------
        UserErrorException
            If one of them has another value.
        """
        before = self.get_properties()
        for key, value in properties.items():
            if before.get(key, str(value)) != str(value):
                raise UserErrorException(f"property {key!r} is {before[key]!r} and cannot be changed; use a tag")
        for key, value in properties.items():
            self._home.journal.add("property", name=str(key), value=str(value))

    # ------------------------------------------------------------------ runs under it

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: str | None = None,
        status: str | None = None,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Run]:
        """Yield the runs under this one.

        Parameters
        ----------
        recursive : bool
            Those under them too.
        tags, properties : str, dict or list, optional
            A key, or keys with values, that a run has to have.
        type, status : str, optional
        """
        for home in self._home.children():
            run = as_run(self.experiment.workspace, home, self.experiment)
            if matches(run, tags, properties, type) and (status is None or run.get_status() == status):
                yield run
            if recursive:
                yield from run.get_children(True, tags, properties, type, status)

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: Any = None) -> Run:
        """Begin a run under this one, which the caller logs to and completes."""
        from hdcore.hyperdrive.homes import begin_journal_run

        home = begin_journal_run(
            self._home.root, run_id or f"{self.id}_{uuid.uuid4().hex[:8]}", self.experiment.name, parent=self._home
        )
        made = Run(self.experiment, home.id, _home=home)
        if name is not None:
            made.display_name = name
        return made

    def create_children(
        self, count: int | None = None, tag_key: str | None = None, tag_values: Any = None
    ) -> Sequence[Run]:
        """Begin several runs under this one."""
        values = list(tag_values or [])
        made = [self.child_run() for _ in range(count if count is not None else len(values))]
        for run, value in zip(made, values, strict=False):
            run.tag(str(tag_key), value)
        return made

    def submit_child(self, config: Any, tags: Mapping[str, Any] | None = None, **kwargs: Any) -> Run:
        """Submit a configuration as `Experiment.submit` does, as a run under this one."""
        run: Run = self.experiment.submit(config, tags, **kwargs)
        self._home.journal.add("child", id=run.id)
        return run

    # ------------------------------------------------------------------ its end

    def start(self) -> None:
        """Do nothing: a run that is there has started."""

    def complete(self, _set_status: bool = True) -> None:
        """Say that a run of `Experiment.start_logging` or `child_run` is done; others end with their process."""
        self._end("Completed")

    def fail(self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True) -> None:
        """Say that a run of `Experiment.start_logging` or `child_run` has failed, and why."""
        if error_details is not None:
            self._home.journal.add("error", message=str(error_details), code=error_code)
        self._end("Failed")

    def cancel(self) -> Any:
        """Ask for the end of the run; returns at once."""
        return self._home.cancel()

    def _end(self, status: str) -> None:
        if self._home.type in ("azureml.run", "azureml.PipelineRun") and self.get_status() not in TERMINAL:
            self._home.journal.add("status", value=status)

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> Details:
        """Wait for the end of the run; return `get_details`.

        Parameters
        ----------
        show_output : bool
            Print its log as it comes.

        Raises
        ------
        ActivityFailedException
            If it failed, unless `raise_on_error` is off.
        ExperimentExecutionException
            At Ctrl-C, which leaves the run going.
        """
        from hdcore.hyperdrive.waiting import wait_for

        return wait_for(self, show_output=show_output, raise_on_error=raise_on_error)

    # ------------------------------------------------------------------ what has no local meaning

    def get_secret(self, name: str) -> str | None:
        """Return a secret: there is no key vault, so that of the environment."""
        return os.environ.get(name)

    def get_secrets(self, secrets: Iterable[str]) -> dict[str, str | None]:
        return {name: self.get_secret(name) for name in secrets}

    @property
    def input_datasets(self) -> dict[str, Any]:
        """Inputs by name: a path for those that are mounted or downloaded, else the dataset."""
        from hdcore.hyperdrive.consumption import Inputs

        return Inputs(self._home.inputs())

    @property
    def output_datasets(self) -> dict[str, Any]:
        """Declared outputs by name: their folders."""
        outputs = self._home.folder / "outputs"
        return {path.name: os.fspath(path) for path in outputs.glob("*") if path.is_dir()}


def get_run(experiment: Experiment, run_id: str, rehydrate: bool = True, clean_up: bool = True) -> Run:
    """Return the run, or sweep, of an id."""
    return Run.get(experiment.workspace, run_id)


def as_run(workspace: Workspace, home: Home, experiment: Experiment | None = None) -> Run:
    """Return the object of a home: a `HyperDriveRun` for a sweep."""
    if experiment is None:
        from hdcore.hyperdrive.experiment import Experiment

        experiment = Experiment(workspace, home.experiment_name or "default")
    if home.type == "hyperdrive":
        from hdcore.hyperdrive.stored import SweepHome
        from hdcore.hyperdrive.sweep_run import HyperDriveRun

        assert isinstance(home, SweepHome)
        return HyperDriveRun(experiment, home.id, _home=home)
    if home.type == "azureml.scriptrun":
        from hdcore.hyperdrive.script_run import ScriptRun

        return ScriptRun(experiment, home.id, _home=home)
    if home.type == "azureml.PipelineRun":
        from hdcore.hyperdrive.pipeline_run import PipelineRun

        return PipelineRun(experiment, home.id, _home=home)
    return Run(experiment, home.id, _home=home)


def matches(run: Run, tags: Any, properties: Any, type: str | None) -> bool:
    """Return whether a run has some tags and properties and is of a type."""
    if type is not None and run.type != type:
        return False
    return _has(run.get_tags, tags) and _has(run.get_properties, properties)


def _has(get: Any, wanted: Any) -> bool:
    if not wanted:
        return True
    found = get()
    if isinstance(wanted, str):
        return wanted in found
    if isinstance(wanted, Mapping):
        return all(found.get(key) == (None if value is None else str(value)) for key, value in wanted.items())
    return all(_has(lambda: found, item) for item in wanted)
