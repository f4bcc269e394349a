"""Earlier sweeps whose metric may be shifted or scaled against this one.

A parent is data of the same model, told apart by a column of its own: 1 in its rows, 0 everywhere else. The column's
length scale says how much the parent has to do with this sweep, and is fitted like any other. Before that, its values
are brought to the scale of this sweep: mean and spread of its posterior mean at the configurations that this sweep has
finished are matched with the results there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hdcore.gp.evidence import Sample
from hdcore.gp.fit import Fits, spread_rows
from hdcore.gp.model import Factor
from hdcore.gp.transform import IDENTITY, fit_map
from hdcore.history import RowState

if TYPE_CHECKING:
    from hdcore.history import RunTable
    from hdcore.typing import FloatMatrix, FloatVector, IntVector

MOST = 5
"""Parents; of more the ones that were added last count."""

MOST_POINTS = 150
"""Of all parents together."""

FEWEST = 3
"""Results that make a parent."""

FIRST_RUNS = 2
"""Configurations of the parents that this sweep begins with."""

APART = 0.15
"""They differ by so much at least, as root mean square over the columns."""

ENOUGH = 4
"""Results that can contradict a parent: before that it is not asked, and it has to rank them better than chance."""

FLOOR = 0.02
"""Spread of a parent's posterior mean, in its own standard deviations, below which it says nothing about scale."""


class Parents:
    """The parents of one sweep and their models.

    Parameters
    ----------
    table : RunTable
    X : ndarray of float64, shape (n, d)
        Coordinates of its rows without columns for parents.
    clamp : ndarray of float64, shape (d,)

    Attributes
    ----------
    codes : list of int
        Values of `RunTable.source`, one a parent.
    """

    def __init__(self, table: RunTable, X: FloatMatrix, clamp: FloatVector) -> None:
        self.codes: list[int] = []
        usable = (table.source >= 2) & (table.state == RowState.COMPLETED) & np.isfinite(table.value)
        groups = []
        for code in np.unique(table.source[usable]).tolist():
            rows = np.flatnonzero(usable & (table.source == code))
            if len(rows) >= FEWEST and fit_map(-table.value[rows], IDENTITY) is not None:
                self.codes.append(int(code))
                groups.append(rows)
        self.codes, groups = self.codes[-MOST:], groups[-MOST:]
        self._models = [_Parent(X, -table.value, rows, clamp, MOST_POINTS // len(groups)) for rows in groups]

    def aligned(self, X: FloatMatrix, y: FloatVector) -> tuple[IntVector, FloatVector]:
        """Rows of the parents that agree with results y, shape (n,), at X, and their values on the scale of y."""
        rows, values = [np.empty(0, np.int64)], [np.empty(0)]
        for model in self._models:
            found = model.aligned(X, y)
            if found is not None:
                rows.append(model.rows)
                values.append(found)
        return np.concatenate(rows), np.concatenate(values)

    def first(self, X: FloatMatrix, clamp: FloatVector) -> IntVector:
        """Rows that a sweep begins with: the best of each parent in turn, mutually distant."""
        orders = [model.rows[np.argsort(model.t, kind="stable")] for model in self._models]
        chosen: list[int] = []
        for rank in range(max(map(len, orders), default=0)):
            for order in orders:
                if rank < len(order) and len(chosen) < FIRST_RUNS and _is_apart(X, clamp, int(order[rank]), chosen):
                    chosen.append(int(order[rank]))
        return np.array(chosen, np.int64)


class _Parent:
    def __init__(self, X: FloatMatrix, y: FloatVector, rows: IntVector, clamp: FloatVector, most: int) -> None:
        if len(rows) > most:
            rows = rows[spread_rows(y[rows], most, most // 2)]
        self.rows = rows
        fits = Fits(clamp, False)
        size = len(rows)
        sample = Sample(rows, X[rows], y[rows], np.zeros(size), np.ones(size, np.bool_))
        fitted = fits.fit(size, sample, None)
        assert fitted is not None  # the values differ
        self._factor = Factor(fitted, fits, clamp, sample)
        self._acquisition = self._factor.acquisition()
        self.t = fitted.output(sample.y)
        self._d = len(clamp)

    def aligned(self, X: FloatMatrix, y: FloatVector) -> FloatVector | None:
        if len(y) == 0:
            return self.t.copy()
        mean, var = np.empty(len(X)), np.empty(len(X))
        self._acquisition.posterior(np.ascontiguousarray(X[:, : self._d]), mean, var)
        if len(y) >= ENOUGH and _rank_correlation(mean, y) <= 0.0:
            return None  # its scale would have to be negative
        # divided first: sums of squares of a metric near the largest float would overflow
        exponent = int(np.frexp(np.abs(y).max())[1])
        values = np.ldexp(y, -exponent)
        scale = math.sqrt(float(values.var()) / (float(mean.var()) + FLOOR**2))
        out: FloatVector = np.ldexp(values.mean() + scale * (self.t - mean.mean()), exponent)
        return out


def _rank_correlation(a: FloatVector, b: FloatVector) -> float:
    ranks = [np.argsort(np.argsort(x, kind="stable"), kind="stable") - 0.5 * (len(x) - 1) for x in (a, b)]
    return float(ranks[0] @ ranks[1])


def _is_apart(X: FloatMatrix, clamp: FloatVector, row: int, chosen: list[int]) -> bool:
    for other in chosen:
        square = np.minimum((X[row] - X[other]) ** 2, clamp)
        if math.sqrt(float(square.mean())) < APART:
            return False
    return True
