"""hdcore's early-termination policies as pruners of Optuna's.

Interval k of a trial is the k-th of its intermediate values in order of their steps, whatever the steps are: a trial
that reports at 0, 10, 20 has reached interval 3. Policies compare trials at the same interval, so trials of one study
should report at the same steps.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from hdcore import policies
from hdcore.bindings.optuna.trials import Unread, goal_of

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study

    from hdcore.policies import Policy
    from hdcore.policies._checks import Population


class _PolicyPruner(BasePruner):
    """Applies a policy to a study.

    A trial is judged at each of its reports with what all trials have reported by the time this pruner hears of it.
    The latest report at which the policy applies decides, so that a trial that asks rarely is not ended for what it was
    long ago, nor by a pruner that has just been made. Once `prune` said True of a trial, it stays so.

    Calls from several threads are safe. A copy or an unpickled pruner reads the study anew.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self._study: tuple[BaseStorage, int, str] | None = None
        self._population: _Population | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._policy!r})"

    @property
    def policy(self) -> Policy:
        """The policy that decides."""
        return self._policy

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        with self._lock:
            now = study._storage, study._study_id, study.study_name
            if self._population is None or now != self._study:
                sign = goal_of(study, type(self).__name__).sign
                self._study, self._population = now, _Population(self._policy, sign)
            trials = study.get_trials(deepcopy=False)
            if not self._population.hear(trials, trial):
                # A value came at a step before one that was judged already, so intervals have moved.
                ended = self._population.ended
                self._population = _Population(self._policy, self._population.sign)
                self._population.ended = ended
                self._population.hear(trials, trial)
            return self._population.ends(trial.number)

    def __getstate__(self) -> dict[str, Any]:
        return {"policy": self._policy}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _PolicyPruner.__init__(self, state["policy"])


class BanditPruner(_PolicyPruner):
    """Prunes a trial whose best value falls too far behind the best trial; see `hdcore.BanditPolicy`.

    Parameters
    ----------
    evaluation_interval : int, default 1
        The policy is applied at every so many reports.
    slack_factor, slack_amount : float, optional
        Allowance as a share of the best value, or in its units; one of the two.
    delay_evaluation : int, default 0
        Reports before the policy is first applied.
    population : {'all', 'reached'}, keyword only
        Whether trials that ended earlier are compared with.

    Raises
    ------
    PolicyError
        If an argument cannot be meant.
    """

    def __init__(
        self,
        evaluation_interval: int = 1,
        slack_factor: float | None = None,
        slack_amount: float | None = None,
        delay_evaluation: int = 0,
        *,
        population: Population = "all",
    ) -> None:
        super().__init__(
            policies.BanditPolicy(
                evaluation_interval, slack_factor, slack_amount, delay_evaluation, population=population
            )
        )


class MedianStoppingPruner(_PolicyPruner):
    """Prunes a trial whose best value is below the median of the running averages; see `hdcore.MedianStoppingPolicy`.

    Parameters
    ----------
    evaluation_interval, delay_evaluation, population
        As for `BanditPruner`.
    """

    def __init__(
        self, evaluation_interval: int = 1, delay_evaluation: int = 0, *, population: Population = "all"
    ) -> None:
        super().__init__(policies.MedianStoppingPolicy(evaluation_interval, delay_evaluation, population=population))


class TruncationPruner(_PolicyPruner):
    """Prunes the lowest percent of the trials; see `hdcore.TruncationSelectionPolicy`.

    Parameters
    ----------
    truncation_percentage : int
        1 … 99.
    evaluation_interval, delay_evaluation, population
        As for `BanditPruner`.
    exclude_finished_jobs : bool, default False
        Whether only trials that run are compared with.
    """

    def __init__(
        self,
        truncation_percentage: int,
        evaluation_interval: int = 1,
        delay_evaluation: int = 0,
        exclude_finished_jobs: bool = False,
        *,
        population: Population = "all",
    ) -> None:
        super().__init__(
            policies.TruncationSelectionPolicy(
                truncation_percentage,
                evaluation_interval,
                delay_evaluation,
                exclude_finished_jobs,
                population=population,
            )
        )


class _Population:
    """What the judge of a policy has heard of a study.

    Attributes
    ----------
    ended : set of int
        Numbers of the trials that were told to end.
    """

    def __init__(self, policy: Policy, sign: float) -> None:
        self.sign, self.ended = sign, set[int]()
        self._policy, self._judge = policy, policy.judge()
        self._heard: dict[int, tuple[int, int]] = {}  # trial -> number of reports, last step
        self._verdict: dict[int, bool] = {}  # trial -> what the latest report at which the policy applies said
        self._unread = Unread()

    def hear(self, trials: list[FrozenTrial], judged: FrozenTrial) -> bool:
        """Take what is new in all trials, and in `judged` at last; False if an earlier interval has changed."""
        for trial in self._unread.of(trials):
            if trial.number == judged.number:
                continue
            if not self._reports(trial):
                return False
            if trial.state.is_finished():
                self._unread.close(trial.number)
                if trial.number in self._heard:
                    self._judge.end(trial.number)
        return self._reports(judged)

    def ends(self, number: int) -> bool:
        """Return whether a trial is to end."""
        if self._verdict.get(number, False):
            self.ended.add(number)
        return number in self.ended

    def _reports(self, trial: FrozenTrial) -> bool:
        values = trial.intermediate_values
        count, last = self._heard.get(trial.number, (0, -1))
        if len(values) <= count:  # an older list than the last one, at most
            return True
        steps = sorted(values)
        if count and steps[count - 1] != last:
            return False
        scores = self.sign * np.array([values[step] for step in steps[count:]], np.float64)
        verdicts = self._judge.report_many(np.full(len(scores), trial.number, np.int64), scores)
        latest = len(steps) // self._policy.evaluation_interval * self._policy.evaluation_interval
        if latest > count and latest >= self._policy.delay_evaluation:
            self._verdict[trial.number] = bool(verdicts[latest - count - 1])
        self._heard[trial.number] = len(steps), steps[-1]
        return True
