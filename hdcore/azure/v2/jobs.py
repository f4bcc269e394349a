"""``MLClient.jobs``: submit, look at, wait for, download."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdcore.azure.v2.command import CommandJob, Job
from hdcore.azure.v2.drivers import is_driven
from hdcore.azure.v2.entities import JobService
from hdcore.azure.v2.exceptions import JobException, ResourceNotFoundError
from hdcore.azure.v2.pipeline import PipelineJob
from hdcore.azure.v2.pipeline_jobs import (
    find_pipeline,
    log_of,
    output_of,
    step_names,
    stored_pipeline,
    top_level,
)
from hdcore.azure.v2.poller import Poller
from hdcore.azure.v2.submit import pipeline_specification, specification, submit
from hdcore.azure.v2.sweep import command_job, sweep_job
from hdcore.document import best_run, present_status
from hdcore.errors import InputError
from hdcore.hyperdrive.drive import LOG_NAME, PIPELINE_LOG_NAME
from hdcore.hyperdrive.unserved import Served
from hdcore.hyperdrive.waiting import await_result
from hdcore.pipeline import cancel_plan
from hdcore.store import StoreReader, list_sweeps
from hdcore.sweep import cancel_stored
from hdcore.typing import RunStatus
from hdcore.workspace import run_folder

if TYPE_CHECKING:
    from hdcore.store import StoredRun, StoredSweep

_CHILD = re.compile(r"(?P<sweep>.+)_(?P<number>[0-9]{1,9})")
_JOB_PATH = re.compile(
    r"(?:azureml://(?:subscriptions/.*?/)?jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths)?|runs:/(?P<run>[^/]+))"
    r"(?:/(?P<inner>.*))?"
)
_ARTIFACTS = ("artifacts", "default")
_POLL_S = 0.1


class JobOperations(Served):
    """The jobs of a workspace, which are the sweeps of a root.

    A sweep's name is the name of its job; its trials are the jobs ``NAME_0``, ``NAME_1``, …
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    # ------------------------------------------------------------------ submitting

    def create_or_update(
        self,
        job: Any,
        *,
        description: str | None = None,
        compute: str | None = None,
        tags: dict[str, Any] | None = None,
        experiment_name: str | None = None,
        skip_validation: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Start a job; returns at once with what `get` returns.

        Raises
        ------
        InputError
            If the job cannot be meant, or needs what is not on this machine.
        RefusedError
            If a job of this name exists.
        """
        changes = {"description": description, "compute": compute, "tags": tags, "experiment_name": experiment_name}
        folder = submit(job, self._root, **changes)
        return self.get(folder.name)

    def validate(self, job: Any, *, raise_on_failure: bool = False, **kwargs: Any) -> ValidationResult:
        """Check a job without running it."""
        try:
            if isinstance(job, PipelineJob):
                pipeline_specification(job, self._root)
            else:
                specification(job, self._root)
        except InputError as error:
            if raise_on_failure:
                raise
            return ValidationResult({error.field or "*": str(error)})
        return ValidationResult({})

    # ------------------------------------------------------------------ looking

    def get(self, name: str) -> Any:
        """Return a job as it stands.

        Raises
        ------
        ResourceNotFoundError
            If there is no such job.
        """
        pipeline = find_pipeline(self._root, name)
        if pipeline is not None:
            return stored_pipeline(pipeline)
        folder, number = self._find(name)
        with StoreReader.open(folder) as reader:
            sweep = reader.sweep()
            driven = is_driven(folder)
            if number is not None:
                return _child(sweep, reader.run(number), folder, driven=driven)
            if not sweep.spec.space:
                runs = reader.runs()
                return _labelled(_command(sweep, runs[0] if runs else None), sweep, folder, driven=driven)
            best = best_run(reader, sweep)
        job = _labelled(sweep_job(sweep.spec), sweep, folder, driven=driven)
        if best is not None and best.value is not None:
            job.properties["best_child_run_id"] = f"{folder.name}_{best.number}"
            job.properties["score"] = repr(best.value)
        return job

    def list(self, *, parent_job_name: str | None = None, list_view_type: Any = None, **kwargs: Any) -> Iterator[Any]:
        """Yield all jobs, newest first; with a parent its steps, or its trials in order of number."""
        if parent_job_name is None:
            yield from map(self.get, top_level(self._root))
            return
        pipeline = find_pipeline(self._root, parent_job_name)
        if pipeline is not None:
            yield from map(self.get, step_names(pipeline))
            return
        folder, number = self._find(parent_job_name)
        if number is not None:
            return
        with StoreReader.open(folder) as reader:
            sweep, runs, driven = reader.sweep(), reader.runs(), is_driven(folder)
        for run in runs:
            yield _child(sweep, run, folder, driven=driven)

    def show_services(self, name: str, node_index: int = 0) -> dict[str, Any] | None:
        """Return None: a job offers no services here."""
        self.get(name)
        return None

    # ------------------------------------------------------------------ waiting

    def stream(self, name: str) -> None:
        """Print what a job says until it ends.

        Raises
        ------
        JobException
            If it failed.
        """
        pipeline = find_pipeline(self._root, name)
        folder, number = (pipeline.folder, None) if pipeline is not None else self._find(name)
        job = self.get(name)
        head = f"RunId: {name}\nWeb View: {job.studio_url}"
        print(f"{head}\n", flush=True)
        run = run_folder(folder, number or 0)
        if pipeline is not None:
            logs = [log_of(pipeline)]
        else:
            logs = [run / "stdout.log", run / "stderr.log"]
            logs = logs if isinstance(job, CommandJob) else [folder / "files" / LOG_NAME]
        read = dict.fromkeys(logs, 0)
        while True:
            is_over = self._is_over(folder, number)
            read = {path: _copy_text(path, at) for path, at in read.items()}
            if is_over:
                break
            time.sleep(_POLL_S)
        print(f"\nExecution Summary\n=================\n{head}\n", flush=True)
        job = self.get(name)
        if job.status == RunStatus.FAILED.value:
            raise JobException(f"job {name} failed: {job.properties.get('error', 'see its log')}; {job.studio_url}")

    def _is_over(self, folder: Path, number: int | None) -> bool:
        if not is_driven(folder):
            return True
        if number is None:
            return False
        with StoreReader.open(folder) as reader:
            return reader.run(number).status.is_terminal

    def cancel(self, name: str) -> None:
        """Cancel a job; see `begin_cancel`."""
        if find_pipeline(self._root, name) is not None:
            cancel_plan(self._root, name)
            return
        folder, number = self._find(name)
        cancel_stored(folder, number)

    def begin_cancel(self, name: str, **kwargs: Any) -> Poller[None]:
        """Cancel a job."""
        self.cancel(name)
        return Poller(None)

    # ------------------------------------------------------------------ labels

    def update(
        self,
        name: str,
        *,
        display_name: str | None = None,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        properties: dict[str, str] | None = None,
    ) -> Any:
        """Return the job: labels are fixed when a job is submitted."""
        print(f"hdcore: warning: job {name}: labels of a job that was submitted are kept", file=sys.stderr, flush=True)
        return self.get(name)

    def archive(self, name: str) -> None:
        """Do nothing: nothing is archived here."""
        self.get(name)

    def restore(self, name: str) -> None:
        """Do nothing: nothing is archived here."""
        self.get(name)

    # ------------------------------------------------------------------ results

    def download(
        self,
        name: str,
        *,
        download_path: str | os.PathLike[str] = ".",
        output_name: str | None = None,
        all: bool = False,
    ) -> None:
        """Copy what a job left behind; of a sweep, what its best trial left.

        Files go to ``artifacts/`` in `download_path`, declared outputs to ``named-outputs/NAME/``.

        Parameters
        ----------
        output_name : str, optional
            Only this declared output.
        all : bool
            Declared outputs beside the other files.

        Raises
        ------
        JobException
            If the job has not ended, or has no such output.
        """
        pipeline = find_pipeline(self._root, name)
        if pipeline is None:
            await_result(self._find(name)[0])
        job = self.get(name)
        if job.status not in ("Completed", "Failed", "Canceled"):
            raise JobException(f"job {name} is {job.status}; download is possible when it has ended")
        target = Path(download_path)
        if pipeline is not None:
            for output in pipeline.spec.outputs if all else [output_name] if output_name else ():
                _copy(output_of(pipeline, self._root, output), target / "named-outputs" / output)
            if log_of(pipeline).is_file() and not output_name:
                _copy(log_of(pipeline), target / "artifacts" / PIPELINE_LOG_NAME)
            return
        folder, number = self._find(name)
        with StoreReader.open(folder) as reader:
            spec = reader.sweep().spec
            if number is None:
                best = best_run(reader, reader.sweep()) if spec.space else reader.run(0)
                if best is None:
                    raise JobException(f"job {name} has no best trial: no trial reported {spec.metric!r}")
                number = best.number
        outputs = run_folder(folder, number) / "outputs"
        named = list(spec.outputs) if all else [output_name] if output_name else []
        for output in named:
            if output in spec.outputs or (output not in _ARTIFACTS and (outputs / output).exists()):
                # also a folder that was not declared, as that of a model that MLflow has logged
                _copy(outputs / output, target / "named-outputs" / output)
            elif output not in _ARTIFACTS:
                known = ", ".join([*spec.outputs, "default"])
                raise JobException(f"job {name} has no output {output!r}; it has {known}")
        if not output_name or output_name in _ARTIFACTS:
            _copy_artifacts(run_folder(folder, number), set(spec.outputs), target / "artifacts")

    def _find(self, name: str) -> tuple[Path, int | None]:
        found = find_job(self._root, name)
        if found is None:
            raise ResourceNotFoundError(f"job {name!r} does not exist under {self._root}; see `hdcore list`")
        return found


class ValidationResult:
    """What `validate` found: `passed`, and messages by field."""

    def __init__(self, messages: dict[str, str]) -> None:
        self.error_messages = messages
        self.passed = not messages

    def __repr__(self) -> str:
        return f"ValidationResult(passed={self.passed}, error_messages={self.error_messages})"


def find_job(root: Path, name: str) -> tuple[Path, int | None] | None:
    """Return the folder of the sweep and the number of the run that a job's name, or a run's id, means."""
    folder = root / "sweeps"
    if not isinstance(name, str) or not name or "/" in name or name.startswith("."):
        return None
    if (folder / name).is_dir():
        return folder / name, None
    child = _CHILD.fullmatch(name)
    if child is not None and (folder / child["sweep"]).is_dir():
        number = int(child["number"])
        with StoreReader.open(folder / child["sweep"]) as reader:
            return (folder / child["sweep"], number) if number < len(reader.runs()) else None
    if name.startswith("HD_"):
        for _, path in list_sweeps(root):
            with StoreReader.open(path) as reader:
                sweep_id = reader.sweep().sweep_id
            if name == sweep_id:
                return path, None
            if child is not None and child["sweep"] == sweep_id:
                return path, int(child["number"])
    return None


def job_path(root: Path, uri: str) -> Path | None:
    """Return the local path of ``azureml://jobs/NAME/outputs/OUTPUT/paths/…`` or ``runs:/NAME/…``; None of others."""
    match = _JOB_PATH.fullmatch(uri.strip())
    if match is None:
        return None
    pipeline = find_pipeline(root, match["job"])
    if pipeline is not None:
        if match["output"] not in pipeline.spec.outputs or ".." in (match["inner"] or "").split("/"):
            return None
        return output_of(pipeline, root, match["output"]) / (match["inner"] or "").strip("/")
    found = find_job(root, match["job"] or match["run"])
    if found is None:
        return None
    folder, number = found
    with StoreReader.open(folder) as reader:
        spec = reader.sweep().spec
        if number is None:
            best = best_run(reader, reader.sweep()) if spec.space else reader.run(0)
            if best is None:
                return None
            number = best.number
    base = run_folder(folder, number)
    inner = (match["inner"] or "").strip("/")
    if ".." in inner.split("/"):
        return None
    if match["output"] and match["output"] in spec.outputs:
        return base / "outputs" / match["output"] / inner
    # artefacts carry the prefix outputs/ in Azure; what mlflow logged stands there without it
    for candidate in (base / inner, base / "outputs" / inner, base / "files" / inner, base / "artifacts" / inner):
        if inner and candidate.exists():
            return candidate
    return base / "outputs"


def _command(sweep: StoredSweep, run: StoredRun | None) -> CommandJob:
    job = command_job(sweep.spec)
    if run is not None and run.status is RunStatus.FAILED:
        job.properties["error"] = run.reason
    return job


def _child(sweep: StoredSweep, run: StoredRun, folder: Path, *, driven: bool) -> CommandJob:
    job = command_job(sweep.spec)
    job.name = f"{folder.name}_{run.number}"
    job.parent_job_name = folder.name
    job.display_name = job.name
    for name, value in run.configuration.items():
        job.inputs[name] = value
    job.status = present_status(run.status, driven).value
    job.id = f"{sweep.sweep_id}_{run.number}"
    job.studio_url = run_folder(folder, run.number).as_uri()
    job.services = {"Studio": JobService(endpoint=job.studio_url, type="Studio")}
    job.properties = {"hyperparameters": dict(run.configuration), "mlflow.run_id": job.id}
    if run.value is not None:
        job.properties["score"] = repr(run.value)
        job.properties[sweep.spec.metric] = repr(run.value)
    if run.status is RunStatus.FAILED:
        job.properties["error"] = run.reason
    return job


def _labelled(job: Any, sweep: StoredSweep, folder: Path, *, driven: bool) -> Any:
    assert isinstance(job, Job)
    job.name = folder.name
    job.status = present_status(sweep.status, driven).value
    job.id = sweep.sweep_id
    job.studio_url = folder.as_uri()
    job.services = {"Studio": JobService(endpoint=job.studio_url, type="Studio")}
    if sweep.status is RunStatus.FAILED:
        job.properties.setdefault("error", _first_failure(folder) or sweep.reason)
    return job


def _first_failure(folder: Path) -> str | None:
    """Return why a run of a sweep failed in which none completed."""
    with StoreReader.open(folder) as reader:
        failed = next((run for run in reader.runs() if run.status is RunStatus.FAILED), None)
    return None if failed is None or failed.reason is None else f"run {failed.number}: {failed.reason}"


def _copy_text(path: Path, at: int) -> int:
    """Print what a file has gained; returns where it ends."""
    try:
        with open(path, "rb") as file:
            file.seek(at)
            data = file.read()
    except FileNotFoundError:
        return at
    if data:
        print(data.decode("utf-8", "replace"), end="", flush=True)
    return at + len(data)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    else:
        target.mkdir(parents=True, exist_ok=True)


def _copy_artifacts(run: Path, declared: set[str], target: Path) -> None:
    """Copy outputs that were not declared, and the log, as Azure names them."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted((run / "outputs").iterdir()) if (run / "outputs").is_dir() else ():
        if entry.name not in declared:
            _copy(entry, target / "outputs" / entry.name)
    if (run / "stdout.log").is_file():
        _copy(run / "stdout.log", target / "user_logs" / "std_log.txt")
