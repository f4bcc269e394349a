"""`hdcore list`, `show` and `best`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hdcore.cli.common import common_options, is_terminal, json_option, open_reader, write
from hdcore.document import (
    best_run,
    display_time,
    is_driven,
    list_entry,
    present_status,
    run_entry,
    so_far,
    sweep_document,
    sweep_head,
    to_json_text,
)
from hdcore.errors import InputError
from hdcore.tracking.summary import summary
from hdcore.typing import RunStatus
from hdcore.views.text import configuration_line, exact, milliseconds, plural, printable, shown, span

if TYPE_CHECKING:
    from rich.text import Text

    from hdcore.store import StoredRun, StoredSweep, StoreReader
    from hdcore.views.progress import Row
    from hdcore.views.sparkline import Scale

_ROWS = 20
_NAMES = 8
_CURVE_POINTS = 64


@click.command("list")
@json_option
@common_options
def list_command(as_json: bool, root: Path | None) -> None:
    """List the sweeps, the newest first."""
    from hdcore.store import find_root, list_sweeps

    where = find_root(root)
    entries = [list_entry(name, folder) for name, folder in list_sweeps(where)]
    if as_json:
        write(to_json_text(entries))
        return
    if not entries:
        write(f"no sweeps in {printable(str(where))}; start one with `hdcore run SWEEP.yml`")
        return
    from hdcore.views.table import listing

    rows = []
    for entry in entries:
        if "error" in entry:
            rows.append([entry["name"], "damaged", "", printable(entry["error"]), ""])
            continue
        counts = entry["runs"]
        ended = counts["Completed"] + counts["Failed"] + counts["Canceled"]
        best = (
            ""
            if entry["best_value"] is None
            else f"{printable(entry['primary_metric'])} {shown(entry['best_value'], 6)}"
        )
        created = (entry["created"] or "")[:16].replace("T", " ")
        rows.append([entry["name"], entry["status"], f"{ended}/{entry['max_total_runs']}", best, created])
    _print_lines(listing(["name", "status", "runs", "best", "created (UTC)"], rows, _width(), status=1))


@click.command("show")
@click.argument("name")
@click.option("--run", "number", type=click.IntRange(min=0), metavar="N", help="This run only.")
@click.option("--points", type=click.IntRange(min=2), metavar="N", help="Most points of each series in the JSON.")
@click.option("--all", "every", is_flag=True, help=f"All runs instead of the best {_ROWS}.")
@click.option("--watch", "-w", "is_watched", is_flag=True, help="Stay, and show what happens until the sweep ends.")
@json_option
@common_options
def show_command(
    name: str,
    number: int | None,
    points: int | None,
    every: bool,
    is_watched: bool,
    as_json: bool,
    root: Path | None,
) -> int:
    """Show a sweep: its state, the best run, and the runs sorted by the primary metric.

    With --watch the table lives, as that of `hdcore run` does; Ctrl-C ends the watching and not the sweep.
    """
    if is_watched and (as_json or number is not None or points is not None or every):
        raise InputError("goes with none of --json, --run, --points, --all", source="show", field="--watch")
    with open_reader(root, name) as reader:
        if is_watched and not reader.sweep().status.is_terminal and is_driven(reader):
            from hdcore.cli.watching import watch
            from hdcore.store import find_root

            where = find_root(root)
            return watch(reader, None if where == find_root() else where)
        if as_json:
            write(to_json_text(sweep_document(reader, only_run=number, points=points)))
        elif number is None:
            _show_sweep(reader, None if every else _ROWS)
        else:
            _show_run(reader, number)
    return 0


@click.command("best")
@click.argument("name")
@json_option
@common_options
def best_command(name: str, as_json: bool, root: Path | None) -> None:
    """Show the best run of a sweep: its value, its configuration, its folder."""
    with open_reader(root, name) as reader:
        sweep, driven = reader.sweep(), is_driven(reader)
        best = best_run(reader, sweep)
        if best is None:
            raise InputError(_no_best(reader, sweep, reader.runs()), source=sweep.name)
        folder = reader.folder / "runs" / f"{best.number:04d}"
        if as_json:
            entry = run_entry(best, sweep.sweep_id, driven=driven)
            keys = ("number", "id", "status", "configuration", "value", "interval")
            write(to_json_text({**{key: entry[key] for key in keys}, "folder": str(folder)}))
            return
        at = f" at interval {best.interval}" if best.interval else ""
        status = present_status(best.status, driven)
        write(f"run {best.number}  {printable(sweep.spec.metric)} {shown(best.value, 6)}{at}  {status.value}")
        for parameter, value in best.configuration.items():
            write(f"  {printable(str(parameter))} = {exact(value)}")
        write(f"  folder {folder}")


def _no_best(reader: StoreReader, sweep: StoredSweep, runs: Sequence[StoredRun]) -> str:
    """Say that no run has a value, and what the last one that completed reported instead."""
    metric = sweep.spec.metric
    is_over = sweep.status.is_terminal
    told = f"no run reported a finite {metric!r}" if is_over else f"no run has reported a finite {metric!r} yet"
    last = next((run for run in reversed(runs) if run.status is RunStatus.COMPLETED), None)
    others = [] if last is None else [repr(s.name) for s in reader.summaries(last.number) if s.name != metric]
    return f"{told}; run {last.number} reported {', '.join(others[:_NAMES])}" if last and others else told


def _show_sweep(reader: StoreReader, most: int | None) -> None:
    from hdcore.views.progress import policy_line

    driven = is_driven(reader)
    sweep, runs = reader.sweep(), reader.runs()
    spec = sweep.spec
    head = sweep_head(sweep, driven=driven)
    reason = f", {printable(sweep.reason)}" if sweep.reason else ""
    how = f"go on with `hdcore resume {spec.name}`"
    if spec.function:  # it is not stored
        how = f"run the program again, with name={spec.name!r}, to go on with it"
    if sweep.status is RunStatus.RUNNING and not driven:
        reason = f", its driver is gone; {how}"
    elif sweep.status is RunStatus.QUEUED:
        reason += f"; {how}"
    write(f"{spec.name}  {head['status']}{reason}")
    cost_s = sweep.sampler_s_per_run
    about = [
        f"{spec.goal.value} {printable(spec.metric)}",
        head["sampler"] + (f", {milliseconds(cost_s)} of CPU a run" if cost_s is not None else ""),
        policy_line(spec.policy),
        f"seed {spec.seed}",
    ]
    write(" · ".join(about) if spec.metric else "one run of a command")
    for parent in reader.parents():
        write(f"started from {printable(parent.line)}")
    write(_count_line(runs, sweep, driven))
    best = best_run(reader, sweep)
    if best is not None:
        state = "" if best.status.is_terminal else f" ({present_status(best.status, driven).lower()})"
        write(f"best {shown(best.value, 6)} by run {best.number}{state}  {configuration_line(best.configuration)}")
    elif spec.metric and any(run.status is RunStatus.COMPLETED for run in runs):
        write(printable(_no_best(reader, sweep, runs)))
    failed = [run for run in runs if run.status is RunStatus.FAILED]
    if failed:
        others = f"; {len(failed) - 1} more failed" if len(failed) > 1 else ""
        write(f"failed run {failed[-1].number}: {printable(failed[-1].reason or 'no reason is known')}{others}")
    rows, scale = _rows(reader, runs, most, driven)
    if rows:
        from hdcore.views.table import run_table

        write("")
        _print_lines(run_table(rows, spec.metric, scale, _width(), best=None if best is None else best.number, now=0.0))
    if len(rows) < len(runs):
        write(f"… {len(runs) - len(rows)} more; show them with --all")


def _count_line(runs: Sequence[StoredRun], sweep: StoredSweep, driven: bool) -> str:
    count: dict[str, int] = {}
    for run in runs:
        status = present_status(run.status, driven)
        count[status.value] = count.get(status.value, 0) + 1
    told = ", ".join(f"{n} {status.lower()}" for status, n in count.items())
    return f"{len(runs)} of {plural(sweep.spec.limits.max_total_runs, 'run')}" + (f": {told}" if told else "")


def _rows(reader: StoreReader, runs: Sequence[StoredRun], most: int | None, driven: bool) -> tuple[list[Row], Scale]:
    """Return the best `most` runs with their curves; series are read for these only."""
    from hdcore.views.progress import Row
    from hdcore.views.sparkline import Curve, Scale

    spec = reader.sweep().spec
    sign = spec.goal.sign

    def rank(run: StoredRun) -> tuple[bool, float, int]:
        return (run.value is None, -(run.value or 0.0) * sign, run.number)

    scale = Scale()
    rows = []
    for run in sorted((so_far(run, spec.goal) for run in runs), key=rank)[:most]:
        curve = Curve()
        for _, _, value, *_ in reader.series(run.number, names=[spec.metric], most=_CURVE_POINTS).get(spec.metric, ()):
            curve.add(float("nan") if value is None else value)
            if value is not None:
                scale.add(value)
        row = Row(run.number, run.configuration, present_status(run.status, driven), run.reason, run.value)
        row.curve, row.devices, row.attempt = curve, tuple(run.devices), run.attempt
        row.took_s = _took_s(run, driven) or 0.0
        rows.append(row)
    return rows, scale


def _took_s(run: StoredRun, driven: bool) -> float | None:
    """Return how long a run took, or has taken until now."""
    if present_status(run.status, driven) is RunStatus.RUNNING and run.started is not None:
        return max(0.0, time.time() - run.started)  # the clock of the driver may have been set since
    return run.duration_s


def _show_run(reader: StoreReader, number: int) -> None:
    from hdcore.views.sparkline import Scale, sparkline

    sweep, run = reader.sweep(), reader.run(number)
    driven = is_driven(reader)
    status = present_status(run.status, driven).value
    write(f"run {number} of {sweep.name}  {status}" + (f", {printable(run.reason)}" if run.reason else ""))
    write(f"  id       {sweep.sweep_id}_{number}")
    write(f"  attempt  {run.attempt}")
    if run.sampler_s is not None:
        write(f"  sampler  {milliseconds(run.sampler_s)} of CPU")
    if run.started is not None:
        took_s = _took_s(run, driven)
        word = "running for" if status == RunStatus.RUNNING.value else "took"
        write(f"  started  {display_time(run.started)}" + (f", {word} {span(took_s)}" if took_s else ""))
    if run.devices:
        write(f"  devices  {' '.join(map(printable, run.devices))}")
    write(f"  folder   {reader.folder / 'runs' / f'{number:04d}'}")
    left_out = [plural(run.dropped, "report")] if run.dropped else []
    left_out += [f"{plural(run.log_dropped_bytes, 'byte')} of its logs"] if run.log_dropped_bytes else []
    if left_out:
        write(f"  dropped  {', '.join(left_out)}")
    write("configuration")
    for name, value in run.configuration.items():
        write(f"  {printable(str(name))} = {exact(value)}")
    write("metrics")
    for name, points in reader.series(number, most=_CURVE_POINTS).items():
        values = [float("nan") if value is None else value for _, _, value, *_ in points]
        scale = Scale()
        for value in values:
            scale.add(value)
        drawn = sparkline(values, scale, 32)
        last = values[-1] if values else None
        write(
            f"  {printable(name)}  {drawn}  last {shown(last, 6)}, {plural(points[-1][0] if points else 0, 'report')}"
        )
    _show_mlflow(summary(reader.folder / "runs" / f"{number:04d}", f"{sweep.sweep_id}_{number}", run.attempt) or {})


def _show_mlflow(logged: dict[str, Any]) -> None:
    """Print what a run logged through MLflow beside its metrics."""
    for kind in ("params", "tags"):
        if logged.get(kind):
            write(kind)
            for name, text in logged[kind].items():
                write(f"  {printable(name)} = {printable(text)}")
    if logged.get("models"):
        write("models")
        for model in logged["models"]:
            write(f"  {printable(str(model['name']))}  {printable(str(model['folder']))}")
    if logged.get("nested_runs"):
        write(f"{plural(len(logged['nested_runs']), 'nested run')}, see --json")


def _width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def _print_lines(lines: list[Text]) -> None:
    """Print styled lines; the colours only where a terminal shows them."""
    if not is_terminal():
        for line in lines:
            write(line.plain)
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    for line in lines:
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
