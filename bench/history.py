"""Keep the figures of benchmark runs, with the machine that they were measured on, and draw how they change.

    python bench/history.py RESULT.json [--history bench/history.jsonl] [--page bench/trends.html]

A line of the history is one run. The page shows each benchmark over time, apart for each machine, as least time and,
where a benchmark notes them, as ratios and memory; it needs nothing but the file itself.
"""

from __future__ import annotations

import argparse
import html
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from ratios import by_name  # noqa: E402

_WIDTH, _HEIGHT, _EDGE = 260, 48, 4
_STYLE = """
:root { color-scheme: light dark; --line: #2a6fb0; --faint: #8884; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 0; } h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p { margin: .2rem 0; } .machine { opacity: .75; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: right; }
td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left; }
th { font-weight: 600; border-bottom: 1px solid var(--faint); }
polyline { fill: none; stroke: var(--line); stroke-width: 1.5; } circle { fill: var(--line); }
line { stroke: var(--faint); }
"""


def summary(document: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a result of ``--benchmark-json``."""
    machine, commit = document.get("machine_info", {}), document.get("commit_info", {})
    cpu = machine.get("cpu", {})
    return {
        "at": document["datetime"],
        "commit": (commit.get("id") or "")[:12] + ("+" if commit.get("dirty") else ""),
        "machine": {
            "cpu": cpu.get("brand_raw") or machine.get("processor") or machine.get("machine"),
            "cpus": cpu.get("count"),
            "system": f"{machine.get('system')} {machine.get('release')}",
            "python": machine.get("python_version"),
        },
        "benchmarks": {
            name: {
                "group": benchmark["group"],
                "min s": benchmark["stats"]["min"],
                **{key: value for key, value in benchmark["extra_info"].items() if isinstance(value, (int, float))},
            }
            for name, benchmark in by_name(document).items()
        },
    }


def page(history: list[dict[str, Any]]) -> str:
    """Return the trends as HTML."""
    machines: dict[str, list[dict[str, Any]]] = {}
    for run in history:
        told = run["machine"]
        machines.setdefault(f"{told['cpu']}, {told['cpus']} CPUs, Python {told['python']}", []).append(run)
    parts = ["<h1>Benchmarks over time</h1>"]
    for machine, runs in machines.items():
        first, last = runs[0]["at"][:10], runs[-1]["at"][:10]
        parts.append(f"<h2>{html.escape(machine)}</h2>")
        parts.append(f'<p class="machine">{len(runs)} runs, {first} to {last}</p>')
        parts += _groups(runs)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Benchmarks over time</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _groups(runs: list[dict[str, Any]]) -> list[str]:
    series: dict[str, dict[tuple[str, str], list[tuple[str, float]]]] = {}
    for run in runs:
        for name, figures in run["benchmarks"].items():
            of_group = series.setdefault(figures["group"] or "without a group", {})
            for key, value in figures.items():
                if key != "group":
                    of_group.setdefault((name, key), []).append((f"{run['at'][:16]} {run['commit']}", value))
    parts = []
    for group, rows in series.items():
        parts.append(
            f"<h3>{html.escape(group)}</h3><table><tr><th>benchmark<th>figure<th>trend<th>first<th>least<th>last"
        )
        for (name, key), points in rows.items():
            values = [value for _, value in points]
            cells = "".join(f"<td>{shown(value)}" for value in (values[0], min(values), values[-1]))
            label = html.escape(name.removeprefix("test_"))
            parts.append(f"<tr><td>{label}<td>{html.escape(key)}<td>{_line(points)}{cells}")
        parts.append("</table>")
    return parts


def _line(points: list[tuple[str, float]]) -> str:
    """Draw values from zero up, so that noise does not look like a trend."""
    top = max((value for _, value in points), default=0.0) or 1.0
    step = (_WIDTH - 2 * _EDGE) / max(len(points) - 1, 1)
    places = [
        (_EDGE + i * step, _HEIGHT - _EDGE - max(value, 0.0) / top * (_HEIGHT - 2 * _EDGE))
        for i, (_, value) in enumerate(points)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"><title>{html.escape(when)}: {shown(value)}</title></circle>'
        for (x, y), (when, value) in zip(places, points, strict=True)
    )
    base = _HEIGHT - _EDGE
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img"><line x1="0" x2="{_WIDTH}" y1="{base}" y2="{base}"/>'
        f'<polyline points="{path}"/>{dots}</svg>'
    )


def shown(value: float) -> str:
    """Return a figure in four digits."""
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"


def main(arguments: list[str]) -> int:
    """Add a result to the history and draw the page."""
    parser = argparse.ArgumentParser(description="Keep the figures of benchmark runs and draw how they change.")
    parser.add_argument("result", type=Path)
    parser.add_argument("--history", type=Path, default=HERE / "history.jsonl")
    parser.add_argument("--page", type=Path, default=HERE / "trends.html")
    options = parser.parse_args(arguments)
    try:
        run = summary(json.loads(options.result.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        print(f"{options.result}: is no result of pytest --benchmark-json ({error})", file=sys.stderr)
        return 2
    with options.history.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")
    history = [json.loads(line) for line in options.history.read_text(encoding="utf-8").splitlines()]
    options.page.write_text(page(history), encoding="utf-8")
    print(f"{options.history}: {len(history)} runs; {options.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
