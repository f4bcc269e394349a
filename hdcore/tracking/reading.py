"""The stored sweeps of a root as MLflow's tracking store, for driver programs and notebooks.

A sweep is a run whose children are its runs, in the experiment that it was submitted to. Runs are called as the program
knows them: ``HD_…`` and ``HD_…_7``, or, for jobs, the sweep's name and ``NAME_7``; both are understood. They are read,
not changed; what the program itself logs is a run of its own, in a journal under ``ROOT/azure/mlflow``.
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlflow.entities import (
    Experiment,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchUtils

from hdcore.document import best_run, is_driven, present_status, so_far
from hdcore.store import StoreReader, find_root, list_sweeps
from hdcore.store.records import StoredRun, StoredSweep
from hdcore.tracking import URI
from hdcore.tracking.artifacts import uri_of
from hdcore.tracking.entities import NEEDS_UUID, PARENT, RUN_NAME, dataset_record, metrics_of, run_of, user
from hdcore.tracking.journal import Journal, LoggedRun, append_line, journal_name
from hdcore.tracking.refusals import refuse_the_rest

_STATUSES = {
    "Queued": "SCHEDULED",
    "Running": "RUNNING",
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
}
_CHILD = re.compile(r"(?P<sweep>.+)_(?P<number>[0-9]{1,9})")
_SUBMITTED = "hyperdrive.json"
_WHERE = "outside of trials; set another tracking URI for it"
_INHERITED = {
    "log_metric_async", "log_param_async", "set_tag_async", "log_batch_async", "search_runs",
    "end_async_logging", "flush_async_logging", "shut_down_async_logging",
}  # fmt: skip


class SweepsStore(AbstractStore):  # type: ignore[misc]
    """The sweeps of a root, and their runs.

    Parameters
    ----------
    uri : str
        ``hdcore:///path/of/root``; without a path the root is found as everywhere.
    """

    def __init__(self, uri: str) -> None:
        super().__init__()
        self.root = root_of(uri)
        self._own = _OwnRuns(self.root / "azure" / "mlflow")

    # ------------------------------------------------------------------ experiments

    def search_experiments(self, *arguments: Any, **more: Any) -> Any:
        """Return the experiments that sweeps were submitted to."""
        return PagedList([self.get_experiment(name) for name in self._experiments()], None)

    def get_experiment(self, experiment_id: str) -> Any:
        """Return an experiment, whose id is its name; one that has no sweep yet as well."""
        return Experiment(
            experiment_id=experiment_id,
            name=experiment_id,
            artifact_location=uri_of(os.fspath(self.root)),
            lifecycle_stage=LifecycleStage.ACTIVE,
        )

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        """Return an experiment; None if nothing was submitted to it."""
        return self.get_experiment(experiment_name) if experiment_name in self._experiments() else None

    def create_experiment(self, name: str, artifact_location: str | None, tags: Sequence[Any]) -> str:
        """Return the id that sweeps submitted to this experiment will be found by; nothing is made."""
        return name

    def _experiments(self) -> list[str]:
        own = (str(run.info.get("experiment")) for run in self._own.all().values())
        return [*dict.fromkeys([*(sweep.experiment for sweep in self._sweeps()), *own])]

    # ------------------------------------------------------------------ runs

    def get_run(self, run_id: str) -> Any:
        """Return a sweep, one of its runs, or one that the program has logged."""
        own = self._own.all().get(run_id)
        if own is not None:
            return self._own.entity(run_id, own)
        sweep, number = self._find(run_id)
        return sweep.read(number)

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> Any:
        """Return all values of a metric."""
        own = self._own.all().get(run_id)
        if own is not None:
            found = metrics_of(own, metric_key)
        else:
            sweep, number = self._find(run_id)
            found = [] if number is None else sweep.history(number, metric_key)
        return PagedList(found if max_results is None else found[:max_results], None)

    def search_logged_models(self, *arguments: Any, **more: Any) -> Any:
        """Return nothing: the files of models are among the artifacts of their runs, where MLflow looks as well."""
        return PagedList([], None)

    def _search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int,
        order_by: list[str] | None,
        page_token: str | None,
    ) -> tuple[list[Any], str | None]:
        if run_view_type == ViewType.DELETED_ONLY:
            return [], None
        own = [self._own.entity(run_id, run) for run_id, run in self._own.all().items()]
        own = [run for run in own if not experiment_ids or run.info.experiment_id in experiment_ids]
        runs: list[Any] = SearchUtils.filter(own, filter_string)
        for sweep in self._sweeps():
            if experiment_ids and sweep.experiment not in experiment_ids:
                continue
            wanted = filter_string
            if wanted is not None:  # a sweep may be asked for by either of its ids
                wanted = re.sub(rf"(?<=['\"]){re.escape(sweep.other_id)}(?=['\"]|_[0-9]+['\"])", sweep.id, wanted)
            runs += SearchUtils.filter(list(sweep.read_all()), wanted)
        found: tuple[list[Any], str | None] = SearchUtils.paginate(
            SearchUtils.sort(runs, order_by), page_token, max_results
        )
        return found

    # ------------------------------------------------------------------ what the program itself logs

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int | None,
        tags: Sequence[Any],
        run_name: str | None,
    ) -> Any:
        """Begin a run of the program's own."""
        run_id = uuid.uuid4().hex
        texts = {tag.key: tag.value for tag in tags or ()}
        name = run_name or texts.pop(RUN_NAME, None) or f"run-{run_id[:8]}"
        started = start_time or int(time.time() * 1000)
        info = {"name": name, "status": "RUNNING", "start": started, "experiment": experiment_id}
        self._own.write(run=run_id, info=info, tags=texts)
        return self.get_run(run_id)

    def update_run_info(self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None) -> Any:
        """Note state and name of a run of the program's own."""
        status = None if run_status is None else RunStatus.to_string(run_status)
        info = {"status": status, "end": end_time, "name": run_name or None}
        self._note(run_id, info={key: value for key, value in info.items() if value is not None})
        return self.get_run(run_id).info

    def log_metric(self, run_id: str, metric: Any) -> None:
        """Keep one value of a metric."""
        self.log_batch(run_id, [metric], (), ())

    def log_param(self, run_id: str, param: Any) -> None:
        """Keep a parameter."""
        self.log_batch(run_id, (), [param], ())

    def set_tag(self, run_id: str, tag: Any) -> None:
        """Keep a tag."""
        self.log_batch(run_id, (), (), [tag])

    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag away."""
        self._note(run_id, tags={key: None})

    def log_batch(self, run_id: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
        """Keep metrics, parameters and tags."""
        self._note(
            run_id,
            metrics=[[metric.key, float(metric.value), metric.step, metric.timestamp] for metric in metrics],
            params={param.key: param.value for param in params},
            tags={tag.key: tag.value for tag in tags},
        )

    def log_inputs(
        self, run_id: str, datasets: Sequence[Any] | None = None, models: Sequence[Any] | None = None
    ) -> None:
        """Note what went into a run."""
        self._note(run_id, datasets=[dataset_record(given) for given in datasets or ()])

    def _note(self, run_id: str, **record: Any) -> None:
        if run_id not in self._own.all():
            self._find(run_id)
            raise MlflowException(
                f"{run_id} is a run of a stored sweep, which is read only; log in the training script, or in a run of "
                "the program's own",
                INVALID_PARAMETER_VALUE,
            )
        self._own.write(run=run_id, **record)

    def _find(self, run_id: str) -> tuple[_Sweep, int | None]:
        child = _CHILD.fullmatch(run_id)
        for sweep in self._sweeps():
            if run_id in (sweep.id, sweep.other_id):
                return sweep, None
            if child is not None and child["sweep"] in (sweep.id, sweep.other_id):
                number = int(child["number"])
                if number in sweep.numbers():
                    return sweep, number
        raise MlflowException(f"{self.root} has no run {run_id!r}; see `hdcore list`", RESOURCE_DOES_NOT_EXIST)

    def _sweeps(self) -> Iterator[_Sweep]:
        for _, folder in list_sweeps(self.root):
            yield _Sweep(folder)


class _OwnRuns:
    """The runs that driver programs log themselves: a journal in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = os.path.join(folder, journal_name(1))
        self._journal = Journal(self._path)

    def all(self) -> dict[str, LoggedRun]:
        self._journal.refresh()
        return self._journal.runs.copy()

    def write(self, **record: Any) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        append_line(self._path, record)

    def entity(self, run_id: str, logged: LoggedRun) -> Any:
        return run_of(_Home(str(logged.info.get("experiment")), self._folder), run_id, logged)


