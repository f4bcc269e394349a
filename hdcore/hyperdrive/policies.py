"""Early-termination policies with Azure's order of arguments, checks and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hdcore.hyperdrive.exceptions import HyperDriveConfigException
from hdcore.hyperdrive.limits import is_strict
from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.policies import Policy


class EarlyTerminationPolicy(Served):
    """Base of the policies; two are equal if their `to_json` is.

    Attributes
    ----------
    evaluation_interval : int
        The policy is applied at the multiples of this number of reports.
    delay_evaluation : int
        First report at which it may be applied.
    """

    def __init__(self, name: str, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        for word, value in (("evaluation_interval", evaluation_interval), ("delay_evaluation", delay_evaluation)):
            if not isinstance(value, int):
                raise HyperDriveConfigException(f"{name} expects {word} to be an int; found {value!r}")
        self.name = name
        self.evaluation_interval = evaluation_interval
        self.delay_evaluation = delay_evaluation
        self._population: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return Azure's document, ``{"name": …, "properties": {…}}``."""
        raise NotImplementedError

    @staticmethod
    def from_json(document: Mapping[str, Any] | None) -> EarlyTerminationPolicy:
        """Make the policy of a document; None is no termination."""
        from hdcore.errors import PolicyError
        from hdcore.policies import from_json

        try:
            found = from_json(document)
        except PolicyError as error:
            raise HyperDriveConfigException(str(error)) from None
        return wrap(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EarlyTerminationPolicy) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        properties = self.to_json().get("properties", {})
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in properties.items())})"

    def _properties(self, **more: Any) -> dict[str, Any]:
        ours = {} if self._population is None else {"population": self._population}  # Azure has no such option
        return {
            "evaluation_interval": self.evaluation_interval,
            "delay_evaluation": self.delay_evaluation,
            **more,
            **ours,
        }


class BanditPolicy(EarlyTerminationPolicy):
    """End runs that fall behind the best one by more than a slack.

    Parameters
    ----------
    evaluation_interval : int
    slack_factor, slack_amount : float, optional
        Exactly one: the allowance as a share of the best metric, or in its units.
    delay_evaluation : int
    """

    def __init__(
        self,
        evaluation_interval: int = 1,
        slack_factor: float | None = None,
        slack_amount: float | None = None,
        delay_evaluation: int = 0,
    ) -> None:
        super().__init__("Bandit", evaluation_interval, delay_evaluation)
        if bool(slack_factor) == bool(slack_amount) and (slack_factor, slack_amount).count(None) != 1:
            raise HyperDriveConfigException(
                "BanditPolicy expects exactly one of slack factor or slack amount;"
                f" found slack_factor={slack_factor!r}, slack_amount={slack_amount!r}"
            )
        for word, value in (("slack_factor", slack_factor), ("slack_amount", slack_amount)):
            if value is not None and (isinstance(value, (bool, str)) or not value >= 0 or value - value != 0):
                raise HyperDriveConfigException(f"BanditPolicy expects {word} >= 0; found {value!r}")
        is_relative = slack_amount is None or bool(slack_factor)
        self.slack_factor = slack_factor if is_relative else None
        self._slack_amount = None if is_relative else slack_amount
        self._slack_iqr: float | None = None  # Azure has no such slack

    def to_json(self) -> dict[str, Any]:
        """Return Azure's document with the slack that was given."""
        if self._slack_iqr is not None:
            return {"name": self.name, "properties": self._properties(slack_iqr=self._slack_iqr)}
        if self.slack_factor is not None:
            return {"name": self.name, "properties": self._properties(slack_factor=self.slack_factor)}
        return {"name": self.name, "properties": self._properties(slack_amount=self._slack_amount)}


class MedianStoppingPolicy(EarlyTerminationPolicy):
    """End runs whose best metric is worse than the median of the running averages of all runs."""

    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        super().__init__("MedianStopping", evaluation_interval, delay_evaluation)

    def to_json(self) -> dict[str, Any]:
        """Return Azure's document."""
        return {"name": self.name, "properties": self._properties()}


class TruncationSelectionPolicy(EarlyTerminationPolicy):
    """End the lowest `truncation_percentage` percent of the runs at each evaluation.

    Parameters
    ----------
    truncation_percentage : int
        1 to 99.
    exclude_finished_jobs : bool, keyword only
        Rank against running runs only. In Azure's documentation, though its own classes refuse it.
    """

    def __init__(
        self,
        truncation_percentage: int,
        evaluation_interval: int = 1,
        delay_evaluation: int = 0,
        *,
        exclude_finished_jobs: bool = False,
    ) -> None:
        if exclude_finished_jobs and is_strict():
            raise TypeError("TruncationSelectionPolicy() got exclude_finished_jobs, which Azure's class does not take")
        super().__init__("TruncationSelection", evaluation_interval, delay_evaluation)
        if not isinstance(truncation_percentage, int) or not 1 <= truncation_percentage <= 99:
            raise HyperDriveConfigException(
                f"TruncationSelectionPolicy expects truncation_percentage to be an int from 1 to 99;"
                f" found {truncation_percentage!r}"
            )
        self.truncation_percentage = truncation_percentage
        self.exclude_finished_jobs = bool(exclude_finished_jobs)

    def to_json(self) -> dict[str, Any]:
        """Return Azure's document."""
        properties = self._properties(
            truncation_percentage=self.truncation_percentage, exclude_finished_jobs=self.exclude_finished_jobs
        )
        return {"name": self.name, "properties": properties}


class NoTerminationPolicy(EarlyTerminationPolicy):
    """Let every run go to its end; the same as ``policy=None``."""

    def __init__(self) -> None:
        super().__init__("Default")

    def to_json(self) -> dict[str, Any]:
        """Return Azure's document, which has no properties."""
        return {"name": "Default"}


def wrap(policy: Policy | EarlyTerminationPolicy | None) -> EarlyTerminationPolicy:
    """Return one of the classes here for a policy of `hdcore.policies`."""
    if policy is None:
        return NoTerminationPolicy()
    if isinstance(policy, EarlyTerminationPolicy):
        return policy
    if not callable(getattr(policy, "to_json", None)):
        raise HyperDriveConfigException(f"policy is {policy!r}; give a policy such as MedianStoppingPolicy(), or None")
    document = policy.to_json()
    made: EarlyTerminationPolicy
    kinds: dict[str, type[Any]] = {
        "Bandit": BanditPolicy,
        "MedianStopping": MedianStoppingPolicy,
        "TruncationSelection": TruncationSelectionPolicy,
    }
    kind = kinds.get(document.get("name", ""), NoTerminationPolicy)
    properties = dict(document.get("properties", {}))
    population, slack_iqr = properties.pop("population", None), properties.pop("slack_iqr", None)
    if slack_iqr is not None:
        made = BanditPolicy(slack_factor=0, **properties)
        made.slack_factor, made._slack_iqr, made._population = None, slack_iqr, population
        return made
    made = kind(**properties)
    made._population = population
    return made
