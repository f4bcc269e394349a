"""A stored sweep as an object: start it, look at it, resume it, cancel it."""

from __future__ import annotations

import logging
import math
import os
import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hdcore.errors import InputError, RefusedError, StateError
from hdcore.observer import Observer
from hdcore.records import BestRun, Limits, SweepSpec
from hdcore.typing import Configuration, Goal, RunStatus

if TYPE_CHECKING:
    from hdcore.engine import Optimizer
    from hdcore.executors.base import Executor
    from hdcore.policies.base import Policy
    from hdcore.signals import StopSignals
    from hdcore.space import SearchSpace
    from hdcore.store import Store, StoreReader

CANCELED_BY_USER = "canceled by user"

_log = logging.getLogger("hdcore")


class _Teller(Observer):
    """The view of a sweep that is driven from Python: what the user should know goes to the log."""

    def notice(self, text: str) -> None:
        _log.warning("%s", text)


# ---------------------------------------------------------------------- the life of a sweep


def check_has_command(spec: SweepSpec) -> None:
    """Refuse to go on without its function with a sweep that `tune` made.

    Raises
    ------
    InputError
        If the sweep runs a Python function: only the program that made it has that.
    """
    if spec.function:
        raise InputError(
            f"sweep {spec.name!r} runs the Python function {spec.function!r}, which is not stored;"
            f" run the program again that made it, with name={spec.name!r}, to go on with it"
        )


def check_runnable(spec: SweepSpec, gpus: str | None = None) -> None:
    """Raise what starting the sweep would raise, before anything of it exists.

    Parameters
    ----------
    gpus : str, optional
        GPUs that the sweep may use, as `Devices.find` takes them.

    Raises
    ------
    InputError
        If sampler, policy and space do not go together, or the sweep asks for what this machine does not have.
    """
    from hdcore.engine import Optimizer

    if spec.executor != "local":
        raise InputError(f"{spec.executor!r} is not available here; use 'local'", field="hdcore.executor")
    for key in ("resume_from", "resume_runs"):
        if getattr(spec, key):
            raise InputError("this version cannot start from earlier sweeps; leave it out", field=f"hdcore.{key}")
    Optimizer(spec.space, sampler=spec.sampler, goal=spec.goal, policy=spec.policy, seed=spec.seed)
    if spec.gpus_per_run:
        from hdcore.executors.devices import Devices

        wanted = spec.gpus_per_run if isinstance(spec.gpus_per_run, int | float) else 1
        devices = Devices.find(gpus)
        if not devices.most_runs(wanted):
            raise InputError(
                f"{wanted:g} GPUs per run; there are {len(devices.alive)} that may be used",
                field="hdcore.gpus_per_run",
            )


def new_sweep_id() -> str:
    """Return an id that no other sweep has."""
    return f"HD_{uuid.uuid4()}"


def free_name(root: Path, wanted: str) -> str:
    """Return `wanted`, or with the first free of ``-2``, ``-3``, … if a sweep of this name exists."""
    folder = root / "sweeps"
    name, n = wanted, 1
    while os.path.lexists(folder / name):
        n += 1
        name = f"{wanted[: 254 - len(str(n))]}-{n}"
    return name


def create_sweep(root: Path, spec: SweepSpec, *, sweep_id: str | None = None, takes_free_name: bool = False) -> Store:
    """Make the folder of a sweep, its store and the snapshot of its code; the caller closes the store.

    Parameters
    ----------
    takes_free_name : bool
        Nobody chose the name: where it is in use, by a sweep that was just started too, the next free one is taken.

    Raises
    ------
    RefusedError
        If a sweep of this name exists.
    """
    from hdcore.store import Store

    chosen = msgspec.structs.replace(spec, name=free_name(root, spec.name)) if takes_free_name else spec
    while True:
        try:
            store = Store.create(root, chosen, sweep_id=sweep_id or new_sweep_id())
            break
        except RefusedError:
            name = free_name(root, spec.name)
            if not takes_free_name or name == chosen.name:
                raise
            chosen = msgspec.structs.replace(spec, name=name)
    spec = chosen
    try:
        if not spec.function:
            from hdcore.workspace import snapshot_code

            snapshot_code(spec, store.folder)
    except BaseException:
        store.close()
        raise
    return store


