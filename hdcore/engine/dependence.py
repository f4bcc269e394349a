"""Partial dependence: what the model predicts along one or two parameters, averaged over all others.

==========  =========================================================================
m           points of the background: what the other parameters are
k, l        values of the first and of the second parameter
==========  =========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.errors import InputError
from hdcore.sampling.sobol import even_points
from hdcore.space.axes import Axis, axes_of, places_of

if TYPE_CHECKING:
    from hdcore.space import SearchSpace
    from hdcore.typing import FloatMatrix, FloatVector

BACKGROUND = 128
"""Configurations that are averaged over."""

POINTS = (40, 16)
"""Values of a parameter that is no short list: alone, and in a pair."""

_EDGE = 0.01
"""Distributions without ends are shown from this quantile to its counterpart."""

_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class PartialDependence:
    """The metric as the model expects it at values of one or two parameters, whatever the others are.

    Attributes
    ----------
    parameters : tuple of str
    axes : tuple of Axis
    places : tuple of ndarray of float64
        Values of each parameter, shapes (k,) and (l,); of a categorical axis the levels.
    mean : ndarray of float64, shape (k,) or (k, l)
        In the metric's units.
    sd : ndarray of float64, same shape
        Mean of the standard deviations of what was averaged: an upper bound of that of the average.
    """

    parameters: tuple[str, ...]
    axes: tuple[Axis, ...]
    places: tuple[FloatVector, ...]
    mean: FloatMatrix
    sd: FloatMatrix

    @property
    def values(self) -> tuple[list[Any], ...]:
        """Values of each parameter; for a choice its options as texts."""
        return tuple([axis.shown(p) for p in at.tolist()] for axis, at in zip(self.axes, self.places, strict=True))


def partial_dependence(
    space: SearchSpace,
    predict: Callable[[FloatMatrix], tuple[FloatVector, FloatVector]],
    names: Sequence[str],
    *,
    background: int = BACKGROUND,
    points: int | None = None,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> PartialDependence:
    """Average predictions over configurations drawn evenly from the space's distributions.

    Not over the runs: a sampler crowds them where it expects the best, and correlated parameters would then be mistaken
    for each other. A parameter inside a nested choice is looked at where its option is chosen.

    Parameters
    ----------
    predict : callable
        Encoded rows, shape (n, d) -> mean and sd, shape (n,) each.
    names : sequence of str
        One or two columns of the space.
    within : (float, float)
        Predictions beyond count as these: a few runs that diverged would otherwise be all that an average tells of.

    Raises
    ------
    InputError
        If there is no such parameter, or two are never active together.
    """
    indices = _indices(space, names)
    rows = _background(space, background)
    _hold_active(space, indices, rows)
    most = points or POINTS[len(indices) - 1]
    grids = [_grid(space, j, most) for j in indices]
    axes = axes_of(space)
    shape = tuple(len(grid) for grid in grids)
    mean, sd = np.empty(shape), np.empty(shape)
    per_turn = max(1, _AT_ONCE // background)
    cells = list(np.ndindex(shape))
    for start in range(0, len(cells), per_turn):
        part = cells[start : start + per_turn]
        stacked = np.tile(rows, (len(part), 1))
        for i, cell in enumerate(part):
            for j, grid, at in zip(indices, grids, cell, strict=True):
                stacked[i * background : (i + 1) * background, j] = grid[at]
        predicted, spread = predict(space.snap(stacked))
        predicted, spread = np.clip(predicted, *within), np.minimum(spread, within[1] - within[0])
        for i, cell in enumerate(part):
            rows_of = slice(i * background, (i + 1) * background)
            mean[cell], sd[cell] = predicted[rows_of].mean(), spread[rows_of].mean()
    places = []
    for j, grid in zip(indices, grids, strict=True):
        shown = np.tile(rows[:1], (len(grid), 1))
        shown[:, j] = grid
        places.append(places_of(space, axes, space.snap(shown))[:, j])
    chosen = tuple(axes[j] for j in indices)
    return PartialDependence(tuple(names), chosen, tuple(places), mean, sd)


def _indices(space: SearchSpace, names: Sequence[str]) -> list[int]:
    known = {column.name: j for j, column in enumerate(space.columns)}
    if len(names) not in (1, 2) or len(set(names)) < len(names):
        raise InputError(f"needs one parameter or two different ones, not {list(names)}", field="parameters")
    for name in names:
        if name not in known:
            raise InputError(f"no parameter {name!r}; there are {', '.join(known)}", field="parameters")
    return [known[name] for name in names]


def _background(space: SearchSpace, n: int) -> FloatMatrix:
    """Points of the unit cube, every column with a value as if it were active."""
    return even_points(n, len(space.columns))


def _hold_active(space: SearchSpace, indices: Sequence[int], rows: FloatMatrix) -> None:
    """Choose the options in which the parameters are, for all rows."""
    held: dict[int, int] = {}
    for j in indices:
        column = space.columns[j]
        while column.parent >= 0:
            if held.setdefault(column.parent, column.parent_level) != column.parent_level:
                names = " and ".join(repr(space.columns[i].name) for i in indices)
                raise InputError(f"{names} are never active together", field="parameters")
            column = space.columns[column.parent]
    for parent, level in held.items():
        if parent in indices:
            names = " and ".join(repr(space.columns[i].name) for i in indices)
            raise InputError(f"{names}: one is active at one value of the other only", field="parameters")
        rows[:, parent] = (level + 0.5) / space.columns[parent].levels


def _grid(space: SearchSpace, j: int, most: int) -> FloatVector:
    """Encoded values of a column: all levels of a short list, else evenly along its axis."""
    column = space.columns[j]
    if 0 < column.levels <= most or (column.levels > 0 and axes_of(space)[j].scale == "category"):
        grid = (np.arange(column.levels) + 0.5) / column.levels
    else:
        has_ends = hasattr(column.distribution, "min_value") or column.levels > 0
        grid = np.linspace(0.0, 1.0, most) if has_ends else np.linspace(_EDGE, 1.0 - _EDGE, most)
    rows = np.full((len(grid), len(space.columns)), 0.5)
    rows[:, j] = grid
    parent, level = column.parent, column.parent_level
    while parent >= 0:
        rows[:, parent] = (level + 0.5) / space.columns[parent].levels
        parent, level = space.columns[parent].parent, space.columns[parent].parent_level
    found: FloatVector = np.unique(space.snap(rows)[:, j])
    return found
