"""Parallel coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.figures.shown import BEST, Shown, cut, go, layout, plain, short

if TYPE_CHECKING:
    from hdcore.space.axes import Axis
    from hdcore.typing import FloatVector

_ABSENT = "–"
_BELOW = 0.12
"""How far below an axis the runs stand that do not have its parameter, as a share of its length."""

_SCALE = [(0.0, "#dbe4ee"), (0.35, "#8fb3d9"), (0.75, "#2f6fb5"), (0.98, "#0b3d77"), (0.98, BEST), (1.0, BEST)]
"""From the worst to the best; the last colour is that of the best run alone."""

_SECOND = 0.97
"""Where the second best run stands on it: the browser has 256 shades."""


def parallel(shown: Shown) -> Any:
    """Return one axis a parameter and one for the metric; drag along an axis to choose runs."""
    graph = go()
    rows = np.flatnonzero(np.isfinite(shown.value))
    sign = shown.goal.sign
    rows = rows[np.argsort(sign * shown.value[rows], kind="stable")]  # the best are drawn last, on top
    value = shown.value[rows]
    dimensions = []
    for j, axis in enumerate(shown.axes):
        at = shown.places[rows, j]
        if len(np.unique(at)) > 1:
            dimensions.append(_dimension(axis, at))
    low, high = shown.good_range(value) if len(value) else (0.0, 1.0)
    if len(value):
        low, high = max(low, float(value.min())), min(high, float(value.max()))
    clipped = np.clip(value, low, high)
    span = {"range": [low, high]} if low < high else {}
    dimensions.append({"label": short(shown.metric), "values": clipped, **span})
    goodness = np.linspace(0.0, _SECOND, len(rows))  # by rank: values crowd at one end as a rule
    if shown.best is not None:
        goodness[rows == shown.best] = 1.0
    trace = graph.Parcoords(
        dimensions=dimensions,
        line={"color": goodness, "cmin": 0, "cmax": 1, "colorscale": _SCALE, "showscale": False},
        labelangle=-12 if len(dimensions) > 7 else 0,
        labelside="top",
    )
    best = "" if shown.best is None else f" (best: run {shown.best_number}, {plain(shown.metric)} {value[-1]:.6g})"
    settings = layout(shown, f"parallel coordinates{best}")
    settings["margin"] = {"t": 130, "b": 40, "l": 80, "r": 80}
    return graph.Figure([trace], settings)


def _dimension(axis: Axis, at: FloatVector) -> dict[str, Any]:
    is_absent = np.isnan(at)
    values = np.log10(at) if axis.scale == "log" else at.copy()
    if axis.scale == "category":
        ticks: list[float] = [float(k) for k in range(len(axis.labels))]
        texts = [cut(label, 14) for label in axis.labels]
        low, high = -0.3, len(ticks) - 0.7
    else:
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        if low == high:
            low, high = low - 0.5, high + 0.5
        ticks, texts = _ticks(axis, low, high)
    if is_absent.any():
        below = low - _BELOW * (high - low)
        values[is_absent] = below
        ticks, texts, low = [below, *ticks], [_ABSENT, *texts], below
    return {
        "label": short(axis.name),
        "values": values,
        "tickvals": ticks,
        "ticktext": texts,
        "range": [low, high],
    }


def _ticks(axis: Axis, low: float, high: float) -> tuple[list[float], list[str]]:
    """Ticks between two ends: powers of ten on a log axis, else round numbers."""
    if axis.scale == "log" and high - low >= 1.0:
        powers = np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
        powers = powers[:: max(1, len(powers) // 7)]
        return powers.tolist(), [f"{10.0**p:.3g}" for p in powers.tolist()]
    if axis.scale == "log":
        places = np.linspace(low, high, 4)
        return places.tolist(), [f"{10.0**p:.3g}" for p in places.tolist()]
    rough = (high - low) / 6
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= rough)
    found = (np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step).tolist()
    return found, [f"{tick + 0.0:.6g}" for tick in found]  # no "-0"
