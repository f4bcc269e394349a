"""Runs in a CSV file: one row a run, or one row a report where a column says to which run it belongs."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hdcore.errors import InputError
from hdcore.imports.foreign import ForeignRun, ForeignSweep, best_of, finite
from hdcore.imports.inference import infer_space, number, read_columns
from hdcore.space import SearchSpace
from hdcore.typing import Goal, RunStatus

PREFIXES = ("parameter.", "params.", "params_", "param.", "config/", "config.")
"""How `hdcore export`, MLflow, Optuna and others mark columns of parameters."""

_METRIC_COLUMNS = ("{0}", "metrics.{0}", "metric.{0}.best", "metric.{0}", "metrics_{0}")
_METRIC_PREFIXES = ("metrics.", "metric.", "metrics_")
_VALUE_COLUMNS = ("value", "value_0", "values_0")
_STATUS_COLUMNS = ("status", "state")
_STATUS = {
    **dict.fromkeys(("completed", "complete", "finished", "succeeded", "success", "terminated"), RunStatus.COMPLETED),
    **dict.fromkeys(("canceled", "cancelled", "pruned", "killed", "stopped"), RunStatus.CANCELED),
    **dict.fromkeys(("failed", "fail", "error", "crashed"), RunStatus.FAILED),
    **dict.fromkeys(("running", "queued", "waiting", "scheduled", "pending"), RunStatus.RUNNING),
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def read_csv(
    path: str | os.PathLike[str],
    *,
    metric: str,
    goal: Goal,
    params: Mapping[str, str] | None = None,
    value: str | None = None,
    run: str | None = None,
    step: str | None = None,
    space: Mapping[str, Any] | None = None,
) -> ForeignSweep:
    """Read runs from a CSV file with a line of column names.

    Parameters
    ----------
    metric : str
        Primary metric.
    params : mapping, optional
        Name of a parameter -> its column. By default the columns that are marked as parameters (`PREFIXES`), or those
        that `space` names. Empty: curves alone are wanted, and configurations and space are empty.
    value : str, optional
        Column of the metric; by default one that is named after it, or ``value``.
    run, step : str, optional
        Columns that say to which run a row belongs, and at which step: then each row is a report.
    space : mapping, optional
        Serialised search space; by default inferred from the values.

    Raises
    ------
    InputError
        `source` is the file; the message names the columns that there are.
    """
    source = os.fspath(path)
    try:
        header, rows = _read(Path(path))
        columns = {name: [row[k] for row in rows] for k, name in enumerate(header)}
        chosen = _parameters(header, space) if params is None else params
        for name, column in chosen.items():
            _check_column(columns, column, f"--param {name}")
        of_metric = value or _value_column(header, metric)
        for option, named in (("--value", of_metric), ("--run-column", run), ("--step-column", step)):
            if named is not None:
                _check_column(columns, named, option)
        cells = {name: _unquoted(columns[column], column) for name, column in chosen.items()}
        configurations = (
            read_columns(cells, None if space is None else SearchSpace(space)) if cells else [{} for _ in rows]
        )
        reports = [_report(cell, line) for line, cell in enumerate(columns[of_metric], 2)]
        found = _runs(columns, configurations, reports, run, step, metric, goal)
    except InputError as error:
        error.source = error.source or source
        raise
    runs = [found_run for found_run in found if found_run.status is not RunStatus.RUNNING]
    return ForeignSweep(
        name=Path(path).stem,
        metric=metric,
        goal=goal,
        space=dict(space) if space is not None else infer_space(r.configuration for r in runs) if chosen else {},
        runs=runs,
        source=os.path.abspath(path),
        total=len(found),
        dropped={"not ended": len(found) - len(runs)} if len(found) > len(runs) else {},
        inferred=space is None,
    )


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); check the path") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is no CSV file in UTF-8 ({error}); save it as one") from None
    if len(lines) < 2:
        raise InputError("has no rows under a line of column names")
    header, rows = [name.strip() for name in lines[0]], lines[1:]
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(f"has the column {twice!r} twice; rename one of them")
    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(f"row {line} has {len(row)} cells where the first line has {len(header)} names")
    return header, [[cell.strip() for cell in row] for row in rows]


def _parameters(header: Sequence[str], space: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the columns that are parameters, by the parameter's name."""
    marked = {name[len(prefix) :]: name for prefix in PREFIXES for name in header if name.startswith(prefix)}
    found = marked if space is None else {n: marked.get(n, n) for n in space if n in marked or n in header}
    if not found:
        raise InputError(
            f"no column is marked as a parameter; name them with --param NAME=COLUMN: {_listing(header)}",
            field="--param",
        )
    return found


def _value_column(header: Sequence[str], metric: str) -> str:
    candidates = [*(form.format(metric) for form in _METRIC_COLUMNS), *_VALUE_COLUMNS]
    found = next((name for name in candidates if name in header), None)
    others = any(name.startswith(_METRIC_PREFIXES) for name in header)  # the plain value is of one of these
    if found is None or (others and found in _VALUE_COLUMNS and metric != found):
        raise InputError(f"no column is named after {metric!r}; name one: {_listing(header)}", field="--value")
    return found


def _check_column(columns: Mapping[str, Any], column: str, option: str) -> None:
    if column not in columns:
        raise InputError(f"there is no column {column!r}; there is {_listing(list(columns))}", field=option)


def _listing(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _unquoted(cells: Sequence[str], column: str) -> list[str]:
    """Undo what `hdcore export` does to text that a spreadsheet would take for a formula."""
    if not column.startswith("parameter."):
        return list(cells)
    return [cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell for cell in cells]


def _report(cell: str, line: int) -> float | None:
    """Read a cell of the metric; None where it is empty."""
    if cell == "":
        return None
    value = number(cell)
    if value is not None:
        return value
    if cell.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return math.nan
    raise InputError(f"row {line} has {cell[:40]!r} where the metric belongs", field="--value")


def _runs(
    columns: Mapping[str, Sequence[str]],
    configurations: Sequence[dict[str, Any]],
    reports: Sequence[float | None],
    run: str | None,
    step: str | None,
    metric: str,
    goal: Goal,
) -> list[ForeignRun]:
    status_column = next((name for name in columns if name.lower() in _STATUS_COLUMNS), None)
    steps = [None] * len(reports) if step is None else [_step(cell, step) for cell in columns[step]]
    keys: Sequence[Any] = range(len(reports)) if run is None else columns[run]
    groups: dict[Any, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    runs = []
    for rows in groups.values():
        if step is not None:
            rows.sort(key=lambda row: steps[row] or 0)
        series = [(steps[row], value) for row in rows if (value := reports[row]) is not None]
        best = finite(best_of(series, goal))
        word = "" if status_column is None else columns[status_column][rows[-1]].lower().rpartition(".")[2]
        status = _STATUS.get(word, RunStatus.FAILED if best is None else RunStatus.COMPLETED)
        runs.append(
            ForeignRun(
                configuration=configurations[rows[-1]],
                status=status,
                value=best,
                series={metric: series} if series else {},
            )
        )
    return runs


def _step(cell: str, column: str) -> int | None:
    value = number(cell) if cell else None
    if cell and (value is None or value != int(value)):
        raise InputError(f"column {column!r} has {cell[:40]!r}; steps are whole numbers", field="--step-column")
    return None if value is None else int(value)
