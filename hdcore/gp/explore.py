"""Looking elsewhere when the neighbourhood of the best result has little more to give.

A Gaussian process that was fitted to a hundred results in one basin is a model of that basin: its length scales are
those of the basin, and what it expects of the rest of the box is the basin's mean. Some proposals then use a model of
results that keep a distance from each other, in which the basin counts as one place among others, and go to
points that keep that distance from all results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hdcore.typing import BoolVector, FloatMatrix, FloatVector, IntVector

APART = (0.05, 0.02)
"""Distances in turn, as root mean square over the columns: basins of different widths need both."""

WINDOW = 10
"""A search stands still when so many results and one more a column bring less than `LITTLE`."""

LITTLE = 1e-3
"""Share of the distance from the median result to the best one."""

NOTHING, ALIKE, EXHAUSTED = 1e-5, 1e-3, 6
"""A basin is known to the bottom when that brings no more than `NOTHING` and so many results are `ALIKE` the
best one, in the same unit. Noise rarely leaves that many so close together."""

LARGEST = 256
"""When more results than these keep their distance, no basin dominates, and a third model would only cost time."""

TURNS = ((), (2,), (0, 1, 2))
"""Places in a round of four proposals that look elsewhere: in progress, at a standstill, at the bottom of a basin."""


def looks_elsewhere(number: int, y: FloatVector, d: int) -> bool:
    """True if run `number` of a sweep over d columns is to look elsewhere after results y, in row order."""
    return number % 4 in TURNS[_standstill(y, WINDOW + d)]


def _standstill(y: FloatVector, window: int) -> int:
    if len(y) < 2 * window:
        return 0
    y = np.ldexp(y, -int(np.frexp(np.abs(y).max())[1]))  # exact, and differences do not overflow
    best = y.min()
    unit = float(np.median(y) - best)
    gain = float(y[:-window].min() - best)
    if gain <= NOTHING * unit and np.count_nonzero(y <= best + ALIKE * unit) >= EXHAUSTED:
        return 2
    return int(gain <= LITTLE * unit)


class Spread:
    """Results that keep a distance from each other, chosen in row order; the choice is remembered while a table grows.

    A result is kept if no kept one before it is near, so that later results only add to the choice.

    Parameters
    ----------
    clamp : ndarray of float64, shape (d,)
        As in `Columns`, of the columns that count.
    apart : float
        Distance, as root mean square over the columns.
    """

    def __init__(self, clamp: FloatVector, apart: float) -> None:
        self._clamp, self._least = clamp, apart * apart * len(clamp)
        self._rows: IntVector = np.empty(0, np.int64)
        self._is_kept: BoolVector = np.empty(0, np.bool_)
        self._kept = np.empty((16, len(clamp)))

    def choose(self, rows: IntVector, X: FloatMatrix) -> BoolVector | None:
        """Which of some table rows, ascending, at points X, shape (n, d), are kept; None if more than `LARGEST` are."""
        known = min(len(rows), len(self._rows))
        differ = np.flatnonzero(rows[:known] != self._rows[:known])
        known = int(differ[0]) if len(differ) else known
        is_kept = np.zeros(len(rows), np.bool_)
        is_kept[:known] = self._is_kept[:known]
        count = int(np.count_nonzero(is_kept))
        for i in range(known, len(rows)):
            if count > LARGEST:
                break
            if count == 0 or self._nearest(self._kept[:count], X[i]) >= self._least:
                if count == len(self._kept):
                    self._kept = np.concatenate([self._kept, np.empty_like(self._kept)])
                self._kept[count] = X[i]
                is_kept[i] = True
                count += 1
        self._rows, self._is_kept = rows, is_kept
        return is_kept if count <= LARGEST else None

    def is_far(self, x: FloatVector, X: FloatMatrix) -> bool:
        """True if a point x keeps the distance from all of X, shape (n, d)."""
        return self._nearest(X, x) >= self._least

    def _nearest(self, X: FloatMatrix, x: FloatVector) -> float:
        square = X - x
        square *= square
        np.minimum(square, self._clamp, out=square)
        return float(square.sum(axis=1).min())
