"""A stored sweep as plain data: what `show --json`, `export --format json` and other programs read.

Strict JSON throughout: every number is finite; a metric value that is not stands as null with its interval kept.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from hdcore.errors import HdcoreError
from hdcore.tracking.summary import summary
from hdcore.typing import Goal, RunStatus

if TYPE_CHECKING:
    from pathlib import Path

    from hdcore.store import StoredRun, StoredSweep, StoreReader

WHOLE_SERIES_ROWS = 250_000
"""A sweep with more reports of its primary metric gives thinned series, of about `THINNED_ROWS` points in all."""

THINNED_ROWS = 100_000

THINNED_POINTS = range(20, 2_000)
"""Of each series: never fewer, never more."""


def display_time(seconds: float | None) -> str | None:
    """Return a wall-clock time as ISO 8601 UTC with milliseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def present_status(status: RunStatus, driven: bool) -> RunStatus:
    """Return a status as it is: what a dead driver left as Running waits for `resume`."""
    return RunStatus.QUEUED if status is RunStatus.RUNNING and not driven else status


def so_far(run: StoredRun, goal: Goal) -> StoredRun:
    """Return a run in flight, or one that waits to start again, with the best of what it has reported as its value."""
    if run.status.is_terminal or run.primary is None:
        return run
    value = run.primary.best(goal)
    return run if value is None else replace(run, value=value, interval=run.primary.best_interval(goal))


def best_run(reader: StoreReader, sweep: StoredSweep) -> StoredRun | None:
    """Return the run with the best finite value, ended or in flight; of equal ones the lowest number."""
    best, goal = reader.best(), sweep.spec.goal
    if not any(count for status, count in sweep.counts.items() if not status.is_terminal):
        return best
    found = [so_far(run, goal) for run in reader.runs() if not run.status.is_terminal]
    found += [best] if best is not None else []
    return max(
        (run for run in found if run.value is not None),
        key=lambda run: ((run.value or 0.0) * goal.sign, -run.number),
        default=None,
    )


def is_driven(reader: StoreReader) -> bool:
    """Return whether a living driver has the sweep."""
    driver = reader.driver()
    return driver is not None and driver.alive


def list_entry(name: str, folder: Path) -> dict[str, Any]:
    """Return one line of the list of sweeps; a sweep that cannot be read has an ``error`` instead."""
    from hdcore.store import StoreReader

    try:
        with StoreReader.open(folder) as reader:
            sweep = reader.sweep()
            best = best_run(reader, sweep)
            driven = is_driven(reader)
    except HdcoreError as error:
        return {"name": name, "error": str(error)}
    return {
        "name": name,
        "id": sweep.sweep_id,
        "status": present_status(sweep.status, driven).value,
        "goal": sweep.spec.goal.value,
        "primary_metric": sweep.spec.metric,
        "runs": {status.value: sweep.counts.get(status, 0) for status in RunStatus},
        "max_total_runs": sweep.spec.limits.max_total_runs,
        "best_run": None if best is None else best.number,
        "best_value": None if best is None else best.value,
        "created": display_time(sweep.created),
    }


def sweep_head(sweep: StoredSweep, *, driven: bool) -> dict[str, Any]:
    """Return what concerns the sweep as a whole, in the order of the interface."""
    spec, limits = sweep.spec, sweep.spec.limits
    return {
        "name": spec.name,
        "id": sweep.sweep_id,
        "status": present_status(sweep.status, driven).value,
        "reason": sweep.reason,
        "goal": spec.goal.value,
        "primary_metric": spec.metric,
        "sampler": spec.sampler.get("type", "random"),
        "sampler_s_per_run": sweep.sampler_s_per_run,
        "policy": _flat_policy(spec.policy),
        "limits": {
            "max_total_runs": limits.max_total_runs,
            "max_concurrent_runs": limits.max_concurrent_runs,
            "timeout_s": limits.timeout_s,
            "run_timeout_s": limits.run_timeout_s,
        },
        "seed": spec.seed,
        "created": display_time(sweep.created),
        "ended": display_time(sweep.ended),
    }


def sweep_origin(reader: StoreReader, sweep: StoredSweep) -> dict[str, Any]:
    """Return what a sweep started from: earlier sweeps, and runs that it goes on with."""
    return {
        "resume_from": [
            {
                "name": parent.name,
                "runs": parent.total,
                "kept": parent.kept,
                "dropped": [{"reason": reason, "runs": count} for reason, count in parent.dropped],
                "notes": list(parent.notes),
            }
            for parent in reader.parents()
        ],
        "resume_runs": list(sweep.spec.resume_runs),
    }


def run_entry(run: StoredRun, sweep_id: str, *, driven: bool) -> dict[str, Any]:
    """Return one run without its series."""
    return {
        "number": run.number,
        "id": f"{sweep_id}_{run.number}",
        "status": present_status(run.status, driven).value,
        "reason": run.reason,
        "attempt": run.attempt,
        "configuration": run.configuration,
        "value": run.value,
        "interval": run.interval,
        "devices": list(run.devices),
        "started": display_time(run.started),
        "ended": display_time(run.ended),
        "duration_s": run.duration_s,
        "sampler_s": run.sampler_s,
        "dropped_reports": run.dropped,
        "dropped_log_bytes": run.log_dropped_bytes,
    }


def sweep_document(reader: StoreReader, *, only_run: int | None = None, points: int | None = None) -> dict[str, Any]:
    """Return a sweep with its runs and their series.

    Parameters
    ----------
    reader : StoreReader
    only_run : int, optional
        Leave the other runs out, and add what this one logged through MLflow, if anything.
    points : int, optional
        Most points a series; by default all of them, unless the sweep is very large.
    """
    driven = is_driven(reader)
    sweep = reader.sweep()
    best = best_run(reader, sweep)
    runs = reader.runs() if only_run is None else [reader.run(only_run)]
    if points is None and sum(run.primary.count for run in runs if run.primary is not None) > WHOLE_SERIES_ROWS:
        points = max(THINNED_POINTS.start, min(THINNED_POINTS.stop, THINNED_ROWS // len(runs)))
    document = sweep_head(sweep, driven=driven)
    document["best_run"] = None if best is None else best.number
    document.update(sweep_origin(reader, sweep))
    document["runs"] = entries = []
    for run in runs:
        entry = run_entry(so_far(run, sweep.spec.goal), sweep.sweep_id, driven=driven)
        series = reader.series(run.number, most=points)
        entry["metrics"] = {
            name: [[interval if step is None else step, value] for interval, step, value, *_ in rows]
            for name, rows in series.items()
        }
        if only_run is not None:
            logged = summary(reader.folder / "runs" / f"{run.number:04d}", entry["id"], run.attempt)
            if logged is not None:
                entry["mlflow"] = logged
        entries.append(entry)
    return document


def to_json_text(document: Any) -> str:
    """Return strict JSON, indented but for the innermost lists' sake readable by people too."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _flat_policy(policy: dict[str, Any] | None) -> dict[str, Any] | None:
    if policy is None or policy.get("name") == "Default":
        return None
    return {"name": policy.get("name"), **policy.get("properties", {})}
