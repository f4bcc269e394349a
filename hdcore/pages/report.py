"""A report of a sweep: one HTML file that works offline."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from hdcore.pages.page import make_page
from hdcore.pages.snapshot import MOST_EXPLAINED, MOST_POINTS, take_snapshot
from hdcore.ui import queries

if TYPE_CHECKING:
    from hdcore.store import StoreReader

_ROWS = 50
"""Runs in the table that readers without JavaScript see."""


def report(reader: StoreReader, *, most_points: int = MOST_POINTS, most_explained: int = MOST_EXPLAINED) -> str:
    """Return the page of a sweep as it is now."""
    name = reader.sweep().spec.name
    snapshot = take_snapshot(reader, most_points=most_points, most_explained=most_explained)
    return make_page(name, snapshot, fallback=plain_table(reader))


def plain_table(reader: StoreReader) -> str:
    """Return the best runs as an HTML table that needs no script."""
    head, runs = queries.head(reader), queries.runs(reader)
    sign = -1.0 if head["goal"] == "minimize" else 1.0
    runs.sort(key=lambda run: (run["value"] is None, -sign * (run["value"] or 0.0), run["number"]))
    names = list(dict.fromkeys(key for run in runs for key in run["configuration"]))
    heading = ["run", head["primary_metric"], "status", "reports", *names]
    rows = [
        [run["number"], run["value"], run["status"], run["intervals"], *map(run["configuration"].get, names)]
        for run in runs[:_ROWS]
    ]
    more = f"<p>… and {len(runs) - _ROWS} more</p>" if len(runs) > _ROWS else ""
    lines = [f"<h1>{_text(head['name'])}</h1>", f"<p>{_text(_about(head))}</p>", "<table>", _row(heading, "th")]
    return "\n".join([*lines, *(_row(row, "td") for row in rows), "</table>", more])


def _about(head: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {status.lower()}" for status, count in head["counts"].items() if count)
    best = "" if head["best_run"] is None else f", best {head['best_value']} by run {head['best_run']}"
    return f"{head['status']}: {head['goal']} {head['primary_metric']}, {head['sampler']} sampler; {counts}{best}"


def _row(cells: list[Any], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells) + "</tr>"


def _text(value: Any) -> str:
    if isinstance(value, float):
        value = f"{value:.6g}"
    return html.escape("" if value is None else str(value))
