"""The Bayesian sampler: what it proposes is lawful, repeatable and worth its time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdcore.history import RowState, RunTable
from hdcore.sampling.bayesian import BayesianSampler, initial_runs
from hdcore.space import SearchSpace, choice, loguniform, normal, qloguniform, qnormal, quniform, randint, uniform

PLANE = SearchSpace({"x": uniform(0, 1), "y": uniform(0, 1)})
MIXED = SearchSpace(
    {
        "a": uniform(0, 1),
        "b": choice("p", "q", {"c": quniform(0, 10, 1), "d": loguniform(-3, 0), "e": choice("r", "s")}),
        "f": randint(5),
        "g": qloguniform(0, 5, 1),
        "h": qnormal(0, 3, 1),
        "i": normal(0, 1),
        "j": choice(16, 32, 64),
        "k": 7,
    }
)


def bowl(c):
    return (c["x"] - 0.3) ** 2 + (c["y"] - 0.6) ** 2


def rough(c):
    """A mixed objective with its best option in the nested choice."""
    nested = c["b"] if isinstance(c["b"], dict) else None
    value = (c["a"] - 0.3) ** 2 + 0.2 * abs(c["f"] - 3) + 0.1 * abs(c["h"] - 2) + 0.1 * (c["i"] - 0.5) ** 2
    value += 0.3 * abs(math.log1p(c["g"]) - 2) + (c["j"] != 32) * 0.1
    return value + (0.5 if nested is None else 0.05 * abs(nested["c"] - 7) + 0.2 * abs(math.log(nested["d"]) + 1))


def bound(space, seed=0):
    sampler = BayesianSampler()
    sampler.bind(space, seed)
    return sampler


def optimise(space, f, n, *, seed=0, batch=1):
    """Run the loop of a sweep; f returns what is to be minimised, NaN for a failed run."""
    sampler, table = bound(space, seed), RunTable(len(space.columns))
    while table.n < n:
        rows = sampler.propose(table, table.n, min(batch, n - table.n))
        if len(rows) == 0:
            break
        for row in rows:
            table.append(row)
        for i in range(table.n - len(rows), table.n):
            value = -f(space.decode_row(table.encoded[i]))
            table.finish(i, RowState.COMPLETED if value == value else RowState.FAILED, value)
    return table


def copy(table, n, *, order=None):
    """The first n rows in a new table, finished in some order."""
    out = RunTable(table.d)
    for i in range(n):
        out.append(table.encoded[i])
    for i in range(n) if order is None else order:
        out.finish(i, RowState(int(table.state[i])), table.value[i])
    return out


@pytest.mark.parametrize(("space", "f", "n"), [(PLANE, bowl, 45), (MIXED, rough, 45)])
def test_a_reloaded_sweep_goes_on_with_the_same_proposals(space, f, n):
    table = optimise(space, f, n, seed=5)
    for k in range(0, n, 4):
        np.testing.assert_array_equal(bound(space, 5).propose(copy(table, k), k, 1)[0], table.encoded[k])


def test_rows_that_went_through_their_configurations_give_the_same_proposals():
    """Encoding does not return the last bits of a logarithmic or normal parameter."""
    table, changed = optimise(MIXED, rough, 60, seed=4), 0
    for k in range(0, 60, 3):
        part = copy(table, k)
        again = RunTable(table.d)
        for i in range(k):
            again.append(MIXED.encode([MIXED.decode_row(table.encoded[i])])[0])
            again.finish(i, RowState(int(table.state[i])), table.value[i])
        changed += not np.array_equal(part.encoded, again.encoded, equal_nan=True)
        row = bound(MIXED, 4).propose(again, k, 1)[0]
        np.testing.assert_array_equal(row, table.encoded[k])
    assert changed > 0


def test_the_order_in_which_runs_finish_does_not_matter():
    """Runs come in late and in any order; a sampler that saw it all and one that sees only the end agree."""
    rng = np.random.default_rng(1)
    for n in (9, 30, 140):
        live, table, open_rows = bound(PLANE, 3), RunTable(2), []
        points = rng.random((n, 2))
        for i in range(n):
            table.append(points[i])
            open_rows.append(i)
            while len(open_rows) > 6:
                done = open_rows.pop(int(rng.integers(len(open_rows))))
                table.finish(done, RowState.COMPLETED, -bowl(dict(zip("xy", points[done], strict=True))))
            if i % 3 == 0:
                live.propose(table, table.n, 1)
        np.testing.assert_array_equal(live.propose(table, n, 2), bound(PLANE, 3).propose(table, n, 2))


def test_the_scale_and_the_offset_of_the_metric_do_not_matter():
    one = optimise(PLANE, bowl, 40, seed=2)
    other = optimise(PLANE, lambda c: 1e6 * bowl(c) + 5, 40, seed=2)
    np.testing.assert_array_equal(one.encoded, other.encoded)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 5), st.sampled_from([PLANE, MIXED]))
def test_proposals_lie_on_the_grid_and_are_new_whatever_the_history(seed, n, k, space):
    rng = np.random.default_rng(seed)
    table = RunTable(len(space.columns))
    points = space.snap(rng.random((n, len(space.columns))))
    for i, row in enumerate(points):
        table.append(row)
        state = RowState(int(rng.choice(4, p=[0.1, 0.7, 0.15, 0.05])))
        value = float(rng.choice([rng.standard_normal(), 0.0, 1e300, -1e300, 1e-300, np.nan, np.inf]))
        if state != RowState.PENDING:
            table.finish(i, state, value if state == RowState.COMPLETED else np.nan)
    rows = bound(space, seed).propose(table, n, k)
    assert rows.shape == (k, len(space.columns))
    np.testing.assert_array_equal(rows, space.snap(rows))
    keys = [row.tobytes() for row in [*table.encoded, *rows]]
    assert len({*keys}) == len({*keys[:n]}) + k


@pytest.mark.parametrize("f", [lambda c: 1.0, lambda c: math.nan, lambda c: math.inf, lambda c: -math.inf])
def test_without_anything_to_learn_the_space_is_filled(f):
    table = optimise(PLANE, f, 40)
    counts = np.histogram2d(*table.encoded.T, bins=2, range=[[0, 1], [0, 1]])[0]
    assert counts.min() >= 7


def test_a_space_of_four_points_is_used_up_without_repeats():
    space = SearchSpace({"a": choice("p", "q"), "b": randint(2)})
    table = optimise(space, lambda c: c["b"] + (c["a"] == "q"), 9)
    assert len({row.tobytes() for row in table.encoded}) == table.n == 4


def test_a_finite_space_is_used_up_in_batches_and_its_best_comes_early():
    space = SearchSpace({"a": choice("p", "q", "r"), "b": randint(6), "c": quniform(0, 10, 1)})
    table = optimise(space, lambda c: abs(c["b"] - 4) + (c["a"] == "q") + 0.3 * abs(c["c"] - 6), 500, batch=5)
    assert len({row.tobytes() for row in table.encoded}) == table.n == space.size
    assert np.argmax(table.value) < space.size / 4


def test_constants_alone_are_one_configuration():
    assert len(bound(SearchSpace({"a": 3})).propose(RunTable(0), 0, 1)) == 1


def test_noise_free_bowls_are_solved_to_five_digits():
    for d in (1, 3):
        space = SearchSpace({f"x{i}": uniform(0, 1) for i in range(d)})
        table = optimise(space, lambda c: sum((x - 0.37) ** 2 for x in c.values()), 40)
        assert -table.value.max() < 1e-5


def test_the_good_option_of_a_nested_choice_is_found():
    found = [-optimise(MIXED, rough, 60, seed=seed).value.max() for seed in range(3)]
    assert np.median(found) < 0.3


def test_points_of_a_batch_keep_apart():
    table = optimise(PLANE, bowl, 8)
    rows = bound(PLANE).propose(table, 8, 8)
    distance = np.linalg.norm(rows[:, None] - rows[None], axis=-1)
    assert distance[np.triu_indices(8, 1)].min() > 1e-2


def test_values_of_stopped_runs_are_not_taken_for_results_but_their_places_for_tried():
    proposals = []
    for value in (-5.0, 0.0, 3.0, None):
        table = optimise(PLANE, bowl, 12)
        if value is not None:
            table.append(bound(PLANE).propose(table, 12, 1)[0])
            table.finish(12, RowState.CANCELED, value)
        proposals.append(bound(PLANE).propose(table, 12, 1)[0])
    np.testing.assert_array_equal(proposals[0], proposals[1])
    np.testing.assert_array_equal(proposals[0], proposals[2])
    assert np.abs(proposals[0] - proposals[3]).max() > 1e-3


def test_a_region_that_fails_is_left_for_the_best_one_that_does_not():
    def two_valleys(c):
        """The deeper valley, at x = 0.8, cannot be evaluated."""
        return math.nan if c["x"] > 0.55 else min((c["x"] - 0.8) ** 2, (c["x"] - 0.2) ** 2 + 0.02) + (c["y"] - 0.6) ** 2

    tables = [optimise(PLANE, two_valleys, 50, seed=seed) for seed in range(3)]
    assert np.median([-np.nanmax(table.value) for table in tables]) < 0.021
    assert np.median([(table.encoded[20:, 0] > 0.55).mean() for table in tables]) < 0.5


def test_hundreds_of_results_are_served_at_any_number_and_alike_after_a_reload():
    rng = np.random.default_rng(2)
    live, table = bound(PLANE), RunTable(2)
    for i in range(460):
        table.append(rng.random(2))
        table.finish(i, RowState.COMPLETED, -bowl(dict(zip("xy", table.encoded[i], strict=True))))
        if i % 11 == 0 or i > 440:
            proposed = live.propose(table, table.n, 1)
    np.testing.assert_array_equal(proposed, bound(PLANE).propose(table, table.n, 1))


def test_a_batch_is_what_single_proposals_would_be_also_where_its_fits_change():
    rng = np.random.default_rng(5)
    live, table = bound(PLANE), RunTable(2)
    for i in range(118):
        table.append(rng.random(2))
        table.finish(i, RowState.COMPLETED, -bowl(dict(zip("xy", table.encoded[i], strict=True))))
    for _ in range(2):
        start = table.n
        batch = live.propose(table, start, 12)
        for row in batch:
            np.testing.assert_array_equal(bound(PLANE).propose(table, table.n, 1)[0], row)
            table.append(row)
        for i, row in enumerate(batch, start):
            table.finish(i, RowState.COMPLETED, -bowl(dict(zip("xy", row, strict=True))))


def test_sixty_columns_and_many_results_are_served():
    space = SearchSpace({f"x{i}": uniform(0, 1) for i in range(60)})
    assert optimise(space, lambda c: sum(c.values()), 30).n == 30
    rng = np.random.default_rng(0)
    table = RunTable(2)
    for i in range(1300):
        table.append(rng.random(2))
        table.finish(i, RowState.COMPLETED, -bowl(dict(zip("xy", table.encoded[i], strict=True))))
    sampler = bound(PLANE)
    rows = np.array([sampler.propose(table, number, 1)[0] for number in range(1300, 1304)])
    assert np.count_nonzero(np.abs(rows - [0.3, 0.6]).max(axis=1) < 0.1) >= 2  # others may look elsewhere


def test_the_first_runs_are_an_even_design():
    assert [initial_runs(d) for d in (1, 6, 60)] == [5, 8, 10]
    rows = bound(PLANE).propose(RunTable(2), 0, 4)
    assert len({tuple((2 * row).astype(int)) for row in rows}) == 4


def test_history_in_the_same_metric_takes_the_place_of_the_design():
    table = RunTable(2)
    for i, row in enumerate(np.random.default_rng(1).random((40, 2))):
        table.append(row, source=1)
        table.finish(i, RowState.COMPLETED, -bowl(dict(zip("xy", row, strict=True))))
    row = bound(PLANE).propose(table, 0, 1)[0]
    assert np.abs(row - [0.3, 0.6]).max() < 0.05
