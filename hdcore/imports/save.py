"""Storing a search that another program made, so that every command finds it."""

from __future__ import annotations

import time
from pathlib import Path

from hdcore.errors import InputError
from hdcore.imports.foreign import ForeignRun, ForeignSweep
from hdcore.reasons import Proposal
from hdcore.records import Limits, MetricRow, Reports, SweepSpec
from hdcore.store import Store
from hdcore.sweep import create_sweep
from hdcore.typing import RunStatus

_RUNS_A_COMMIT = 100


def save(root: Path, foreign: ForeignSweep, name: str, *, has_name: bool) -> Path:
    """Store a search as a sweep that has ended; return its folder.

    Parameters
    ----------
    name : str
        Name of the sweep.
    has_name : bool
        Somebody chose the name: where it is in use the import is refused, else the next free one is taken.

    Raises
    ------
    InputError
        If it has no runs that ended.
    RefusedError
        If a sweep of this name exists.
    """
    if not foreign.runs:
        raise InputError("no run has ended, so there is nothing to import", source=foreign.source)
    spec = SweepSpec(
        name=name,
        space=foreign.space,
        metric=foreign.metric,
        goal=foreign.goal,
        limits=Limits(max_total_runs=len(foreign.runs)),
        description=f"imported from {foreign.source}",
        source=foreign.source,
    )
    with create_sweep(root, spec, takes_free_name=not has_name) as store:
        now = time.time()
        store.set_sweep(RunStatus.RUNNING, None, now)
        for first in range(0, len(foreign.runs), _RUNS_A_COMMIT):
            with store.turn():
                for number, run in enumerate(foreign.runs[first : first + _RUNS_A_COMMIT], first):
                    _add(store, number, run, now)
        store.set_sweep(RunStatus.COMPLETED, "imported", now)
        return store.folder


def _add(store: Store, number: int, run: ForeignRun, now: float) -> None:
    started = now if run.started is None else run.started
    ended = started if run.ended is None else run.ended
    told = Proposal(how="imported", source=store.spec.source)
    store.add_runs([(number, run.configuration)], proposals=[told])
    store.start_run(number, 1, (), started)
    rows = [MetricRow(name, value, step, at=ended) for name, reports in run.series.items() for step, value in reports]
    store.add_reports(Reports(number, 1, tuple(rows), 0))
    primary = run.series.get(store.spec.metric, [])
    interval = next((k for k, (_, value) in enumerate(primary, 1) if value == run.value), None)
    store.finish_run(
        number,
        run.status,
        reason=run.reason,
        value=run.value,
        interval=interval,
        duration_s=max(0.0, ended - started),
        at=ended,
    )
