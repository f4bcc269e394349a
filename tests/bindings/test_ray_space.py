"""Ray Tune's search spaces: what is drawn is what Tune itself could draw, and comes back as it went."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray import tune
from ray.tune.search.sample import Domain
from scipy.stats import ks_2samp

import hdcore as hd
from hdcore.bindings.ray_tune.space import TuneSpace
from hdcore.errors import SpaceError
from hdcore.space import ORDERED

DRAWS = 4000


def drawn(domain: Any, n: int = DRAWS) -> list[Any]:
    """Values of one parameter, as a random sweep gives them."""
    space = TuneSpace({"x": domain})
    rows = hd.sample(space.space, n, seed=3)
    return [space.written({"x": row}, constants=True)["x"] for row in rows["x"].tolist()]


def tunes(domain: Domain, n: int = DRAWS) -> list[Any]:
    """Tune's own draws, the oracle."""
    return list(domain.sample(size=n, random_state=7))


SMALL = {
    "randint": tune.randint(-3, 5),
    "one": tune.randint(4, 5),
    "qrandint": tune.qrandint(0, 12, 3),
    "qrandint with q 1": tune.qrandint(2, 6, 1),
    "qrandint within its bounds": tune.qrandint(4, 17, 5),
    "lograndint": tune.lograndint(1, 9),
    "qlograndint": tune.qlograndint(5, 40, 5),
    "quniform": tune.quniform(-0.3, 0.3, 0.1),
    "qloguniform": tune.qloguniform(0.1, 1.0, 0.1),
    "choice": tune.choice(["a", 2, None, True, 2.5]),
    "choice of objects": tune.choice([(1, 2), (3,), len]),
    "choice with weights": tune.choice([1, 1, 1, 2]),
}


@pytest.mark.parametrize("domain", SMALL.values(), ids=SMALL)
def test_a_parameter_has_the_values_that_tune_draws_and_no_others(domain: Domain) -> None:
    def distinct(values: list[Any]) -> set[tuple[type, Any]]:
        """As Python's own numbers; 3 * 0.1 is 0.3, or an ulp more."""
        plain = [value.item() if isinstance(value, np.generic) else value for value in values]
        return {(type(value), round(value, 9) if isinstance(value, float) else value) for value in plain}

    theirs, ours = tunes(domain), drawn(domain)
    assert distinct(ours) == distinct(theirs)
    assert all(type(value) is not np.float64 for value in ours)


BELLS_AND_RANGES = {
    "uniform": tune.uniform(-2, 3),
    "loguniform": tune.loguniform(1e-5, 1e-1),
    "randn": tune.randn(10, 2),
    "qrandn": tune.qrandn(0, 2, 0.25),
    "quniform": tune.quniform(0, 10, 0.5),
    "qloguniform": tune.qloguniform(1, 1000, 1),
    "randint": tune.randint(0, 1000),
    "qrandint": tune.qrandint(0, 1000, 10),
    "lograndint": tune.lograndint(10, 10_000),
    "choice with weights": tune.choice([1, 1, 1, 2]),
}


@pytest.mark.parametrize("domain", BELLS_AND_RANGES.values(), ids=BELLS_AND_RANGES)
def test_a_random_sweep_draws_from_tunes_distribution(domain: Domain) -> None:
    # Two samples of 4000 from one distribution are farther apart than 0.044 once in a thousand times; seeds are fixed.
    assert ks_2samp(drawn(domain), tunes(domain)).statistic < 0.044


numbers, steps, positive = st.integers(-50, 50), st.integers(0, 9), st.integers(1, 9)
plain = st.integers() | st.text() | st.none() | st.booleans()
domains = st.one_of(
    st.builds(lambda low, width: tune.uniform(low, low + width), numbers, st.integers(0, 9)),
    st.builds(lambda k, steps, q: tune.quniform(k * q, (k + steps) * q, q), numbers, st.integers(0, 9), st.just(0.1)),
    st.builds(lambda low, factor: tune.loguniform(low / 100, low * factor), st.integers(1, 9), st.integers(1, 9)),
    st.builds(lambda low, width: tune.randint(low, low + width), numbers, st.integers(1, 9)),
    st.builds(lambda k, steps, q: tune.qrandint(k * q, (k + steps) * q, q), numbers, steps, st.integers(2, 5)),
    st.builds(lambda low, width: tune.lograndint(low, low + width), st.integers(1, 50), st.integers(1, 99)),
    st.builds(lambda k, steps, q: tune.qlograndint(k * q, (k + steps) * q, q), positive, steps, st.integers(2, 5)),
    st.builds(tune.randn, numbers, st.integers(1, 9)),
    st.builds(tune.choice, st.lists(plain | st.tuples(st.integers()), min_size=1, max_size=4)),
)  # fmt: skip
constants = st.integers() | st.text() | st.none() | st.floats(allow_nan=False) | st.lists(st.integers(), max_size=2)
keys = st.text("abcd", min_size=1, max_size=2)
trees = st.recursive(
    domains | constants,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        st.lists(inner, min_size=1, max_size=2).map(tuple),
        st.dictionaries(keys, inner, min_size=1, max_size=3),
        st.lists(inner, min_size=1, max_size=3).map(tune.choice),
    ),
    max_leaves=8,
)


