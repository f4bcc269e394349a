"""MLflow's objects made from the journal; where its releases 2 and 3 differ in them, it is here."""

from __future__ import annotations

import getpass
import inspect
from typing import TYPE_CHECKING, Any, Protocol

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunTag,
)

from hdcore.tracking.artifacts import uri_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdcore.tracking.journal import LoggedRun

    class Around(Protocol):
        """What is around a run: the id of its experiment, and the folder of its artifacts."""

        sweep_id: str

        def artifacts_of(self, run_id: str) -> str: ...


NEEDS_UUID = "run_uuid" in inspect.signature(RunInfo.__init__).parameters  # before 3.0
RUN_NAME = "mlflow.runName"
PARENT = "mlflow.parentRunId"


def run_of(trial: Around, run_id: str, logged: LoggedRun) -> Any:
    """Return a run as MLflow's entity."""
    fields: dict[str, Any] = {
        "run_id": run_id,
        "experiment_id": trial.sweep_id,
        "user_id": user(),
        "status": logged.info.get("status", "RUNNING"),
        "start_time": logged.info.get("start", 0),
        "end_time": logged.info.get("end"),
        "lifecycle_stage": LifecycleStage.ACTIVE,
        "artifact_uri": uri_of(trial.artifacts_of(run_id)),
        "run_name": logged.info.get("name", run_id),
    }
    if NEEDS_UUID:
        fields["run_uuid"] = run_id
    tags = {RUN_NAME: fields["run_name"], **logged.tags}
    if logged.info.get("parent"):
        tags[PARENT] = logged.info["parent"]
    data = RunData(
        metrics=[_metric(row) for row in logged.latest.values()],
        params=[Param(name, text) for name, text in logged.params.items()],
        tags=[RunTag(name, text) for name, text in tags.items()],
    )
    return Run(RunInfo(**fields), data, *_inputs_and_outputs(logged))


def metrics_of(logged: LoggedRun, name: str) -> list[Any]:
    """Return all values of a metric, in the order of reports."""
    return [_metric(row) for row in logged.metrics if row[0] == name]


def dataset_record(given: Any) -> dict[str, Any]:
    """Return what the journal keeps of a dataset that went into a run."""
    return {
        **{key: value for key, value in dict(given.dataset).items() if value is not None},
        "tags": {tag.key: tag.value for tag in given.tags},
    }


def _metric(row: Sequence[Any]) -> Any:
    name, value, step, at = row
    return Metric(name, float("nan") if value is None else float(value), at, step)


def _inputs_and_outputs(logged: LoggedRun) -> tuple[Any, ...]:
    datasets = []
    for record in logged.datasets:
        fields = {key: value for key, value in record.items() if key != "tags"}
        tags = [InputTag(key, value) for key, value in record.get("tags", {}).items()]
        datasets.append(DatasetInput(Dataset(**fields), tags))
    try:
        from mlflow.entities import LoggedModelInput, LoggedModelOutput, RunOutputs
    except ImportError:  # before 3.0
        return (RunInputs(datasets),)
    used = [LoggedModelInput(model) for model in logged.used]
    return RunInputs(datasets, used), RunOutputs([LoggedModelOutput(model, step) for model, step in logged.made])


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry for the user's number, as in containers
        return "unknown"
