"""The table of all runs: one array a quantity, grown by doubling. Larger scores are better throughout."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from hdcore.typing import BoolVector, FloatMatrix, FloatVector


class RowState(IntEnum):
    """State of a row; what samplers need to know of a run."""

    PENDING = 0
    COMPLETED = 1
    FAILED = 2
    CANCELED = 3
    WITHDRAWN = 4
    """Proposed, but something else was run: says nothing. Frameworks that embed the samplers have such runs."""


class RunTable:
    """Structure of arrays over the runs of one sweep, rows in order of asking.

    Views (`encoded`, `state`, …) are cut to the present number of rows; take them anew after a change, since growing
    replaces the arrays. Writing through them is for the engine only.

    Parameters
    ----------
    d : int
        Encoded columns.

    Attributes
    ----------
    n : int
        Rows: the runs of this sweep in order of asking, with history rows (`source` > 0) wherever they were added.
    """

    def __init__(self, d: int) -> None:
        self.n = 0
        self.d = d
        self._encoded = np.empty((16, d))
        self._state = np.zeros(16, np.uint8)
        self._source = np.zeros(16, np.int16)
        self._value = np.full(16, np.nan)
        self._best = np.full(16, -np.inf)
        self._total = np.zeros(16)
        self._finite = np.zeros(16, np.int32)
        self._intervals = np.zeros(16, np.int32)
        self._metric = np.full((8, 16), np.nan)  # (intervals, runs): a policy reads one contiguous row

    @property
    def encoded(self) -> FloatMatrix:
        """Encoded configurations, shape (n, d), C order."""
        return self._encoded[: self.n]

    @property
    def state(self) -> npt.NDArray[np.uint8]:
        """`RowState` codes, shape (n,)."""
        return self._state[: self.n]

    @property
    def source(self) -> npt.NDArray[np.int16]:
        """Where a row comes from, shape (n,): 0 a run of this sweep, 1 history in the same metric, 2, 3, … history of
        another sweep each, whose metric may be shifted."""
        return self._source[: self.n]

    @property
    def earlier(self) -> BoolVector:
        """True for history rows, shape (n,)."""
        return self.source > 0

    @property
    def value(self) -> FloatVector:
        """Final scores, shape (n,); NaN while pending and for runs without any finite value."""
        return self._value[: self.n]

    @property
    def best(self) -> FloatVector:
        """Best score reported so far, shape (n,); -inf before the first finite report."""
        return self._best[: self.n]

    @property
    def mean(self) -> FloatVector:
        """Mean of the finite reported scores, shape (n,); -inf where there is none."""
        count = self._finite[: self.n]
        return np.where(count > 0, self._total[: self.n] / np.maximum(count, 1), -np.inf)

    @property
    def intervals(self) -> npt.NDArray[np.int32]:
        """Number of reports, shape (n,)."""
        return self._intervals[: self.n]

    @property
    def metric(self) -> FloatMatrix:
        """Scores of every report, shape (n, t), Fortran order; NaN: not reported, -inf: reported, not finite."""
        longest = int(self._intervals[: self.n].max(initial=0))
        return self._metric[:longest, : self.n].T

    def append(self, row: FloatVector, *, source: int = 0) -> int:
        """Add a pending row and return its index."""
        index = self.n
        if index == len(self._state):
            self._grow_runs()
        self._encoded[index] = row
        self._source[index] = source
        self.n = index + 1
        return index

    def report(self, index: int, score: float) -> int:
        """Add the next report of a row, O(1), and return its interval (1, 2, …)."""
        interval = int(self._intervals[index])
        if interval == len(self._metric):
            self._metric = np.concatenate([self._metric, np.full_like(self._metric, np.nan)])
        if math.isfinite(score):
            if score > self._best[index]:
                self._best[index] = score
            self._total[index] = float(self._total[index]) + score  # Python floats overflow to infinity quietly
            self._finite[index] += 1
        else:
            score = -math.inf
        self._metric[interval, index] = score
        self._intervals[index] = interval + 1
        return interval + 1

    def report_many(self, index: int, scores: FloatVector) -> None:
        """Add reports of a row in order, as `report` would one by one, bit for bit."""
        first, until = int(self._intervals[index]), int(self._intervals[index]) + len(scores)
        if until > len(self._metric):
            room = len(self._metric)
            while room < until:
                room *= 2
            more = np.full((room - len(self._metric), self._metric.shape[1]), np.nan)
            self._metric = np.concatenate([self._metric, more])
        finite = scores[np.isfinite(scores)]
        if len(finite):
            self._best[index] = max(self._best[index], finite.max())
            with np.errstate(over="ignore", invalid="ignore"):
                self._total[index] = np.add.accumulate(np.concatenate([self._total[index : index + 1], finite]))[-1]
            self._finite[index] += len(finite)
        self._metric[first:until, index] = np.where(np.isfinite(scores), scores, -np.inf)
        self._intervals[index] = until

    def forget_reports(self, index: int) -> None:
        """Take back all reports of a row: its run starts again."""
        self._metric[: self._intervals[index], index] = np.nan
        self._best[index] = -math.inf
        self._total[index] = 0.0
        self._finite[index] = 0
        self._intervals[index] = 0

    def finish(self, index: int, state: RowState, value: float) -> None:
        """Set the final state and score of a row."""
        self._state[index] = state
        self._value[index] = value

    def _grow_runs(self) -> None:
        def doubled(array: npt.NDArray[np.generic], fill: float) -> npt.NDArray[np.generic]:
            return np.concatenate([array, np.full_like(array, fill)])

        self._encoded = doubled(self._encoded, np.nan)  # type: ignore[assignment]
        self._state = doubled(self._state, 0)  # type: ignore[assignment]
        self._source = doubled(self._source, 0)  # type: ignore[assignment]
        self._value = doubled(self._value, np.nan)
        self._best = doubled(self._best, -np.inf)
        self._total = doubled(self._total, 0)  # type: ignore[assignment]
        self._finite = doubled(self._finite, 0)  # type: ignore[assignment]
        self._intervals = doubled(self._intervals, 0)  # type: ignore[assignment]
        self._metric = np.concatenate([self._metric, np.full_like(self._metric, np.nan)], axis=1)
