"""The life of a sweep: whether it can start, making it, driving it, canceling it."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hdcore.errors import InputError, RefusedError
from hdcore.observer import Observer
from hdcore.records import SweepSpec
from hdcore.sweep.earlier import inherit
from hdcore.typing import RunStatus

if TYPE_CHECKING:
    from hdcore.executors.base import Executor
    from hdcore.signals import StopSignals
    from hdcore.store import Store

CANCELED_BY_USER = "canceled by user"


def check_has_command(spec: SweepSpec) -> None:
    """Refuse to go on with a sweep whose runs cannot be started from what is stored.

    Raises
    ------
    InputError
        If the sweep runs a Python function, which only the program that made it has, or was imported.
    """
    if spec.function:
        raise InputError(
            f"sweep {spec.name!r} runs the Python function {spec.function!r}, which is not stored;"
            f" run the program again that made it, with name={spec.name!r}, to go on with it"
        )
    if not spec.command:
        raise InputError(
            f"sweep {spec.name!r} was imported and has no command to run; start one with resume_from: [{spec.name}]"
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
    Optimizer(spec.space, sampler=spec.sampler, goal=spec.goal, policy=spec.policy, seed=spec.seed)
    if spec.gpus_per_run or gpus is not None:  # a list is checked also where no run asks for one
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
    """Return `wanted`, or with the first free of ``-2``, ``-3``, … if a sweep or pipeline of this name exists."""
    name, n = wanted, 1
    while any(os.path.lexists(root / kind / name) for kind in ("sweeps", "pipelines")):
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
    InputError
        If it is to start from sweeps or runs that it cannot start from (`hdcore.sweep.earlier`).
    RefusedError
        If a sweep of this name exists.
    """
    from hdcore.store import Store

    spec, first, fill = inherit(root, spec)
    chosen = msgspec.structs.replace(spec, name=free_name(root, spec.name)) if takes_free_name else spec
    while True:
        try:
            store = Store.create(root, chosen, sweep_id=sweep_id or new_sweep_id(), first=first, fill=fill)
            break
        except RefusedError:
            name = free_name(root, spec.name)
            if not takes_free_name or name == chosen.name:
                raise
            chosen = msgspec.structs.replace(spec, name=name)
    spec = chosen
    try:
        if spec.command:
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
        executor = local_executor(store.spec, store.sweep_id, slots=slots, gpus=gpus)
    if hasattr(executor, "keep_measurements"):  # here, for an executor that was made before the sweep had its name
        executor.keep_measurements(store.folder / "gpu-memory.json")
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
) -> Executor:
    """Make the executor that a sweep asks for; `drive` closes it. Modules to preload are imported when this returns.

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
                store.end_queued(run.number, RunStatus.CANCELED, reason=CANCELED_BY_USER, at=now)
        if number is None:
            store.set_sweep(RunStatus.CANCELED, CANCELED_BY_USER, now)
        store.flush()
    return f"{what} is canceled"
