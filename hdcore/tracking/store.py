"""MLflow's tracking store for the trial that this process belongs to.

Everything that MLflow's interface has and this store has not is refused by name: MLflow's own base class would do
nothing and say nothing.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from mlflow.entities import Experiment, LifecycleStage, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchUtils

from hdcore.tracking.artifacts import uri_of
from hdcore.tracking.entities import PARENT, RUN_NAME, dataset_record, metrics_of, run_of
from hdcore.tracking.models import LoggedModels
from hdcore.tracking.refusals import refuse_the_rest
from hdcore.tracking.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdcore.tracking.journal import LoggedRun

_SERVED_BY_MLFLOW = {
    "log_metric_async", "log_param_async", "set_tag_async", "log_batch_async", "search_runs",
    "end_async_logging", "flush_async_logging", "shut_down_async_logging",
}  # fmt: skip
_HISTORY = "mlflow.log-model.history"


class TrialStore(LoggedModels, AbstractStore):  # type: ignore[misc]
    """One run, those nested in it, and one experiment: the sweep, by whatever name a script calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.trial = Trial()

    # ------------------------------------------------------------------ experiments

    def search_experiments(self, *arguments: Any, **more: Any) -> Any:
        """Return the only experiment."""
        return PagedList([self._experiment()], None)

    def get_experiment(self, experiment_id: str) -> Any:
        """Return the sweep, whatever the id: scripts ask for the ids of their server."""
        return self._experiment()

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        """Return the sweep under the name that the script gives it."""
        return self._experiment(experiment_name)

    def create_experiment(self, name: str, artifact_location: str | None, tags: Sequence[Any]) -> str:
        """Return the sweep's id."""
        for tag in tags or ():
            self.set_experiment_tag("", tag)
        return self.trial.sweep_id

    def set_experiment_tag(self, experiment_id: str, tag: Any) -> None:
        """Write the tag into the run's journal: a trial changes nothing of its sweep."""
        self.trial.write(experiment=self.trial.sweep_id, tags={tag.key: tag.value})

    def _experiment(self, name: str | None = None) -> Any:
        return Experiment(
            experiment_id=self.trial.sweep_id,
            name=name or self.trial.sweep_id,
            artifact_location=uri_of(self.trial.outputs),
            lifecycle_stage=LifecycleStage.ACTIVE,
        )

    # ------------------------------------------------------------------ runs

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int | None,
        tags: Sequence[Any],
        run_name: str | None,
    ) -> Any:
        """Return a new run if it is to be nested in another, else the trial's."""
        texts = {tag.key: tag.value for tag in tags or ()}
        parent, name = texts.pop(PARENT, None), run_name or texts.pop(RUN_NAME, None)
        started = start_time or int(time.time() * 1000)
        if parent is not None:
            self._logged(parent)
            run_id = self.trial.start_nested(parent, name, started)
        else:
            run_id = self.trial.id
            self.trial.write(run=run_id, info=_without_none(name=name, status="RUNNING", start=started))
        self.trial.write(run=run_id, tags=texts)
        return self.get_run(run_id)

    def get_run(self, run_id: str) -> Any:
        """Return a run with all that was logged to it until now."""
        return run_of(self.trial, run_id, self._logged(run_id))

    def update_run_info(self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None) -> Any:
        """Note state and name. A trial's own status comes from its exit code, whatever its script says here."""
        known = self._logged(run_id).info
        status = None if run_status is None else RunStatus.to_string(run_status)
        info = _without_none(status=status, end=end_time, name=run_name or None)
        if "start" not in known:
            info["start"] = int(time.time() * 1000)
        self.trial.write(run=run_id, info=info)
        return self.get_run(run_id).info

    def _search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int,
        order_by: list[str] | None,
        page_token: str | None,
    ) -> tuple[list[Any], str | None]:
        # The ids of experiments are not looked at: whatever a script takes for its experiment is the sweep.
        runs = [self.get_run(run_id) for run_id in {self.trial.id, *self.trial.read_journal().runs}]
        runs = SearchUtils.sort(SearchUtils.filter(runs, filter_string), order_by)
        found: tuple[list[Any], str | None] = SearchUtils.paginate(runs, page_token, max_results)
        return found

    def _logged(self, run_id: str) -> LoggedRun:
        try:
            return self.trial.logged_run(run_id)
        except KeyError:
            raise MlflowException(
                f"the trial {self.trial.id} has no run {run_id!r}; runs of other trials cannot be seen here",
                RESOURCE_DOES_NOT_EXIST,
            ) from None

    # ------------------------------------------------------------------ what is logged

    def log_metric(self, run_id: str, metric: Any) -> None:
        """Report a metric of the trial, or write down one of a nested run."""
        self.log_batch(run_id, [metric], (), ())

    def log_param(self, run_id: str, param: Any) -> None:
        """Keep a parameter."""
        self.log_batch(run_id, (), [param], ())

    def set_tag(self, run_id: str, tag: Any) -> None:
        """Keep a tag."""
        self.log_batch(run_id, (), (), [tag])

    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag away."""
        self._logged(run_id)
        self.trial.write(run=run_id, tags={key: None})

    def log_batch(self, run_id: str, metrics: Sequence[Any], params: Sequence[Any], tags: Sequence[Any]) -> None:
        """Keep metrics, parameters and tags."""
        if run_id != self.trial.id:
            self._logged(run_id)
        if params:
            self.trial.log_params(run_id, {param.key: param.value for param in params})
        if tags:
            self.trial.write(run=run_id, tags={tag.key: tag.value for tag in tags})
        if metrics and run_id != self.trial.id:
            rows = [[metric.key, float(metric.value), metric.step, metric.timestamp] for metric in metrics]
            self.trial.write(run=run_id, metrics=rows)
            return
        for metric in self._without_known(metrics):
            try:
                self.trial.report(metric.key, metric.value, metric.step)
            except (TypeError, ValueError, OverflowError) as error:
                raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error

    def _without_known(self, metrics: Sequence[Any]) -> Sequence[Any]:
        """Leave out reports that are there already: `log_model` logs what the run has a second time, for the model."""
        if not any(getattr(metric, "model_id", None) for metric in metrics):
            return metrics
        names = {metric.key for metric in metrics}
        known = {_same(*row) for row in self._logged(self.trial.id).metrics if row[0] in names}
        return [
            metric for metric in metrics if _same(metric.key, metric.value, metric.step, metric.timestamp) not in known
        ]

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> Any:
        """Return all values of a metric."""
        found = metrics_of(self._logged(run_id), metric_key)
        return PagedList(found if max_results is None else found[:max_results], None)

    def log_inputs(
        self, run_id: str, datasets: Sequence[Any] | None = None, models: Sequence[Any] | None = None
    ) -> None:
        """Note what went into a run."""
        self._logged(run_id)
        records = [dataset_record(given) for given in datasets or ()]
        self.trial.write(run=run_id, datasets=records, used=[model.model_id for model in models or ()])

    def log_outputs(self, run_id: str, models: Sequence[Any]) -> None:
        """Note which models a run made, and at which step."""
        self._logged(run_id)
        self.trial.write(run=run_id, made=[[model.model_id, model.step] for model in models])

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Note a model that MLflow 2 has written to the run's artifacts."""
        history = json.loads(self._logged(run_id).tags.get(_HISTORY, "[]"))
        self.trial.write(run=run_id, tags={_HISTORY: json.dumps([*history, mlflow_model.get_tags_dict()])})
        folder = self.trial.relative(f"{self.trial.artifacts_of(run_id)}/{mlflow_model.artifact_path}")
        info = {"name": mlflow_model.artifact_path, "folder": folder, "run": run_id, "status": "READY"}
        self.trial.write(model=mlflow_model.model_uuid, info=info)


def _same(name: str, value: float, step: int, at: int) -> tuple[str, str, int, int]:
    return name, repr(float(value)), step, at  # repr: not a number is equal to itself here


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


refuse_the_rest(TrialStore, AbstractStore, _SERVED_BY_MLFLOW)
