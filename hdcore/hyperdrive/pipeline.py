"""Pipelines: steps that run one after the other, a sweep among them, and hand files on.

The steps are submitted one by one by a thread of the process that submitted the pipeline; it ends with the last one,
and the process waits for it. A step that runs survives that process like any run; later steps do not begin then, and
the pipeline has failed: the thread holds the lock of the run's folder, which the kernel frees at any death.
"""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.drive import PIPELINE_LOG_NAME
from hdcore.hyperdrive.exceptions import ExperimentException, HyperDriveConfigException, UserErrorException
from hdcore.hyperdrive.experiment import Experiment
from hdcore.hyperdrive.homes import JournalHome, begin_journal_run
from hdcore.hyperdrive.journal import make_private_folder
from hdcore.hyperdrive.run import TERMINAL, Run
from hdcore.hyperdrive.script import Trial
from hdcore.hyperdrive.steps import Step
from hdcore.hyperdrive.stored import SweepHome
from hdcore.hyperdrive.sweep_run import HyperDriveRun
from hdcore.hyperdrive.unserved import Served
from hdcore.store.lock import DriverLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.workspace import Workspace


_POLL_S = 0.05


class PipelineParameter(Served):
    """A value of a pipeline, given when it is submitted."""

    def __init__(self, name: str, default_value: Any = None) -> None:
        self.name = name
        self.default_value = default_value

    def __repr__(self) -> str:
        return f"PipelineParameter(name={self.name!r}, default_value={self.default_value!r})"


class TrainingOutput(Served):
    """What of a sweep an output is: the best run's model file, or all metrics as JSON.

    Parameters
    ----------
    type : str
        ``Model`` or ``Metrics``.
    model_file : str, optional
        Name of the file or folder among the best run's files, ``outputs/model.pkl``; by default all of ``outputs``.
    """

    def __init__(
        self, type: str, iteration: int | None = None, metric: str | None = None, model_file: str | None = None
    ) -> None:
        if type not in ("Model", "Metrics"):
            raise UserErrorException(f"TrainingOutput: type is {type!r}; write 'Model' or 'Metrics'")
        self.type = type
        self.model_file = model_file


class PipelineData(Served):
    """Files between steps: a path that one step writes and others read.

    Parameters
    ----------
    name : str
    datastore, output_mode, output_path_on_compute, is_directory
        Not used: the path is in the folder of the pipeline's run.
    pipeline_output_name : str, optional
        Name for `PipelineRun.get_pipeline_output`.
    training_output : TrainingOutput, optional
        For outputs of a `HyperDriveStep`.
    """

    def __init__(
        self,
        name: str,
        datastore: Any = None,
        output_name: str | None = None,
        output_mode: str = "mount",
        output_path_on_compute: str | None = None,
        output_overwrite: Any = None,
        data_type: Any = None,
        is_directory: bool | None = None,
        pipeline_output_name: str | None = None,
        training_output: TrainingOutput | None = None,
        **_: Any,
    ) -> None:
        if not name or "/" in name:
            raise UserErrorException(f"PipelineData: the name is {name!r}; use a name without slashes")
        self.name = self.output_name = name
        self.datastore = datastore
        self.pipeline_output_name = pipeline_output_name
        self.training_output = training_output
        self._path: Path | None = None

    def __repr__(self) -> str:
        return f"PipelineData({self.name!r})"

    def as_dataset(self) -> PipelineData:
        return self

    def as_input(self, name: str | None = None) -> PipelineData:
        return self

    as_mount = as_download = parse_delimited_files = as_dataset

    def as_named_input(self, name: str) -> PipelineData:
        return self

    def download(self, local_path: str, overwrite: bool = True, show_progress: bool = True) -> int:
        """Copy the files into a folder; return their number."""
        source = Path(self._local_path())
        target = Path(local_path) / "azureml" / self.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
            return sum(1 for path in target.rglob("*") if path.is_file())
        shutil.copy2(source, target)
        return 1

    @property
    def path_on_datastore(self) -> str:
        return self._local_path()

    _path_on_datastore = path_on_datastore

    def _local_path(self) -> str:
        if self._path is None:
            raise UserErrorException(f"PipelineData {self.name!r} belongs to a pipeline; submit that")
        return os.fspath(self._path)