def fits(value: Any, given: Any) -> bool:
    """Whether Tune could have made a value out of what the user has written."""
    if isinstance(given, tune.search.sample.Categorical):
        return any(fits(value, option) for option in given.categories)
    if isinstance(given, tune.search.sample.Integer):
        return type(value) is int and given.is_valid(value)
    if isinstance(given, Domain):
        return type(value) is float and given.is_valid(value)
    if isinstance(given, dict):
        return (
            isinstance(value, dict) and set(value) == set(given) and all(fits(value[key], given[key]) for key in given)
        )
    if isinstance(given, list | tuple):
        return type(value) is type(given) and len(value) == len(given) and all(map(fits, value, given))
    return type(value) is type(given) and bool(value == given)


@settings(max_examples=150)
@given(tree=st.dictionaries(keys, trees, min_size=1, max_size=4), seed=st.integers(0, 99))
def test_any_tree_is_resolved_as_tune_would_and_read_back(tree: dict[str, Any], seed: int) -> None:
    space = TuneSpace(tree)
    optimizer = hd.Optimizer(space.space, sampler="random", seed=seed)
    for run in optimizer.ask(4):
        value = space.written(run.configuration, constants=True)
        assert fits(value, tree), value
        back = space.read(value)
        space.space.validate(back)  # of two options with the same values it may be the other one
        assert space.written(back, constants=True) == value
        without = space.written(run.configuration, constants=False)
        assert space.read(without) == back


def test_a_parameter_of_an_option_is_searched_where_the_option_is_chosen() -> None:
    space = TuneSpace(
        {
            "net": tune.choice(
                [
                    {"kind": "mlp", "layers": tune.randint(1, 4), "act": tune.choice(["relu", "tanh"])},
                    {"kind": "conv", "width": tune.loguniform(1, 64)},
                    "linear",
                ]
            ),
            "lr": tune.loguniform(1e-4, 1e-1),
        }
    )
    assert [column.name for column in space.space.columns] == ["net", "net.0.layers", "net.0.act", "net.1.width", "lr"]
    given = {"net": {"kind": "mlp", "layers": 2, "act": "tanh"}, "lr": 0.01}
    row = space.space.encode([space.read(given)])[0]
    assert np.isnan(row).tolist() == [False, False, False, True, False]
    assert space.written(space.space.decode_row(row), constants=True)["net"] == given["net"]


def test_numbers_to_choose_from_have_an_order_and_paths_are_names() -> None:
    space = TuneSpace({"model": {"sizes": [tune.choice([16, 64, 32]), 10]}, "batch": (tune.randint(0, 9),), "seed": 1})
    assert {column.name: column.kind for column in space.space.columns} == {
        "model/sizes/0": ORDERED,
        "batch/0": ORDERED,
    }
    assert space.written({"model/sizes/0": 32, "batch/0": 3}, constants=False) == {
        "model": {"sizes": [32, 10]},
        "batch": (3,),
    }


def test_spaces_of_hdcores_are_taken_too_alone_and_mixed() -> None:
    space = hd.SearchSpace({"lr": hd.log_range(1e-5, 1e-1), "net": hd.choice({"units": hd.randint(8)}, {"kind": "x"})})
    assert TuneSpace(space).space == space
    mixed = TuneSpace({"a": {"lr": hd.log_range(1e-5, 1e-1)}, "b": tune.uniform(0, 1)})
    assert list(mixed.space.parameters) == ["a/lr", "b"]


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"a": {"x": tune.grid_search([1, 2])}}, "'a/x' is a grid_search; write tune.choice, or take sampler='grid'"),
        ({"x": tune.sample_from(lambda spec: 1)}, "'x' is sample_from, which no sampler learns from"),
        ({"x": tune.choice([{"y": tune.sample_from(lambda: 1)}])}, "'x.0.y' is sample_from"),
        ({"x": {"eval": "1 + 1"}}, "'x' is code to evaluate"),
        ({"x": tune.choice([])}, "'x' has nothing to choose from"),
        ({"x": tune.randint(5, 5)}, "'x' has no value from 5 to 5; the upper bound of whole numbers is excluded"),
        ({"x": tune.qrandint(0, 10, 2.5)}, "'x' has q 2.5; whole numbers have whole steps"),
        ({"a/b": tune.uniform(0, 1), "a": {"b": tune.uniform(0, 1)}}, "'a/b' is the name of two parameters"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_its_name(tree: dict[str, Any], told: str) -> None:
    with pytest.raises(SpaceError) as caught:
        TuneSpace(tree)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_that_the_space_never_gives_are_refused() -> None:
    space = TuneSpace({"a": {"x": tune.randint(0, 5)}, "b": tune.choice(["u", "v"]), "c": [tune.uniform(0, 1), 2]})
    assert space.read({"a/x": 3, "b": "v", "other": 1}) == {"a/x": 3, "b": "v"}  # flat names, and what lacks lacks
    for point, told in [
        ({"a": {"x": 9}}, "'a/x' is 9"),
        ({"a": {"x": 1.5}}, "'a/x' is 1.5"),
        ({"b": "w"}, "'b' is 'w'"),
        ({"c": [2.0, 2]}, "'c/0' is 2.0"),
        ({"a": 3}, "3 stands where the space has a dictionary with x"),
        ({"c": [0.5]}, "[0.5] stands where the space has 2 values"),
    ]:
        with pytest.raises(SpaceError) as caught:
            space.read(point)
        assert told in str(caught.value)


def test_a_grid_search_is_a_choice_for_the_grid_sampler() -> None:
    space = TuneSpace({"x": tune.grid_search([3, 1]), "y": tune.choice("ab")}, grids=True)
    runs = hd.Optimizer(space.space, sampler="grid").ask(10)
    found = [space.written(run.configuration, constants=True) for run in runs]
    assert sorted(map(json.dumps, found)) == sorted(json.dumps({"x": x, "y": y}) for x in (3, 1) for y in "ab")
