"""PED-ANOVA against Optuna's evaluator on the same runs, and what must hold by its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

import hdcore as hd
from hdcore.errors import InputError
from hdcore.importance import ped_anova
from hdcore.space import SearchSpace

SPACE = {
    "x": hd.uniform(-5, 5),
    "lr": hd.log_range(1e-5, 1e-1),
    "units": hd.quniform(16, 512, 16),
    "layers": hd.choice(1, 2, 3, 4),
    "wide": hd.randint(1000),
    "opt": hd.choice("sgd", "adam", "lamb"),
}
THEIRS: dict[str, Any] = {
    "x": FloatDistribution(-5, 5),
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "units": FloatDistribution(16, 512, step=16),
    "layers": IntDistribution(1, 4),
    "wide": IntDistribution(0, 999),
    "opt": CategoricalDistribution(["sgd", "adam", "lamb"]),
}


def score(configuration: dict[str, Any]) -> float:
    bonus = {"sgd": 0.0, "adam": 0.6, "lamb": 0.3}[configuration["opt"]]
    return (
        bonus
        - configuration["x"] ** 2 / 25
        - 0.5 * (math.log10(configuration["lr"]) + 3) ** 2
        - (configuration["units"] / 512) * 0.1
        + 0.05 * configuration["layers"]
    )


def optunas(rows: list[dict[str, Any]], scores: np.ndarray, **options: Any) -> dict[str, float]:
    study = optuna.create_study(direction="maximize")
    for row, value in zip(rows, scores, strict=True):
        given_params = {name: row[name] for name in row}
        study.add_trial(
            optuna.trial.create_trial(
                params=given_params, distributions={name: THEIRS[name] for name in row}, value=float(value)
            )
        )
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(**options)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


@pytest.mark.parametrize("n", [20, 60, 400])
@pytest.mark.parametrize(
    "options",
    [{}, {"target_quantile": 0.25}, {"target_quantile": 0.1, "region_quantile": 0.5}, {"evaluate_on_local": False}],
    ids=str,
)
def test_importances_are_those_of_optuna(n: int, options: dict[str, Any]) -> None:
    space = SearchSpace(SPACE)
    rng = np.random.default_rng(n)
    encoded = space.snap(rng.random((n, len(space.columns))) ** 1.5)
    rows = space.decode(encoded)
    scores = np.array([score(row) for row in rows]) + 0.05 * rng.standard_normal(n)
    expected = optunas(rows, scores, **options)
    mine = dict(options)
    if "evaluate_on_local" in mine:
        mine["is_local"] = mine.pop("evaluate_on_local")
    found = ped_anova(encoded, scores, space.columns, **mine)
    for column, value in zip(space.columns, found, strict=True):
        assert value == pytest.approx(expected[column.name], rel=1e-6, abs=1e-9), column.name


def test_parameters_of_a_nested_choice_count_where_they_are_active_as_in_optuna() -> None:
    space = SearchSpace({"net": hd.choice({"x": hd.uniform(-5, 5)}, {"layers": hd.choice(1, 2, 3, 4)})})
    encoded = space.snap(np.random.default_rng(0).random((300, len(space.columns))))
    rows = [row["net"] for row in space.decode(encoded)]
    scores = np.array([-abs(row["x"] - 2) if "x" in row else -6.0 + row["layers"] for row in rows])
    inner = [j for j, column in enumerate(space.columns) if column.parent >= 0]
    found = ped_anova(encoded[:, inner], scores, [space.columns[j] for j in inner])
    expected = optunas(rows, scores)
    for j, value in zip(inner, found, strict=True):
        assert value == pytest.approx(expected[space.columns[j].name.rsplit(".", 1)[1]], rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 80),
    scale=st.sampled_from([1e-300, 1.0, 1e300]),
    ties=st.booleans(),
)
def test_shares_are_finite_and_sum_to_one_or_zero(seed: int, n: int, scale: float, ties: bool) -> None:
    space = SearchSpace(SPACE)
    rng = np.random.default_rng(seed)
    encoded = space.snap(rng.random((n, len(space.columns))))
    scores = (rng.integers(0, 3, n) if ties else rng.standard_normal(n)) * scale
    found = ped_anova(encoded, scores, space.columns)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0) or found.sum() == 0.0
    order = rng.permutation(n)
    np.testing.assert_allclose(ped_anova(encoded[order], scores[order], space.columns), found, atol=1e-12)


def test_only_the_ranks_of_the_runs_matter() -> None:
    space = SearchSpace(SPACE)
    encoded = space.snap(np.random.default_rng(1).random((200, len(space.columns))))
    scores = np.array([score(row) for row in space.decode(encoded)])
    np.testing.assert_array_equal(
        ped_anova(encoded, scores, space.columns), ped_anova(encoded, np.exp(3 * scores), space.columns)
    )


def test_quantiles_that_cannot_be_are_refused() -> None:
    space = SearchSpace(SPACE)
    with pytest.raises(InputError, match="0 < target < region"):
        ped_anova(np.zeros((3, 6)), np.zeros(3), space.columns, target_quantile=0.5, region_quantile=0.2)
