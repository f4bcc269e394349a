"""Sweeps to studies and back: configurations, ends, values and curves."""

from __future__ import annotations

import logging
import math
import os
import warnings
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from hdcore.bindings.optuna.flat import FlatParameter
from hdcore.errors import InputError
from hdcore.space import SearchSpace
from hdcore.typing import RunStatus

if TYPE_CHECKING:
    from hdcore.store import Point, StoredRun
    from hdcore.sweep import Sweep

_log = logging.getLogger("hdcore")

_STATE = {
    RunStatus.COMPLETED: TrialState.COMPLETE,
    RunStatus.CANCELED: TrialState.PRUNED,
    RunStatus.FAILED: TrialState.FAIL,
}


def import_study(
    study: optuna.Study,
    name: str | None = None,
    *,
    metric: str | None = None,
    root: str | os.PathLike[str] | None = None,
) -> Sweep:
    """Store a study as a sweep that has ended: to show, to compare with, to start from.

    Complete trials are completed runs, pruned ones canceled runs, failed ones failed runs. Intermediate values are
    reports with their steps. Trials that have not ended are left out, which is logged.

    Parameters
    ----------
    study : optuna.Study
        With one objective. `hdcore import` takes storages.
    name : str, optional
        Of the sweep; by default the study's, followed by a number if that is in use.
    metric : str, optional
        What the objective is called; by default the study's metric name, else ``value``.
    root : path-like, optional
        As for `hdcore.open_sweep`.

    Raises
    ------
    InputError
        If the study has several objectives, or no trial that ended and has a parameter.
    RefusedError
        If a sweep of this very name exists.
    """
    from hdcore.azure import legal_name
    from hdcore.imports import save, sweep_of_study
    from hdcore.store import find_root
    from hdcore.sweep import open_sweep

    if name is not None and legal_name(name) != name:
        raise InputError(f"import_study: a sweep cannot be called {name!r}; write {legal_name(name)!r}", field="name")
    found = sweep_of_study(study, metric=metric)
    folder = save(find_root(root), found, name or legal_name(found.name), has_name=name is not None)
    for why, count in found.dropped.items():
        _log.warning("%s: %d of %d trials are left out: %s", folder.name, count, found.total, why)
    return open_sweep(folder.name, folder.parent.parent)


def export_study(
    sweep: Sweep | str,
    storage: str | optuna.storages.BaseStorage | None = None,
    study_name: str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
) -> optuna.Study:
    """Make a study of a sweep: to plot, to go on with under Optuna.

    Completed runs are complete trials, canceled ones pruned, failed ones failed, as are completed runs without a finite
    value. Reports of the primary metric are intermediate values, at their steps where these grow, else at 1, 2, …. The
    number of the run and why it ended are user attributes, ``hdcore:run`` and ``hdcore:reason``. Runs that have not
    ended are left out, which is logged.

    Parameters
    ----------
    sweep : Sweep or str
        A sweep or its name, as for `hdcore.open_sweep`.
    storage : str or BaseStorage, optional
        As for `optuna.create_study`; in memory by default.
    study_name : str, optional
        By default the sweep's.
    root : path-like, optional
        As for `hdcore.open_sweep`.

    Raises
    ------
    optuna.exceptions.DuplicatedStudyError
        If the storage has such a study.
    """
    from hdcore.store import StoreReader
    from hdcore.sweep import open_sweep

    opened = open_sweep(sweep, root) if isinstance(sweep, str) else sweep
    with StoreReader.open(opened.folder) as reader, reader.snapshot():
        spec = reader.sweep().spec
        runs = reader.runs()
        ended = [run for run in runs if run.status in _STATE]
        curves = [reader.series(run.number, [spec.metric]).get(spec.metric, []) for run in ended]
    parameters = {
        name: FlatParameter(name, expression, [run.configuration[name] for run in ended if name in run.configuration])
        for name, expression in SearchSpace(spec.space).parameters.items()
    }
    study = optuna.create_study(
        study_name=study_name or opened.name, storage=storage, direction=spec.goal.value, load_if_exists=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([spec.metric])
    study.add_trials([_trial(run, points, parameters) for run, points in zip(ended, curves, strict=True)])
    if len(ended) < len(runs):
        _log.warning("%s: %d of %d runs are left out: not ended", opened.name, len(runs) - len(ended), len(runs))
    return study


def _trial(run: StoredRun, points: list[Point], parameters: dict[str, FlatParameter]) -> FrozenTrial:
    params: dict[str, Any] = {}
    distributions: dict[str, Any] = {}
    for name, value in run.configuration.items():
        for flat, converted, distribution in parameters[name].of(value):
            params[flat], distributions[flat] = converted, distribution
    state, value = _STATE[run.status], run.value
    reported = _intermediate(points)
    if len(points) == 1 and points[0][1] is None and points[0][2] == value:
        reported = {}  # the result, not a curve
    if state is TrialState.COMPLETE and value is None:
        state = TrialState.FAIL
    if state is TrialState.PRUNED:  # Optuna keeps the last report as the value of a pruned trial
        last = list(reported.values())[-1:]
        value = last[0] if last and not math.isnan(last[0]) else None
    attributes = {"hdcore:run": run.number} | ({} if run.reason is None else {"hdcore:reason": run.reason})
    trial = create_trial(
        state=state,
        value=None if state is TrialState.FAIL else value,
        params=params,
        distributions=distributions,
        intermediate_values=reported,
        user_attrs=attributes,
    )
    created = datetime.fromtimestamp(run.created if run.started is None else run.started)
    trial.datetime_start = created
    trial.datetime_complete = created if run.ended is None else datetime.fromtimestamp(run.ended)
    return trial


def _intermediate(points: list[Point]) -> dict[int, float]:
    """Return values by step if steps grow, else by interval."""
    from hdcore.store import Flag

    known = [step for _, step, _, _ in points if step is not None and step >= 0]
    if len(known) < len(points) or any(after <= before for before, after in pairwise(known)):
        known = [interval for interval, *_ in points]
    return {step: Flag(flag).restore(value) for step, (_, _, value, flag) in zip(known, points, strict=True)}
