"""Single runs of earlier sweeps, gone on with in a sweep of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hdcore.errors import InputError
from hdcore.records import SweepSpec
from hdcore.sweep.lifecycle import check_has_command, check_runnable, create_sweep
from hdcore.sweep.stored import Sweep, drive_watched


def resume_runs(
    runs: str | Sequence[str],
    *,
    root: str | os.PathLike[str] | None = None,
    name: str | None = None,
    max_runs: int | None = None,
    max_concurrent: int | None = None,
) -> Sweep:
    """Go on with runs of earlier sweeps, in a new sweep that is otherwise like that of the first of them.

    Each run starts with the configuration it had, with a private copy of what it left in its outputs and checkpoints,
    and with ``--resume-from FOLDER`` on its command line (``get_run().resume_from``). Completed, canceled and failed
    runs can be gone on with. The code is that which stands in the code folder now.

    Parameters
    ----------
    runs : str or sequence of str
        ``"NAME/12"``.
    name : str, optional
        Of the new sweep; by default that of the first run's sweep with ``-resumed``, made unique.
    max_runs : int, optional
        Runs of the new sweep; by default only those that are gone on with.

    Returns
    -------
    Sweep
        Ended. Ctrl-C leaves it resumable and raises KeyboardInterrupt.

    Raises
    ------
    InputError
        If a run does not exist or has not ended, or its sweep runs a Python function (see `tune`) or was imported.
    """
    from hdcore.store import find_root

    where = find_root(root)
    spec = resuming_spec(where, [runs] if isinstance(runs, str) else runs, name=name, max_runs=max_runs)
    check_runnable(spec)
    with create_sweep(where, spec, takes_free_name=name is None) as store:
        drive_watched(store, None, max_concurrent)
        return Sweep(store.folder)


def resuming_spec(
    root: Path, runs: Sequence[str], *, name: str | None = None, max_runs: int | None = None
) -> SweepSpec:
    """Return the sweep that goes on with some runs, ``NAME/12`` each."""
    from hdcore.store import StoreReader, resolve

    if not runs:
        raise InputError("no run is named; give at least one, such as 'earlier/12'", field="runs")
    for run in runs:
        before, slash, number = run.rpartition("/")
        if not before or not slash or not number.isdecimal():
            raise InputError(f"{run!r} names no run; write SWEEP/NUMBER, such as 'earlier/12'", field="runs")
    parent = runs[0].rpartition("/")[0]
    with StoreReader.open(resolve(root, parent)) as reader:
        spec = reader.sweep().spec
    check_has_command(spec)
    total = len(runs) if max_runs is None else max_runs
    return msgspec.structs.replace(
        spec,
        name=name or f"{spec.name[:246]}-resumed",
        limits=msgspec.structs.replace(spec.limits, max_total_runs=total),
        resume_from=(),
        resume_runs=tuple(runs),
        resume_rename={},
        resume_defaults={},
    )
