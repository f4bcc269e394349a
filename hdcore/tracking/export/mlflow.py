"""Sweeps on an MLflow server: a run for the sweep, with its runs nested in it.

What is there already says the server itself: runs carry the ids of ours as tags, and count when they have ended. One
that an export which was killed has left half is removed and sent again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hdcore.document import best_run
from hdcore.pages.report import report
from hdcore.store import run_folder
from hdcore.tracking.export.target import parameters, points
from hdcore.tracking.summary import summary
from hdcore.typing import RunStatus
from hdcore.ui.files import listing

if TYPE_CHECKING:
    from hdcore.store import StoredRun, StoredSweep, StoreReader

SWEEP, RUN, STATUS, REASON = "hdcore.sweep_id", "hdcore.run_id", "hdcore.status", "hdcore.reason"
_PARENT, _NAME = "mlflow.parentRunId", "mlflow.runName"
_WORDS = {RunStatus.COMPLETED: "FINISHED", RunStatus.FAILED: "FAILED", RunStatus.CANCELED: "KILLED"}
_MOST_METRICS, _MOST_PARAMS = 1000, 100  # of one request
_LONGEST_NAME, _LONGEST_VALUE = 250, 500
_FORBIDDEN = re.compile(r"[^\w\-. /:]")


class MlflowTarget:
    """The server that MLFLOW_TRACKING_URI names."""

    def __init__(self) -> None:
        # MLflow's own defaults would wait for an absent server for minutes at each call
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
        self._experiment = self._parent = ""
        self._is_parent_ended = False
        self._news = 0

    def begin(self, reader: StoreReader) -> set[int]:
        sweep = reader.sweep()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or sweep.spec.experiment_name or "hdcore"
        experiment = self._client.get_experiment_by_name(name)
        self._experiment = self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        done: set[int] = set()
        self._parent, self._is_parent_ended = "", False
        for run in self._runs_of(sweep.sweep_id):
            own = run.data.tags.get(RUN, "")
            if own == sweep.sweep_id:
                self._parent, self._is_parent_ended = run.info.run_id, run.info.status in _WORDS.values()
            elif run.info.status in _WORDS.values():
                done.add(int(own.rpartition("_")[2]))
            else:
                self._client.delete_run(run.info.run_id)
        if not self._parent:
            self._parent = self._create(sweep, sweep.sweep_id, sweep.spec.name, sweep.started or sweep.created)
        return done

    def export(self, reader: StoreReader, run: StoredRun) -> None:
        sweep = reader.sweep()
        own = f"{sweep.sweep_id}_{run.number}"
        tags = {_PARENT: self._parent, STATUS: run.status.value, REASON: run.reason, "hdcore.devices": run.devices}
        run_id = self._create(sweep, own, f"{sweep.spec.name}-{run.number}", run.started or run.created, tags)
        folder = run_folder(reader.folder, run.number)
        logged = summary(folder, own, run.attempt) or {}  # what the script itself gave to MLflow
        self._log_params(run_id, {**(logged.get("params") or {}), **parameters(run.configuration)})
        for name, text in (logged.get("tags") or {}).items():
            self._client.set_tag(run_id, _key(name), text)
        self._log_metrics(reader, run, run_id)
        for name in listing(folder):
            if name.startswith("outputs/"):
                below = os.path.dirname(name.removeprefix("outputs/"))
                self._client.log_artifact(run_id, str(folder / name), below or None)
        ended = None if run.ended is None else round(run.ended * 1000)
        self._client.set_terminated(run_id, _WORDS[run.status], ended)
        self._news += 1

    def finish(self, reader: StoreReader) -> None:
        if self._is_parent_ended and not self._news:
            return
        sweep = reader.sweep()
        spec, best = sweep.spec, best_run(reader, sweep)
        params = {
            "goal": spec.goal.value,
            "primary_metric": spec.metric,
            "sampler": spec.sampler.get("type", "random"),
            "policy": (spec.policy or {}).get("name", "none"),
            "max_total_runs": spec.limits.max_total_runs,
            "seed": spec.seed,
        }
        self._log_params(self._parent, params)
        if best is not None and best.value is not None:
            self._client.log_metric(self._parent, _key(f"best_{spec.metric}"), best.value, step=len(reader.runs()))
            self._client.set_tag(self._parent, "hdcore.best_run", str(best.number))
        self._client.set_tag(self._parent, STATUS, sweep.status.value)
        self._client.log_text(self._parent, report(reader), "report.html")
        if sweep.status.is_terminal:
            ended = None if sweep.ended is None else round(sweep.ended * 1000)
            self._client.set_terminated(self._parent, _WORDS[sweep.status], ended)

    def _create(
        self, sweep: StoredSweep, own: str, name: str, start: float, tags: Mapping[str, Any] | None = None
    ) -> str:
        texts = {_NAME: name, SWEEP: sweep.sweep_id, RUN: own, **(tags or {})}
        made = self._client.create_run(
            self._experiment, start_time=round(start * 1000), run_name=name,
            tags={key: _text(value) for key, value in texts.items() if value},
        )  # fmt: skip
        return str(made.info.run_id)

    def _runs_of(self, sweep_id: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{SWEEP}` = '{sweep_id}'", max_results=1000, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found

    def _log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        texts = {_key(name): _text(value) for name, value in params.items()}
        rows = [Param(name, text) for name, text in texts.items()]
        for start in range(0, len(rows), _MOST_PARAMS):
            self._client.log_batch(run_id, params=rows[start : start + _MOST_PARAMS])

    def _log_metrics(self, reader: StoreReader, run: StoredRun, run_id: str) -> None:
        from mlflow.entities import Metric

        rows = [Metric(_key(name), value, round(at * 1000), step) for name, step, value, at in points(reader, run)]
        for start in range(0, len(rows), _MOST_METRICS):
            self._client.log_batch(run_id, metrics=rows[start : start + _MOST_METRICS])


def _key(name: str) -> str:
    """A name that MLflow takes; it refuses most signs, and what would lead out of a folder."""
    key = _FORBIDDEN.sub("_", name)[:_LONGEST_NAME]
    return (
        key
        if os.path.normpath(key) == key and not key.startswith(("/", ".."))
        else key.replace("/", "_").strip(".") or "_"
    )


def _text(value: Any) -> str:
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return text[:_LONGEST_VALUE]
