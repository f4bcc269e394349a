"""What a run logged through MLflow, as plain data for `hdcore show`."""

from __future__ import annotations

import os
from typing import Any

from hdcore.tracking.journal import Journal, LoggedRun, journal_name


def summary(folder: str | os.PathLike[str], run_id: str, attempt: int) -> dict[str, Any] | None:
    """Return params, tags, models and nested runs of a run; None if it logged nothing but metrics and artifacts.

    Parameters
    ----------
    folder : path-like
        The run's folder.
    run_id : str
        ``HD_…_7``.
    attempt : int
        The one to read; each has a journal of its own.
    """
    journal = Journal(os.path.join(folder, journal_name(attempt)))
    journal.refresh()
    if not (journal.runs or journal.models or journal.registered):
        return None
    own = journal.runs.pop(run_id, LoggedRun())
    found = {
        "name": own.info.get("name"),
        "params": own.params,
        "tags": _own_tags(own),
        "datasets": [dataset.get("name") for dataset in own.datasets],
        "models": [
            {
                "name": model.info.get("name"),
                "folder": model.info.get("folder"),
                "status": model.info.get("status"),
            }
            for model in journal.models.values()
        ],
        "registered_models": {name: len(found.versions) for name, found in journal.registered.items()},
        "nested_runs": [{"id": nested_id, **_nested(nested)} for nested_id, nested in journal.runs.items()],
    }
    return {name: _clean(value) for name, value in found.items()}


def _nested(run: LoggedRun) -> dict[str, Any]:
    metrics: dict[str, list[list[Any]]] = {}
    for name, value, step, _ in run.metrics:
        metrics.setdefault(str(name), []).append([step, value])
    return {
        "name": run.info.get("name"),
        "parent": run.info.get("parent"),
        "status": run.info.get("status"),
        "params": run.params,
        "tags": _own_tags(run),
        "metrics": metrics,
    }


def _own_tags(run: LoggedRun) -> dict[str, str]:
    """Return the tags that the script set: those named ``mlflow.…`` are MLflow's own."""
    return {name: text for name, text in run.tags.items() if not name.startswith("mlflow.")}


def _clean(value: Any) -> Any:
    """Return what strict JSON can carry: a script may have written anything."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float("nan")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {str(_clean(name)): _clean(item) for name, item in value.items()}
    return value