class Pipeline(Served):
    """Steps in an order that their data and `run_after` give.

    Parameters
    ----------
    workspace : Workspace
    steps : list
        Steps, or lists of them.
    """

    def __init__(
        self,
        workspace: Workspace,
        steps: Sequence[Any] | StepSequence,
        description: str | None = None,
        default_datastore: Any = None,
        default_source_directory: Any = None,
        **_: Any,
    ) -> None:
        self.workspace = workspace
        self.description = description
        self.steps = _in_order(list(_flat([steps])))
        self.graph = self

    def validate(self) -> list[str]:
        """Return what is wrong; an empty list, since the constructor has looked."""
        return []

    def submit(
        self, experiment_name: str, pipeline_parameters: Mapping[str, Any] | None = None, **keywords: Any
    ) -> PipelineRun:
        """Start the pipeline in an experiment."""
        return self._submit(Experiment(self.workspace, experiment_name), None, pipeline_parameters, **keywords)

    def publish(self, *_: Any, **__: Any) -> Any:
        """Refuse: there are no endpoints."""
        raise ExperimentException("Pipeline.publish: published pipelines have no local meaning; submit the pipeline")

    def _check_searched(self, space: Mapping[str, Any]) -> None:
        names = {value.name for step in self.steps for value in step.arguments if isinstance(value, PipelineParameter)}
        for name in space:
            if name.lstrip("-") not in names:
                raise HyperDriveConfigException(
                    f"pipeline: {name!r} is searched and no PipelineParameter of the pipeline"
                )

    def _trials(self) -> list[Trial]:
        """Return what a run of a sweep over the pipeline goes through.

        Raises
        ------
        HyperDriveConfigException
            If a run cannot be its steps one after the other.
        """
        trials = []
        for step in self.steps:
            trial = step._trial()
            if trial is None:
                raise HyperDriveConfigException(
                    f"pipeline: step {step.name!r} is a {type(step).__name__}; a sweep over a pipeline runs script and"
                    " estimator steps"
                )
            trials.append(trial)
        folders = {os.path.abspath(trial.source_directory) for trial in trials}
        if len(folders) != 1:
            raise HyperDriveConfigException(
                f"pipeline: its steps are in {len(folders) or 'no'} source directories; a run of a sweep has one"
            )
        return trials

    def _submit(
        self,
        experiment: Experiment,
        tags: Mapping[str, Any] | None = None,
        pipeline_parameters: Mapping[str, Any] | None = None,
        continue_on_step_failure: bool = False,
        regenerate_outputs: bool = False,
        **_: Any,
    ) -> PipelineRun:
        run_id = str(uuid.uuid4())
        lock = DriverLock.acquire(make_private_folder(JournalHome(run_id, experiment.workspace._root).folder))
        home = begin_journal_run(experiment.workspace._root, run_id, experiment.name, is_driven=True)
        run = PipelineRun(experiment, home.id, _home=home)
        run._steps = list(self.steps)
        run.set_tags(tags or {})
        for step in self.steps:
            step._bind(home.folder / "data", dict(pipeline_parameters or {}))
        worker = threading.Thread(target=run._work, args=(lock, continue_on_step_failure), name=f"pipeline {home.id}")
        worker.start()
        return run


_under_way: set[PipelineRun] = set()


def stop_pipelines() -> None:
    """Let no pipeline of this process begin a further step: the process is about to end."""
    for run in list(_under_way):
        run._stopped.set()


class StepSequence(Served):
    """Steps that run in the order of a list."""

    def __init__(self, steps: Sequence[Any] | None = None) -> None:
        self.steps = list(_flat(steps or []))
        for before, step in itertools.pairwise(self.steps):
            step.run_after(before)


