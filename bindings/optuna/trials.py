"""The trials of a study as rows of a table, each read once when it ends and encoded once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from hdcore.bindings.optuna.distributions import Axes
from hdcore.errors import InputError
from hdcore.history import RowState, RunTable
from hdcore.typing import Goal

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

    from hdcore.typing import FloatVector

_STATE = {
    TrialState.COMPLETE: RowState.COMPLETED,
    TrialState.PRUNED: RowState.CANCELED,
    TrialState.FAIL: RowState.FAILED,
}


def goal_of(study: Study, who: str) -> Goal:
    """Return the direction of a study.

    Raises
    ------
    InputError
        If it has several objectives.
    """
    directions = study.directions
    if len(directions) != 1:
        raise InputError(f"{who}: the study has {len(directions)} objectives; use it for studies with one")
    return Goal.parse(directions[0].name)


def curve(trial: FrozenTrial) -> list[float]:
    """Return the intermediate values of a trial in order of their steps: interval k is the k-th of them."""
    return [value for _, value in sorted(trial.intermediate_values.items())]


class Unread:
    """The trials of a study that were not yet seen ended, found without a look at all of them."""

    def __init__(self) -> None:
        self._closed: set[int] = set()
        self._known = 0  # trials with lower numbers are closed or open
        self._open: set[int] = set()

    def of(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return those of a list in order of number."""
        known = self._known
        if len(trials) < known or (known and trials[known - 1].number != known - 1):
            found = trials  # a part of the study, as Hyperband makes it, or a list that is older than the last one
        else:
            new = trials[known:]
            found = [*(trials[number] for number in sorted(self._open)), *new]
            for number, trial in enumerate(new, known):
                if trial.number != number:
                    break
                self._known += 1
                if number not in self._closed:
                    self._open.add(number)
        return [trial for trial in found if trial.number not in self._closed]

    def close(self, number: int) -> None:
        """Never give a trial again."""
        self._closed.add(number)
        self._open.discard(number)


class CommonSpace:
    """The parameters that all completed trials share, with equal distributions.

    What `optuna.search_space.IntersectionSearchSpace` finds; that one looks again and again at all trials that are
    younger than the oldest unfinished one, and a worker that was killed leaves such a trial behind for ever.
    """

    def __init__(self) -> None:
        self._unread = Unread()
        self._common: dict[str, BaseDistribution] | None = None

    def over(self, trials: list[FrozenTrial]) -> dict[str, BaseDistribution]:
        """Return the space of these trials and of those that were seen before."""
        for trial in self._unread.of(trials):
            if trial.state not in _STATE:
                continue
            self._unread.close(trial.number)
            theirs = trial.distributions
            if trial.state != TrialState.COMPLETE:
                continue
            if self._common is None:
                self._common = dict(sorted(theirs.items()))
            else:
                self._common = {name: own for name, own in self._common.items() if theirs.get(name) == own}
        return dict(self._common or {})


class TrialTable:
    """Trials as rows.

    A trial gets its row when all parameters of the space are known: they are proposed here, or another worker has
    written them, or it has ended. Trials without some of the parameters, or with values that the space does not
    hold, have no row.

    Parameters
    ----------
    axes : Axes
    goal : Goal
    sees_running : bool
        Whether running trials are rows too.
    """

    def __init__(self, axes: Axes, goal: Goal, *, sees_running: bool) -> None:
        self.axes, self._goal, self._sees_running = axes, goal, sees_running
        self.rows = RunTable(len(self.axes.space.columns))
        self._row: dict[int, int] = {}  # number of a running trial -> row
        self._unread = Unread()

    def follow(self, trials: list[FrozenTrial]) -> None:
        """Take over what is new in the trials of the study; older lists than the last one do no harm."""
        for trial in self._unread.of(trials):
            if trial.state in _STATE:
                self._end(trial)
            elif trial.state == TrialState.RUNNING and self._sees_running and trial.number not in self._row:
                row = self.axes.encode(trial.params)
                if row is not None:
                    self._row[trial.number] = self.rows.append(row)

    def _end(self, trial: FrozenTrial) -> None:
        if any(key.partition(":")[0] == "constraints" for key in trial.system_attrs):
            raise InputError(
                f"HdcoreSampler: trial {trial.number} has constraints, which the model does not know; "
                "return a bad value where they are violated"
            )
        self._unread.close(trial.number)
        found, at = self.axes.encode(trial.params), self._row.pop(trial.number, None)
        if at is not None and (found is None or not np.array_equal(self.rows.encoded[at], found)):
            self.rows.finish(at, RowState.WITHDRAWN, math.nan)  # rows never change
            at = None
        if found is None:
            return
        if at is None:
            at = self.rows.append(found)
        sign = self._goal.sign
        reported = curve(trial)
        if reported:
            self.rows.report_many(at, sign * np.array(reported))
        state = _STATE[trial.state]
        score = float(self.rows.best[at])  # of a failed or pruned trial
        if state is RowState.COMPLETED:
            assert trial.value is not None  # Optuna keeps no completed trial without one
            score = sign * trial.value
        self.rows.finish(at, state, score if math.isfinite(score) else math.nan)

    def propose(self, trial: FrozenTrial, row: FloatVector) -> dict[str, Any]:
        """Note what a trial is going to be, and return its parameters."""
        params = self.axes.decode(row)
        if self._sees_running and trial.number not in self._row:
            fixed = {**params, **trial.system_attrs.get("fixed_params", {}), **trial.params}
            actual = self.axes.encode(fixed)
            if actual is not None:
                self._row[trial.number] = self.rows.append(actual)
        return params

    def starting(self, trial: FrozenTrial, trials: list[FrozenTrial], most: int) -> int:
        """Return how many of the `most` trials before this one run, and have not come to all of their parameters."""
        if not self._sees_running:
            return 0
        before = range(trial.number - most, trial.number)
        return sum(
            one.number in before and one.number not in self._row and one.state == TrialState.RUNNING
            for one in self._unread.of(trials)
        )

    @property
    def results(self) -> int:
        """Trials that completed or were pruned."""
        state = self.rows.state
        return int(np.count_nonzero((state == RowState.COMPLETED) | (state == RowState.CANCELED)))
