"""Bandit: ends a run that falls too far behind the best one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hdcore.errors import PolicyError
from hdcore.policies import _checks
from hdcore.policies._checks import Population

if TYPE_CHECKING:
    from hdcore.policies.base import Judge


@dataclass(frozen=True, slots=True)
class BanditPolicy:
    """End a run whose best score so far is below an allowance under the best run.

    With ``top`` the best score over the population at interval k, and scores that grow with quality (the metric, or its
    negative when it is minimised), a run is ended iff its own best is strictly below::

        top - slack_amount                      slack_amount
        top / (1 + slack_factor)                slack_factor, top >= 0
        top * (1 + slack_factor)                slack_factor, top < 0
        top - slack_iqr * (high - low)          slack_iqr

    where low and high are the quartiles of the bests: of n sorted values, those at ``n * 25 // 100`` and
    ``n * 75 // 100``, counted from 0. Where they are equal there is no scale yet, and nobody is ended.

    Parameters
    ----------
    evaluation_interval : int, default 1
        The policy is applied at the multiples of this number; 0 is read as 1.
    slack_factor : float, optional
        Allowance as a share of the best metric. Its effect depends on the scale of the metric.
    slack_amount : float, optional
        Allowance in units of the metric. One slack is needed; where both of these are given, one of them has to be 0
        and the other counts.
    delay_evaluation : int, default 0
        First interval at which the policy may be applied; negative is read as 0.
    population : {'all', 'reached'}, keyword only
        ``all``: runs that reported interval k, and runs that ended before k, with all they reported. ``reached``: only
        runs that reported k.
    slack_iqr : float, optional, keyword only
        Allowance in interquartile ranges of the population: the one slack that means the same on any scale. 1 is mild.

    Raises
    ------
    PolicyError
        `field` names the argument.

    Examples
    --------
    At a best accuracy of 0.8, ``slack_factor=0.2`` allows 0.8 / 1.2 = 0.667 and ``slack_amount=0.2`` allows 0.6.

    >>> BanditPolicy(2, 0.1).to_json()["properties"]
    {'evaluation_interval': 2, 'delay_evaluation': 0, 'slack_factor': 0.1}
    """

    evaluation_interval: int = 1
    slack_factor: float | None = None
    slack_amount: float | None = None
    delay_evaluation: int = 0
    population: Population = field(default="all", kw_only=True)
    slack_iqr: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "evaluation_interval", _checks.interval("BanditPolicy", self.evaluation_interval))
        put(self, "delay_evaluation", _checks.delay("BanditPolicy", self.delay_evaluation))
        put(self, "population", _checks.population("BanditPolicy", self.population))
        for name in ("slack_factor", "slack_amount", "slack_iqr"):
            value = getattr(self, name)
            if value is not None:
                put(self, name, _checks.slack("BanditPolicy", name, value))
        if self.slack_iqr is not None:
            if self.slack_factor is not None or self.slack_amount is not None:
                raise PolicyError("BanditPolicy: slack_iqr stands alone; give exactly one slack", field="slack_iqr")
            return
        if self.slack_factor is None and self.slack_amount is None:
            raise PolicyError(
                "BanditPolicy: no slack; give exactly one of slack_factor or slack_amount, or slack_iqr",
                field="slack_factor",
            )
        if self.slack_factor and self.slack_amount:
            raise PolicyError(
                f"BanditPolicy: both slack_factor {self.slack_factor} and slack_amount {self.slack_amount}; "
                "give exactly one of them",
                field="slack_amount",
            )
        if self.slack_factor is not None and self.slack_amount is not None:
            put(self, "slack_factor" if self.slack_amount else "slack_amount", None)  # the 0 of the two says nothing

    def judge(self) -> Judge:
        """Return a fresh compiled judge."""
        from hdcore._native.policies import BANDIT, SPREAD, RuleJudge

        return RuleJudge(
            BANDIT if self.slack_iqr is None else SPREAD,
            self.evaluation_interval,
            self.delay_evaluation,
            slack=self.slack_factor or self.slack_amount or self.slack_iqr or 0.0,  # exactly one of them is not None
            relative=self.slack_factor is not None,
            reached_only=self.population == "reached",
        )

    def to_json(self) -> dict[str, Any]:
        """Return Azure's serialised form; ``population`` appears only where it is not ``all``."""
        properties: dict[str, Any] = {
            "evaluation_interval": self.evaluation_interval,
            "delay_evaluation": self.delay_evaluation,
        }
        for name in ("slack_factor", "slack_amount", "slack_iqr"):
            if getattr(self, name) is not None:
                properties[name] = getattr(self, name)
        if self.population != "all":
            properties["population"] = self.population
        return {"name": "Bandit", "properties": properties}
