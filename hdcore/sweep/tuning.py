"""Sweeps over a Python function."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdcore.errors import InputError, RefusedError
from hdcore.records import Limits, SweepSpec
from hdcore.sweep.lifecycle import create_sweep, local_executor, new_sweep_id
from hdcore.sweep.stored import Sweep, drive_watched
from hdcore.typing import Configuration, Goal

if TYPE_CHECKING:
    from hdcore.engine import Optimizer
    from hdcore.policies.base import Policy
    from hdcore.space import SearchSpace


def tune(
    function: Callable[..., Any],
    space: SearchSpace | Mapping[str, Any],
    *,
    metric: str,
    goal: Goal | str = "maximize",
    sampler: str | Mapping[str, Any] = "random",
    policy: Policy | Mapping[str, Any] | str | None = None,
    max_runs: int,
    max_concurrent: int | None = None,
    gpus_per_run: float | str = 0,
    root: str | os.PathLike[str] | None = None,
    name: str | None = None,
    seed: int | None = None,
    progress: bool | None = None,
    resume_from: str | Sequence[str] = (),
    resume_runs: str | Sequence[str] = (),
    resume_rename: Mapping[str, str] | None = None,
    resume_defaults: Mapping[str, Any] | None = None,
) -> Sweep:
    """Run a Python function over a search space, each run in a process of its own; stored like any sweep.

    Parameters
    ----------
    function : callable
        ``function(configuration, run)``: a dict of parameter values, and the client that `get_run` gives, with
        ``run.log(metric, value)``. A number that it returns is reported as the metric. What it closes over is there in
        each process; what it changes there stays there.
    metric, goal, sampler, policy, seed
        As for `Optimizer`.
    max_runs : int
    max_concurrent : int, optional
        By default as many as the machine has room for.
    gpus_per_run : float or "auto"
        GPUs of a run, a share of one, or ``"auto"``: runs share devices by their measured memory.
    name : str, optional
        Name of the sweep; by default the function's, made unique. A name that exists goes on with that sweep, if
        space, metric, goal, sampler and policy are the same; if that sweep has no runs left, nothing is run, its
        results are returned and a UserWarning says so.
    progress : bool, optional
        Show the live table that ``hdcore run`` shows; by default if stdout is a terminal. Where the table cannot be
        drawn, True prints a line for each run that ends.
    resume_from : str or sequence of str
        Earlier sweeps of the same metric and goal: the Bayesian sampler learns from their runs, and policies compare
        with their curves. Runs that do not fit the space are left out.
    resume_runs : str or sequence of str
        Runs of earlier sweeps (``"NAME/12"``) to go on with: the first runs of this one, with the same configurations;
        ``run.resume_from`` is a copy of their outputs.
    resume_rename, resume_defaults : mapping, optional
        Old name of a parameter -> its name here; name of a parameter that is new -> its value in the earlier runs.

    Returns
    -------
    Sweep
        Ended. Ctrl-C leaves it resumable and raises KeyboardInterrupt.
    """
    from hdcore.engine import Optimizer
    from hdcore.store import find_root

    optimizer = Optimizer(space, sampler=sampler, goal=goal, policy=policy, seed=seed)
    if max_runs < 1:
        raise InputError(f"max_runs is {max_runs}; give 1 or more", field="max_runs")
    _check_takes_run(function)
    where = find_root(root)
    called = getattr(function, "__qualname__", type(function).__name__)
    spec = SweepSpec(
        name=name or _legal_name(called),
        space=optimizer.space.to_json(),
        metric=metric,
        goal=optimizer.goal,
        limits=Limits(max_total_runs=max_runs, max_concurrent_runs=max_concurrent),
        sampler=_sampler_json(sampler, optimizer),
        policy=None if optimizer.policy is None else optimizer.policy.to_json(),
        function=f"{getattr(function, '__module__', '?')}:{called}",
        gpus_per_run=gpus_per_run,
        seed=optimizer.seed,
        resume_from=_names(resume_from),
        resume_runs=_names(resume_runs),
        resume_rename=dict(resume_rename or {}),
        resume_defaults=dict(resume_defaults or {}),
    )
    folder = where / "sweeps" / spec.name
    if name is not None and os.path.lexists(folder):
        _check_same(folder, spec)
        sweep = Sweep(folder, function=_reporting(function, metric))
        status, runs = sweep.status, sweep.runs
        sweep.resume(max_concurrent=max_concurrent, progress=progress)
        if status.is_terminal and sweep.runs == runs:  # one that was canceled or ran out of time may have runs left
            warnings.warn(
                f"sweep {name!r} is {status.value} already; nothing was run; use another name to run again",
                UserWarning,
                stacklevel=2,
            )
        return sweep
    sweep_id = new_sweep_id()
    # The executor forks from this process: before the store has a connection that must not be shared.
    executor = local_executor(spec, sweep_id, function=_reporting(function, metric))
    try:
        store = create_sweep(where, spec, sweep_id=sweep_id, takes_free_name=not name)
    except BaseException:
        executor.close()
        raise
    with store:
        drive_watched(store, executor, None, progress=progress)
        return Sweep(store.folder, function=_reporting(function, metric))


def _check_takes_run(function: Callable[..., Any]) -> None:
    """Refuse a function that cannot be called as the runs call it, before the first of them fails."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a built-in one does not say
        return
    try:
        signature.bind({}, None)
    except TypeError as error:
        raise InputError(f"is called as function(configuration, run): {error}", field="function") from None


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _reporting(function: Callable[..., Any], metric: str) -> Callable[..., Any]:
    """Wrap a function so that a number it returns is its last report."""

    def call(configuration: Configuration, run: Any) -> None:
        value = function(configuration, run)
        if value is not None and not isinstance(value, bool):
            run.log(metric, float(value))

    return call


def _sampler_json(sampler: str | Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    if isinstance(sampler, str):
        return {"type": sampler}
    if isinstance(sampler, Mapping):
        return dict(sampler)
    to_json = getattr(optimizer.sampler, "to_json", None)
    if to_json is None:
        raise InputError("a sampler of your own cannot be stored; use Optimizer, or give it to_json()", field="sampler")
    found: dict[str, Any] = to_json()
    return found


def _check_same(folder: Path, spec: SweepSpec) -> None:
    from hdcore.store import StoreReader

    with StoreReader.open(folder) as reader:
        before = reader.sweep().spec
    if not before.function:
        raise RefusedError(f"a sweep named {spec.name!r} exists and runs a command; give another name")
    for what in ("space", "metric", "goal", "sampler", "policy"):
        if getattr(before, what) != getattr(spec, what):
            raise RefusedError(f"a sweep named {spec.name!r} exists with another {what}; give another name")


def _legal_name(text: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in text).strip("-._")
    return kept[:100] or "sweep"
