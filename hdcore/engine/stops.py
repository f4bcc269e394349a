"""What a policy saw when it ended a run.

Only runs that are ended cost anything here. The bar is the judge's own number; population and best run are read from
the table of that moment, in O(runs), with each pair of run and interval looked at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.history import RowState
from hdcore.reasons import MOST_RANGES, Stop

if TYPE_CHECKING:
    from hdcore.history import RunTable
    from hdcore.policies.base import Judge, Policy
    from hdcore.typing import BoolVector, IntVector

_MOST_LEADERS = 1024


class Witness:
    """Remembers the leaders of intervals from one decision to the next.

    Parameters
    ----------
    policy : Policy
    sign : float
        Of the goal.
    """

    def __init__(self, policy: Policy, sign: float) -> None:
        self._policy, self._sign = policy, sign
        self._described: dict[str, Any] = policy.to_json()
        self._population: str | None = getattr(policy, "population", None)
        self._is_live_only = bool(getattr(policy, "exclude_finished_jobs", False))
        self._leaders: dict[int, _Leader] = {}

    def forget(self) -> None:
        """Reports were taken back."""
        self._leaders.clear()

    def stop(self, judge: Judge, table: RunTable, row: int) -> Stop:
        """Describe the decision that `judge` has just taken about a row, whose report stands in the table."""
        interval = int(table.intervals[row])
        value, bar = self._told(float(table.best[row])), getattr(judge, "last_bar", None)
        told = None if bar is None else self._told(float(bar))  # numpy's floats are none to JSON
        if self._population is None:  # a rule that is not ours
            return Stop(policy=self._described, interval=interval, value=value, bar=told)
        has_reached = table.intervals >= interval
        is_live = table.state == RowState.PENDING
        is_member = has_reached & is_live if self._is_live_only else has_reached
        is_over = np.zeros(table.n, np.bool_)  # ended before the interval, and stands with all it reported
        if self._population == "all" and not self._is_live_only:
            is_over = ~has_reached & ~is_live & (table.intervals > 0)
        best, score = self._best(table, interval, is_member, is_over)
        is_member = is_member | is_over
        earlier = table.earlier
        others = is_member & ~earlier
        others[row] = False
        return Stop(
            policy=self._described,
            interval=interval,
            value=value,
            bar=told,
            count=int(np.count_nonzero(is_member)),
            earlier=int(np.count_nonzero(is_member & earlier)),
            runs=_ranges(_number(table, np.flatnonzero(others))),
            best_run=None if best is None or earlier[best] else int(_number(table, np.array([best]))[0]),
            best=None if best is None else self._told(score),
        )

    def _told(self, score: float) -> float | None:
        return self._sign * score if math.isfinite(score) else None

    def _best(
        self, table: RunTable, interval: int, is_member: BoolVector, is_over: BoolVector
    ) -> tuple[int | None, float]:
        """Row and score of the best of a population by `interval`; the first of equal ones."""
        if self._is_live_only:  # as many as run at a time
            leader = _Leader()
            leader.look(table, interval, is_member)
        else:
            leader = self._leaders.pop(interval) if interval in self._leaders else _Leader()
            leader.look(table, interval, is_member)
            self._leaders[interval] = leader  # the latest used is the last to go
            if len(self._leaders) > _MOST_LEADERS:
                del self._leaders[next(iter(self._leaders))]
        row, score = leader.row, leader.score
        over = np.flatnonzero(is_over)
        if len(over):
            first = int(over[table.best[over].argmax()])
            reached = float(table.best[first])
            if reached > score or (reached == score and row is not None and first < row):
                row, score = first, reached
        return row, score


class _Leader:
    """The best run at one interval, of those that have reported it."""

    def __init__(self) -> None:
        self.row: int | None = None
        self.score = -math.inf
        self._is_known: BoolVector = np.zeros(0, np.bool_)

    def look(self, table: RunTable, interval: int, has_reached: BoolVector) -> None:
        """Take in the rows that have reached the interval since the last look."""
        is_new = has_reached.copy()
        is_new[: len(self._is_known)] &= ~self._is_known
        self._is_known = has_reached.copy()
        new = np.flatnonzero(is_new)
        for rows in (new[table.intervals[new] == interval], new[table.intervals[new] > interval]):
            # What a run reported later only adds to its best: nobody leads who is not as good now.
            at = rows[table.best[rows] >= self.score]
            if not len(at):
                continue
            best = table.metric[at, :interval].max(axis=1)
            first = int(best.argmax())
            found = float(best[first]), int(at[first])
            if found[0] > self.score or (found[0] == self.score and self.row is not None and found[1] < self.row):
                self.score, self.row = found


def _number(table: RunTable, rows: IntVector) -> IntVector:
    """Numbers of the runs in some rows of this sweep: rows of earlier sweeps have none."""
    if not len(rows) or not table.earlier.any():
        return rows
    numbers: IntVector = np.cumsum(~table.earlier)[rows] - 1
    return numbers


def _ranges(numbers: IntVector) -> tuple[tuple[int, int], ...]:
    if not len(numbers):
        return ()
    cuts = np.flatnonzero(np.diff(numbers) > 1)
    firsts = numbers[np.concatenate([[0], cuts + 1])][:MOST_RANGES]
    lasts = numbers[np.concatenate([cuts, [len(numbers) - 1]])][:MOST_RANGES]
    return tuple(zip(firsts.tolist(), lasts.tolist(), strict=True))