def run_sweep(
    store: Store,
    *,
    slots: int | None = None,
    gpus: str | None = None,
    observer: Observer | None = None,
    stop: StopSignals | None = None,
    executor: Executor | None = None,
    is_resumed: bool = False,
) -> RunStatus:
    """Drive a sweep in this process until it ends or is stopped.

    Parameters
    ----------
    slots : int, optional
        Runs at a time; by default what the sweep says, else what the machine has room for.
    gpus : str, optional
        ``"none"``, or indices and UUIDs that bound the devices; by default all that are visible.
    executor : Executor, optional
        Instead of one made here.
    is_resumed : bool
        An earlier driver may have left processes, if it and their supervisors were killed at once; they are ended.

    Raises
    ------
    InputError
        If the sweep runs a Python function and no `executor` brings it along.
    """
    from hdcore.driver import drive

    if executor is None:
        check_has_command(store.spec)
    if is_resumed:
        from hdcore.executors.leftovers import end_leftovers

        ended = end_leftovers(store.sweep_id)
        if ended and observer is not None:
            observer.notice(f"ended {len(ended)} processes that an earlier driver had left")
    if executor is None:
        executor = local_executor(store.spec, store.sweep_id, slots=slots, gpus=gpus, folder=store.folder)
    if observer is not None and hasattr(executor, "notice"):
        executor.notice = observer.notice
    return drive(store, executor, observer=observer, stop=stop, slots=slots)


def local_executor(
    spec: SweepSpec,
    sweep_id: str,
    *,
    slots: int | None = None,
    gpus: str | None = None,
    function: Callable[..., Any] | None = None,
    folder: Path | None = None,
) -> Executor:
    """Make the executor that a sweep asks for; `drive` closes it. Modules to preload are imported when this returns.

    Parameters
    ----------
    folder : Path, optional
        The sweep's, where measured GPU memory is kept for a resume; it need not exist yet.

    Raises
    ------
    InputError
        If the machine lacks what the sweep asks for, or a module cannot be preloaded.
    """
    from hdcore.executors.devices import Devices
    from hdcore.executors.local import LocalExecutor

    preload = None
    if spec.preload and function is None:
        from hdcore.executors.cpus import thread_variables
        from hdcore.executors.preload import Preload
        from hdcore.workspace import shared_environment

        environment = shared_environment(spec)
        preload = Preload(spec.preload, {**environment, **thread_variables(spec.cpus_per_run, environment)})
    wanted = slots or spec.limits.max_concurrent_runs
    return LocalExecutor(
        slots=None if wanted is None else min(wanted, spec.limits.max_total_runs),  # each slot costs memory
        devices=Devices.find(gpus),
        gpus_per_run=spec.gpus_per_run,
        cpus_per_run=spec.cpus_per_run,
        memory_file=None if folder is None else folder / "gpu-memory.json",
        name=spec.name,
        function=function,
        preload=preload,
        mark=sweep_id,
    )


def cancel_stored(folder: Path, number: int | None = None) -> str:
    """Cancel a sweep or a run, through its driver if one lives, else in the store.

    Returns
    -------
    str
        What was done, for the user.

    Raises
    ------
    InputError
        If there is no such run.
    """
    from hdcore.store import Store, StoreReader, request_cancel

    name = folder.name
    with StoreReader.open(folder) as reader:
        sweep, driver = reader.sweep(), reader.driver()
        status = sweep.status if number is None else reader.run(number).status
    what = f"sweep {name}" if number is None else f"run {number} of {name}"
    if status.is_terminal:
        return f"{what} is {status.value} already"
    if driver is not None and driver.alive:
        request_cancel(folder, number)
        return f"{what}: asked the driver (pid {driver.pid}) to cancel it"
    with Store.open(folder.parent.parent, name) as store:
        now = time.time()
        for run in store.runs():
            if not run.status.is_terminal and number in (None, run.number):
                store.finish_run(
                    run.number,
                    RunStatus.CANCELED,
                    reason=CANCELED_BY_USER,
                    value=run.value,
                    interval=run.interval,
                    exit_code=None,
                    signal=None,
                    duration_s=run.duration_s or 0.0,
                    at=now,
                )
        if number is None:
            store.set_sweep(RunStatus.CANCELED, CANCELED_BY_USER, now)
        store.flush()
    return f"{what} is canceled"


# ---------------------------------------------------------------------- the public face


