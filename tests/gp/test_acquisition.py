"""LogEI: its tails, gradients, pending points, screening and search."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from gp.problems import Problem, central_differences, values
from hypothesis import given
from hypothesis import strategies as st
from reference import gp as twin
from scipy import linalg

from hdcore._native import acquisition, gp


def exact_log_h(z):
    """(log h, slope) at 60 digits; below -1e3 by the asymptotic series, which is exact there."""
    with mpmath.workdps(60):
        z = mpmath.mpf(z)
        if z > -1000:
            h = mpmath.npdf(z) + z * mpmath.ncdf(z)
            return mpmath.log(h), mpmath.ncdf(z) / h
        i = 1 / z**2
        ratio = i * (1 - 3 * i + 15 * i**2 - 105 * i**3 + 945 * i**4 - 10395 * i**5)
        return -z * z / 2 - mpmath.log(2 * mpmath.pi) / 2 + mpmath.log(ratio), (1 - ratio) / (-z * ratio)


@pytest.mark.parametrize(
    "z", [40, 5, 0.3, 0, -0.99, -1, -1.01, -5, -25, -27, -100, -999, -1e3, -1e4, -1e8, -1e50, -1e100]
)
def test_log_h_keeps_its_digits_in_both_tails(z):
    value, slope = acquisition.log_h(z)
    expected, expected_slope = exact_log_h(z)
    assert abs(value / expected - 1) < 1e-14
    assert abs(slope / expected_slope - 1) < 1e-14


@given(st.floats(-200, 30), st.floats(1e-6, 1))
def test_log_h_grows_with_z(z, step):
    assert acquisition.log_h(z + step)[0] > acquisition.log_h(z)[0]


@pytest.mark.parametrize(
    ("n", "d", "kind"), [(1, 1, "numeric"), (30, 3, "mixed"), (131, 6, "numeric"), (200, 9, "mixed")]
)
@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.5])
def test_values_are_those_of_the_twin_and_gradients_those_of_central_differences(n, d, kind, noise):
    p = Problem(n, d, kind=kind)
    native, model = p.acquisition(noise=noise)
    Q = p.queries(19)
    found, grad = values(native, Q, gradient=True)
    np.testing.assert_allclose(found, twin.log_ei(model, Q, p.best, noise), rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(found, values(native, Q))
    numeric = np.flatnonzero(np.isinf(p.clamp))
    expected = central_differences(lambda x: values(native, x), Q, columns=numeric)
    np.testing.assert_allclose(grad[:, numeric], expected[:, numeric], rtol=1e-5, atol=1e-5 * np.abs(grad).max())


def beyond(p, native, model, told, pending, draws, best):
    """Hand `told` + `pending` points to the native model; returns points, values told, fantasies and incumbents."""
    E = p.queries(told + pending)
    y_told = p.rng.standard_normal(told) * 0.3 + model.predict(E)[0][:told]
    q, ld = told + pending, p.U.shape[1]
    V, K = np.zeros((q, ld)), np.zeros((q, ld))
    native.project(E, V, K)
    C = model.kernel(E, E) - K[:, : p.n] @ V[:, : p.n].T + model.sn2 * np.eye(q)
    rho = np.append(y_told - model.predict(E)[0][:told], 0.0)
    shift, value, cinv = np.empty((len(draws), q)), np.empty((len(draws), q)), np.empty((q, q))
    assert gp.condition(told, C.copy(), rho, draws, shift, value, cinv) == 0
    np.testing.assert_allclose(cinv, linalg.inv(C), rtol=1e-7, atol=1e-7 * np.abs(cinv).max())
    zp = np.zeros((p.d, q + 3))
    zp[:, :q] = (E * p.rate).T
    imagined = model.predict(E)[0][told:] + value[:, told:]
    incumbent = np.minimum(best, imagined.min(axis=1)) if pending else np.full(len(draws), best)
    native.pending(zp, q, V, cinv, shift, incumbent)
    return E, y_told, imagined, incumbent


class Augmented(twin.Posterior):
    """The twin with further points, its mean unchanged."""

    def __init__(self, p, model, E, y):
        self.X, self.clamp = np.concatenate([p.X, E]), p.clamp
        self.length, self.sf2, self.sn2, self.mu = model.length, model.sf2, model.sn2, model.mu
        noise = np.concatenate([model.noise, np.full(len(E), model.sn2)])
        self.L = linalg.cholesky(self.kernel(self.X, self.X) + np.diag(noise), lower=True)
        self.alpha = linalg.cho_solve((self.L, True), np.concatenate([p.y, y]) - self.mu)


@pytest.mark.parametrize(("told", "pending"), [(1, 0), (7, 0), (0, 1), (0, 5), (4, 6)])
def test_points_beyond_the_factor_are_as_good_as_in_it_whatever_pending_ones_return(told, pending):
    p = Problem(50, 3, noise=1e-2)
    native, model = p.acquisition()
    count = 6 if pending else 1
    draws = p.rng.standard_normal((count, max(1, pending)))
    E, y_told, imagined, incumbent = beyond(p, native, model, told, pending, draws, p.best)
    Q = p.queries(11)
    found, grad = values(native, Q, gradient=True)
    each = [
        twin.log_ei(Augmented(p, model, E, np.concatenate([y_told, imagined[s]])), Q, incumbent[s])
        for s in range(count)
    ]
    np.testing.assert_allclose(found, np.logaddexp.reduce(each, axis=0) - np.log(count), rtol=1e-8, atol=1e-8)
    expected = central_differences(lambda x: values(native, x), Q)
    np.testing.assert_allclose(grad, expected, rtol=1e-5, atol=1e-5 * np.abs(grad).max())


def test_imagined_outcomes_have_the_posterior_distribution():
    p = Problem(25, 2, noise=1e-2)
    native, model = p.acquisition()
    draws = p.rng.standard_normal((20000, 3))
    E, y_told, imagined, _ = beyond(p, native, model, 2, 3, draws, p.best)
    given_told = Augmented(p, model, E[:2], y_told)
    mean, var = given_told.predict(E[2:])
    np.testing.assert_allclose(imagined.mean(0), mean, atol=0.03)  # 4 standard errors
    np.testing.assert_allclose(imagined.var(0), var + model.sn2, rtol=0.05)


def test_failures_lower_the_acquisition_around_them():
    p = Problem(30, 2)
    native, _ = p.acquisition()
    Q = p.queries(8)
    before = values(native, Q)
    F, rate = np.array([[0.5, 0.5], [0.51, 0.5]]), np.array([3.0, 2.0])
    zf = np.zeros((2, 40))
    zf[:, :32] = (np.concatenate([p.X, F]) * rate).T
    native.failures(zf, 30, 2, rate, np.full(2, np.inf), 1.7)
    after, grad = values(native, Q, gradient=True)
    k_ok, k_bad = (twin.matern(twin.distances(Q, X, 1 / rate, np.full(2, np.inf)).sum(0), 1.0) for X in (p.X, F))
    ok, bad = 0.01 + (k_ok**3).sum(1), (k_bad**3).sum(1)
    np.testing.assert_allclose(after - before, 1.7 * (1 + k_bad.sum(1)) * np.log(ok / (ok + bad)), rtol=1e-9, atol=1e-9)
    assert np.all(after < before)
    expected = central_differences(lambda x: values(native, x), Q)
    np.testing.assert_allclose(grad, expected, rtol=1e-5, atol=1e-5 * np.abs(grad).max())


@pytest.mark.parametrize(("n", "d"), [(20, 2), (150, 3), (400, 6)])
@pytest.mark.parametrize("extra", [(0, 0), (5, 0), (3, 4)])
def test_bounded_screening_finds_the_same_best_as_looking_at_all(n, d, extra):
    p = Problem(n, d, seed=3, noise=1e-2)
    native, model = p.acquisition()
    told, pending = extra
    if told + pending:
        draws = p.rng.standard_normal((8 if pending else 1, max(1, pending)))
        E, *_ = beyond(p, native, model, told, pending, draws, p.best)
    X = np.concatenate([p.queries(400), np.clip(p.X[p.y.argmin()] + 0.1 * p.rng.standard_normal((400, d)), 0, 1)])
    expected = values(native, X)
    if n > 100:
        rows, tail = np.sort(p.rng.permutation(n)[:60]).astype(np.int32), sum(extra)
        S = np.concatenate([p.X[rows], E]) if tail else p.X[rows]
        noise = np.concatenate([model.noise[rows], np.full(tail, model.sn2)])
        K = np.zeros((96, 96))
        K[: len(S), : len(S)] = np.tril(model.kernel(S, S) + np.diag(noise))
        assert gp.inverse(p.workspace, len(S), K) == 0
        native.subset(rows, tail, K)
    index, value = np.empty(8, np.int32), np.empty(8)
    evaluations = native.screen(X, index, value, np.empty(len(X) + 8 * d), np.empty(len(X), np.int32))
    best = np.argsort(-expected, kind="stable")[:8]
    assert set(index.tolist()) == set(best.tolist())
    np.testing.assert_allclose(value, expected[best], rtol=1e-12, atol=1e-9)
    assert evaluations < len(X)


def test_screening_of_few_candidates_says_where_there_are_none():
    p = Problem(10, 2)
    native, _ = p.acquisition()
    index, value = np.empty(8, np.int32), np.empty(8)
    native.screen(p.queries(3), index, value, np.empty(19), np.empty(3, np.int32))
    assert sorted(index[:3].tolist()) == [0, 1, 2]
    assert np.all(index[3:] == -1)


def box(d):
    none = np.zeros(d, np.int32)
    return acquisition.Space(none, none, none, np.zeros(1), np.zeros(d + 1), none - 1, none - 1)


@pytest.mark.parametrize(("n", "d"), [(12, 1), (60, 3), (150, 8)])
def test_local_search_ends_at_a_point_without_slope_in_the_box(n, d):
    p = Problem(n, d, seed=1)
    native, _ = p.acquisition()
    x = p.queries(8)
    before = values(native, x)
    found = np.empty(8)
    native.search(box(d), x, found, np.zeros(d), 100, 1, np.empty(acquisition.search_size(d, 8)))
    assert np.all((x >= 0) & (x <= 1))
    assert np.all(found >= before)
    value, grad = values(native, x, gradient=True)
    np.testing.assert_allclose(value, found, rtol=1e-12, atol=1e-12)
    inward = np.where(x <= 0, np.maximum(grad, 0), np.where(x >= 1, np.minimum(grad, 0), grad))
    # a gain below 1e-7 ends the climb; the slope that leaves is of the order of its root
    assert np.median(np.abs(inward * np.minimum(1 / p.rate, 1)).max(1)) < 1e-2


@given(st.integers(1, 12), st.integers(0, 2**64 - 1))
def test_candidates_from_the_prior_fill_the_box_evenly(d, seed):
    x = np.empty((512, d))
    box(d).spread(seed, x)
    assert np.all((x >= 0) & (x < 1))
    quarter = (x < 0.25).sum(axis=0)
    assert np.all(np.abs(quarter - 128) < 40)
    again = np.empty_like(x)
    box(d).spread(seed, again)
    np.testing.assert_array_equal(x, again)
