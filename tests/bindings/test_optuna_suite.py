"""Optuna's own tests of samplers, as Optuna ships them.

Left out: ``MultiObjectiveSamplerTestCase``, as a sweep of hdcore has one metric; ``SingleOnlySamplerTestCase`` says
that this is refused. There is no suite for pruners in `optuna.testing`.
"""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase

from hdcore.bindings.optuna import HdcoreSampler


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


class TestHdcoreSampler(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """Defaults: the model's own design first."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return HdcoreSampler


class TestHdcoreSamplerWithoutDesign(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """The model proposes as soon as there are two results."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: HdcoreSampler(n_startup=0, seed=0)
