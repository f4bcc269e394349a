"""What figures show of a sweep: its runs as arrays, read once."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.document import best_run, so_far
from hdcore.space import SearchSpace
from hdcore.space.axes import Axis, axes_of, places_of
from hdcore.typing import Goal, RunStatus

if TYPE_CHECKING:
    from array import array

    from hdcore.store import StoreReader
    from hdcore.typing import FloatMatrix, FloatVector, IntVector

BEST, GOOD, FADED, LIVE, BAD = "#c2410c", "#0969da", "#8c959f", "#0e8a8a", "#cf222e"
"""Colours of the portal's light theme that are seen on a dark ground too."""

MANY = 2_000
"""Marks from which on WebGL draws them."""

CUT = 0.1
"""Share of the worst values that may lie outside of the first view: diverged runs must not flatten all others."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The runs of a sweep.

    Attributes
    ----------
    name, metric : str
    goal : Goal
    numbers : ndarray of int64, shape (n,)
    status : list of RunStatus
    value : ndarray of float64, shape (n,)
        Final value, or the best so far of a run in flight; NaN without one.
    ended : ndarray of float64, shape (n,)
        Wall clock; NaN for runs in flight.
    best : int or None
        Row of the best run.
    axes : list of Axis, length d
        Of the columns that are searched: choices of one value are left out.
    places : ndarray of float64, shape (n, d)
        On the axes; NaN where a parameter is not active.
    curves : dict
        Run number -> reports of the primary metric; NaN and infinities as they were reported.
    """

    name: str
    metric: str
    goal: Goal
    numbers: IntVector
    status: list[RunStatus]
    value: FloatVector
    ended: FloatVector
    best: int | None
    axes: list[Axis]
    places: FloatMatrix
    curves: dict[int, array[float]]

    @property
    def best_number(self) -> int | None:
        """Number of the best run."""
        return None if self.best is None else int(self.numbers[self.best])

    def good_range(self, values: FloatVector) -> tuple[float, float]:
        """Return the range of finite values without the worst `CUT` of them, with some room."""
        finite = values[np.isfinite(values)]
        if not len(finite):
            return 0.0, 1.0
        low, high = float(finite.min()), float(finite.max())
        cut = float(np.quantile(finite, CUT if self.goal is Goal.MAXIMIZE else 1.0 - CUT))
        low, high = (cut, high) if self.goal is Goal.MAXIMIZE else (low, cut)
        room = (high / 2 - low / 2) * 0.1 or max(abs(low) * 0.05, 1e-12)
        return low - room, high + room

    @property
    def believable(self) -> tuple[float, float]:
        """Range of values that tell of the parameters: of a run that diverged only that it is bad, not how bad."""
        low, high = self.good_range(self.value)
        return (low - (high - low), high) if self.goal is Goal.MAXIMIZE else (low, high + (high - low))


def read_shown(reader: StoreReader, *, with_curves: bool = False) -> Shown:
    """Read the runs of a sweep as they are at this moment."""
    with reader.snapshot():
        sweep = reader.sweep()
        found = [so_far(run, sweep.spec.goal) for run in reader.runs()]
        best = best_run(reader, sweep)
        curves = reader.curves(living=True) if with_curves else {}
    space = SearchSpace(sweep.spec.space)
    axes = axes_of(space)
    places = places_of(space, axes, space.encode([run.configuration for run in found]))
    kept = [j for j, column in enumerate(space.columns) if column.levels != 1]
    rows = {run.number: i for i, run in enumerate(found)}
    return Shown(
        name=sweep.spec.name,
        metric=sweep.spec.metric,
        goal=sweep.spec.goal,
        numbers=np.array([run.number for run in found], np.int64),
        status=[run.status for run in found],
        value=np.array([np.nan if run.value is None else run.value for run in found], np.float64),
        ended=np.array([np.nan if run.ended is None else run.ended for run in found], np.float64),
        best=None if best is None or best.value is None else rows.get(best.number),
        axes=[axes[j] for j in kept],
        places=places[:, kept],
        curves=curves,
    )


def plain(text: Any) -> str:
    """Return text that plotly shows as it is: it reads a part of HTML, and formulas between dollars."""
    return html.escape(str(text), quote=False).replace("$", "&#36;")


def layout(shown: Shown, title: str, **more: Any) -> dict[str, Any]:
    """Return what all figures share."""
    return {
        "title": {"text": f"{plain(shown.name)}: {title}"},
        "template": "plotly_white",
        "margin": {"t": 60, "b": 50, "l": 70, "r": 30},
        **more,
    }


def scaled(axis: Axis) -> dict[str, Any]:
    """Return the settings of a Cartesian axis for the places of a parameter."""
    if axis.scale == "log":
        return {"type": "log", "exponentformat": "e"}
    if axis.scale == "category":
        at = list(range(len(axis.labels)))
        step = -(-len(at) // 20)
        return {
            "type": "linear",
            "tickvals": at[::step],
            "ticktext": [short(label) for label in axis.labels[::step]],
            "range": [-0.6, len(at) - 0.4],
        }
    return {"type": "linear", "exponentformat": "e"}


def short(text: Any, most: int = 18) -> str:
    """Return a label of at most so many characters."""
    return plain(cut(text, most))


def cut(text: Any, most: int) -> str:
    """Return at most so many characters; ticks of parallel coordinates are plain text."""
    whole = str(text)
    return whole if len(whole) <= most else whole[: most - 1] + "…"


def go() -> Any:
    """Import plotly, or say what is missing."""
    try:
        import plotly.graph_objects
    except ImportError:
        raise ImportError("Sweep.figure needs plotly; install hdcore[viz]") from None
    return plotly.graph_objects
