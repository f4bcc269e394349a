"""A pipeline under way: its run, the runs of its steps, and the process that submits one step after the other.

That process gets the steps from the program, through memory, and outlives it. It holds the lock of the run's folder,
which the kernel frees at any death: a pipeline whose driver was killed has failed and says so, while the step that ran
goes on with a driver of its own.
"""

from __future__ import annotations

import os
import pickle
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.drive import PIPELINE_LOG_NAME, start_driver
from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.homes import JournalHome, begin_journal_run
from hdcore.hyperdrive.journal import make_private_folder
from hdcore.hyperdrive.run import TERMINAL, Run
from hdcore.hyperdrive.stored import SweepHome, find_home
from hdcore.hyperdrive.sweep_run import HyperDriveRun
from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.experiment import Experiment
    from hdcore.hyperdrive.steps import Step

_POLL_S = 0.05


def start_pipeline(
    experiment: Experiment,
    steps: Sequence[Step],
    tags: Mapping[str, Any],
    parameters: Mapping[str, Any],
    *,
    continue_on_step_failure: bool,
) -> PipelineRun:
    """Start the driver of a pipeline; return when it drives.

    Raises
    ------
    UserErrorException
        If a step holds what cannot be handed to another process.
    """
    home = begin_journal_run(experiment.workspace._root, str(uuid.uuid4()), experiment.name, is_driven=True)
    run = PipelineRun(experiment, home.id, _home=home)
    run.set_tags(tags)
    for step in steps:
        step._bind(home.folder / "data", dict(parameters))
        for data in step.outputs:
            if hasattr(data, "training_output"):
                home.journal.add(
                    "output",
                    step=step.name,
                    name=data.name,
                    path=data._local_path(),
                    pipeline_output=data.pipeline_output_name,
                    datastore=getattr(data.datastore, "name", None),
                )
    try:
        document = pickle.dumps((os.getcwd(), experiment, list(steps), continue_on_step_failure))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        run.fail(f"the steps cannot be handed to the pipeline's driver: {error}")
        raise UserErrorException(f"Pipeline: its steps cannot be handed to its driver: {error}") from None
    try:
        start_driver(home.folder, document)
    except BaseException as error:
        run.fail(str(error))
        raise
    return run


def drive_pipeline(folder: Path, document: bytes, is_stopped: Callable[[], bool]) -> None:
    """Submit the steps one after the other; the caller holds the lock of the folder.

    Parameters
    ----------
    document : bytes
        What the submitting program has handed over; never anything that was stored.
    """
    here, experiment, steps, continue_on_step_failure = pickle.loads(document)
    os.chdir(here)  # the steps' paths are relative to it
    home = JournalHome(folder.name, experiment.workspace._root)
    _Driver(PipelineRun(experiment, home.id, _home=home), steps, is_stopped).work(continue_on_step_failure)


class _Driver:
    """Goes through the steps of one pipeline."""

    def __init__(self, run: PipelineRun, steps: Sequence[Step], is_stopped: Callable[[], bool]) -> None:
        self._run = run
        self._steps = steps
        self._is_stopped = is_stopped
        self._journal = run._home.journal

    def work(self, continue_on_step_failure: bool) -> None:
        """Run the steps, and note how the pipeline ended."""
        failed: list[str] = []
        self._journal.add("driven")
        try:
            for number, step in enumerate(self._steps, 1):
                if self._is_canceled() or self._is_stopped():
                    break
                self._say(f"step {number} of {len(self._steps)}, {step.name}")
                run = step._start(self._run.experiment, self._run.id)
                run.display_name = step.name
                self._journal.add("child", id=run.id, step=step.name)
                status = self._await(run)
                self._say(f"step {step.name}: {status}, {run.id}")
                if status != "Completed":
                    failed.append(f"step {step.name!r} did not complete{_why(run, status)}")
                    if not continue_on_step_failure:
                        break
                    continue
                step._finish(run)
        except Exception as error:
            failed.append(f"{type(error).__name__}: {error}")
        if self._is_canceled():
            self._run._end("Canceled")
        elif failed:
            self._run.fail(failed[0])
        elif self._is_stopped():
            self._run.fail("the pipeline was stopped between its steps; submit it again")
        else:
            self._run._end("Completed")

    def _is_canceled(self) -> bool:
        return self._journal.last("cancel") is not None

    def _await(self, run: Run) -> str:
        """Return how a step ended; ``stopped`` if its driver is gone and `hdcore resume` would go on with it."""
        sweep = run._home if isinstance(run._home, SweepHome) else run._home.sweep  # type: ignore[attr-defined]
        is_told = False
        while True:
            is_driven = sweep.is_driven()
            status = run.get_status()
            if status in TERMINAL:
                return status
            if not is_driven:
                return f"stopped; go on with: hdcore resume {sweep.spec.name}"
            if not is_told and self._is_canceled():
                is_told = True
                run.cancel()
            time.sleep(_POLL_S)

    def _say(self, line: str) -> None:
        log = self._run._home.folder / "files" / PIPELINE_LOG_NAME
        make_private_folder(log.parent)
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"[{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}] {line}\n")