class _Home:
    """What `run_of` asks for around a run."""

    def __init__(self, experiment: str, folder: Path) -> None:
        self.sweep_id = experiment
        self._folder = folder

    def artifacts_of(self, run_id: str) -> str:
        return os.path.join(self._folder, run_id)


class _Sweep:
    """A stored sweep in MLflow's words."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with StoreReader.open(folder) as reader:
            self._stored: StoredSweep = reader.sweep()
        spec = self._stored.spec
        ids = (self._stored.sweep_id, folder.name)
        self.id, self.other_id = ids if (folder / _SUBMITTED).exists() else ids[::-1]
        self.experiment = spec.experiment_name or spec.name

    def numbers(self) -> set[int]:
        with StoreReader.open(self._folder) as reader:
            return {run.number for run in reader.runs()}

    def read(self, number: int | None) -> Any:
        with StoreReader.open(self._folder) as reader:
            return self._whole(reader) if number is None else self._child(reader, reader.run(number))

    def read_all(self) -> Iterator[Any]:
        with StoreReader.open(self._folder) as reader:
            yield self._whole(reader)
            for run in reader.runs():
                yield self._child(reader, run)

    def history(self, number: int, name: str) -> list[Any]:
        with StoreReader.open(self._folder) as reader:
            return self._metrics(reader, reader.run(number)).get(name, [])

    def _metrics(self, reader: StoreReader, run: StoredRun) -> dict[str, list[Any]]:
        at = _milliseconds(run.started) or 0
        return {
            name: [
                Metric(name, float("nan") if value is None else value, at, interval - 1 if step is None else step)
                for interval, step, value, _ in points
            ]
            for name, points in reader.series(run.number).items()
        }

    def _whole(self, reader: StoreReader) -> Any:
        stored = reader.sweep()
        spec, best = stored.spec, best_run(reader, stored)
        tags = {**spec.tags, RUN_NAME: spec.display_name or self._folder.name, "azureml.runsource": "hyperdrive"}
        if best is not None:
            tags.update({"best_child_run_id": f"{self.id}_{best.number}", "score": repr(best.value)})
        files = self._folder / "files"
        status = present_status(stored.status, is_driven(reader)).value
        return _run(
            self.id, self.experiment, status, stored.started or stored.created, stored.ended, files, [], {}, tags
        )

    def _child(self, reader: StoreReader, run: StoredRun) -> Any:
        folder = self._folder / "runs" / f"{run.number:04d}"
        own = self._journal(folder, run)
        run_id = f"{self.id}_{run.number}"
        tags = {RUN_NAME: own.info.get("name") or run_id, **own.tags, PARENT: self.id, "mlflow.rootRunId": self.id}
        tags["hyperparameters"] = json.dumps(run.configuration)
        best = so_far(run, self._stored.spec.goal).value
        if best is not None:
            tags["score"] = repr(best)
        params = {**{name: str(value) for name, value in run.configuration.items()}, **own.params}
        metrics = [_latest(points) for points in self._metrics(reader, run).values() if points]
        status = present_status(run.status, is_driven(reader)).value
        return _run(run_id, self.experiment, status, run.started, run.ended, folder / "outputs", metrics, params, tags)

    def _journal(self, folder: Path, run: StoredRun) -> LoggedRun:
        journal = Journal(os.path.join(folder, journal_name(run.attempt)))
        journal.refresh()
        return journal.runs.get(f"{self._stored.sweep_id}_{run.number}", LoggedRun())


def _run(
    run_id: str,
    experiment: str,
    status: str,
    started: float | None,
    ended: float | None,
    artifacts: Path,
    metrics: list[Any],
    params: dict[str, str],
    tags: dict[str, str],
) -> Any:
    fields: dict[str, Any] = {
        "run_id": run_id,
        "experiment_id": experiment,
        "user_id": user(),
        "status": _STATUSES[status],
        "start_time": _milliseconds(started) or 0,
        "end_time": _milliseconds(ended),
        "lifecycle_stage": LifecycleStage.ACTIVE,
        "artifact_uri": uri_of(os.fspath(artifacts)),
        "run_name": tags[RUN_NAME],
    }
    if NEEDS_UUID:
        fields["run_uuid"] = run_id
    data = RunData(
        metrics=metrics,
        params=[Param(name, text) for name, text in params.items()],
        tags=[RunTag(name, text) for name, text in tags.items()],
    )
    return Run(RunInfo(**fields), data)


def _latest(points: Sequence[Any]) -> Any:
    """Return what MLflow takes for a metric's value: that of the highest step, of several the last."""
    return max(reversed(points), key=lambda metric: metric.step)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def root_of(uri: str) -> Path:
    """Return the root that a tracking URI names; without a path it is found as everywhere."""
    return find_root(unquote(uri.removeprefix(URI).removeprefix("//")) or None)


refuse_the_rest(SweepsStore, AbstractStore, _INHERITED, _WHERE)