class PipelineRun(Run):
    """A pipeline under way, or one that is over."""

    _steps: list[Step]

    def __init__(self, experiment: Experiment, run_id: str, *, _home: Any = None, **kwargs: Any) -> None:
        super().__init__(experiment, run_id, _home=_home)
        self._steps = []
        self._canceled = threading.Event()
        self._stopped = threading.Event()
        self._current: Run | None = None

    def _work(self, lock: DriverLock, continue_on_step_failure: bool) -> None:
        failed: list[str] = []
        _under_way.add(self)
        try:
            for number, step in enumerate(self._steps, 1):
                if self._canceled.is_set() or self._stopped.is_set():
                    break
                self._say(f"step {number} of {len(self._steps)}, {step.name}")
                self._current = run = step._start(self.experiment)
                run.display_name = step.name
                self._home.journal.add("child", id=run.id, step=step.name)
                status = self._await(run)
                self._say(f"step {step.name}: {status}, {run.id}")
                if status != "Completed":
                    failed.append(f"step {step.name!r} did not complete")
                    if not continue_on_step_failure:
                        break
                    continue
                step._finish(run)
        except Exception as error:
            failed.append(f"{type(error).__name__}: {error}")
        finally:
            if self._canceled.is_set():
                self._end("Canceled")
            elif self._stopped.is_set():
                self.fail("the program was stopped between the steps; submit the pipeline again")
            elif failed:
                self.fail(failed[0])
            else:
                self._end("Completed")
            lock.release()
            _under_way.discard(self)

    def _await(self, run: Run) -> str:
        """Return how a step ended; ``stopped`` if its driver is gone and `hdcore resume` would go on with it."""
        sweep = run._home if isinstance(run._home, SweepHome) else run._home.sweep  # type: ignore[attr-defined]
        while True:
            is_driven = sweep.is_driven()
            status = run.get_status()
            if status in TERMINAL:
                return status
            if not is_driven:
                return f"stopped; go on with: hdcore resume {sweep.spec.name}"
            time.sleep(_POLL_S)

    def _say(self, line: str) -> None:
        log = self._home.folder / "files" / PIPELINE_LOG_NAME
        make_private_folder(log.parent)
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"[{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}] {line}\n")

    def cancel(self) -> bool:
        """End the step that runs; begin no other."""
        self._canceled.set()
        if self._current is not None and self._current.get_status() not in TERMINAL:
            self._current.cancel()
        return True

    def get_steps(self) -> Iterator[Run]:
        """Yield the runs of the steps that have begun."""
        for entry in self._home.journal.entries("child"):
            yield self._step_run(entry)

    def find_step_run(self, name: str) -> list[Run]:
        """Return the runs of the step of a name."""
        return [self._step_run(entry) for entry in self._home.journal.entries("child") if entry.get("step") == name]

    def get_pipeline_output(self, pipeline_output_name: str) -> PipelineData:
        """Return an output that was given a name for this."""
        for step in self._steps:
            for data in step.outputs:
                if isinstance(data, PipelineData) and pipeline_output_name in (data.pipeline_output_name, data.name):
                    return data
        raise UserErrorException(f"the pipeline has no output {pipeline_output_name!r}")

    def get_graph(self) -> Any:
        return self._steps

    def _step_run(self, entry: Mapping[str, Any]) -> Run:
        from hdcore.hyperdrive.stored import StoredHome, SweepHome, find_home

        home = find_home(self._home.root, str(entry.get("id")))
        if isinstance(home, SweepHome):
            return HyperDriveStepRun(self.experiment, home.id, _home=home)
        assert isinstance(home, (StoredHome, JournalHome))
        return StepRun(self.experiment, home.id, _home=home)


class StepRun(Run):
    """The run of a step."""

    def get_outputs(self) -> Any:
        """Refuse: outputs belong to the pipeline."""
        raise UserErrorException("StepRun.get_outputs is not served; use PipelineRun.get_pipeline_output(name)")

    get_output = get_output_data = get_outputs


class HyperDriveStepRun(HyperDriveRun):
    """The sweep of a step.

    Parameters
    ----------
    step_run : Run, optional
        From `PipelineRun.find_step_run`; else experiment and id.
    """

    def __init__(
        self, experiment: Any = None, run_id: str | None = None, step_run: Run | None = None, *, _home: Any = None
    ) -> None:
        if step_run is None and isinstance(experiment, Run):
            step_run = experiment
        if step_run is not None:
            super().__init__(step_run.experiment, step_run.id)
        else:
            super().__init__(experiment, run_id or "", _home=_home)


def _flat(steps: Sequence[Any]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, (list, tuple, StepSequence)):
            yield from _flat(step.steps if isinstance(step, StepSequence) else step)
        elif isinstance(step, Step):
            yield step
        else:
            raise UserErrorException(
                f"Pipeline: a {type(step).__name__} is no step that runs here; use PythonScriptStep, EstimatorStep or"
                " HyperDriveStep"
            )


def _in_order(steps: list[Step]) -> list[Step]:
    """Return the steps, those that they need included, each after what it needs, else in the order given."""
    found: list[Step] = []
    under_way: set[int] = set()
    makers = {id(data): step for step in steps for data in step.outputs}

    def visit(step: Step) -> None:
        if step in found:
            return
        if id(step) in under_way:
            raise UserErrorException(f"Pipeline: step {step.name!r} needs its own output; break the circle")
        under_way.add(id(step))
        for before in [*(makers[id(data)] for data in step.needs() if id(data) in makers), *step.after]:
            if before is not step:
                visit(before)
        found.append(step)

    for step in steps:
        visit(step)
    return found
