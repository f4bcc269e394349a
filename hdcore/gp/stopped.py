"""What is kept of stopped runs while a table grows: which of them share a place, and what their curves promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hdcore.gp.columns import row_keys
from hdcore.gp.curves import predict_finals

if TYPE_CHECKING:
    from hdcore.history import RunTable
    from hdcore.typing import FloatMatrix, FloatVector, IntVector

REMEMBERED = 4
"""Numbers of completed runs whose predictions are kept: those of fits and factors change rarely."""

_Known = tuple["IntVector", "IntVector", "FloatVector", "FloatVector"]  # completed, then what is known of stopped rows


class StoppedRuns:
    """Memory of one table, whose ended runs never change."""

    def __init__(self) -> None:
        self._place: IntVector = np.empty(0, np.int64)
        self._places: dict[bytes, int] = {}
        self._finals: dict[int, _Known] = {}

    def extend(self, X: FloatMatrix) -> None:
        """Take over the new rows of X, the model coordinates of the table."""
        keys = row_keys(X[len(self._place) :])
        if keys:
            added = [self._places.setdefault(key, len(self._places)) for key in keys]
            self._place = np.concatenate([self._place, np.array(added, np.int64)])

    def alone(self, stopped: IntVector, told: IntVector) -> IntVector:
        """Return the stopped rows, ascending, at whose place there is no told one and no stopped one before."""
        is_taken = np.zeros(len(self._places), np.bool_)
        is_taken[self._place[told]] = True
        rows = stopped[~is_taken[self._place[stopped]]]
        return rows[np.sort(np.unique(self._place[rows], return_index=True)[1])]

    def finals(self, table: RunTable, completed: IntVector, stopped: IntVector) -> tuple[FloatVector, FloatVector]:
        """Return what `predict_finals` does, asking it for runs that are new only."""
        found = self._finals.pop(len(completed), None)
        if found is None or not np.array_equal(found[0], completed):
            found = completed, np.empty(0, np.int64), np.empty(0), np.empty(0)
        _, rows, score, sd = found
        at = np.full(table.n, -1)
        at[rows] = np.arange(len(rows))
        new = stopped[at[stopped] < 0]
        if len(new):
            more = predict_finals(table, completed, new)
            at[new] = np.arange(len(rows), len(rows) + len(new))
            rows = np.concatenate([rows, new])
            score, sd = np.concatenate([score, more[0]]), np.concatenate([sd, more[1]])
        self._finals[len(completed)] = completed, rows, score, sd  # the last
        for old in list(self._finals)[:-REMEMBERED]:
            del self._finals[old]
        return score[at[stopped]], sd[at[stopped]]
