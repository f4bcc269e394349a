"""Median stopping: ends a run whose best is below the median of the running averages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hdcore.policies import _checks
from hdcore.policies._checks import Population

if TYPE_CHECKING:
    from hdcore.policies.base import Judge


@dataclass(frozen=True, slots=True)
class MedianStoppingPolicy:
    """End a run whose best score so far is strictly below the median of the averages over the population.

    The average of a run at interval k is the mean of its finite scores of intervals 1..k, added from left to right,
    and never above its best: where rounding lifts the mean of equal numbers over them, the best stands in, so that no
    run is ended by its own rounding. The median of an even number is the mean of the two middle averages.

    Parameters
    ----------
    evaluation_interval : int, default 1
        The policy is applied at the multiples of this number; 0 is read as 1.
    delay_evaluation : int, default 0
        First interval at which the policy may be applied; negative is read as 0. 5 protects slow starters.
    population : {'all', 'reached'}, keyword only
        ``all``: runs that reported interval k, and runs that ended before k, with all they reported. ``reached``: only
        runs that reported k, which saves more and loses a winner now and then.

    Raises
    ------
    PolicyError
        `field` names the argument.
    """

    evaluation_interval: int = 1
    delay_evaluation: int = 0
    population: Population = field(default="all", kw_only=True)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "evaluation_interval", _checks.interval("MedianStoppingPolicy", self.evaluation_interval))
        put(self, "delay_evaluation", _checks.delay("MedianStoppingPolicy", self.delay_evaluation))
        put(self, "population", _checks.population("MedianStoppingPolicy", self.population))

    def judge(self) -> Judge:
        """Return a fresh compiled judge."""
        from hdcore._native.policies import MEDIAN, RuleJudge

        return RuleJudge(
            MEDIAN, self.evaluation_interval, self.delay_evaluation, reached_only=self.population == "reached"
        )

    def to_json(self) -> dict[str, Any]:
        """Return Azure's serialised form; ``population`` appears only where it is not ``all``."""
        properties: dict[str, Any] = {
            "evaluation_interval": self.evaluation_interval,
            "delay_evaluation": self.delay_evaluation,
        }
        if self.population != "all":
            properties["population"] = self.population
        return {"name": "MedianStopping", "properties": properties}
