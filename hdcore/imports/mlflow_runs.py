"""The runs of an MLflow experiment."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from hdcore.errors import InputError, without_password
from hdcore.imports.foreign import ForeignRun, ForeignSweep, best_of
from hdcore.imports.inference import infer_space, read_columns
from hdcore.space import SearchSpace
from hdcore.typing import Goal, RunStatus

_PAGE = 1_000
_PARENT_TAG = "mlflow.parentRunId"
_STATUS = {"FINISHED": RunStatus.COMPLETED, "KILLED": RunStatus.CANCELED, "FAILED": RunStatus.FAILED}


def read_experiment(
    tracking: str, experiment: str, *, metric: str, goal: Goal, space: Mapping[str, Any] | None = None
) -> ForeignSweep:
    """Read the runs of an experiment: all reports of the primary metric, the last value of every other.

    Parameters
    ----------
    tracking : str
        Tracking URI, or path of a folder (``mlruns``).
    experiment : str
        Name or id.
    space : mapping, optional
        Serialised search space; by default inferred from the parameters, which MLflow keeps as text.

    Raises
    ------
    ImportError
        If mlflow is not installed.
    InputError
        If there is no such experiment, or no run of it has the metric.
    """
    try:
        tracking_api: Any = import_module("mlflow.tracking")
    except ImportError:
        raise ImportError("an experiment needs mlflow to be read; pip install 'hdcore[mlflow]'") from None
    if "://" not in tracking and not os.path.exists(tracking):
        raise InputError("there is no such folder", source=tracking)
    try:
        client = tracking_api.MlflowClient(tracking_uri=tracking)
        return from_client(client, tracking, experiment, metric=metric, goal=goal, space=space)
    except (InputError, ImportError):
        raise
    except Exception as error:  # whatever the server and the network raise
        told = " ".join(without_password(str(error)).split())[:200]
        raise InputError(f"cannot be read: {told}", source=without_password(tracking)) from error


def from_client(
    client: Any, tracking: str, experiment: str, *, metric: str, goal: Goal, space: Mapping[str, Any] | None
) -> ForeignSweep:
    """Read an experiment through a client of MLflow."""
    found = _experiment(client, tracking, experiment)
    runs = list(_runs(client, found.experiment_id))
    parents = {run.data.tags.get(_PARENT_TAG) for run in runs}
    dropped: Counter[str] = Counter()
    kept = []
    for run in runs:
        if run.info.status not in _STATUS:
            dropped["not ended"] += 1
        elif run.info.run_id in parents and metric not in run.data.metrics:
            dropped["parent of other runs"] += 1
        else:
            kept.append(run)
    if not any(metric in run.data.metrics for run in kept):
        seen = sorted({name for run in kept for name in run.data.metrics})
        raise InputError(
            f"no run of {experiment!r} has the metric {metric!r}; there is {', '.join(seen[:10]) or 'none'}",
            source=without_password(tracking),
            field="--metric",
        )
    names = list(dict.fromkeys(name for run in kept for name in run.data.params if space is None or name in space))
    texts = {name: [run.data.params.get(name, "") for run in kept] for name in names}
    configurations = read_columns(texts, None if space is None else SearchSpace(space))
    return ForeignSweep(
        name=found.name,
        metric=metric,
        goal=goal,
        space=dict(space) if space is not None else infer_space(configurations),
        runs=[
            _run(client, run, configuration, metric, goal)
            for run, configuration in zip(kept, configurations or [{} for _ in kept], strict=True)
        ],
        source=f"experiment {found.name} of {without_password(tracking)}",
        total=len(runs),
        dropped=dict(dropped),
        inferred=space is None,
    )


def _experiment(client: Any, tracking: str, experiment: str) -> Any:
    found = client.get_experiment_by_name(experiment)
    if found is None and experiment.isdecimal():
        try:
            found = client.get_experiment(experiment)
        except Exception:
            found = None
    if found is None:
        names = ", ".join(one.name for one in client.search_experiments(max_results=10))
        raise InputError(
            f"has no experiment {experiment!r}; there is {names}",
            source=without_password(tracking),
            field="--experiment",
        )
    return found


def _runs(client: Any, experiment_id: str) -> Iterator[Any]:
    """Yield the runs in order of their start."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], order_by=["attributes.start_time ASC"], max_results=_PAGE, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _run(client: Any, run: Any, configuration: dict[str, Any], metric: str, goal: Goal) -> ForeignRun:
    series: dict[str, list[tuple[int | None, float]]] = {
        name: [(None, float(value))] for name, value in run.data.metrics.items() if name != metric
    }
    if metric in run.data.metrics:
        history = client.get_metric_history(run.info.run_id, metric)
        series[metric] = [(int(m.step), float(m.value)) for m in sorted(history, key=lambda m: (m.step, m.timestamp))]
    return ForeignRun(
        configuration=configuration,
        status=_STATUS[run.info.status],
        value=best_of(series.get(metric, []), goal),
        series=series,
        started=None if not run.info.start_time else run.info.start_time / 1000,
        ended=None if not run.info.end_time else run.info.end_time / 1000,
    )
