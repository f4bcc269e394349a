"""fANOVA against Optuna's evaluator on the same runs, and against sums over a whole grid."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from sklearn.ensemble import RandomForestRegressor

import hdcore as hd
from hdcore.importance import fanova
from hdcore.importance.fanova import DEPTH, TREES
from hdcore.space import SearchSpace

NUMBERS = {
    "x": hd.uniform(-5, 5),
    "lr": hd.log_range(1e-5, 1e-1),
    "units": hd.quniform(16, 512, 16),
    "layers": hd.randint(6),
}


def columns_of(parameters: dict[str, Any], n: int, seed: int = 0) -> tuple[SearchSpace, np.ndarray]:
    space = SearchSpace(parameters)
    return space, space.snap(np.random.default_rng(seed).random((n, len(space.columns))))


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def optunas(encoded: np.ndarray, scores: np.ndarray) -> list[float]:
    """The same forest over the same unit cube, read by Optuna."""
    names = [str(j) for j in range(encoded.shape[1])]
    study = optuna.create_study(direction="maximize")
    for row, value in zip(encoded, scores, strict=True):
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(zip(names, row.tolist(), strict=True)),
                distributions={name: FloatDistribution(0, 1) for name in names},
                value=float(value),
            )
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return [found[name] for name in names]


@pytest.mark.parametrize("n", [12, 60])
def test_importances_of_numbers_are_those_of_optuna(n: int) -> None:
    space, encoded = columns_of(NUMBERS, n)
    scores = -((encoded[:, 1] - 0.6) ** 2) + 0.3 * encoded[:, 0] * encoded[:, 2]
    found = fanova(encoded, scores / np.abs(scores).max(), space.columns)
    np.testing.assert_allclose(found, optunas(encoded, scores / np.abs(scores).max()), rtol=1e-6, atol=1e-9)


def test_a_choice_counts_with_its_options_alone() -> None:
    """Against sums over every cell of the space that a tree tells apart, with one option at a time."""
    space, encoded = columns_of(
        {"opt": hd.choice("sgd", "adam", "lamb"), "u": hd.randint(4), "on": hd.choice(True, False)}, 40
    )
    level = np.floor(encoded * [3, 4, 2]).astype(int)
    scores = np.array([0.0, 2.0, 1.0])[level[:, 0]] + 0.5 * level[:, 1] * level[:, 2]
    scores = scores / scores.max()
    inputs = np.column_stack([level[:, [0]] == np.arange(3), encoded[:, 1], level[:, [2]] == np.arange(2)]).astype(
        float
    )
    forest = RandomForestRegressor(n_estimators=TREES, max_depth=DEPTH, random_state=0).fit(inputs, scores)
    fine = (np.arange(64) + 0.5) / 64  # every threshold lies between eighths
    expected = np.zeros(3)
    for tree in forest.estimators_:
        cells = [
            [*(a == np.arange(3)), u, *(c == np.arange(2))] for a, u, c in itertools.product(range(3), fine, range(2))
        ]
        table = tree.predict(np.array(cells, float)).reshape(3, 64, 2)
        if table.var() > 0:
            means = [table.mean(axis=(1, 2)), table.mean(axis=(0, 2)), table.mean(axis=(0, 1))]
            expected += np.array([one.var() for one in means]) / table.var()
    np.testing.assert_allclose(fanova(encoded, scores, space.columns), expected / expected.sum(), rtol=1e-9)


def test_what_matters_is_found() -> None:
    space, encoded = columns_of({**NUMBERS, "opt": hd.choice("a", "b", "c")}, 300)
    scores = 3 * encoded[:, 1] + (encoded[:, 4] > 0.6) + 0.01 * np.random.default_rng(1).standard_normal(300)
    found = dict(zip([column.name for column in space.columns], fanova(encoded, scores, space.columns), strict=True))
    assert found["lr"] > 0.6
    assert 0.1 < found["opt"] < 0.35
    assert max(found["x"], found["units"], found["layers"]) < 0.02


def test_a_parameter_of_a_nested_choice_counts_where_it_is_active() -> None:
    net = hd.choice({"kind": "mlp", "width": hd.uniform(0, 1)}, {"kind": "linear", "decay": hd.uniform(0, 1)})
    space, encoded = columns_of({"net": net, "x": hd.uniform(0, 1)}, 400)
    scores = np.where(np.isnan(encoded[:, 1]), 0.5, encoded[:, 1]) + 0.1 * encoded[:, 3]
    names = [column.name for column in space.columns]
    found = dict(zip(names, fanova(encoded, scores, space.columns), strict=True))
    assert found["net.0.width"] > 0.5
    assert found["net.1.decay"] < 0.03


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 12),
    scale=st.sampled_from([1e-300, 1.0, 1e300]),
    ties=st.booleans(),
)
def test_shares_are_finite_and_sum_to_one_or_zero(seed: int, n: int, scale: float, ties: bool) -> None:
    space, encoded = columns_of({**NUMBERS, "net": hd.choice({"a": hd.uniform(0, 1)}, {"b": 1})}, n, seed)
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, 3, n) if ties else rng.standard_normal(n)) * scale
    found = fanova(encoded, scores, space.columns, trees=4)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0) or found.sum() == 0.0
