"""Whether a bandit's slack has anything to do with the scale of the metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hdcore.policies.bandit import BanditPolicy

if TYPE_CHECKING:
    from hdcore.policies.base import Policy
    from hdcore.typing import Goal

ENOUGH_RUNS = 10
"""Completed runs from which on a slack can be judged."""

_NOBODY, _EVERYBODY = 0.05, 0.9


def slack_warning(policy: Policy | None, values: Sequence[float], goal: Goal) -> str | None:
    """Return what to tell the user of a slack that would stop nearly nobody or nearly everybody; None if it is well.

    A slack in interquartile ranges has no such trap.

    Parameters
    ----------
    values : sequence of float
        What the runs that have ended had reached, in the user's sign.
    """
    if not isinstance(policy, BanditPolicy) or policy.slack_iqr is not None:
        return None
    scores = [goal.sign * value for value in values if math.isfinite(value)]
    if len(scores) < ENOUGH_RUNS:
        return None
    top = max(scores)
    if policy.slack_factor is None:
        name, slack = "slack_amount", policy.slack_amount or 0.0
        allowed = top - slack
    else:
        name, slack = "slack_factor", policy.slack_factor
        allowed = top / (1 + slack) if top >= 0 else top * (1 + slack)
    below = sum(score < allowed for score in scores)
    if _NOBODY < below / len(scores) < _EVERYBODY or min(scores) == top:
        return None
    whom = "none" if below == 0 else str(below)
    return (
        f"bandit: {name} {slack:g} allows down to {goal.sign * allowed:.4g} where the best is {goal.sign * top:.4g}, "
        f"so it would stop {whom} of {len(scores)} runs so far (worst {goal.sign * min(scores):.4g}); "
        "slack_iqr needs no scale, and `hdcore replay --suggest bandit` proposes a slack"
    )
