from __future__ import annotations

import pytest
from contracts.policy import PolicyContract
from policies.helpers import DESCRIPTIONS, built
from reference.policies import SlowPolicy

from hdcore.policies import NoTerminationPolicy


@pytest.mark.parametrize("policy", [built(d) for d in DESCRIPTIONS], ids=lambda p: f"{type(p).__name__}")
class TestBuiltIn(PolicyContract):
    pass


class TestNoTermination(PolicyContract):
    @pytest.fixture
    def policy(self):
        return NoTerminationPolicy()


@pytest.mark.parametrize("policy", [SlowPolicy(d) for d in DESCRIPTIONS[::3]], ids=lambda p: p.policy["kind"])
class TestThirdParty(PolicyContract):
    """The plain loops, as somebody else's policy: the suite itself is held against them."""

    built_in = False
