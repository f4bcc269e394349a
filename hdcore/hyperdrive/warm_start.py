"""What earlier sweeps and runs have to be for a new sweep to start from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hdcore.hyperdrive.exceptions import HyperDriveConfigException
from hdcore.hyperdrive.limits import MOST_PARENTS, MOST_RUNS, is_strict
from hdcore.hyperdrive.run import Run
from hdcore.hyperdrive.sampling import BayesianParameterSampling
from hdcore.hyperdrive.stored import StoredHome, SweepHome
from hdcore.hyperdrive.sweep_run import HyperDriveRun

if TYPE_CHECKING:
    from hdcore.hyperdrive.config import HyperDriveConfig

_ENDED_WELL = ("Completed", "Canceled")
_ENDED = (*_ENDED_WELL, "Failed")


def check_parents(config: HyperDriveConfig) -> None:
    """Refuse parents and runs that a sweep of this configuration cannot start from; Azure's checks, in its order."""
    _check_resume_from(config)
    _check_resume_child_runs(config)


def parent_names(config: HyperDriveConfig) -> tuple[str, ...]:
    """Return the names of the sweeps to start from, as a specification has them."""
    return tuple(run._home.spec.name for run in config._resume_from)


def resumed_names(config: HyperDriveConfig) -> tuple[str, ...]:
    """Return the runs to go on with, as a specification has them: ``NAME/12``."""
    return tuple(f"{run._home.sweep.spec.name}/{run._home.number}" for run in config._resume_child_runs)


def _check_resume_from(config: HyperDriveConfig) -> None:
    parents = config._resume_from
    if not parents:
        return
    if is_strict() and len(parents) > MOST_PARENTS:
        _refuse("resume_from", f"{len(parents)} sweeps are given; Azure takes at most {MOST_PARENTS}")
    for run in parents:
        if not isinstance(run, HyperDriveRun):
            _refuse("resume_from", f"{run!r} is no HyperDriveRun; give HyperDriveRun(experiment, id)")
    _check_same(config, [run._home for run in parents], "resume_from")
    if len({run.id for run in parents}) != len(parents):
        _refuse("resume_from", "a sweep is given twice; give each once")
    for run in parents:
        status = run.get_status()
        if status not in _ENDED_WELL:
            _refuse("resume_from", f"{run.id} is {status}; a sweep to start from is Completed or Canceled")
    total = config._max_total_runs + sum(run._home.spec.limits.max_total_runs for run in parents)
    if is_strict() and total > MOST_RUNS:
        _refuse("resume_from", f"max_total_runs of all sweeps together are {total}; Azure takes at most {MOST_RUNS}")


def _check_resume_child_runs(config: HyperDriveConfig) -> None:
    runs = config._resume_child_runs
    if not runs:
        return
    if len(runs) > config._max_total_runs:
        _refuse("resume_child_runs", f"{len(runs)} runs are given, and max_total_runs is {config._max_total_runs}")
    for run in runs:
        if not isinstance(run, Run) or not isinstance(run._home, StoredHome):
            _refuse("resume_child_runs", f"{run!r} is no run of a sweep; give Run(experiment, id)")
    if len({run.id for run in runs}) != len(runs):
        _refuse("resume_child_runs", "a run is given twice; give each once")
    for run in runs:
        status = run.get_status()
        if status not in _ENDED:
            _refuse("resume_child_runs", f"{run.id} is {status}; a run to go on with has ended")
        if run._home.sweep.is_single:
            _refuse("resume_child_runs", f"{run.id} has no parent; it is no run of a sweep")
    parents = {run._home.sweep.id: run._home.sweep for run in runs}
    if is_strict() and len(parents) > MOST_PARENTS:
        _refuse("resume_child_runs", f"the runs are of {len(parents)} sweeps; Azure takes at most {MOST_PARENTS}")
    _check_same(config, list(parents.values()), "resume_child_runs")


def _check_same(config: HyperDriveConfig, parents: Sequence[SweepHome], word: str) -> None:
    for home in parents:
        spec = home.spec
        if spec.metric != config._metric:
            _refuse(word, f"{home.id} has the primary metric {spec.metric!r}, this sweep {config._metric!r}")
        if spec.goal.value != config._goal.value.lower():
            _refuse(word, f"{home.id} is to {spec.goal.value}, this sweep is to {config._goal.value.lower()}")
        if is_strict() and isinstance(config._sampling, BayesianParameterSampling):
            before: Any = (
                (home.about.get("config") or {}).get("generator_config", {}).get("parameter_space", spec.space)
            )
            if before != config._sampling.to_json()["parameter_space"]:
                _refuse(word, f"{home.id} has another parameter_space; Bayesian sampling takes the same one only")


def _refuse(word: str, what: str) -> None:
    raise HyperDriveConfigException(f"{word}: {what}")
