"""What a new sweep takes over from earlier ones: their runs as knowledge (warm start), single runs to go on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hdcore.errors import InputError
from hdcore.reasons import Proposal
from hdcore.records import EarlierRun, NewRows, Parent, SweepSpec

if TYPE_CHECKING:
    from hdcore.space import SearchSpace
    from hdcore.store import StoreReader


class Inheritance(NamedTuple):
    """What `Store.create` needs for a sweep that does not start from nothing.

    Attributes
    ----------
    spec : SweepSpec
        With the full names of the earlier sweeps.
    first : NewRows
    fill : callable or None
        Copies what the runs to go on with have left into the new sweep's folder.
    """

    spec: SweepSpec
    first: NewRows = NewRows()
    fill: Callable[[Path], None] | None = None


def inherit(root: Path, spec: SweepSpec) -> Inheritance:
    """Read what a sweep says it starts from; nothing is written.

    Raises
    ------
    InputError
        If there is no such sweep or run, its metric or goal is another one, a run has not ended or does not fit the
        space, or the map of parameters makes no sense.
    """
    if not (spec.resume_from or spec.resume_runs):
        for key in ("resume_rename", "resume_defaults"):
            if getattr(spec, key):
                raise InputError("maps earlier runs, and there is no resume_from", field=f"hdcore.{key}")
        return Inheritance(spec)
    from hdcore.engine.warm_start import check_mapping
    from hdcore.space import SearchSpace

    space = SearchSpace(spec.space)
    check_mapping(space, spec.resume_rename, spec.resume_defaults)
    names, parents = [], []
    seen: set[str] = set()
    for name in spec.resume_from:
        with _open(root, name, "resume_from") as reader:
            if reader.folder.name in names:
                raise InputError(f"names {reader.folder.name!r} twice; keep one", field="hdcore.resume_from")
            names.append(reader.folder.name)
            parents.append(_read_parent(reader, spec, space, seen))
    resumed = [_read_run(root, item, spec, space, seen) for item in spec.resume_runs]
    for old in spec.resume_rename:
        if old not in seen:
            raise InputError("no earlier run has a parameter of this name", field=f"hdcore.resume_rename.{old}")
    runs = [name for name, _, _ in resumed]
    if len(set(runs)) < len(runs):
        raise InputError("names a run twice; keep one", field="hdcore.resume_runs")
    if len(runs) > spec.limits.max_total_runs:
        raise InputError(
            f"names {len(runs)} runs, and the sweep has at most {spec.limits.max_total_runs}; raise its limit",
            field="hdcore.resume_runs",
        )
    chosen = msgspec.structs.replace(spec, resume_from=tuple(names), resume_runs=tuple(runs))
    first = NewRows(
        configurations=tuple(run.configuration for _, run, _ in resumed),
        proposals=tuple(Proposal(how="resumed", source=source) for source in runs),
        parents=tuple(parents),
    )
    return Inheritance(chosen, first, _copier([folder for _, _, folder in resumed]) if resumed else None)


def _read_parent(
    reader: StoreReader, spec: SweepSpec, space: SearchSpace, seen: set[str]
) -> tuple[Parent, tuple[EarlierRun, ...]]:
    from hdcore.engine.warm_start import map_runs

    with reader.snapshot():
        sweep, stored, reports = reader.sweep(), reader.runs(), reader.curves()
    _check_same_metric(sweep.name, sweep.spec, spec, "resume_from")
    runs = [
        EarlierRun(run.number, run.configuration, run.status, run.value, tuple(reports.get(run.number, ())))
        for run in stored
    ]
    seen.update(name for run in runs for name in run.configuration)
    mapped = map_runs(space, runs, rename=spec.resume_rename, defaults=spec.resume_defaults)
    parent = Parent(
        name=sweep.name, sweep_id=sweep.sweep_id, total=len(runs), dropped=mapped.dropped, notes=mapped.notes
    )
    return parent, mapped.runs


def _read_run(
    root: Path, item: str, spec: SweepSpec, space: SearchSpace, seen: set[str]
) -> tuple[str, EarlierRun, Path]:
    """Return full name, run in the space of the new sweep, and folder of a run to go on with."""
    from hdcore.engine.warm_start import map_runs
    from hdcore.store import run_folder

    name, _, number = item.rpartition("/")
    with _open(root, name, "resume_runs") as reader:
        sweep = reader.sweep()
        try:
            run = reader.run(int(number))
        except InputError as error:
            error.field = "hdcore.resume_runs"
            raise
        folder = run_folder(reader.folder, run.number)
    _check_same_metric(sweep.name, sweep.spec, spec, "resume_runs")
    full = f"{sweep.name}/{run.number}"
    if not run.status.is_terminal:
        raise InputError(
            f"run {run.number} of {sweep.name} is {run.status.value}; wait for its end, or cancel it",
            field="hdcore.resume_runs",
        )
    seen.update(run.configuration)
    earlier = EarlierRun(run.number, run.configuration, run.status)
    mapped = map_runs(space, [earlier], rename=spec.resume_rename, defaults=spec.resume_defaults)
    if mapped.dropped:
        raise InputError(f"{full} does not fit the space: {mapped.dropped[0][0]}", field="hdcore.resume_runs")
    return full, mapped.runs[0], folder


def _open(root: Path, name: str, key: str) -> StoreReader:
    from hdcore.store import StoreReader, resolve

    try:
        return StoreReader.open(resolve(root, name))
    except InputError as error:
        error.field = f"hdcore.{key}"
        raise


def _check_same_metric(name: str, theirs: SweepSpec, ours: SweepSpec, key: str) -> None:
    if (theirs.metric, theirs.goal) != (ours.metric, ours.goal):
        raise InputError(
            f"sweep {name} is to {theirs.goal.value} {theirs.metric!r}, this one to {ours.goal.value} {ours.metric!r};"
            " only sweeps with the same metric and goal can be started from",
            field=f"hdcore.{key}",
        )


def _copier(folders: Sequence[Path]) -> Callable[[Path], None]:
    def fill(sweep_folder: Path) -> None:
        from hdcore.workspace import copy_run

        for number, folder in enumerate(folders):
            copy_run(folder, sweep_folder, number)

    return fill
