"""Random, Sobol and grid: the contract, and what each one promises beyond it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from contracts.sampler import SamplerContract
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from space.spaces import MIXED, spaces

import hdcore as hd
from hdcore.errors import InputError, SpaceError
from hdcore.history import RunTable
from hdcore.sampling import GridSampler, RandomSampler, Sampler, SobolSampler, grid, make_sampler, sample
from hdcore.space import SearchSpace, choice, normal, qloguniform, quniform, randint, uniform
from hdcore.space.values import identity


class TestRandom(SamplerContract):
    infinite = MIXED

    def make(self) -> Sampler:
        return RandomSampler()


class TestSobol(SamplerContract):
    infinite = MIXED

    def make(self) -> Sampler:
        return SobolSampler()


class TestBayesian(SamplerContract):
    infinite = MIXED

    def make(self) -> Sampler:
        return make_sampler("bayesian")


class TestGrid(SamplerContract):
    def make(self) -> Sampler:
        return GridSampler()


class TestRandomOverUnevenLevels(SamplerContract):
    """Levels of which some are very rare, so that drawing alone would never use the space up."""

    finite = SearchSpace({"a": qloguniform(-30, 2, 1), "b": choice("x", {"r": randint(4)}), "c": quniform(0, 2, 1)})

    def make(self) -> Sampler:
        return RandomSampler()


class TestSobolOverOverlappingOptions(SamplerContract):
    finite = SearchSpace({"a": choice({"x": choice(1, 2, 3)}, {"x": choice(3, 4)}), "b": randint(3)})

    def make(self) -> Sampler:
        return SobolSampler()


def ask(sampler: Sampler, space: SearchSpace, n: int, seed: int = 7) -> list[Any]:
    sampler.bind(space, seed)
    return space.decode(sampler.propose(RunTable(len(space.columns)), 0, n))


def test_run_i_draws_from_its_own_stream() -> None:
    space = SearchSpace({"a": uniform(2, 5), "b": normal(0, 1), "c": randint(10)})
    for number, one in enumerate(ask(RandomSampler(), space, 20, seed=11)):
        u = np.random.Generator(np.random.Philox(np.random.SeedSequence(11, spawn_key=(number,)))).random(3)
        assert one["a"] == 2 + 3 * u[0]
        assert one["b"] == pytest.approx(stats.norm.ppf(u[1]), rel=1e-14)
        assert one["c"] == int(u[2] * 10)


@pytest.mark.parametrize("sampler", [RandomSampler, SobolSampler])
def test_draws_follow_the_declared_distributions(sampler: type[Any]) -> None:
    rows = ask(sampler(), MIXED, 4000)
    for name, oracle in {
        "lr": stats.loguniform(np.exp(-9), np.exp(-2)),
        "momentum": stats.uniform(0.5, 0.49),
        "shift": stats.norm(0, 1),
        "scale": stats.lognorm(2),
    }.items():
        assert stats.kstest([one[name] for one in rows], oracle.cdf).pvalue > 1e-3
    for name, options in {"optimizer": ["sgd", "adam", "lamb"], "depth": range(7)}.items():
        counts = [sum(one[name] == option for one in rows) for option in options]
        assert stats.chisquare(counts).pvalue > 1e-3


def test_repeated_options_weigh_as_often_as_they_are_written() -> None:
    drawn = sample({"x": choice("a", "a", "a", "b")}, 4000, seed=1)["x"]
    assert stats.binomtest(int((drawn == "a").sum()), 4000, 0.75).pvalue > 1e-3


def test_sample_has_the_configurations_of_the_random_sampler() -> None:
    space = SearchSpace(
        MIXED.parameters | {"nested": choice(1, {"u": uniform(0, 1), "d": choice({"k": randint(3)}, 2)}), "k": "v"}
    )
    sampler = RandomSampler()
    sampler.bind(space, 5)
    rows = space.decode(sampler.propose(RunTable(len(space.columns)), 3, 600))
    columns = sample(space, 600, 5, start=3)
    assert list(columns) == list(space.names)
    for i, one in enumerate(rows):
        assert {name: column[i] for name, column in columns.items()} == one


@settings(max_examples=100, deadline=None)
@given(spaces, st.integers(0, 2**70))
def test_sample_draws_valid_configurations(space: SearchSpace, seed: int) -> None:
    columns = sample(space, 5, seed)
    for i in range(5):
        space.validate({name: column[i] for name, column in columns.items()})


def test_sample_has_typed_columns() -> None:
    columns = sample(
        {
            "i": choice(1, 2),
            "f": choice(0.5, 1.5),
            "b": choice(True, False),
            "s": choice("x", "yy"),
            "m": choice(1, "a"),
            "r": randint(3),
        },
        4,
        seed=0,
    )  # fmt: skip
    assert [columns[name].dtype.kind for name in "ifbsmr"] == ["i", "f", "b", "U", "O", "i"]
    assert sample({"t": choice("a\0", "b")}, 3, seed=0)["t"].dtype == object


@pytest.mark.parametrize("n", [-1, 1.5, True])
def test_sample_needs_a_whole_number(n: Any) -> None:
    with pytest.raises(InputError, match="whole number"):
        sample({"x": uniform(0, 1)}, n)


def test_grid_is_the_product_in_declared_order() -> None:
    space = {"a": choice(3, 1, 2, 1), "k": 5, "b": choice("x", "y")}
    expected = [{"a": a, "k": 5, "b": b} for a, b in itertools.product([3, 1, 2], ["x", "y"])]
    assert list(grid(space)) == expected
    assert list(hd.grid(space)) == expected
    assert ask(GridSampler(), SearchSpace(space), 100) == expected


def test_grid_walks_through_nested_choices() -> None:
    space = {"m": choice({"name": "a", "p": choice(1, 2)}, "b", {"name": "c"}), "n": choice(True, 1)}
    assert [(one["m"], one["n"]) for one in grid(space)] == [
        (m, n)
        for m in ({"name": "a", "p": 1}, {"name": "a", "p": 2}, "b", {"name": "c"})
        for n in (True, 1)
    ]  # fmt: skip


def test_grid_names_a_configuration_once_where_options_overlap() -> None:
    space = SearchSpace({"a": choice({"x": choice(1, 2)}, {"x": choice(2, 3)})})
    assert [one["a"]["x"] for one in grid(space)] == [1, 2, 3]
    assert [one["a"]["x"] for one in ask(GridSampler(), space, 9)] == [1, 2, 3]


def test_huge_grids_are_lazy() -> None:
    space = SearchSpace({f"x{i}": choice(*range(10)) for i in range(60)})
    assert [one["x59"] for one in itertools.islice(grid(space), 12)] == [*range(10), 0, 1]
    assert len(ask(GridSampler(), space, 3)) == 3
    assert len(ask(RandomSampler(), space, 3)) == 3


def test_grid_refuses_what_is_no_choice() -> None:
    for space, name in (({"lr": uniform(0, 1)}, "lr"), ({"c": choice({"u": quniform(0, 1, 0.5)})}, "c.0.u")):
        with pytest.raises(SpaceError, match="choices") as caught:
            grid(space)
        assert caught.value.parameter == name


def test_rows_between_tries_follow_the_prior_weights() -> None:
    """Runs at the end of a finite space are drawn from what is left, not in order."""
    space = SearchSpace({"x": randint(40)})
    last = [ask(RandomSampler(), space, 40, seed=seed)[-1]["x"] for seed in range(600)]
    assert stats.chisquare(np.bincount(last, minlength=40)).pvalue > 1e-3


@pytest.mark.parametrize("sampler", [RandomSampler, SobolSampler])
def test_a_space_of_many_configurations_is_used_up(sampler: type[Any]) -> None:
    space = SearchSpace({"a": choice(*range(50)), "b": quniform(0, 49, 1), "c": choice({"x": randint(4)}, 1)})
    assert len(set(map(identity, ask(sampler(), space, 20_000)))) == space.size == 12_500


def test_a_huge_finite_space_with_a_heavy_point_goes_on() -> None:
    """Nearly all draws give one configuration; the space is far too large to be written down."""
    space = SearchSpace({f"q{i}": qloguniform(-1000, 5, 1) for i in range(4)})
    assert space.size is not None
    assert space.size > 10**8
    rows = ask(RandomSampler(), space, 40)
    assert len(set(map(identity, rows))) == 40


def test_more_columns_than_the_table_of_direction_numbers() -> None:
    space = SearchSpace({f"x{i}": uniform(0, 1) for i in range(1200)})
    rows = np.array([list(one.values()) for one in ask(SobolSampler(), space, 64)])
    assert len(set((rows[:, 1110] * 64).astype(int))) == 64
    assert abs(rows.mean() - 0.5) < 0.01


def test_a_space_of_constants_has_one_configuration() -> None:
    for sampler in (RandomSampler(), SobolSampler(), GridSampler()):
        assert ask(sampler, SearchSpace({"a": 5}), 3) == [{"a": 5}]


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("random", RandomSampler),
        ("SOBOL", SobolSampler),
        ("Grid", GridSampler),
        ({"type": "random", "rule": "sobol", "seed": 3}, SobolSampler),
        ({"type": "random", "rule": None, "logbase": "e"}, RandomSampler),
        ({}, RandomSampler),
    ],
)
def test_samplers_are_made_by_name(spec: Any, kind: type[Any]) -> None:
    assert type(make_sampler(spec)) is kind


def test_an_object_with_the_protocol_is_taken_as_it_is() -> None:
    sampler = GridSampler()
    assert make_sampler(sampler) is sampler


@pytest.mark.parametrize(
    ("spec", "words", "field"),
    [
        ("gird", "did you mean 'grid'", "sampler.type"),
        ({"type": "random", "rule": "halton"}, "write one of", "sampler.rule"),
        ({"type": "grid", "rule": "sobol"}, "no rule", "sampler.rule"),
        ({"type": "random", "logbase": 10}, "with_log_base", "sampler.logbase"),
        ({"typ": "random"}, "has no 'typ'", "sampler.typ"),
        (7, "write one of", "sampler"),
    ],
)
def test_unknown_samplers_are_refused(spec: Any, words: str, field: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        make_sampler(spec)
    assert caught.value.field == field
