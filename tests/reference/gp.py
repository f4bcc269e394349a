"""NumPy twin of the Gaussian-process kernels: oracle in the tests, baseline in the benchmarks.

Written from the formulas, one matrix a dimension, nothing clever. Points are rows here; `clamp` is 1 for columns that
only know "equal or not" and infinity for numeric ones.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg, special


def distances(A, B, length, clamp):
    """Squared scaled differences, shape (d, n, m)."""
    difference = ((A[:, None, :] - B[None, :, :]) / length) ** 2
    return np.minimum(difference, clamp / length**2).transpose(2, 0, 1)


def matern(r2, sf2):
    s = np.sqrt(5.0 * r2)
    return sf2 * (1 + s + s * s / 3) * np.exp(-s)


def slope(r2, sf2):
    """dk/d(r^2)"""
    s = np.sqrt(5.0 * r2)
    return -5 / 6 * sf2 * (1 + s) * np.exp(-s)


class Posterior:
    """Exact GP for given hyperparameters; log theta = (log l, log sf2, log sn2)."""

    def __init__(self, X, y, theta, clamp, v=None, e=None):
        n, d = X.shape
        self.X, self.y, self.clamp = X, y, clamp
        self.length, self.sf2, self.sn2 = np.exp(theta[:d]), np.exp(theta[d]), np.exp(theta[d + 1])
        self.noise = self.sn2 * (np.ones(n) if v is None else v) + (np.zeros(n) if e is None else e)
        A = self.kernel(X, X) + np.diag(self.noise)
        self.A, self.L = A, linalg.cholesky(A, lower=True)
        one = linalg.cho_solve((self.L, True), np.ones(n))
        self.mu = (one @ y) / (1 + one.sum())
        self.alpha = linalg.cho_solve((self.L, True), y - self.mu)

    def kernel(self, A, B):
        return matern(distances(A, B, self.length, self.clamp).sum(0), self.sf2)

    def predict(self, Q):
        k = self.kernel(Q, self.X)
        half = linalg.solve_triangular(self.L, k.T, lower=True)
        return self.mu + k @ self.alpha, self.sf2 - (half**2).sum(0)


def nll(X, y, theta, clamp, prior, v=None, e=None, dof=0.0, scatter=0.0):
    """Negative log posterior; `prior` holds rows mean, sd, lower, upper."""
    gp = Posterior(X, y, theta, clamp, v, e)
    value = np.log(np.diag(gp.L)).sum() + 0.5 * (y - gp.mu) @ gp.alpha + gp.mu**2 / 2 + len(y) / 2 * np.log(2 * np.pi)
    value += 0.5 * (dof * theta[-1] + scatter / gp.sn2)
    return value + 0.5 * (((theta - prior[0]) / prior[1]) ** 2).sum()


def nll_grad(X, y, theta, clamp, prior, v=None, e=None, dof=0.0, scatter=0.0):
    """Value and gradient of `nll`, one matrix a hyperparameter."""
    n, d = X.shape
    gp = Posterior(X, y, theta, clamp, v, e)
    W = linalg.cho_solve((gp.L, True), np.eye(n)) - np.outer(gp.alpha, gp.alpha)
    r2 = distances(X, X, gp.length, clamp)
    kp = slope(r2.sum(0), gp.sf2)
    grad = [-(W * kp * r2[k]).sum() for k in range(d)]
    grad.append(0.5 * (W * (gp.A - np.diag(gp.noise))).sum())
    grad.append(0.5 * gp.sn2 * (np.diag(W) * (np.ones(n) if v is None else v)).sum() + 0.5 * (dof - scatter / gp.sn2))
    return nll(X, y, theta, clamp, prior, v, e, dof, scatter), np.array(grad) + (theta - prior[0]) / prior[1] ** 2


def log_h(z):
    """log(phi(z) + z Phi(z)) by the three branches, vectorised."""
    z = np.asarray(z, float)
    out = np.empty_like(z)
    high, low = z > -1, z <= -1e3
    a = z[high]
    out[high] = np.log(np.exp(-a * a / 2) / np.sqrt(2 * np.pi) + a * special.ndtr(a))
    a = z[~high & ~low]
    tail = np.sqrt(np.pi / 2) * special.erfcx(-a / np.sqrt(2))
    out[~high & ~low] = -a * a / 2 - 0.5 * np.log(2 * np.pi) + np.log1p(a * tail)
    a = z[low]
    inverse = 1 / a**2
    out[low] = -a * a / 2 - 0.5 * np.log(2 * np.pi) + np.log(inverse * (1 - 3 * inverse + 15 * inverse**2))
    return out


def log_ei(gp, Q, best, noise=0.0):
    """LogEI of the improvement below `best`, augmented if there is noise."""
    mean, var = gp.predict(Q)
    s = np.sqrt(np.maximum(var, 1e-12 * gp.sf2))
    return log_h((best - mean) / s) + np.log(s) + np.log1p(-np.sqrt(noise / (s**2 + noise)))
