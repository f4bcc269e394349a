"""Early-termination policies: descriptions, their plain-data forms, and their effect on recorded curves.

Descriptions are light: importing this package loads no NumPy; judges, `evaluate` and `replay` load it on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hdcore.policies.bandit import BanditPolicy
from hdcore.policies.base import Judge, Policy
from hdcore.policies.median import MedianStoppingPolicy
from hdcore.policies.none import NoTerminationPolicy
from hdcore.policies.serialise import from_json, parse, to_text
from hdcore.policies.truncation import TruncationSelectionPolicy

if TYPE_CHECKING:
    from hdcore.policies.asynchronous import Replay as Replay
    from hdcore.policies.asynchronous import replay as replay
    from hdcore.policies.comparison import Comparison as Comparison
    from hdcore.policies.comparison import Effect as Effect
    from hdcore.policies.comparison import Record as Record
    from hdcore.policies.comparison import compare as compare
    from hdcore.policies.lockstep import evaluate as evaluate

_HOME = {
    "Comparison": "hdcore.policies.comparison",
    "Effect": "hdcore.policies.comparison",
    "Record": "hdcore.policies.comparison",
    "compare": "hdcore.policies.comparison",
    "Replay": "hdcore.policies.asynchronous",
    "evaluate": "hdcore.policies.lockstep",
    "replay": "hdcore.policies.asynchronous",
}

__all__ = [
    "BanditPolicy",
    "Comparison",
    "Effect",
    "Judge",
    "MedianStoppingPolicy",
    "NoTerminationPolicy",
    "Policy",
    "Record",
    "Replay",
    "TruncationSelectionPolicy",
    "compare",
    "evaluate",
    "from_json",
    "parse",
    "replay",
    "to_text",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'hdcore.policies' has no attribute {name!r}") from None
    value = getattr(import_module(home), name)
    globals()[name] = value  # the next access is a plain dictionary look-up
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
