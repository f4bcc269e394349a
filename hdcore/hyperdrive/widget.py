"""`RunDetails`: a sweep or run in a notebook, live where anywidget is installed; as a table elsewhere."""

from __future__ import annotations

import html
import json
import sys
from typing import Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.run import Run
from hdcore.hyperdrive.sweep_run import HyperDriveRun
from hdcore.hyperdrive.unserved import Served

_MOST_ROWS = 200


class RunDetails(Served):
    """What a run looks like now; `show` again to see it later.

    Parameters
    ----------
    run_instance : Run
    """

    def __init__(self, run_instance: Run) -> None:
        if not isinstance(run_instance, Run):
            raise UserErrorException(f"RunDetails: {type(run_instance).__name__} is no run; give what submit returned")
        if run_instance.type == "hyperdrive" and not isinstance(run_instance, HyperDriveRun):
            run_instance = HyperDriveRun(run_instance.experiment, run_instance.id)  # a Run made of the sweep's id
        self._run = run_instance

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Show the sweep live in a notebook with anywidget; elsewhere print the table, best runs first."""
        shell = sys.modules.get("IPython")
        if shell is None or getattr(shell.get_ipython(), "kernel", None) is None:
            print(_text(self.get_widget_data()), flush=True)
            return
        from importlib import import_module

        display = import_module("IPython.display")
        if self._run.type == "hyperdrive":
            try:
                from hdcore.pages.widget import SweepWidget
            except ImportError:
                more = "Training curves and parallel coordinates, live: <code>pip install 'hdcore[notebook]'</code>"
                display.display(display.HTML(f"{_html(self.get_widget_data())}<p>{more}</p>"))
            else:
                home: Any = self._run._home
                display.display(SweepWidget(home.sweep_folder))
            return
        display.display(display.HTML(_html(self.get_widget_data())))

    def get_widget_data(self, widget_settings: Any = None) -> dict[str, Any]:
        """Return the table: a title, lines of description, the heading and the rows as texts."""
        run = self._run
        if run.type != "hyperdrive":
            metrics = [[name, _short(value)] for name, value in run.get_metrics().items()]
            title = f"Run {run.id}: {run.get_status()}"
            return {
                "title": title,
                "lines": [f"Experiment {run.experiment.name}"],
                "heading": ["Metric", "Value"],
                "rows": metrics,
            }
        return _sweep_table(run)


def _sweep_table(run: Any) -> dict[str, Any]:
    from hdcore.hyperdrive.details import utc_text

    home = run._home
    spec = home.spec
    with home.reader() as reader:
        stored = {f"{home.id}_{one.number}": one for one in reader.runs()}
    names = list(spec.space)
    rows = []
    for entry in run.get_children_sorted_by_primary_metric():
        one = stored.get(entry["run_id"])
        if one is None:  # it began in this moment
            continue
        took = "" if one.duration_s is None else f"{one.duration_s:.1f} s"
        values = json.loads(entry["hyperparameters"])
        rows.append(
            [
                str(one.number),
                _short(entry["best_primary_metric"]),
                entry["status"],
                (utc_text(one.started) or "")[:19].replace("T", " "),
                took,
                entry["run_id"],
                *(_short(values.get(name)) for name in names),
            ]
        )
    limits = spec.limits
    return {
        "title": f"HyperDrive run {home.id}: {run.get_status()}",
        "lines": [
            f"Experiment {run.experiment.name}, primary metric {spec.metric} ({spec.goal.value})",
            f"Maximum total runs {limits.max_total_runs}, maximum concurrent runs"
            f" {limits.max_concurrent_runs or limits.max_total_runs}",
        ],
        "heading": ["Run", "Best Metric", "Status", "Started", "Duration", "Run Id", *names],
        "rows": rows,
    }


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(data: dict[str, Any]) -> str:
    rows = data["rows"][:_MOST_ROWS]
    table = [data["heading"], *rows]
    widths = [max(len(row[at]) for row in table) for at in range(len(data["heading"]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    more = [f"... and {len(data['rows']) - _MOST_ROWS} more"] if len(data["rows"]) > _MOST_ROWS else []
    return "\n".join([data["title"], *data["lines"], "", *lines, *more])


def _html(data: dict[str, Any]) -> str:
    def cells(row: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"

    about = "<br>".join(html.escape(line) for line in data["lines"])
    body = "".join(cells(row, "td") for row in data["rows"][:_MOST_ROWS])
    heading = cells(data["heading"], "th")
    return f"<h4>{html.escape(data['title'])}</h4><p>{about}</p><table>{heading}{body}</table>"
