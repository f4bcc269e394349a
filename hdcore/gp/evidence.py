"""What a model may learn from a table: final results, runs that were stopped, results of other sweeps.

Everything here is a pure function of the table. Fits and factors see prefixes of the finished runs (`Evidence.upto`),
so that what they were made of stays the same while later runs come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hdcore.history import RowState

if TYPE_CHECKING:
    from hdcore.gp.parents import Parents
    from hdcore.gp.stopped import StoppedRuns
    from hdcore.history import RunTable
    from hdcore.typing import BoolVector, FloatMatrix, FloatVector, IntVector


@dataclass(frozen=True, slots=True)
class Sample:
    """Values at points.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Rows of the table; equal rows mean equal samples.
    X : ndarray of float64, shape (n, d)
        Model coordinates.
    y, sd : ndarray of float64, shape (n,)
        Values, smaller is better, and how uncertain they are themselves (0: told).
    is_own : ndarray of bool, shape (n,)
        Results in the metric of this sweep; only these can be the incumbent.
    """

    rows: IntVector
    X: FloatMatrix
    y: FloatVector
    sd: FloatVector
    is_own: BoolVector


class Evidence:
    """Results of a table, sorted by what they say.

    Parameters
    ----------
    table : RunTable
    X : ndarray of float64, shape (n, d)
        Model coordinates of its rows.
    memory : StoppedRuns
        Of this table.
    parents : Parents or None
        Results of other sweeps.
    """

    def __init__(self, table: RunTable, X: FloatMatrix, memory: StoppedRuns, parents: Parents | None = None) -> None:
        state, value = table.state, table.value
        finite = np.isfinite(value)
        in_metric = table.source <= 1
        completed = (state == RowState.COMPLETED) & in_metric
        self.X, self._memory = X, memory
        self.told: IntVector = np.flatnonzero(completed & finite)
        self.failed: IntVector = np.flatnonzero((state == RowState.FAILED) & in_metric | (completed & ~finite))
        self.stopped: IntVector = np.flatnonzero((state == RowState.CANCELED) & in_metric)
        self.y: FloatVector = -value[self.told]
        self._table, self._parents = table, parents
        self._alone: Evidence | None = None
        self._finals: dict[int, tuple[IntVector, FloatVector, FloatVector]] = {}
        self._guessed: IntVector | None = None

    def alone(self) -> Evidence:
        """The evidence of this sweep only; itself if there are no others."""
        if self._parents is not None and self._alone is None:
            self._alone = Evidence(self._table, self.X, self._memory)
        return self if self._alone is None else self._alone

    def part(self, is_kept: BoolVector) -> Evidence:
        """The evidence of this sweep only, with some of its results, and its best one in any case."""
        found = Evidence(self._table, self.X, self._memory)
        is_kept = is_kept.copy()
        is_kept[self.y.argmin()] = True
        found.told, found.y = self.told[is_kept], self.y[is_kept]
        return found

    def upto(self, size: int) -> Sample:
        """The first `size` results, the runs that were stopped before the last of them, and all of other sweeps."""
        told = self.told[:size]
        rows, y, sd = self._predicted(size)
        before = rows < (told[-1] if size else 0)
        own = np.concatenate([told, rows[before]])
        values = np.concatenate([self.y[:size], y[before]])
        spread = np.concatenate([np.zeros(size), sd[before]])
        is_own = np.arange(len(own)) < size
        if self._parents is None:
            return Sample(own, self.X[own], values, spread, is_own)
        earlier, theirs = self._parents.aligned(self.X[told], self.y[:size])
        return Sample(
            np.concatenate([earlier, own]),
            np.concatenate([self.X[earlier], self.X[own]]),
            np.concatenate([theirs, values]),
            np.concatenate([np.zeros(len(earlier)), spread]),
            np.concatenate([np.zeros(len(earlier), np.bool_), is_own]),
        )

    def beyond(self, size: int) -> Sample:
        """Results that `upto` leaves out."""
        told = self.told[size:]
        rows, y, sd = self._predicted(size)
        after = rows > (self.told[size - 1] if size else -1)
        both = np.concatenate([told, rows[after]])
        return Sample(
            both,
            self.X[both],
            np.concatenate([self.y[size:], y[after]]),
            np.concatenate([np.zeros(len(told)), sd[after]]),
            np.arange(len(both)) < len(told),
        )

    def everything(self) -> Sample:
        """All results, stopped runs and other sweeps."""
        whole, rest = self.upto(len(self.told)), self.beyond(len(self.told))
        return Sample(
            np.concatenate([whole.rows, rest.rows]),
            np.concatenate([whole.X, rest.X]),
            np.concatenate([whole.y, rest.y]),
            np.concatenate([whole.sd, rest.sd]),
            np.concatenate([whole.is_own, rest.is_own]),
        )

    def places(self, size: int) -> IntVector:
        """Stopped runs whose final value cannot be told from the first `size` results: only their places count."""
        return np.setdiff1d(self.stopped, self._predicted(size)[0], assume_unique=True)

    def _predicted(self, size: int) -> tuple[IntVector, FloatVector, FloatVector]:
        """Rows, final values and their uncertainty of the stopped runs that the first `size` results explain."""
        if size not in self._finals:
            self._finals[size] = self._predict(size)
        return self._finals[size]

    def _predict(self, size: int) -> tuple[IntVector, FloatVector, FloatVector]:
        nothing = np.empty(0, np.int64), np.empty(0), np.empty(0)
        if len(self.stopped) == 0 or size == 0:
            return nothing
        if self._guessed is None:  # a result says more about its place than a guess
            has_curve = np.isfinite(self._table.best[self.stopped])
            self._guessed = self._memory.alone(self.stopped[has_curve], self.told)
        score, sd = self._memory.finals(self._table, self.told[:size], self._guessed)
        known = np.isfinite(score)
        return self._guessed[known], -score[known], sd[known]
