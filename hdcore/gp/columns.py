"""Model coordinates: numeric columns stay in [0, 1], choices become their integer code, inactive columns -2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hdcore._native import acquisition as _native

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hdcore.space.layout import Column
    from hdcore.typing import FloatMatrix, FloatVector

INACTIVE = -2.0
"""So far from every active value that the clamped distance is that of two different choices."""

LARGEST_TABLE = 4096
"""Columns with more levels are searched as continuous ones and rounded at the end."""

CONTINUOUS, ORDERED, CATEGORICAL = 0, 1, 2

GRID = 2.0**40
"""Continuous columns are multiples of 1 / GRID: a row that went through its configuration and back, as when a sweep is
reloaded, differs in the last bits and must not be another point."""


def row_keys(X: FloatMatrix) -> list[bytes]:
    """Return the bits of each row, for sets and dictionaries of points."""
    raw, width = X.tobytes(), X.itemsize * X.shape[1]
    return [raw[at : at + width] for at in range(0, len(raw), width)]


class Columns:
    """The columns of a space as kernels and search see them.

    Parameters
    ----------
    columns : sequence of Column
        Parents before their children.
    tables : dict
        Middles and edges of the cells of ordered columns, by column; others are searched as continuous ones.
    parents : int
        Columns at the end that tell earlier sweeps apart: 1 in their own rows, 0 in all others and in the search.

    Attributes
    ----------
    d : int
        Columns of the space and of the parents.
    clamp : ndarray of float64, shape (d,)
        1 where squared differences are cut at that of two different choices (choices; columns that can be inactive),
        infinity for plain numeric columns.
    has_open_grid : bool
        True if some ordered column has no table, so that candidates have to be snapped.
    native : _native.Space
        The tables, for candidates and local search.
    """

    def __init__(
        self, columns: Sequence[Column], tables: Mapping[int, tuple[FloatVector, FloatVector]], parents: int = 0
    ) -> None:
        own = len(columns)
        self.d, self.parents, self._own = own + parents, parents, own
        self.clamp = np.array([1.0 if c.kind == CATEGORICAL or c.parent >= 0 else np.inf for c in columns])
        self.clamp = np.append(self.clamp, np.ones(parents))
        self._levels = np.array([c.levels if c.kind == CATEGORICAL else 0 for c in columns], np.float64)
        self._is_choice = self._levels > 0
        self._is_continuous = np.array([c.kind == CONTINUOUS for c in columns])
        self._has_choice = bool(self._is_choice.any())
        self._can_be_inactive = any(c.parent >= 0 for c in columns)
        levels, offset = np.zeros(self.d, np.int32), np.zeros(self.d, np.int32)
        levels[own:] = 1  # a choice without an alternative
        middles: list[FloatVector] = []
        edges: list[FloatVector] = []
        total = 0
        for k, column in enumerate(columns):
            offset[k] = total
            if column.kind == CATEGORICAL:
                levels[k] = column.levels
                middle, edge = np.arange(column.levels, dtype=np.float64), np.zeros(column.levels + 1)
            elif k in tables:
                levels[k] = column.levels
                middle, edge = tables[k]
            else:
                levels[k] = -1 if column.kind == ORDERED else 0
                middle, edge = np.empty(0), np.zeros(1)
            middles.append(middle)
            edges.append(edge)
            total += len(middle)
        for k in range(own, self.d):
            offset[k] = total
            middles.append(np.zeros(1))
            edges.append(np.zeros(2))
            total += 1
        self.has_open_grid = any(c.kind == ORDERED and k not in tables for k, c in enumerate(columns))
        self._middles = middles
        self.native = _native.Space(
            np.array([c.kind for c in columns] + [CATEGORICAL] * parents, np.int32),
            levels,
            offset,
            np.concatenate([*middles, np.zeros(1)]),
            np.concatenate(edges),
            np.array([c.parent for c in columns] + [-1] * parents, np.int32),
            np.array([c.parent_level for c in columns] + [0] * parents, np.int32),
        )

    def to_model(self, encoded: FloatMatrix) -> FloatMatrix:
        """Return encoded rows, shape (n, columns of the space), in model coordinates of this sweep."""
        out = np.array(encoded, np.float64, order="C")
        out[:, self._is_continuous] = np.rint(out[:, self._is_continuous] * GRID) / GRID
        if self._has_choice:
            out[:, self._is_choice] = np.floor(out[:, self._is_choice] * self._levels[self._is_choice])
        if self._can_be_inactive:
            out[np.isnan(out)] = INACTIVE
        return np.concatenate([out, np.zeros((len(out), self.parents))], axis=1) if self.parents else out

    def to_encoded(self, model: FloatMatrix) -> FloatMatrix:
        """Return rows in model coordinates, shape (n, d), as encoded rows that still have to be snapped."""
        out = np.array(model[:, : self._own], np.float64, order="C")
        inactive = out == INACTIVE if self._can_be_inactive else None
        out[:, self._is_continuous] = np.rint(out[:, self._is_continuous] * GRID) / GRID
        if self._has_choice:
            out[:, self._is_choice] = (out[:, self._is_choice] + 0.5) / self._levels[self._is_choice]
        if inactive is not None:
            out[inactive] = np.nan
        return out

    def from_unit(self, u: FloatVector) -> FloatVector:
        """Return a value of every column, shape (d,), as if all were active, from one uniform draw a parameter."""
        out = np.append(u, np.zeros(self.parents))
        for k, middle in enumerate(self._middles):
            if len(middle):
                out[k] = middle[min(int(out[k] * len(middle)), len(middle) - 1)]
        return out
