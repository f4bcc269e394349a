"""Settings to try where nobody names any."""

from __future__ import annotations

from hdcore.policies.bandit import BanditPolicy
from hdcore.policies.base import Policy
from hdcore.policies.median import MedianStoppingPolicy
from hdcore.policies.truncation import TruncationSelectionPolicy

_DELAYS = (1, 2, 5, 10, 20, 50, 100)
_FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_RANGES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
_FINE = tuple(round(10 ** (step / 6 - 3), 2 - (step // 6 - 3)) for step in range(25))  # 0.001 … 10, six a decade


def delays(intervals: int) -> list[int]:
    """Return the delays worth trying for curves of so many intervals: up to half of them."""
    return [delay for delay in _DELAYS if delay == 1 or 2 * delay <= intervals]


def default_grid(intervals: int) -> list[Policy]:
    """Return settings of every policy for curves of so many intervals: some hundred."""
    found: list[Policy] = []
    for delay in delays(intervals):
        found.append(MedianStoppingPolicy(1, delay))
        found.append(MedianStoppingPolicy(1, delay, population="reached"))
        found += [BanditPolicy(1, factor, None, delay) for factor in _FACTORS]
        found += [BanditPolicy(1, delay_evaluation=delay, slack_iqr=slack) for slack in _RANGES]
        found += [TruncationSelectionPolicy(share, 1, delay) for share in (10, 20, 30, 50)]
        found += [TruncationSelectionPolicy(share, 5, delay, True) for share in (10, 20)]
    return found


def bandit_grid(intervals: int) -> list[Policy]:
    """Return bandits alone, with slacks close together."""
    found: list[Policy] = []
    for delay in delays(intervals):
        found += [BanditPolicy(1, factor, None, delay) for factor in _FINE]
        found += [BanditPolicy(1, delay_evaluation=delay, slack_iqr=step / 4) for step in range(1, 17)]
    return found
