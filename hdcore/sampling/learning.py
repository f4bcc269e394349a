"""From the table of a sweep to what a Gaussian process learns from: shared by the sampler and the model for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hdcore.gp.columns import LARGEST_TABLE, ORDERED, Columns
from hdcore.gp.evidence import Evidence
from hdcore.gp.parents import Parents
from hdcore.gp.stopped import StoppedRuns
from hdcore.gp.surrogate import fit_surrogate
from hdcore.space.enumeration import level_rows

if TYPE_CHECKING:
    from hdcore.gp.surrogate import Surrogate
    from hdcore.history import RunTable
    from hdcore.space import SearchSpace
    from hdcore.typing import FloatVector, IntVector


class Learning:
    """Model coordinates of a growing table.

    Parameters
    ----------
    space : SearchSpace
        With at least one column.

    Attributes
    ----------
    columns : Columns
        With a column for every earlier sweep; another object after these changed.
    first : ndarray of int64
        Rows of earlier sweeps that this one begins with.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space, self._tables = space, _tables(space)
        self._plain = Columns(space.columns, self._tables)
        self._forget()

    def _forget(self) -> None:
        self.columns = self._plain
        self.first: IntVector = np.empty(0, np.int64)
        self._parents: Parents | None = None
        self._X = np.empty((0, self._plain.d))
        self._stopped = StoppedRuns()
        self._earlier = 0

    def evidence(self, table: RunTable) -> Evidence:
        """Return what the table says at present."""
        if table.n < len(self._X):
            self._forget()
        earlier = int(np.count_nonzero(table.source >= 2))
        if earlier != self._earlier:
            self._forget()
            self._earlier = earlier
            self._adopt(table)
        new = table.encoded[len(self._X) :]
        if len(new):
            self._X = np.concatenate([self._X, self.columns.to_model(new)])
        self._stopped.extend(self._X)
        return Evidence(table, self._X, self._stopped, self._parents)

    def surrogate(self, table: RunTable) -> Surrogate | None:
        """Fit the model that people ask; None if there are no two different results."""
        evidence = self.evidence(table)
        return fit_surrogate(self.columns, evidence) if len(evidence.told) >= 2 else None

    def _adopt(self, table: RunTable) -> None:
        X = self._plain.to_model(table.encoded)
        parents = Parents(table, X, self._plain.clamp)
        if not parents.codes:
            return
        self._parents = parents
        self.first = parents.first(X, self._plain.clamp)
        self.columns = Columns(self._space.columns, self._tables, len(parents.codes))
        self._X = self.columns.to_model(table.encoded)
        for k, code in enumerate(parents.codes, self._plain.d):
            self._X[table.source == code, k] = 1.0


def _tables(space: SearchSpace) -> dict[int, tuple[FloatVector, FloatVector]]:
    """Middles and edges of the cells of ordered columns, in their distribution function, by column."""
    tables = {}
    for k, column in enumerate(space.columns):
        if column.kind == ORDERED and 0 < column.levels <= LARGEST_TABLE:
            rows, weights = level_rows(space.encoder, column, k)
            edge = np.concatenate([[0.0], np.cumsum(weights)])
            edge[-1] = 1.0
            tables[k] = (np.ascontiguousarray(rows[:, k]), edge)
    return tables
