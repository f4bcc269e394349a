"""Kernel matrices, likelihood, inverse: against scikit-learn, SciPy and the NumPy twin."""

from __future__ import annotations

import numpy as np
import pytest
from gp.problems import Problem
from reference import gp as twin
from scipy import linalg
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from hdcore._native import gp

SHAPES = [(1, 1), (2, 1), (7, 3), (40, 5), (97, 6), (260, 4), (300, 20), (60, 60)]


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("kind", ["numeric", "mixed"])
def test_the_kernel_matrix_and_its_slopes_are_those_of_the_twin(n, d, kind):
    p = Problem(n, d, kind=kind)
    z, w2 = np.zeros_like(p.U), np.empty(d)
    gp.scale(n, p.U, p.clamp, p.theta, z, w2)
    K, slope = np.zeros((n, p.U.shape[1])), np.zeros((n, p.U.shape[1]))
    gp.kmat(n, z, w2, np.exp(p.theta[d]), p.v, K, slope)
    model = p.twin()
    r2 = twin.distances(p.X, p.X, model.length, p.clamp).sum(0)
    lower = np.tril_indices(n)
    np.testing.assert_allclose(K[:, :n][lower], (twin.matern(r2, model.sf2) + np.diag(p.v))[lower], rtol=1e-12)
    strict = np.tril_indices(n, -1)
    np.testing.assert_allclose(slope[:, :n][strict], twin.slope(r2, model.sf2)[strict], rtol=1e-12)

    Q = p.queries(13)
    cross = np.zeros((13, p.U.shape[1]))
    gp.kcross(n, z, w2, np.exp(p.theta[d]), Q / model.length, cross)
    np.testing.assert_allclose(cross[:, :n], model.kernel(Q, p.X), rtol=1e-11)


def test_covariances_fade_to_zero_at_any_distance():
    p = Problem(40, 3, length=5e-3)
    z, w2 = np.zeros_like(p.U), np.empty(3)
    p.theta[:3] = np.log(5e-3) - 3
    gp.scale(p.n, p.U, p.clamp, p.theta, z, w2)
    K = np.zeros((p.n, p.U.shape[1]))
    gp.kmat(p.n, z, w2, 1.0, np.zeros(p.n), K)
    off = K[:, : p.n][np.tril_indices(p.n, -1)]
    assert np.all((off >= 0) & (off < 1e-6))


@pytest.mark.parametrize(("n", "d"), [(5, 2), (60, 3), (200, 6)])
def test_posterior_and_likelihood_are_those_of_scikit_learn(n, d):
    p = Problem(n, d)
    p.v[:], p.e[:] = 1.0, 0.0
    native, model = p.acquisition()
    sf2, sn2 = np.exp(p.theta[d:])
    kernel = ConstantKernel(sf2) * Matern(np.exp(p.theta[:d]), nu=2.5) + WhiteKernel(sn2)
    # scikit-learn has no mean: take ours off, its evidence is added below
    peer = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0).fit(p.X, p.y - model.mu)
    Q = p.queries(50)
    mean, sd = peer.predict(Q, return_std=True)
    ours, var = np.empty(50), np.empty(50)
    native.posterior(Q, ours, var)
    np.testing.assert_allclose(ours, mean + model.mu, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(var + sn2, sd**2, rtol=1e-8)

    log_prior = -0.5 * (((p.theta - p.prior[0]) / p.prior[1]) ** 2).sum() - model.mu**2 / 2
    nll = gp.nll_grad(p.workspace, n, p.U, p.clamp, p.theta, p.y, p.v, p.e, 0.0, 0.0, p.prior)
    assert nll == pytest.approx(-peer.log_marginal_likelihood_value_ - log_prior, rel=1e-8)


@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 3), (50, 4), (130, 7), (300, 3)])
@pytest.mark.parametrize("kind", ["numeric", "mixed"])
def test_the_gradient_of_the_likelihood_is_that_of_central_differences(n, d, kind):
    p = Problem(n, d, kind=kind)
    extra = (3.0, 0.02)

    def value(theta):
        return np.array(
            [gp.nll_grad(p.workspace, n, p.U, p.clamp, t, p.y, p.v, p.e, *extra, p.prior) for t in np.atleast_2d(theta)]
        )

    grad = np.empty(d + 2)
    found = gp.nll_grad(p.workspace, n, p.U, p.clamp, p.theta, p.y, p.v, p.e, *extra, p.prior, grad)
    expected, twin_grad = twin.nll_grad(p.X, p.y, p.theta, p.clamp, p.prior, p.v, p.e, *extra)
    assert found == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(grad, twin_grad, rtol=1e-7, atol=1e-8 * np.abs(grad).max())
    numeric = np.array([(value(p.theta + h) - value(p.theta - h))[0] / 2e-6 for h in 1e-6 * np.eye(d + 2)])
    np.testing.assert_allclose(grad, numeric, rtol=1e-5, atol=1e-5 * np.abs(grad).max())


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 95, 96, 97, 192, 193, 250, 401, 700])
def test_factor_and_inverse_are_those_of_scipy(n):
    rng = np.random.default_rng(n)
    X = rng.random((n, 3))
    A = np.exp(-((X[:, None] - X[None]) ** 2).sum(-1)) + 1e-2 * np.eye(n)
    work, ld = gp.Workspace(n, 3), n + 5
    padded = np.full((n, ld), np.nan)
    padded[:, :n] = np.tril(A)
    factor = padded.copy()
    assert gp.cholesky(work, n, factor) == 0
    lower = np.tril_indices(n)
    np.testing.assert_allclose(np.tril(factor[:, :n]), linalg.cholesky(A, lower=True), rtol=1e-9, atol=1e-12)
    assert gp.inverse(work, n, padded) == 0
    np.testing.assert_allclose(padded[:, :n][lower], linalg.inv(A)[lower], rtol=1e-8, atol=1e-9)
    x = rng.random((2, ld))
    out = np.zeros_like(x)
    gp.apply(n, padded, x, out)
    np.testing.assert_allclose(out[:, :n], linalg.solve(A, x[:, :n].T).T, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("row", [0, 5, 40, 111])
def test_a_matrix_that_is_not_positive_definite_names_the_row(row):
    A = np.eye(112)
    A[row, row] = -1.0
    assert gp.cholesky(gp.Workspace(112, 1), 112, A) == row + 1


def test_the_likelihood_of_merged_duplicates_is_that_of_all_results():
    from hdcore.gp.fit import merge, priors

    rng = np.random.default_rng(5)
    X = np.repeat(rng.random((20, 2)), [1, 2, 3, 4] * 5, axis=0)
    y = np.sin(5 * X).sum(1) + 0.1 * rng.standard_normal(len(X))
    data, prior, clamp = merge(X, y, np.zeros(len(y)), np.ones(len(y), bool)), priors(2, 20), np.full(2, np.inf)
    assert data.n == 20
    theta = np.array([-1.0, -0.5, 0.3, np.log(0.01)])
    work = gp.Workspace(len(X), 2)

    def gap(theta):
        merged = gp.nll_grad(
            work, 20, data.U, clamp, theta, data.y, data.v, np.zeros(20), data.dof, data.scatter, prior
        )
        return merged - twin.nll(X, y, theta, clamp, prior)

    assert gap(theta) == pytest.approx(gap(np.array([-0.2, -1.5, 0.9, np.log(0.1)])), abs=1e-9)
