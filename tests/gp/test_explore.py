"""Looking elsewhere: which results count, when it happens, and that it finds a second basin."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import hdcore as hd
from hdcore.gp.explore import Spread, looks_elsewhere


def distance(a, b, clamp):
    return math.sqrt(np.minimum((a - b) ** 2, clamp).mean())


@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.integers(1, 4), st.sampled_from([0.02, 0.1, 0.4]))
def test_kept_results_keep_their_distance_and_dropped_ones_are_near_an_earlier_one(seed, n, d, apart):
    rng = np.random.default_rng(seed)
    clamp = rng.choice([np.inf, 1.0], d)
    X = np.where(np.isinf(clamp), rng.random((n, d)), rng.integers(0, 3, (n, d)))
    kept = Spread(clamp, apart).choose(np.arange(n), X)
    for i in range(n):
        near = any(distance(X[i], X[j], clamp) < apart for j in range(i) if kept[j])
        assert kept[i] != near


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_choice_does_not_depend_on_what_was_asked_before(seed, sizes):
    rng = np.random.default_rng(seed)
    X = rng.random((60, 2))
    live = Spread(np.full(2, np.inf), 0.1)
    for size in sizes:  # results come in late and in any order
        rows = np.sort(rng.permutation(60)[:size])
        fresh = Spread(np.full(2, np.inf), 0.1)
        np.testing.assert_array_equal(live.choose(rows, X[rows]), fresh.choose(rows, X[rows]))


def test_results_that_are_spread_out_anyway_make_no_choice():
    X = np.random.default_rng(0).random((400, 6))
    spread = Spread(np.full(6, np.inf), 0.02)
    assert spread.choose(np.arange(100), X[:100]).all()
    assert spread.choose(np.arange(400), X) is None
    assert spread.choose(np.arange(100), X[:100]).all()


def test_progress_keeps_a_search_where_it_is():
    falling = np.linspace(1, 0, 60)
    assert not any(looks_elsewhere(number, falling, 3) for number in range(60, 64))


def test_a_standstill_sends_one_of_four_runs_elsewhere_and_a_known_bottom_three():
    rng = np.random.default_rng(0)
    still = np.concatenate([[0.0], 1 + rng.random(59)])
    bottom = np.concatenate([np.zeros(6), 1 + rng.random(54)])
    for y in (still, 1e6 * still + 5, 1e300 * still):
        assert sum(looks_elsewhere(number, y, 3) for number in range(60, 64)) == 1
    assert sum(looks_elsewhere(number, bottom, 3) for number in range(60, 64)) == 3


def test_a_search_that_has_settled_leaves_for_a_deeper_basin():
    """Wells of a tenth of the box on a plain: without leaving, most seeds end in the one that was met first."""
    wells = [((0.2, 0.25, 0.3), 0.8), ((0.75, 0.8, 0.3), 0.9), ((0.3, 0.7, 0.8), 1.2)]

    def f(c):
        return -sum(
            depth / (1 + 60 * sum((c[k] - m) ** 2 for k, m in zip("xyz", at, strict=True))) for at, depth in wells
        )

    found = 0
    for seed in range(6):
        optimizer = hd.Optimizer(dict.fromkeys("xyz", hd.uniform(0, 1)), sampler="bayesian", goal="minimize", seed=seed)
        for _ in range(120):
            run = optimizer.ask()
            optimizer.tell(run.number, f(run.configuration))
        found += optimizer.best.value < -1.2
    assert found >= 5
