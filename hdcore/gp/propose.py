"""The next point of a conditioned model: candidates, screening, local search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hdcore._native import acquisition as _native

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdcore.gp.columns import Columns
    from hdcore.gp.model import Conditioned
    from hdcore.typing import FloatMatrix, FloatVector

HALF = 512
"""Candidates from the prior, and as many around the best points."""

GLOBAL_STARTS, LOCAL_STARTS = 6, 2
SPARE_STARTS = 2
"""Candidates beyond the number of starts that are ranked exactly, for those that lie too close."""

LOOKS = 64
"""Exact values a half at most: bounds sort well, but on scattered histories they prove little."""

APART = 0.1
"""Starts are at least this far from each other, in length scales."""

ITERATIONS, ROUNDS = 30, 3


class Proposer:
    """Search for the best point; owns the scratch of it."""

    def __init__(self, columns: Columns, snap: Callable[[FloatMatrix], FloatMatrix]) -> None:
        self._columns, self._snap = columns, snap
        d = columns.d
        self._candidates = np.empty((2 * HALF, d))
        self._index = np.empty(16, np.int32)
        self._value = np.empty(16)
        self._order = np.empty(2 * HALF, np.int32)
        self._bounds = np.empty(2 * HALF + 8 * d)
        self._search = np.empty(_native.search_size(d, GLOBAL_STARTS + LOCAL_STARTS))

    def best(self, model: Conditioned, seeds: tuple[int, int], fill: FloatVector) -> FloatMatrix:
        """Return distinct promising rows in model coordinates, best first, shape (m, d).

        Parameters
        ----------
        model : Conditioned
        seeds : (int, int)
            64-bit seeds of the global and of the local candidates.
        fill : ndarray of float64, shape (d,)
            Values for columns that a move wakes up.
        """
        acquisition, x = model.acquisition, self._candidates
        self._columns.native.spread(seeds[0], x[:HALF])
        acquisition.nearby(self._columns.native, model.centres, seeds[1], x[HALF:])
        if self._columns.has_open_grid:
            x[:] = self._columns.to_model(self._snap(self._columns.to_encoded(x)))
        starts: list[FloatVector] = []
        ranked: list[tuple[float, FloatVector]] = []
        for half, most in ((x[:HALF], GLOBAL_STARTS), (x[HALF:], LOCAL_STARTS)):
            index, value = self._index[: most + SPARE_STARTS], self._value[: most + SPARE_STARTS]
            acquisition.screen(half, index, value, self._bounds, self._order, LOOKS)
            added = 0
            for i, value_of_it in zip(index.tolist(), value.tolist(), strict=True):
                if i < 0:
                    break
                row = half[i]
                ranked.append((value_of_it, row.copy()))
                if added < most and _is_apart(model, row, starts):
                    starts.append(row)
                    added += 1
        if not starts:
            return x[:1].copy()
        rows = np.array(starts)
        values = np.empty(len(rows))
        acquisition.search(self._columns.native, rows, values, fill, ITERATIONS, ROUNDS, self._search)
        found = sorted(zip(values.tolist(), rows, strict=True), key=_by_value)
        return np.array([row for _, row in [*found, *sorted(ranked, key=_by_value)]])

    def among(self, model: Conditioned, rows: FloatMatrix) -> int:
        """Return the index of the best of some rows in model coordinates, shape (m, d)."""
        index, value = np.empty(1, np.int32), np.empty(1)
        bounds, order = np.empty(len(rows) + 8 * rows.shape[1]), np.empty(len(rows), np.int32)
        model.acquisition.screen(rows, index, value, bounds, order)
        return max(0, int(index[0]))


def _is_apart(model: Conditioned, row: FloatVector, others: list[FloatVector]) -> bool:
    """True if a point is farther than `APART` from all others."""
    if not others:
        return True
    t = (np.array(others) - row) * model.factor.rate
    return bool(np.minimum(t * t, model.factor.w2).sum(axis=1).min() > APART**2)


def _by_value(pair: tuple[float, FloatVector]) -> float:
    value = pair[0]
    return -value if value == value else np.inf
