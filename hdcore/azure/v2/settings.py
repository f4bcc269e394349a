"""What a v2 sweep is told beside its space: sampling, early termination, objective, limits."""

from __future__ import annotations

from typing import Any

from hdcore.errors import InputError
from hdcore.hyperdrive.unserved import Served

DEFAULT_TOTAL_TRIALS = 1000
SHORTEST_TIMEOUT_S = 60
"""Azure's client raises shorter timeouts: the service would read them in another unit."""


class _Described(Served):
    """Equal by class and content, and readable."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


# ---------------------------------------------------------------------- sampling


class SamplingAlgorithm(_Described):
    """Base of the sampling algorithms."""

    def __init__(self) -> None:
        self.type = ""


class RandomSamplingAlgorithm(SamplingAlgorithm):
    """Random or Sobol sampling; `logbase` is the base of the log distributions, e by default."""

    def __init__(self, *, rule: str | None = None, seed: int | None = None, logbase: float | str | None = None) -> None:
        super().__init__()
        self.type = "random"
        self.rule = rule
        self.seed = seed
        self.logbase = logbase


class GridSamplingAlgorithm(SamplingAlgorithm):
    """Every combination of choices."""

    def __init__(self) -> None:
        super().__init__()
        self.type = "grid"


class BayesianSamplingAlgorithm(SamplingAlgorithm):
    """Proposals from a model of the results so far."""

    def __init__(self) -> None:
        super().__init__()
        self.type = "bayesian"


def sampling_document(value: Any) -> Any:
    """Return what a sweep file would say under ``sampling_algorithm``."""
    if value is None:
        return "random"
    if isinstance(value, SamplingAlgorithm):
        return {key: item for key, item in vars(value).items() if item is not None}
    return value


# ---------------------------------------------------------------------- early termination


class EarlyTerminationPolicy(_Described):
    """Base of the policies."""

    def __init__(self, *, delay_evaluation: int = 0, evaluation_interval: int = 0) -> None:
        self.type = ""
        self.delay_evaluation = delay_evaluation
        self.evaluation_interval = evaluation_interval


class BanditPolicy(EarlyTerminationPolicy):
    """Ends what is worse than the best so far by more than a slack."""

    def __init__(
        self,
        *,
        delay_evaluation: int = 0,
        evaluation_interval: int = 0,
        slack_amount: float = 0,
        slack_factor: float = 0,
    ) -> None:
        super().__init__(delay_evaluation=delay_evaluation, evaluation_interval=evaluation_interval)
        self.type = "bandit"
        self.slack_factor = slack_factor
        self.slack_amount = slack_amount


class MedianStoppingPolicy(EarlyTerminationPolicy):
    """Ends what has not reached the median of the running averages."""

    def __init__(self, *, delay_evaluation: int = 0, evaluation_interval: int = 1) -> None:
        super().__init__(delay_evaluation=delay_evaluation, evaluation_interval=evaluation_interval)
        self.type = "median_stopping"


class TruncationSelectionPolicy(EarlyTerminationPolicy):
    """Ends the lowest share at each evaluation."""

    def __init__(
        self,
        *,
        delay_evaluation: int = 0,
        evaluation_interval: int = 0,
        truncation_percentage: int = 0,
        exclude_finished_jobs: bool = False,
    ) -> None:
        super().__init__(delay_evaluation=delay_evaluation, evaluation_interval=evaluation_interval)
        self.type = "truncation_selection"
        self.truncation_percentage = truncation_percentage
        self.exclude_finished_jobs = exclude_finished_jobs


def policy_document(policy: Any, warnings: list[str]) -> dict[str, Any] | None:
    """Return what a sweep file would say under ``early_termination``.

    Python's objects hold more than a file may: an interval of 0 means 1, a negative delay none, and a bandit's slack
    may be given twice or not at all.
    """
    if policy is None:
        return None
    if isinstance(policy, str):
        return {"type": policy, **({"slack_factor": 0} if policy.lower() == "bandit" else {})}
    if not isinstance(policy, EarlyTerminationPolicy):
        if isinstance(policy, dict):
            return policy
        raise InputError(
            f"is {type(policy).__name__}; give a policy of azure.ai.ml.sweep, or its name", field="early_termination"
        )
    found = {key: value for key, value in vars(policy).items() if value is not None}
    if found.get("evaluation_interval", 0) == 0:
        found["evaluation_interval"] = 1
    if isinstance(delay := found.get("delay_evaluation", 0), int) and delay < 0:
        found["delay_evaluation"] = 0
    if isinstance(policy, BanditPolicy):
        factor, amount = found.pop("slack_factor", 0), found.pop("slack_amount", 0)
        if factor and amount:
            warnings.append(f"early_termination: of slack_factor and slack_amount, slack_factor {factor} is used")
        if not factor and not amount:
            warnings.append("early_termination: a bandit without slack ends all but the best")
        found |= {"slack_amount": amount} if amount and not factor else {"slack_factor": factor}
    return found


# ---------------------------------------------------------------------- objective and limits


class Objective(_Described):
    """The primary metric and what to do with it."""

    def __init__(self, goal: str | None, primary_metric: str | None = None) -> None:
        self.goal = None if goal is None else str(getattr(goal, "value", goal)).lower()
        self.primary_metric = primary_metric


class SweepJobLimits(_Described):
    """Bounds of a sweep; timeouts in seconds."""

    def __init__(
        self,
        *,
        max_concurrent_trials: int | None = None,
        max_total_trials: int | None = None,
        timeout: int | None = None,
        trial_timeout: int | str | None = None,
    ) -> None:
        self.max_concurrent_trials = max_concurrent_trials
        self.max_total_trials = max_total_trials
        self.timeout = _raised(timeout)
        self.trial_timeout = _raised(trial_timeout)


def _raised(timeout: Any) -> Any:
    if isinstance(timeout, str) and timeout.strip().isdigit():
        timeout = int(timeout)
    is_short = isinstance(timeout, int | float) and not isinstance(timeout, bool) and 0 < timeout < SHORTEST_TIMEOUT_S
    return SHORTEST_TIMEOUT_S if is_short else timeout


def limits_document(limits: SweepJobLimits | None) -> dict[str, Any]:
    """Return what a sweep file would say under ``limits``."""
    found = {} if limits is None else {key: value for key, value in vars(limits).items() if value is not None}
    found.setdefault("max_total_trials", DEFAULT_TOTAL_TRIALS)
    if found.get("max_concurrent_trials") == 0:
        del found["max_concurrent_trials"]
    return found
