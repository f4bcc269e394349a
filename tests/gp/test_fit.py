"""Output transform, merging, the schedule of fits, and the fits themselves."""

from __future__ import annotations

import numpy as np
import pytest
from gp.problems import Problem
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize

from hdcore._native import gp
from hdcore.gp import fit
from hdcore.gp.evidence import Sample
from hdcore.gp.transform import STRETCHES, fit_map


class Told:
    """Evidence of results alone."""

    def __init__(self, X, y, rows):
        self.all = (rows, X, y, np.zeros(len(y)), np.ones(len(y), bool))

    def upto(self, size):
        return Sample(*(part[:size] for part in self.all))


finite = st.floats(-1e300, 1e300, allow_subnormal=False)


@given(arrays(float, st.integers(2, 40), elements=finite), st.sampled_from(range(len(STRETCHES))))
def test_the_output_map_is_monotone_and_standardises(y, index):
    found = fit_map(y, index)
    if found is None:
        assert np.ptp(y / 2) <= 1e-12 * np.abs(y).max()
        return
    t = found(y)
    assert np.all(np.isfinite(t))
    order = np.argsort(y, kind="stable")
    assert np.all(np.diff(t[order]) >= 0)
    assert t.mean() == pytest.approx(0, abs=1e-8)
    assert t.std() == pytest.approx(1, abs=1e-8)


@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6), st.floats(-10, 10), st.sampled_from(range(len(STRETCHES))))
def test_the_output_map_does_not_see_scale_and_offset_of_the_metric(seed, scale, offset, index):
    y = np.random.default_rng(seed).standard_normal(20)
    one, other = fit_map(y, index), fit_map(scale * y + scale * offset, index)
    np.testing.assert_allclose(one(y), other(scale * y + scale * offset), atol=1e-6)


def test_the_output_map_continues_below_the_best_value():
    y = np.array([1.0, 2.0, 5.0, 9.0])
    found = fit_map(y, 6)
    t = found(np.array([-50.0, -1.0, 0.9999999, 1.0, 1.0000001]))
    assert np.all(np.diff(t) > 0)
    assert np.all(np.isfinite(t))


def test_one_diverged_run_does_not_set_the_scale():
    y = np.append(np.linspace(0, 1, 20), 1e12)
    t = fit_map(y, 0)(y)
    assert np.ptp(t[:20]) > 0.1


def test_values_that_are_all_equal_have_no_map():
    assert fit_map(np.full(4, 3.7), 0) is None
    assert fit_map(np.zeros(4), 3) is None
    assert fit_map(np.array([1e9, 1e9 + 1e-7]), 0) is None


def test_equal_points_are_merged_in_order_of_appearance():
    X = np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0], [3.0, 1.0], [1.0, 2.0]])
    y = np.array([1.0, 5.0, 2.0, 7.0, 6.0])
    data = fit.merge(X, y, np.zeros(len(y)), np.ones(len(y), bool))
    np.testing.assert_array_equal(data.U[:, :3].T, [[1, 2], [0, 0], [3, 1]])
    np.testing.assert_array_equal(data.y, [3, 5, 7])
    np.testing.assert_allclose(data.v, [1 / 3, 1, 1])
    assert data.dof == 2
    assert data.scatter == pytest.approx(4 + 1 + 9)


@given(st.integers(1, 20000))
def test_fits_are_due_after_every_result_at_first_and_after_some_growth_later(n):
    size = fit.due(n)
    assert size <= n
    assert n - size <= (0 if n <= 100 else max(1, 0.05 * n))
    assert fit.due(size) == size


@given(st.integers(1, 20000))
def test_chains_of_anchors_are_short(n):
    links, size = 0, n
    while True:
        below = fit.anchor_below(size)
        if below == 0 or fit.is_cold(size):
            break
        assert fit.is_anchor(below)
        assert below < size
        size, links = below, links + 1
    assert links <= 3


SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 10))]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fit_is_as_good_as_the_best_of_twenty_starts(seed):
    """Five problems a seed; the fit may miss the best optimum by half a nat on one of ten problems overall."""
    missed = 0
    for number in range(5):
        rng = np.random.default_rng((seed, number))
        n, d = int(rng.integers(8, 60)), int(rng.integers(1, 6))
        p = Problem(n, d, seed=100 * seed + number)
        zero, one = np.zeros(n), np.ones(n)

        def nll(theta, p=p, n=n, d=d, one=one, zero=zero):
            grad = np.empty(d + 2)
            args = (p.U, p.clamp, theta, p.y, one, zero, 0.0, 0.0, p.prior)
            return gp.nll_grad(p.workspace, n, *args, grad), grad

        best = min(
            optimize.minimize(
                nll, rng.uniform(p.prior[0] - 2, p.prior[0] + 2), jac=True, method="L-BFGS-B", bounds=p.prior[2:].T
            ).fun
            for _ in range(20)
        )
        starts = np.array([p.prior[0], p.prior[0]])
        starts[1, -1] = np.log(0.1)
        args = (p.U, p.clamp, starts, p.y, one, zero, 0.0, 0.0, p.prior, fit.COLD_EVALUATIONS, 1e-2 * np.sqrt(n))
        found, _ = gp.fit(p.workspace, n, *args)
        assert found == pytest.approx(nll(starts[0])[0])
        missed += found > best + 0.5
    assert missed <= 1


def test_a_fit_depends_on_the_results_and_not_on_earlier_fits():
    rng = np.random.default_rng(4)
    X, rows = rng.random((90, 3)), np.arange(90)
    y = np.sin(5 * X).sum(1)
    for is_stretched in (False, True):
        step_by_step, at_once = (fit.Fits(np.full(3, np.inf), is_stretched) for _ in range(2))
        for size in range(2, 91):
            last = step_by_step.at(size, Told(X, y, rows))
        np.testing.assert_array_equal(last.theta, at_once.at(90, Told(X, y, rows)).theta)


def test_a_result_that_comes_in_late_changes_the_fits_that_should_have_seen_it():
    rng = np.random.default_rng(4)
    X, y, rows = rng.random((41, 2)), rng.random(41), np.arange(41)
    live, fresh = (fit.Fits(np.full(2, np.inf), False) for _ in range(2))
    keep = rows != 5
    live.at(40, Told(X[keep], y[keep], rows[keep]))
    np.testing.assert_array_equal(live.at(41, Told(X, y, rows)).theta, fresh.at(41, Told(X, y, rows)).theta)
