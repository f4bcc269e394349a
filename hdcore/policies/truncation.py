"""Truncation selection: ends the lowest X percent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hdcore.errors import PolicyError
from hdcore.policies import _checks
from hdcore.policies._checks import Population

if TYPE_CHECKING:
    from hdcore.policies.base import Judge


@dataclass(frozen=True, slots=True)
class TruncationSelectionPolicy:
    """End a run that stands among the lowest ``truncation_percentage`` percent by its best score so far.

    With n runs in the population and ``c = n * truncation_percentage // 100``, a run is ended iff no more than c runs,
    itself included, have a best that is at most its own. So ties at the edge survive, and a population of fewer than
    ``100 / truncation_percentage`` runs loses nobody.

    Parameters
    ----------
    truncation_percentage : int
        1 … 99.
    evaluation_interval : int, default 1
        The policy is applied at the multiples of this number; 0 is read as 1.
    delay_evaluation : int, default 0
        First interval at which the policy may be applied; negative is read as 0.
    exclude_finished_jobs : bool, default False
        False: runs that ended keep their places, so the lowest places are soon held by runs already ended. True: only
        live runs form the population, so that every evaluation takes its share of the survivors.
    population : {'all', 'reached'}, keyword only
        ``all``: runs that reported interval k, and runs that ended before k, with all they reported. ``reached``: only
        runs that reported k.

    Raises
    ------
    PolicyError
        `field` names the argument.
    """

    truncation_percentage: int
    evaluation_interval: int = 1
    delay_evaluation: int = 0
    exclude_finished_jobs: bool = False
    population: Population = field(default="all", kw_only=True)

    def __post_init__(self) -> None:
        put = object.__setattr__
        name = "TruncationSelectionPolicy"
        percentage = _checks.whole(name, "truncation_percentage", self.truncation_percentage)
        if not 1 <= percentage <= 99:
            raise PolicyError(
                f"{name}: truncation_percentage is {percentage}; give a whole number from 1 to 99",
                field="truncation_percentage",
            )
        put(self, "truncation_percentage", percentage)
        put(self, "evaluation_interval", _checks.interval(name, self.evaluation_interval))
        put(self, "delay_evaluation", _checks.delay(name, self.delay_evaluation))
        _checks.flag(name, "exclude_finished_jobs", self.exclude_finished_jobs)
        put(self, "population", _checks.population(name, self.population))

    def judge(self) -> Judge:
        """Return a fresh compiled judge."""
        from hdcore._native.policies import TRUNCATION, RuleJudge

        return RuleJudge(
            TRUNCATION,
            self.evaluation_interval,
            self.delay_evaluation,
            percentage=self.truncation_percentage,
            reached_only=self.population == "reached",
            live_only=self.exclude_finished_jobs,
        )

    def to_json(self) -> dict[str, Any]:
        """Return Azure's serialised form; ``population`` appears only where it is not ``all``."""
        properties: dict[str, Any] = {
            "evaluation_interval": self.evaluation_interval,
            "delay_evaluation": self.delay_evaluation,
            "truncation_percentage": self.truncation_percentage,
            "exclude_finished_jobs": self.exclude_finished_jobs,
        }
        if self.population != "all":
            properties["population"] = self.population
        return {"name": "TruncationSelection", "properties": properties}
