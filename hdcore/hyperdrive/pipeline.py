"""Pipelines: steps that run one after the other, a sweep among them, and hand files on.

Here is what a program makes of them; `hdcore.hyperdrive.pipeline_run` is the pipeline under way.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.exceptions import HyperDriveConfigException, PublishException, UserErrorException
from hdcore.hyperdrive.experiment import Experiment
from hdcore.hyperdrive.script import Trial
from hdcore.hyperdrive.steps import Step
from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.pipeline_run import PipelineRun
    from hdcore.hyperdrive.workspace import Workspace


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
        raise PublishException("Pipeline.publish: published pipelines have no local meaning; submit the pipeline")

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
        from hdcore.hyperdrive.pipeline_run import start_pipeline

        return start_pipeline(
            experiment,
            self.steps,
            tags or {},
            pipeline_parameters or {},
            continue_on_step_failure=continue_on_step_failure,
        )


class StepSequence(Served):
    """Steps that run in the order of a list."""

    def __init__(self, steps: Sequence[Any] | None = None) -> None:
        self.steps = list(_flat(steps or []))
        for before, step in itertools.pairwise(self.steps):
            step.run_after(before)


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