def _why(run: Run, status: str) -> str:
    if status not in TERMINAL:
        return f": it was {status}"
    error = (run._home.error() or {}).get("error") or {}
    return f": {error['message']}" if error.get("message") else ""


# ---------------------------------------------------------------------- what a program holds


class PipelineRun(Run):
    """A pipeline under way, or one that is over; from `Experiment.submit`, or by its id."""

    def get_steps(self) -> Iterator[Run]:
        """Yield the runs of the steps that have begun."""
        for entry in self._home.journal.entries("child"):
            yield self._step_run(entry)

    def find_step_run(self, name: str) -> list[Run]:
        """Return the runs of the step of a name."""
        return [self._step_run(entry) for entry in self._home.journal.entries("child") if entry.get("step") == name]

    def get_pipeline_output(self, pipeline_output_name: str) -> PortDataReference:
        """Return an output that was given a name for this."""
        for entry in self._home.journal.entries("output"):
            if pipeline_output_name in (entry.get("pipeline_output"), entry.get("name")):
                return PortDataReference(entry)
        raise UserErrorException(f"the pipeline has no output {pipeline_output_name!r}")

    def get_graph(self) -> list[str]:
        """Return the names of the steps that have begun, in order."""
        return [str(entry.get("step")) for entry in self._home.journal.entries("child")]

    def _step_run(self, entry: Mapping[str, Any]) -> Run:
        home = find_home(self._home.root, str(entry.get("id")))
        kind = HyperDriveStepRun if isinstance(home, SweepHome) else StepRun
        return kind(self.experiment, home.id, _home=home)


class PortDataReference(Served):
    """Where an output of a step is.

    Attributes
    ----------
    data_reference_name, name : str
    datastore_name : str
    path_on_datastore : str
        The local path.
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name = self.data_reference_name = str(entry.get("name"))
        self.path_on_datastore = self._path_on_datastore = str(entry.get("path"))
        self.datastore_name = str(entry.get("datastore") or "workspaceblobstore")

    def __repr__(self) -> str:
        return f"PortDataReference(name={self.name!r}, path_on_datastore={self.path_on_datastore!r})"

    def download(self, local_path: str | os.PathLike[str], overwrite: bool = True, show_progress: bool = True) -> int:
        """Copy the files into a folder; return their number."""
        source = Path(self.path_on_datastore)
        target = Path(local_path) / "azureml" / self.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
            return sum(1 for path in target.rglob("*") if path.is_file())
        shutil.copy2(source, target)
        return 1

    def _local_path(self) -> str:
        return self.path_on_datastore


class StepRunOutput(Served):
    """An output of a step that has run."""

    def __init__(self, reference: PortDataReference) -> None:
        self.name = reference.name
        self._reference = reference

    def __repr__(self) -> str:
        return f"StepRunOutput(name={self.name!r})"

    def get_port_data_reference(self) -> PortDataReference:
        """Return where it is."""
        return self._reference


class _WithOutputs:
    """What the runs of all steps have."""

    _home: Any
    display_name: str

    def get_outputs(self) -> dict[str, StepRunOutput]:
        """Return the outputs by name."""
        if self._home.parent_id is None:
            return {}
        entries = JournalHome(self._home.parent_id, self._home.root).journal.entries("output")
        mine = [PortDataReference(entry) for entry in entries if entry.get("step") == self.display_name]
        return {reference.name: StepRunOutput(reference) for reference in mine}

    def get_output(self, name: str) -> StepRunOutput:
        """Return an output."""
        outputs = self.get_outputs()
        if name not in outputs:
            known = ", ".join(map(repr, outputs)) or "none"
            raise UserErrorException(f"step {self.display_name!r} has no output {name!r}; there is {known}")
        return outputs[name]

    def get_output_data(self, name: str) -> PortDataReference:
        """Return where an output is."""
        return self.get_output(name).get_port_data_reference()


class StepRun(_WithOutputs, Run):
    """The run of a step."""


class HyperDriveStepRun(_WithOutputs, HyperDriveRun):
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
