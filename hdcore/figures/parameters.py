"""What parameters do to the metric: importance, slices and contours with the model's partial dependence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.figures.shown import BEST, FADED, GOOD, MANY, Shown, go, layout, plain, scaled, short

if TYPE_CHECKING:
    from hdcore.engine.dependence import PartialDependence
    from hdcore.space.axes import Axis
    from hdcore.typing import FloatVector

_COLUMNS = 3


def importance(shown: Shown, shares: Mapping[str, float], method: str) -> Any:
    """Return a bar for each parameter, the largest on top."""
    graph = go()
    names, found = list(shares)[::-1], list(shares.values())[::-1]
    bars = graph.Bar(
        x=found,
        y=list(range(len(names))),
        orientation="h",
        marker={"color": GOOD},
        text=[f"{share:.0%}" for share in found],
        textposition="outside",
        cliponaxis=False,
        customdata=[plain(name) for name in names],
        hovertemplate="%{customdata}: %{x:.1%}<extra></extra>",
    )
    height = max(260, 120 + 28 * len(names))
    figure = graph.Figure([bars], layout(shown, f"importance ({method})", height=height))
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=[short(name, 28) for name in names], automargin=True)
    return figure


def slices(shown: Shown, dependence: Sequence[PartialDependence | None], names: Sequence[str]) -> Any:
    """Return one panel a parameter: the runs' values, and what the model expects when all else is averaged."""
    graph = go()
    from plotly.subplots import make_subplots

    width = min(_COLUMNS, max(1, len(names)))
    height = max(1, -(-len(names) // width))
    figure = make_subplots(
        rows=height,
        cols=width,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=min(0.2, 0.35 / height),
    )
    rows = np.flatnonzero(np.isfinite(shown.value))
    columns = {axis.name: j for j, axis in enumerate(shown.axes)}
    kind = graph.Scattergl if len(rows) > MANY else graph.Scatter
    for i, (name, found) in enumerate(zip(names, dependence, strict=True)):
        where = {"row": i // width + 1, "col": i % width + 1}
        axis = shown.axes[columns[name]]
        at = shown.places[rows, columns[name]]
        figure.add_trace(
            _dots(kind, shown, rows, _spread(axis, at, shown.numbers[rows]), shown.value[rows], i), **where
        )
        if found is not None:
            for trace in _model_line(kind, axis, found, is_first=i == 0):
                figure.add_trace(trace, **where)
        if shown.best is not None and np.isfinite(shown.places[shown.best, columns[name]]):
            figure.add_trace(
                graph.Scatter(
                    x=[shown.places[shown.best, columns[name]]], y=[shown.value[shown.best]], mode="markers",
                    marker={"color": BEST, "size": 12, "symbol": "star"}, name=f"best: run {shown.best_number}",
                    legendgroup="best", showlegend=i == 0, hovertemplate="best: %{y}<extra></extra>",
                ),
                **where,
            )  # fmt: skip
        figure.update_xaxes(title=short(name, 28), **scaled(axis), **where)
        if i % width == 0:
            figure.update_yaxes(title=short(shown.metric), **where)
    figure.update_yaxes(range=shown.good_range(shown.value))
    figure.update_layout(layout(shown, "slices", height=110 + 260 * height))
    return figure


def contour(shown: Shown, found: PartialDependence) -> Any:
    """Return what the model expects over two parameters, with the runs on it."""
    graph = go()
    first, second = found.axes
    columns = {axis.name: j for j, axis in enumerate(shown.axes)}
    is_grid = "category" in (first.scale, second.scale)
    colours = {"colorscale": "Viridis", "reversescale": shown.goal.sign < 0}
    hover = f"{short(shown.metric)} %{{z:.5g}}<extra>expected</extra>"
    shared = {
        "x": found.places[0],
        "y": found.places[1],
        "z": found.mean.T,
        "colorbar": {"title": {"text": short(shown.metric)}},
        "hovertemplate": hover,
        **colours,
    }
    ground = graph.Heatmap(**shared) if is_grid else graph.Contour(**shared, line={"width": 0.5}, ncontours=24)
    x, y = shown.places[:, columns[first.name]], shown.places[:, columns[second.name]]
    rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & np.isfinite(shown.value))
    dots = _dots(
        graph.Scattergl if len(rows) > MANY else graph.Scatter,
        shown,
        rows,
        _spread(first, x[rows], shown.numbers[rows]),
        _spread(second, y[rows], shown.numbers[rows][::-1]),
        0,
        values=shown.value[rows],
    )
    dots.update(marker={"color": "rgba(255,255,255,0.75)", "line": {"color": "rgba(0,0,0,0.6)", "width": 1}})
    traces = [ground, dots]
    if shown.best is not None and np.isfinite(x[shown.best]) and np.isfinite(y[shown.best]):
        traces.append(
            graph.Scatter(
                x=[x[shown.best]], y=[y[shown.best]], mode="markers", name=f"best: run {shown.best_number}",
                marker={"color": BEST, "size": 15, "symbol": "star", "line": {"color": "white", "width": 1}},
                hovertemplate=f"best: {shown.value[shown.best]:.6g}<extra></extra>",
            )
        )  # fmt: skip
    settings = layout(
        shown, f"expected {plain(shown.metric)}, all else averaged", legend={"orientation": "h", "y": -0.2}
    )
    figure = graph.Figure(traces, settings)
    figure.update_xaxes(title=short(first.name, 28), **_tight(scaled(first), found.places[0]))
    figure.update_yaxes(title=short(second.name, 28), **_tight(scaled(second), found.places[1]))
    return figure


def _dots(
    kind: Any,
    shown: Shown,
    rows: Any,
    x: FloatVector,
    y: FloatVector,
    panel: int,
    values: FloatVector | None = None,
) -> Any:
    count = len(rows)
    return kind(
        x=x,
        y=y,
        customdata=np.column_stack([shown.numbers[rows], y if values is None else values]),
        mode="markers",
        name="runs",
        legendgroup="runs",
        showlegend=panel == 0,
        marker={"color": FADED, "size": 3 if count > MANY else 6, "opacity": 0.4 if count > MANY else 0.7},
        hovertemplate="run %{customdata[0]}: %{customdata[1]}<extra></extra>",
    )


def _model_line(kind: Any, axis: Axis, found: PartialDependence, *, is_first: bool) -> list[Any]:
    at, mean, sd = found.places[0], found.mean, found.sd
    if axis.scale == "category":
        line = kind(
            x=at, y=mean, mode="markers", error_y={"array": sd, "color": GOOD}, name="expected", legendgroup="model",
            showlegend=is_first, marker={"color": GOOD, "size": 10, "symbol": "line-ew-open", "line": {"width": 3}},
            hovertemplate="expected %{y:.5g}<extra></extra>",
        )  # fmt: skip
        return [line]
    band = kind(
        x=np.concatenate([at, at[::-1]]), y=np.concatenate([mean + sd, (mean - sd)[::-1]]), fill="toself",
        fillcolor="rgba(9,105,218,0.15)", line={"width": 0}, hoverinfo="skip", legendgroup="model", showlegend=False,
        mode="lines",
    )  # fmt: skip
    line = kind(
        x=at, y=mean, mode="lines", line={"color": GOOD, "width": 2.5}, name="expected", legendgroup="model",
        showlegend=is_first, hovertemplate="expected %{y:.5g}<extra></extra>",
    )  # fmt: skip
    return [band, line]


def _spread(axis: Axis, at: FloatVector, numbers: Any) -> FloatVector:
    """Spread the dots of an option a little, always the same for a run, so that they do not hide each other."""
    if axis.scale != "category":
        return at
    spread: FloatVector = at + (((numbers + 1) * 41) % 97 / 97 - 0.5) * 0.5
    return spread


def _tight(settings: dict[str, Any], places: FloatVector) -> dict[str, Any]:
    if settings["type"] == "log":
        return {**settings, "range": np.log10(places[[0, -1]]).tolist()}
    return settings if "tickvals" in settings else {**settings, "range": places[[0, -1]].tolist()}
