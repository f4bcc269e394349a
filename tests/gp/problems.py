"""Data, models and spaces for the tests of the GP engine."""

from __future__ import annotations

import numpy as np
from reference import gp as twin

from hdcore._native import acquisition, gp
from hdcore.gp.fit import padded, priors

# Choices and conditionals are clamped: "equal or not".
CLAMPS = {"numeric": (np.inf,), "mixed": (np.inf, 1.0)}


class Problem:
    """Points, values, hyperparameters and everything that the kernels want beside them."""

    def __init__(self, n, d, *, seed=0, noise=1e-3, kind="numeric", length=None):
        rng = np.random.default_rng((seed, n, d))
        self.n, self.d, self.rng = n, d, rng
        self.clamp = np.resize(CLAMPS[kind], d).astype(float)
        self.X = rng.random((n, d))
        clamped = self.clamp == 1.0
        self.X[:, clamped] = rng.integers(0, 3, (n, clamped.sum()))
        y = np.sin(4 * self.X).sum(1) + self.X[:, 0] * self.X[:, -1] + 0.05 * rng.standard_normal(n)
        self.y = (y - y.mean()) / (y.std() or 1.0)
        self.v, self.e = rng.uniform(0.5, 2, n), rng.uniform(0, 0.01, n)
        self.theta = np.full(d + 2, np.log(0.4 * np.sqrt(d) if length is None else length))
        self.theta[:d] += 0.3 * rng.standard_normal(d)
        self.theta[d:] = 0.4, np.log(noise)
        self.prior = priors(d, n)
        self.U = np.zeros((d, padded(n)))
        self.U[:, :n] = self.X.T
        self.workspace = gp.Workspace(n, d)

    def twin(self):
        return twin.Posterior(self.X, self.y, self.theta, self.clamp, self.v, self.e)

    def acquisition(self, best=None, noise=0.0):
        """A native acquisition and the twin of its model."""
        self.z, self.w2 = np.zeros_like(self.U), np.empty(self.d)
        self.ainv = np.zeros((self.n, self.U.shape[1]))
        args = (self.U, self.clamp, self.theta, self.y, self.v, self.e, 0.0, self.z, self.w2, self.ainv)
        assert gp.factorise(self.workspace, self.n, *args) == 0
        model = self.twin()
        self.alpha, self.rate = model.alpha.copy(), np.exp(-self.theta[: self.d])
        self.best = self.y.min() if best is None else best
        native = acquisition.Acquisition()
        native.model(
            self.n,
            self.z,
            self.w2,
            self.rate,
            self.alpha,
            self.ainv,
            model.sf2,
            float(model.mu),
            float(self.best),
            noise,
        )
        return native, model

    def queries(self, m):
        Q = self.rng.random((m, self.d))
        clamped = self.clamp == 1.0
        Q[:, clamped] = self.rng.integers(0, 3, (m, clamped.sum()))
        return Q


def values(native, Q, *, gradient=False):
    """Acquisition at rows of Q, and its gradient."""
    value = np.empty(len(Q))
    grad = np.empty_like(Q) if gradient else None
    native.values(np.ascontiguousarray(Q), value, grad)
    return (value, grad) if gradient else value


def central_differences(f, x, step=1e-6, columns=None):
    """Gradient of f, rows -> values, at rows x."""
    out = np.zeros_like(x)
    for k in range(x.shape[1]) if columns is None else columns:
        e = np.zeros(x.shape[1])
        e[k] = step
        out[:, k] = (f(x + e) - f(x - e)) / (2 * step)
    return out
