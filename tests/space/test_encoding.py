"""Laws of the encoding, and the distributions against SciPy and the formulas."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from space.spaces import MIXED, spaces

from hdcore.space import (
    CATEGORICAL,
    CONTINUOUS,
    ORDERED,
    SearchSpace,
    choice,
    log_range,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)
from hdcore.space.values import identity

laws = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
encoded = st.integers(0, 2**32).map(np.random.default_rng)


def points(space: SearchSpace, generator: np.random.Generator, n: int = 40) -> Any:
    """Encoded points of which some are near or on the ends."""
    rows = generator.random((n, len(space.columns)))
    rows[: n // 4] = rows[: n // 4] ** 12
    rows[n // 4 : n // 2] = 1 - rows[n // 4 : n // 2] ** 12
    rows[:1], rows[1:2] = 0.0, 1.0
    return rows


@laws
@given(spaces, encoded)
def test_configurations_come_back_from_the_encoding_unchanged(
    space: SearchSpace, generator: np.random.Generator
) -> None:
    configurations = space.decode(points(space, generator))
    back = space.decode(space.encode(configurations))
    assert list(map(identity, back)) == list(map(identity, configurations))


@laws
@given(spaces, encoded)
def test_snapping_keeps_the_configuration_and_is_idempotent(space: SearchSpace, generator: np.random.Generator) -> None:
    rows = points(space, generator)
    snapped = space.snap(rows)
    assert list(map(identity, space.decode(snapped))) == list(map(identity, space.decode(rows)))
    np.testing.assert_array_equal(space.snap(snapped), snapped)
    discrete = [j for j, column in enumerate(space.columns) if column.levels != 0]
    np.testing.assert_array_equal(space.encode(space.decode(rows))[:, discrete], snapped[:, discrete])


@laws
@given(spaces, encoded)
def test_one_row_decodes_as_the_matrix_does(space: SearchSpace, generator: np.random.Generator) -> None:
    rows = space.snap(points(space, generator))
    assert list(map(identity, map(space.decode_row, rows))) == list(map(identity, space.decode(rows)))


@laws
@given(st.integers(1, 9), st.integers(-12, 9), st.integers(1, 9), st.integers(0, 12), encoded)
def test_values_of_a_log_range_keep_to_its_bounds_and_reach_them(
    a: int, exponent: int, b: int, span: int, generator: np.random.Generator
) -> None:
    low, high = sorted((float(f"{a}e{exponent}"), float(f"{b}e{exponent + span}")))
    stored = SearchSpace.from_json(SearchSpace({"x": log_range(low, high)}).to_json())  # only the exponents survive
    rows = points(stored, generator) if stored.columns else np.full((2, 1), 0.5)
    values = [configuration["x"] for configuration in stored.decode(rows)]
    assert low <= min(values) <= max(values) <= high
    assert {values[0], values[1]} == {low, high}


@laws
@given(spaces)
def test_serialised_and_pickled_spaces_are_equal(space: SearchSpace) -> None:
    text = json.dumps(space.to_json())
    assert SearchSpace.from_json(json.loads(text)) == space
    assert pickle.loads(pickle.dumps(space)) == space
    assert SearchSpace(space) == space


@laws
@given(spaces, encoded)
def test_drawn_configurations_are_valid(space: SearchSpace, generator: np.random.Generator) -> None:
    for configuration in space.decode(points(space, generator)):
        space.validate(configuration)


@laws
@given(spaces)
def test_size_is_the_number_of_distinct_configurations(space: SearchSpace) -> None:
    if space.size is not None and space.size <= 300 and space.columns:
        levels = [np.arange(column.levels) for column in space.columns]
        middles = [(k + 0.5) / len(k) for k in levels]
        if np.prod([len(k) for k in levels], dtype=float) > 20_000:
            return
        if any(column.distribution.name.startswith("q") for column in space.columns):
            return  # their cells are not of equal width; counted by the formula below
        every = np.stack(np.meshgrid(*middles, indexing="ij"), -1).reshape(-1, len(levels))
        assert len(set(map(identity, space.decode(every)))) == space.size


@pytest.mark.parametrize(
    ("distribution", "oracle"),
    [
        (uniform(-3, 5), stats.uniform(-3, 8)),
        (loguniform(-9, -2), stats.loguniform(np.exp(-9), np.exp(-2))),
        (normal(10, 3), stats.norm(10, 3)),
        (lognormal(0.5, 2), stats.lognorm(2, scale=np.exp(0.5))),
    ],
)
def test_decoding_is_the_inverse_distribution_function(distribution: Any, oracle: Any) -> None:
    space = SearchSpace({"x": distribution})
    u = np.random.default_rng(0).random(5000)
    values = [one["x"] for one in space.decode(u[:, None])]
    np.testing.assert_allclose(values, oracle.ppf(u), rtol=2e-13, atol=1e-14)  # SciPy's own ppf has errors of 1e-14


FORMULAS = [
    (quniform(0, 10, 5), lambda u: 10 * u, 5),
    (quniform(1, 10, 4), lambda u: 1 + 9 * u, 4),
    (quniform(0, 1, 0.4), lambda u: u, 0.4),
    (qloguniform(-2, 3, 0.5), lambda u: np.exp(-2 + 5 * u), 0.5),
    (qnormal(0, 1, 0.4), lambda u: stats.norm.ppf(u), 0.4),
    (qlognormal(0, 1, 0.3), lambda u: np.exp(stats.norm.ppf(u)), 0.3),
]


@pytest.mark.parametrize(("distribution", "draw", "q"), FORMULAS, ids=lambda value: repr(value)[:24])
def test_quantised_values_are_the_rounded_draws(distribution: Any, draw: Any, q: float) -> None:
    u = np.random.default_rng(1).random(20_000)
    values = [one["x"] for one in SearchSpace({"x": distribution}).decode(u[:, None])]
    assert {type(value) for value in values} == {float}
    np.testing.assert_array_equal(values, np.round(draw(u) / q) * q)


@pytest.mark.parametrize(("distribution", "draw", "q"), FORMULAS, ids=lambda value: repr(value)[:24])
def test_quantised_levels_are_encoded_in_the_middle_of_their_cells(distribution: Any, draw: Any, q: float) -> None:
    u = (np.arange(400_000) + 0.5) / 400_000
    values = np.round(draw(u) / q) * q
    space = SearchSpace({"x": distribution})
    levels = np.unique(values)[:12]
    middles = [(u[values == level].min() + u[values == level].max()) / 2 for level in levels]
    # up to two points of the fine grid on either end of a cell
    np.testing.assert_allclose(space.encode([{"x": level} for level in levels])[:, 0], middles, atol=4 / 400_000)


def test_end_cells_have_half_the_weight() -> None:
    u = (np.arange(1000) + 0.5) / 1000
    values = [one["x"] for one in SearchSpace({"x": quniform(0, 10, 5)}).decode(u[:, None])]
    assert {v: values.count(v) for v in set(values)} == {0.0: 250, 5.0: 500, 10.0: 250}


def test_halves_round_to_even_as_the_formula_says() -> None:
    space = SearchSpace({"x": quniform(0, 4, 1)})
    # 0.125 * 4 = 0.5 -> 0, 0.375 * 4 = 1.5 -> 2, 0.625 * 4 = 2.5 -> 2
    assert [one["x"] for one in space.decode([[0.125], [0.375], [0.625]])] == [0.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("distribution", "size"),
    [
        (quniform(1, 10, 4), 3),
        (quniform(0, 3.5, 1), 4),
        (quniform(0, 1, 0.1), 11),
        (quniform(-1, 1, 3), 1),
        (qloguniform(0, 1, 1), 3),
        (randint(7), 7),
        (normal(3, 0), 1),
        (qnormal(3.2, 0, 1), 1),
        (loguniform(2, 2), 1),
        (choice(1, 1.0, True, "1", 1), 4),
        (choice((1, 2)), 1),
        (choice({"a": choice(1, 2), "b": randint(3)}, {"a": choice(1, 2)}, 0), 9),
        (choice({"a": choice(1, 2)}, {"a": choice(2, 3)}), 3),
        (choice({"a": uniform(0, 1)}, 0), None),
        (qnormal(0, 1, 1), None),
    ],
)
def test_sizes(distribution: Any, size: int | None) -> None:
    assert SearchSpace({"x": distribution}).size == size
    assert SearchSpace({"x": distribution, "y": choice(1, 2), "z": 3}).size == (None if size is None else 2 * size)


def test_columns_say_what_they_are() -> None:
    space = SearchSpace(
        {
            "n": choice(3, 1, 2),
            "s": choice("a", "b"),
            "c": choice(0, {"u": uniform(0, 1), "k": 5, "d": choice({"q": qnormal(0, 1, 1)}, 1)}),
            "f": 3,
        }
    )
    assert [(c.name, c.kind, c.levels, c.parent, c.parent_level) for c in space.columns] == [
        ("n", ORDERED, 3, -1, -1),
        ("s", CATEGORICAL, 2, -1, -1),
        ("c", CATEGORICAL, 2, -1, -1),
        ("c.1.u", CONTINUOUS, 0, 2, 1),
        ("c.1.d", CATEGORICAL, 2, 2, 1),
        ("c.1.d.0.q", ORDERED, -1, 4, 0),
    ]
    rows = space.encode(
        [{"n": 1, "s": "b", "c": 0, "f": 3}, {"n": 3, "s": "a", "c": {"u": 0.25, "k": 5, "d": 1}, "f": 3}]
    )
    nan = np.nan
    np.testing.assert_allclose(rows, [[1 / 6, 0.75, 0.25, nan, nan, nan], [5 / 6, 0.25, 0.75, 0.25, 0.75, nan]])


def test_decoded_containers_belong_to_the_caller() -> None:
    space = SearchSpace({"x": choice({"layers": [1, 2]}), "y": 1})
    first = space.decode([[0.5]])[0]
    first["x"]["layers"].append(3)
    assert space.decode_row(np.array([0.5])) == {"x": {"layers": [1, 2]}, "y": 1}


def test_the_far_tails_of_the_normal_family_are_finite() -> None:
    space = SearchSpace({"x": normal(0, 1), "y": lognormal(0, 3)})
    for one in space.decode([[0.0, 0.0], [1.0, 1.0]]):
        assert abs(one["x"]) < 8.4
        assert 0 < one["y"] < np.inf


def test_large_matrices_agree_with_single_rows() -> None:
    rows = np.random.default_rng(5).random((700, len(MIXED.columns)))
    assert MIXED.decode(rows) == [MIXED.decode(row[None])[0] for row in rows]
