"""The steps of a pipeline: what each submits, and what it hands on when that is done."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.datastore import DataPathComputeBinding
from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.files import RunFiles
from hdcore.hyperdrive.journal import make_private_folder
from hdcore.hyperdrive.script import ScriptRunConfig, Trial, split_arguments
from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.experiment import Experiment
    from hdcore.hyperdrive.run import Run


class Step(Served):
    """Base of the steps.

    Attributes
    ----------
    name : str
    arguments, inputs, outputs : list
        Data among them become paths when the pipeline is submitted.
    after : list of Step
        What has to be done before.
    """

    def __init__(self, name: str, arguments: Any, inputs: Sequence[Any] | None, outputs: Sequence[Any] | None) -> None:
        self.name = name
        self.arguments = split_arguments(arguments)
        self.inputs = list(inputs or [])
        self.outputs = list(outputs or [])
        self.after: list[Step] = []
        self._values: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    def run_after(self, step: Step) -> None:
        """Let another step end before this one begins."""
        self.after.append(step)

    def needs(self) -> Iterator[Any]:
        """Yield the data that the step reads."""
        own = {id(data) for data in self.outputs}
        for data in [*self.inputs, *self.arguments]:
            if id(data) not in own:
                yield data

    def _bind(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        """Give the data of the step their paths, and the parameters their values."""
        self._values = dict(parameters)
        for data in [*self.outputs, *self.inputs, *self.arguments]:
            if hasattr(data, "training_output"):
                make_private_folder(folder)
                data._path = folder / data.name

    def _resolved(self) -> tuple[Any, ...]:
        """Return the arguments with the values of parameters; folders of outputs are made."""
        for data in self._folders():
            if hasattr(data, "training_output") and data.training_output is None:
                make_private_folder(Path(data._local_path()))
        return tuple(self._value(value) for value in self.arguments)

    def _folders(self) -> list[Any]:
        """Return the outputs that a script writes into."""
        return self.outputs

    def _value(self, value: Any) -> Any:
        """Return what an argument is: that of a parameter, which may come with a way of mounting it."""
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], DataPathComputeBinding):
            value = value[0]
        return self._values.get(value.name, value.default_value) if hasattr(value, "default_value") else value

    def _trial(self) -> Trial | None:
        """Return what one run of the step is, its arguments as they were given; None of a sweep."""
        return None

    def _start(self, experiment: Experiment, parent_id: str | None = None) -> Run:
        raise NotImplementedError

    def _finish(self, run: Run) -> None:
        """Hand on what the run has left."""


class PythonScriptStep(Step):
    """A step that runs a script.

    Parameters
    ----------
    script_name : str
    name : str, optional
    arguments : list, optional
        Strings, numbers, `PipelineData`, `PipelineParameter`, datasets.
    compute_target, runconfig : optional
    inputs, outputs : list, optional
    source_directory : path-like, optional
    """

    def __init__(
        self,
        script_name: str,
        name: str | None = None,
        arguments: Any = None,
        compute_target: Any = None,
        runconfig: Any = None,
        runconfig_pipeline_params: Any = None,
        inputs: Sequence[Any] | None = None,
        outputs: Sequence[Any] | None = None,
        params: Any = None,
        source_directory: str | os.PathLike[str] | None = None,
        allow_reuse: bool = True,
        version: str | None = None,
        hash_paths: Any = None,
    ) -> None:
        super().__init__(name or script_name, arguments, inputs, outputs)
        self.script_name = script_name
        self.compute_target = compute_target
        self.runconfig = runconfig
        self.source_directory = os.fspath(source_directory) if source_directory is not None else "."

    def _trial(self) -> Trial:
        config = ScriptRunConfig(self.source_directory, self.script_name, self.arguments, run_config=self.runconfig)
        inputs = [data for data in self.inputs if not any(data is value for value in self.arguments)]
        # Data of a pipeline that is no argument reaches no script.
        return replace(config._trial(), inputs=tuple(data for data in inputs if not hasattr(data, "training_output")))

    def _start(self, experiment: Experiment, parent_id: str | None = None) -> Run:
        from hdcore.hyperdrive.submit import submit_script

        return submit_script(experiment, replace(self._trial(), arguments=self._resolved()), parent_id=parent_id)


class EstimatorStep(Step):
    """A step that runs an estimator.

    Parameters
    ----------
    name : str, optional
    estimator : Estimator
    estimator_entry_script_arguments : list, optional
    """

    def __init__(
        self,
        name: str | None = None,
        estimator: Any = None,
        estimator_entry_script_arguments: Any = None,
        runconfig_pipeline_params: Any = None,
        inputs: Sequence[Any] | None = None,
        outputs: Sequence[Any] | None = None,
        compute_target: Any = None,
        allow_reuse: bool = True,
        version: str | None = None,
    ) -> None:
        if estimator is None:
            raise UserErrorException("EstimatorStep: estimator is missing")
        super().__init__(name or estimator.entry_script, estimator_entry_script_arguments, inputs, outputs)
        self.estimator = estimator

    def _trial(self) -> Trial:
        trial: Trial = self.estimator._trial()
        return replace(trial, arguments=(*trial.arguments, *self.arguments))

    def _start(self, experiment: Experiment, parent_id: str | None = None) -> Run:
        from hdcore.hyperdrive.submit import submit_script

        trial: Trial = self.estimator._trial()
        trial = replace(trial, arguments=(*trial.arguments, *self._resolved()))
        return submit_script(experiment, trial, parent_id=parent_id)


class HyperDriveStep(Step):
    """A step that runs a sweep.

    Parameters
    ----------
    name : str
    hyperdrive_config : HyperDriveConfig
    estimator_entry_script_arguments : list, optional
        Further fixed arguments of the script.
    inputs, outputs : list, optional
        Outputs with a `TrainingOutput` get the best run's model, or all metrics as JSON.
    metrics_output : PipelineData, optional
        Gets all metrics as JSON.
    """

    def __init__(
        self,
        name: str,
        hyperdrive_config: Any = None,
        estimator_entry_script_arguments: Any = None,
        inputs: Sequence[Any] | None = None,
        outputs: Sequence[Any] | None = None,
        metrics_output: Any = None,
        allow_reuse: bool = True,
        version: str | None = None,
        *,
        hyperdrive_run_config: Any = None,
    ) -> None:
        hyperdrive_config = hyperdrive_config or hyperdrive_run_config  # its name of 2019
        if hyperdrive_config is None:
            raise UserErrorException("HyperDriveStep: hyperdrive_config is missing")
        if hyperdrive_config.pipeline is not None:
            raise UserErrorException("HyperDriveStep: its configuration is over a pipeline; give one over a script")
        more = [metrics_output] if metrics_output is not None else []
        super().__init__(name, estimator_entry_script_arguments, inputs, [*(outputs or []), *more])
        self.hyperdrive_config = hyperdrive_config
        self.metrics_output = metrics_output

    def _folders(self) -> list[Any]:
        return [data for data in self.outputs if data is not self.metrics_output]

    def _start(self, experiment: Experiment, parent_id: str | None = None) -> Run:
        from hdcore.hyperdrive.submit import submit_sweep

        return submit_sweep(experiment, self.hyperdrive_config, more_arguments=self._resolved(), parent_id=parent_id)

    def _finish(self, run: Run) -> None:
        best = run.get_best_run_by_primary_metric()  # type: ignore[attr-defined]
        for data in self.outputs:
            wanted = getattr(data, "training_output", None)
            if data is self.metrics_output or (wanted is not None and wanted.type == "Metrics"):
                Path(data._local_path()).write_text(json.dumps(run.get_metrics()), encoding="utf-8")
            elif wanted is not None and best is not None:
                _copy_model(RunFiles(best._home.folder), wanted.model_file or "outputs", Path(data._local_path()))


def _copy_model(files: RunFiles, name: str, target: Path) -> None:
    folder = files.find_folder(name)
    if folder is not None:
        shutil.copytree(folder, target, dirs_exist_ok=True)
    else:
        shutil.copy2(files.find(name), target)
