"""Training curves of all runs, and the best value so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.figures.shown import BAD, BEST, FADED, GOOD, LIVE, MANY, Shown, go, layout, plain
from hdcore.store.thin import extremes
from hdcore.typing import Goal, RunStatus

if TYPE_CHECKING:
    from array import array

MOST_POINTS = 200_000
"""Of all curves together: more makes a figure that a browser takes seconds to open."""

FEWEST_POINTS, BEST_POINTS = 8, 2_000
"""Of a curve, and of the best one."""


def curves(shown: Shown) -> Any:
    """Return the curves: the best one marked, stopped ones faded; where runs report once, their values in order."""
    if all(len(values) <= 1 for values in shown.curves.values()):
        return history(shown, title="values in order of runs")
    graph = go()
    most = max(FEWEST_POINTS, MOST_POINTS // max(1, len(shown.curves)))
    groups: dict[str, list[int]] = {"stopped": [], "failed": [], "completed": [], "running": [], "best": []}
    words = {RunStatus.COMPLETED: "completed", RunStatus.CANCELED: "stopped", RunStatus.FAILED: "failed"}
    status = dict(zip(shown.numbers.tolist(), shown.status, strict=True))
    for number in shown.curves:
        groups["best" if number == shown.best_number else words.get(status[number], "running")].append(number)
    crowd = max(0.03, min(0.7, 60 / (len(shown.curves) + 1)))
    colour = {"stopped": FADED, "failed": BAD, "completed": GOOD, "running": LIVE, "best": BEST}
    opacity = {"stopped": crowd * 0.7, "failed": crowd, "completed": crowd, "running": 0.9, "best": 1.0}
    parts = {
        word: _joined(shown, numbers, BEST_POINTS if word == "best" else most)
        for word, numbers in groups.items()
        if numbers
    }
    is_many = sum(len(x) for x, _, _, _ in parts.values()) > MANY
    kind = graph.Scattergl if is_many else graph.Scatter
    traces, legend = [], []
    for word, (x, y, number, alone) in parts.items():
        name = f"best: run {shown.best_number}" if word == "best" else f"{word} ({len(groups[word])})"
        line = {"color": colour[word], "width": 3 if word == "best" else 1}
        legend.append(  # curves of a crowd are too faint for it
            graph.Scatter(x=[None], y=[None], name=name, legendgroup=word, mode="lines", line={**line, "width": 3})
        )
        traces.append(
            kind(
                x=x,
                y=y,
                customdata=number,
                name=name,
                mode="lines+markers" if alone.any() else "lines",
                marker={"size": np.where(alone, 5, 0) if alone.any() else 5},
                line=line,
                legendgroup=word,
                showlegend=False,
                opacity=opacity[word],
                hovertemplate="run %{customdata}, interval %{x}: %{y}<extra></extra>",
            )
        )
    both = np.concatenate([_extent(values) for values in shown.curves.values()]) if shown.curves else np.empty(0)
    settings = layout(shown, "training curves", hovermode="closest")
    figure = graph.Figure([*legend, *traces], settings)
    figure.update_xaxes(title="interval")
    figure.update_yaxes(title=plain(shown.metric), range=shown.good_range(both))
    return figure


def history(shown: Shown, *, title: str = "best so far") -> Any:
    """Return the values in the order in which runs ended, and the best after each of them."""
    graph = go()
    has_ended = np.flatnonzero(np.isfinite(shown.ended) & np.isfinite(shown.value))
    order = has_ended[np.lexsort((shown.numbers[has_ended], shown.ended[has_ended]))]
    value = shown.value[order]
    sign = shown.goal.sign
    best = sign * np.maximum.accumulate(sign * value) if len(value) else value
    at = np.arange(1, len(order) + 1)
    kind = graph.Scattergl if len(order) > MANY else graph.Scatter
    is_stopped = np.array([shown.status[i] is not RunStatus.COMPLETED for i in order.tolist()], np.bool_)
    traces = []
    for word, chosen, colour in (("stopped or failed", is_stopped, FADED), ("completed", ~is_stopped, GOOD)):
        if chosen.any():
            traces.append(
                kind(
                    x=at[chosen],
                    y=value[chosen],
                    customdata=shown.numbers[order][chosen],
                    mode="markers",
                    name=word,
                    marker={"color": colour, "size": 4 if len(order) > MANY else 7},
                    opacity=0.4 if len(order) > MANY else 0.7,
                    hovertemplate="run %{customdata}: %{y}<extra></extra>",
                )
            )
    traces.append(
        graph.Scatter(
            **_steps(at, best), mode="lines", name="best so far", line={"color": BEST, "width": 3, "shape": "hv"},
            hovertemplate="best after %{x} runs: %{y}<extra></extra>",
        )
    )  # fmt: skip
    figure = graph.Figure(traces, layout(shown, title))
    figure.update_xaxes(title="runs that ended")
    figure.update_yaxes(title=plain(shown.metric), range=_better_half(shown, value))
    return figure


def _steps(at: Any, best: Any) -> dict[str, Any]:
    """Keep the points of a best-so-far curve at which it changes, and its end."""
    if not len(at):
        return {"x": at, "y": best}
    kept = np.concatenate([[True], best[1:] != best[:-1]])
    kept[-1] = True
    return {"x": at[kept], "y": best[kept]}


def _better_half(shown: Shown, value: Any) -> tuple[float, float] | None:
    if not len(value):
        return None
    middle = float(np.median(value))
    best = float(value.max() if shown.goal is Goal.MAXIMIZE else value.min())
    room = abs(best / 2 - middle / 2) * 0.2 or max(abs(best) * 0.05, 1e-12)
    return min(best, middle) - room, max(best, middle) + room


def _joined(shown: Shown, numbers: Sequence[int], most: int) -> tuple[Any, Any, Any, Any]:
    """Curves one after the other with a gap between: x, y, run number, and which points stand alone."""
    xs: list[Any] = []
    ys: list[Any] = []
    owners: list[Any] = []
    alone: list[Any] = []
    for number in numbers:
        kept, values = thinned(shown.curves[number], most)
        finite = np.where(np.isfinite(values), values, np.nan)
        xs += [kept, [np.nan]]
        ys += [finite, [np.nan]]
        owners.append(np.full(len(kept) + 1, number, np.int32))
        alone += [np.full(len(kept), len(kept) == 1), [False]]
    return np.concatenate(xs), np.concatenate(ys), np.concatenate(owners), np.concatenate(alone).astype(np.bool_)


def thinned(values: array[float], most: int) -> tuple[Any, Any]:
    """Return intervals and values of a curve: first, last, lowest and highest of each of equal pieces between."""
    whole = np.frombuffer(values)
    if len(whole) <= most:
        return np.arange(1.0, len(whole) + 1), whole
    kept = np.array(sorted({1, len(whole)} | extremes(values, -(-len(whole) // max(1, (most - 2) // 2)))))
    return kept.astype(np.float64), whole[kept - 1]


def _extent(values: array[float]) -> Any:
    whole = np.frombuffer(values)
    finite = whole[np.isfinite(whole)]
    return np.array([finite.min(), finite.max()]) if len(finite) else np.empty(0)
