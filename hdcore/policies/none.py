"""No termination: every run goes to its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hdcore.policies.base import Judge


@dataclass(frozen=True, slots=True)
class NoTerminationPolicy:
    """Let every run go to its end; the same as no policy at all."""

    evaluation_interval: int = field(default=1, init=False)
    delay_evaluation: int = field(default=0, init=False)

    def judge(self) -> Judge:
        """Return a judge that ends nobody."""
        from hdcore._native.policies import NONE, RuleJudge

        return RuleJudge(NONE, 1, 0)

    def to_json(self) -> dict[str, Any]:
        """Return Azure's serialised form, which has no properties."""
        return {"name": "Default"}