class Sweep:
    """A sweep in a store. What it answers is read anew each time, so it follows a sweep that runs elsewhere.

    Made by `open_sweep` and `tune`.

    Attributes
    ----------
    name : str
    folder : pathlib.Path
        ``ROOT/sweeps/NAME``.
    """

    def __init__(self, folder: Path, *, function: Callable[..., Any] | None = None) -> None:
        self.folder = folder
        self.name = folder.name
        self._function = function

    def __repr__(self) -> str:
        return f"<Sweep {self.name!r}: {self.status}>"

    @property
    def status(self) -> RunStatus:
        """Status of the sweep; Queued where it waits for `resume`."""
        from hdcore.document import present_status

        with self._reader() as reader:
            return present_status(reader.sweep().status, _is_driven(reader))

    @property
    def best(self) -> BestRun | None:
        """The ended run with the best value; None while there is none."""
        with self._reader() as reader:
            best = reader.best()
        if best is None or best.value is None:
            return None
        return BestRun(best.number, best.configuration, best.value, best.interval)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """All runs in order of number, as `hdcore show --json` has them, without their series."""
        from hdcore.document import run_entry

        with self._reader() as reader:
            sweep_id, driven = reader.sweep().sweep_id, _is_driven(reader)
            return [run_entry(run, sweep_id, driven=driven) for run in reader.runs()]

    def metrics(self, number: int) -> dict[str, list[tuple[int, float]]]:
        """Return all reports of a run, name -> list of (step or interval, value); NaN for what was not finite."""
        with self._reader() as reader:
            reader.run(number)
            series = reader.series(number)
        return {
            name: [(k if step is None else step, math.nan if value is None else value) for k, step, value, *_ in points]
            for name, points in series.items()
        }

    def to_frame(self) -> Any:
        """Return the runs as a pandas DataFrame, one row a run, with one column a parameter.

        Raises
        ------
        ImportError
            If pandas is not installed; `runs` needs nothing.
        """
        try:
            pd = import_module("pandas")
        except ImportError:
            raise ImportError("Sweep.to_frame needs pandas; install it, or use Sweep.runs") from None
        rows = []
        for run in self.runs:
            configuration = run.pop("configuration")
            rows.append({**run, **{f"parameter.{name}": value for name, value in configuration.items()}})
        return pd.DataFrame(rows)

    def resume(self, *, max_concurrent: int | None = None) -> RunStatus:
        """Go on with the sweep in this process until it ends; Ctrl-C stops it and raises KeyboardInterrupt.

        Raises
        ------
        RefusedError
            If a driver has it already.
        StateError
            If it is a sweep over a Python function, which only `tune` can bring along.
        """
        from hdcore.store import Store, StoreReader

        with StoreReader.open(self.folder) as reader:
            spec, sweep_id = reader.sweep().spec, reader.sweep().sweep_id
        executor = None
        if spec.function:
            if self._function is None:
                raise StateError(f"sweep {self.name!r} runs a Python function; call tune with name={self.name!r} again")
            executor = local_executor(spec, sweep_id, slots=max_concurrent, function=self._function, folder=self.folder)
        try:
            store = Store.open(self.folder.parent.parent, self.name)
        except BaseException:
            if executor is not None:
                executor.close()
            raise
        with store:
            return _watched(store, executor, max_concurrent, is_resumed=True)

    def cancel(self, run: int | None = None) -> str:
        """Cancel the sweep, or one run; returns what was done."""
        return cancel_stored(self.folder, run)

    def _reader(self) -> StoreReader:
        from hdcore.store import StoreReader

        return StoreReader.open(self.folder)


def open_sweep(name: str, root: str | os.PathLike[str] | None = None) -> Sweep:
    """Open a stored sweep.

    Parameters
    ----------
    name : str
        Its name, a unique prefix of it, or ``"last"``.
    root : path-like, optional
        By default ``$HDCORE_ROOT``, else ``./.hdcore``.

    Raises
    ------
    InputError
        If there is no such sweep.
    """
    from hdcore.store import StoreReader, find_root, resolve

    folder = resolve(find_root(root), name)
    StoreReader.open(folder).close()  # damage is told here, not at the first question
    return Sweep(folder)


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
    )
    folder = where / "sweeps" / spec.name
    if name is not None and os.path.lexists(folder):
        _check_same(folder, spec)
        sweep = Sweep(folder, function=_reporting(function, metric))
        status, runs = sweep.status, sweep.runs
        sweep.resume(max_concurrent=max_concurrent)
        if status.is_terminal and sweep.runs == runs:  # one that was canceled or ran out of time may have runs left
            warnings.warn(
                f"sweep {name!r} is {status.value} already; nothing was run; use another name to run again",
                UserWarning,
                stacklevel=2,
            )
        return sweep
    sweep_id = new_sweep_id()
    # The executor forks from this process: before the store has a connection that must not be shared.
    executor = local_executor(spec, sweep_id, function=_reporting(function, metric), folder=folder)
    try:
        store = create_sweep(where, spec, sweep_id=sweep_id, takes_free_name=not name)
    except BaseException:
        executor.close()
        raise
    with store:
        _watched(store, executor, None)
        return Sweep(store.folder, function=_reporting(function, metric))


def _watched(store: Store, executor: Executor | None, slots: int | None, *, is_resumed: bool = False) -> RunStatus:
    """Drive a sweep under Python's usual meaning of Ctrl-C."""
    from hdcore.signals import StopSignals

    with StopSignals() as stop:
        status = run_sweep(store, executor=executor, slots=slots, observer=_Teller(), stop=stop, is_resumed=is_resumed)
    if status is RunStatus.QUEUED and stop.first is not None:
        name = store.spec.name
        again = f"run the program again, with name={name!r}," if store.spec.function else f"`hdcore resume {name}`"
        raise KeyboardInterrupt(f"sweep {name!r} was stopped; {again} to go on with it")
    return status


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


def _is_driven(reader: StoreReader) -> bool:
    driver = reader.driver()
    return driver is not None and driver.alive
