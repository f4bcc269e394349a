"""A stored sweep as an object: start it, look at it, resume it, cancel it."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdcore.errors import InputError
from hdcore.records import SweepSpec
from hdcore.typing import RunStatus

if TYPE_CHECKING:
    from hdcore.driver import Prepare
    from hdcore.executors.base import Executor
    from hdcore.observer import Observer
    from hdcore.signals import StopSignals
    from hdcore.store import Store

CANCELED_BY_USER = "canceled by user"


# ---------------------------------------------------------------------- the life of a sweep


def check_runnable(spec: SweepSpec) -> None:
    """Raise what starting the sweep would raise, before anything of it exists.

    Raises
    ------
    InputError
        If sampler, policy and space do not go together, or the sweep asks for what this machine does not have.
    """
    from hdcore.engine import Optimizer

    if spec.executor != "local":
        raise InputError(f"{spec.executor!r} is not available; use 'local'", field="hdcore.executor")
    Optimizer(spec.space, sampler=spec.sampler, goal=spec.goal, policy=spec.policy, seed=spec.seed)


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


def create_sweep(root: Path, spec: SweepSpec, *, sweep_id: str | None = None) -> Store:
    """Make the folder of a sweep, its store and the snapshot of its code; the caller closes the store.

    Raises
    ------
    RefusedError
        If a sweep of this name exists.
    """
    from hdcore.store import Store

    store = Store.create(root, spec, sweep_id=sweep_id or new_sweep_id())
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
    prepare: Prepare | None = None,
) -> RunStatus:
    """Drive a sweep in this process until it ends or is stopped; see `hdcore.driver.drive`."""
    from hdcore.driver import drive

    if executor is None:
        executor = local_executor(store.spec, store.sweep_id, slots=slots, gpus=gpus)
    return drive(store, executor, prepare=prepare, observer=observer, stop=stop)


def local_executor(
    spec: SweepSpec,
    sweep_id: str,
    *,
    slots: int | None = None,
    gpus: str | None = None,
    function: Callable[..., Any] | None = None,
) -> Executor:
    """Make the executor that a sweep asks for.

    Parameters
    ----------
    slots : int, optional
        Runs at a time; by default what the sweep says, else what the machine has room for.
    gpus : str, optional
        ``"none"``, or a list of indices and UUIDs that bounds the devices; by default all that are visible.
    """
    from hdcore.executors.devices import Devices
    from hdcore.executors.leftovers import end_leftovers
    from hdcore.executors.local import LocalExecutor

    end_leftovers(sweep_id)
    return LocalExecutor(
        slots=slots or spec.limits.max_concurrent_runs,
        devices=Devices(gpus),
        gpus_per_run=spec.gpus_per_run if isinstance(spec.gpus_per_run, int | float) else 1,
        cpus_per_run=spec.cpus_per_run,
        function=function,
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
