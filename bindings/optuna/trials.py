"""The trials of a study as rows of a table, each read once when it ends and encoded once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import islice
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

ATTRIBUTE = "hdcore:relative_params:{}"
"""Keys of the parts of what was proposed for a trial, for workers in other processes."""

LONGEST = 2045
"""Characters of one part: relational storages refuse longer ones."""

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
        self._ended: set[int] = set()  # beyond the first `_settled`, which have all ended
        self._settled = 0

    def of(self, trials: list[FrozenTrial]) -> Iterator[FrozenTrial]:
        """Yield those of a list in order of number."""
        start = self._settled
        if start and (len(trials) < start or trials[start - 1].number != start - 1):
            start = 0  # a part of the study, as Hyperband makes it, or a list that is older than the last one
        for trial in islice(trials, start, None):
            number = trial.number
            if number >= self._settled and number not in self._ended:
                yield trial

    def close(self, number: int) -> None:
        """Never give a trial again."""
        self._ended.add(number)
        while self._settled in self._ended:
            self._ended.remove(self._settled)
            self._settled += 1


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

    A trial gets its row when all parameters of the space are known, that is when they are proposed here, or shared by
    another worker, or when it has ended. Trials without some of the parameters, or with values that the space does not
    hold, have no row.

    Parameters
    ----------
    axes : Axes
    goal : Goal
    sees_running : bool
        Running trials are rows too.
    """

    def __init__(self, axes: Axes, goal: Goal, *, sees_running: bool) -> None:
        self.axes, self._goal, self._sees_running = axes, goal, sees_running
        self._forget()

    def _forget(self) -> None:
        self.rows = RunTable(len(self.axes.space.columns))
        self._row: dict[int, int] = {}  # number of a trial -> row
        self._unread = Unread()

    def follow(self, trials: list[FrozenTrial]) -> None:
        """Take over what is new in the trials of the study; older lists than the last one do no harm."""
        if not self._follow(trials):
            # A trial ended with other values than were proposed for it. Rows stay as they are, so begin again.
            self._forget()
            self._follow(trials)

    def _follow(self, trials: list[FrozenTrial]) -> bool:
        for trial in self._unread.of(trials):
            if trial.state in _STATE:
                if not self._end(trial):
                    return False
            elif trial.state == TrialState.RUNNING and self._sees_running and trial.number not in self._row:
                row = self.axes.encode({**shared(trial, self.axes), **trial.params})
                if row is not None:
                    self._row[trial.number] = self.rows.append(row)
        return True

    def _end(self, trial: FrozenTrial) -> bool:
        """Set the end of a trial; False if its row turns out to be another one."""
        if any(key.partition(":")[0] == "constraints" for key in trial.system_attrs):
            raise InputError(
                f"HdcoreSampler: trial {trial.number} has constraints, which the model does not know; "
                "return a bad value where they are violated"
            )
        found, at = self.axes.encode(trial.params), self._row.get(trial.number)
        if at is not None and (found is None or not np.array_equal(self.rows.encoded[at], found)):
            return False
        self._unread.close(trial.number)
        if found is None:
            return True
        if at is None:
            at = self._row[trial.number] = self.rows.append(found)
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
        return True

    def propose(self, trial: FrozenTrial, row: FloatVector) -> dict[str, Any]:
        """Note what a trial is going to be, and return its parameters."""
        params = self.axes.decode(row)
        if self._sees_running and trial.number not in self._row:
            fixed = {**params, **trial.system_attrs.get("fixed_params", {}), **trial.params}
            actual = self.axes.encode(fixed)
            if actual is not None:
                self._row[trial.number] = self.rows.append(actual)
        return params

    def unknown_before(self, trial: FrozenTrial, trials: list[FrozenTrial]) -> int:
        """Return how many older trials run whose parameters nobody has written yet."""
        older = (one for one in self._unread.of(trials) if one.number < trial.number and one.number not in self._row)
        return sum(one.state == TrialState.RUNNING and not one.params for one in older)

    @property
    def results(self) -> int:
        """Trials that completed or were pruned."""
        state = self.rows.state
        return int(np.count_nonzero((state == RowState.COMPLETED) | (state == RowState.CANCELED)))


def share(study: Study, trial: FrozenTrial, params: Mapping[str, Any], axes: Axes) -> None:
    """Write what was proposed for a trial where workers in other processes find it before the trial asks for it."""
    internal = {name: axes.distributions[name].to_internal_repr(value) for name, value in params.items()}
    text = json.dumps(internal)
    for part, start in enumerate(range(0, len(text), LONGEST)):
        study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE.format(part), text[start : start + LONGEST])


def shared(trial: FrozenTrial, axes: Axes) -> dict[str, Any]:
    """Return what `share` wrote, as far as it is whole and of this space."""
    parts: list[str] = []
    while (part := trial.system_attrs.get(ATTRIBUTE.format(len(parts)))) is not None:
        parts.append(part)
    try:
        internal = json.loads("".join(parts)) if parts else {}
        known = axes.distributions
        return {name: known[name].to_external_repr(value) for name, value in internal.items() if name in known}
    except (ValueError, IndexError):  # a part is not written yet; a choice that this space does not have
        return {}
