"""`hdcore export`: the runs of a sweep as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hdcore.cli.common import check_target, common_options, deliver, open_reader, sweep_folder
from hdcore.cli.tracking import check_trackers, export_to, track_option
from hdcore.errors import InputError

if TYPE_CHECKING:
    from hdcore.records import SweepSpec
    from hdcore.store import StoreReader

_FIXED = (
    "number",
    "id",
    "status",
    "reason",
    "attempt",
    "value",
    "interval",
    "started",
    "ended",
    "duration_s",
    "sampler_s",
    "devices",
)


@click.command("export")
@click.argument("name")
@click.option(
    "--format", "form", type=click.Choice(["csv", "json", "parquet", "azure"]), help="By default the file's ending."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="'-' is stdout, as CSV."
)
@track_option
@click.option("--follow", is_flag=True, hidden=True, help="Until stdin ends or the driver is gone.")
@common_options
def export_command(
    name: str, form: str | None, output: Path | None, trackers: tuple[str, ...], follow: bool, root: Path | None
) -> None:
    """Write the runs of a sweep: one row a run, with its parameters and the best and last value of each metric.

    With --track they go to MLflow, Weights & Biases or TensorBoard instead; what is there already is not sent again.

    The format `azure` writes the sweep itself, not its runs: an Azure ML sweep file that `hdcore run` reads too.

    JSON holds what `show --json` prints, with every report. A name that parameters and fixed columns share is told
    apart by its prefix: columns are `number`, `status`, …, then `parameter.NAME`, then `metric.NAME.best` and
    `metric.NAME.last`. Values that are no plain numbers or text are JSON in their cell.
    """
    if trackers:
        if form is not None or output is not None:
            raise InputError("goes without --format and -o", source="export", field="--track")
        check_trackers(trackers)
        export_to(sweep_folder(root, name), trackers, follows=follow)
        return
    target = None if output is None or str(output) == "-" else output
    form = form or ("csv" if str(output) == "-" else _form_of(target))
    check_target(target, "export")
    with open_reader(root, name) as reader:
        if form == "json":
            from hdcore.document import sweep_document, to_json_text

            text = to_json_text(sweep_document(reader)) + "\n"
            deliver(target, lambda file: file.write(text.encode()))
            return
        if form == "azure":
            deliver(target, _sweep_file_writer(reader.sweep().spec, target))
            return
        columns = run_columns(reader)
    if form == "csv":
        deliver(target, lambda file: file.write(_csv(columns).encode()))
    else:
        parquet = _parquet_writer(columns)
        if target is None:
            raise InputError("parquet is binary; give a file with -o", source="export", field="-o")
        deliver(target, parquet)


def _sweep_file_writer(spec: SweepSpec, target: Path | None) -> Any:
    from hdcore.azure import write_sweep
    from hdcore.cli.run import warn

    text, notes = write_sweep(spec, target)
    for note in notes:
        warn(note)
    return lambda file: file.write(text.encode())


def run_columns(reader: StoreReader) -> dict[str, list[Any]]:
    """Return the runs of a sweep as columns of equal length."""
    from hdcore.document import is_driven, run_entry, so_far

    driven = is_driven(reader)
    sweep = reader.sweep()
    goal = sweep.spec.goal
    runs = reader.runs()
    entries = [run_entry(so_far(run, goal), sweep.sweep_id, driven=driven) for run in runs]
    columns: dict[str, list[Any]] = {key: [entry[key] for entry in entries] for key in _FIXED}
    columns["devices"] = [" ".join(devices) for devices in columns["devices"]]
    parameters = dict.fromkeys(name for run in runs for name in run.configuration)
    for name in parameters:
        columns[f"parameter.{name}"] = [_plain(run.configuration.get(name)) for run in runs]
    summaries = [{summary.name: summary for summary in reader.summaries(run.number)} for run in runs]
    for name in dict.fromkeys(name for of_run in summaries for name in of_run):
        found = [of_run.get(name) for of_run in summaries]
        columns[f"metric.{name}.best"] = [None if s is None else s.best(goal) for s in found]
        columns[f"metric.{name}.last"] = [None if s is None else s.last for s in found]
    return columns


def _form_of(target: Path | None) -> str:
    ending = "" if target is None else target.suffix.lstrip(".").lower()
    if ending in ("yml", "yaml"):
        return "azure"
    if ending not in ("csv", "json", "parquet"):
        found = f"the ending {target.suffix!r} is unknown; " if target is not None and target.suffix else ""
        raise InputError(f"{found}name the format: csv, json, parquet or azure", source="export", field="--format")
    return ending


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list | tuple):
        import json

        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return value


def _csv(columns: dict[str, list[Any]]) -> str:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_harmless(name) for name in columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def _harmless(text: str) -> str:
    """Keep spreadsheets from reading stored text as a formula; numbers are numbers already and never come here."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _parquet_writer(columns: dict[str, list[Any]]) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ImportError("export: parquet needs pyarrow; install hdcore[export]") from None
    arrays = {}
    for name, values in columns.items():
        kinds = {type(value) for value in values if value is not None}
        if len(kinds) > 1 and not kinds <= {int, float}:  # choices of several types
            values = [None if value is None else str(value) for value in values]
        elif kinds == {int, float}:
            values = [None if value is None else float(value) for value in values]
        arrays[name] = pa.array(values)
    table = pa.table(arrays)
    return lambda file: pq.write_table(table, file)
