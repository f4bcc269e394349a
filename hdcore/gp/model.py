"""Posterior of one output model: a factor of settled results, and the points beyond it.

====================  =====================================================================================
n, d                  points in the factor, columns
A = K + noise         its inverse is kept (lower triangle), from scratch at every fit
E                     points beyond the factor: results since the fit ("told"), then pending runs
V = K_En A^-1         one row a point, kept as long as the factor is
C = K_EE + N - V K_nE their covariance given the factor, factorised anew at every ask
====================  =====================================================================================

Results since the fit are never appended to the factor. Conditioning through C costs O(n) per query and point, leaves
the bits of a proposal independent of the order in which runs came in, and serves pending runs in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hdcore._native import acquisition as _acquisition
from hdcore._native import gp as _native
from hdcore.gp.fit import ACTIVE, LARGEST_FACTOR, Fits, Fitted, Training, length_centre, padded, training

if TYPE_CHECKING:
    from hdcore.gp.evidence import Sample
    from hdcore.typing import FloatMatrix, FloatVector, IntVector

FANTASIES = 32
"""Outcomes imagined for the pending runs."""

LARGEST_PENDING = 64
"""Pending runs beyond so many, the oldest ones, are believed to return the posterior mean."""

BOUND_POINTS = 96
"""Points of the variance bound; fixed in the kernel (SUBSET)."""

BOUND_LATER = 16
"""Of these, places for points beyond the factor."""

FEW = 128
"""Up to so many points exact values cost less than bounds."""

JITTERS = (0.0, 1e-8, 1e-6, 1e-4, 1e-2)

NOISE_FREE = 1e-4
"""Up to this sn2 the best value itself is the incumbent, above it the best posterior mean."""

NOISY = 1e-3
"""Above this sn2 expected improvement is discounted where one more result would tell little: Huang et al. 2006."""


class Factor:
    """Inverse covariance of the results that a fit saw.

    Attributes
    ----------
    X : ndarray of float64, shape (n, d)
        The points.
    alpha : ndarray of float64, shape (n,)
        A^-1 (y - mu).
    """

    def __init__(self, fitted: Fitted, fits: Fits, clamp: FloatVector, sample: Sample) -> None:
        self.fitted, self.clamp, self._rows = fitted, clamp, sample.rows
        data = _active(training(sample, fitted.output))
        n, d = data.n, len(clamp)
        self.n, self.d, self.data = n, d, data
        self.theta = fitted.theta
        self.rate = np.exp(-self.theta[:d])
        self.sf2, self.sn2 = math.exp(self.theta[d]), math.exp(self.theta[d + 1])
        self.X = np.ascontiguousarray(data.U[:, :n].T)
        ld = data.U.shape[1]
        self.ainv = np.zeros((n, ld))
        self.z, self.w2 = np.zeros((d, ld)), np.empty(d)
        work = fits.workspace(n)
        for jitter in JITTERS:
            added = jitter * self.sf2
            args = (data.U, clamp, self.theta, data.y, data.v, data.e, added, self.z, self.w2, self.ainv)
            if _native.factorise(work, n, *args) == 0:
                break
        self.noise = self.sn2 * data.v + data.e + added
        both = np.zeros((2, ld))
        both[0, :n], both[1, :n] = data.y, 1.0
        solved = np.zeros((2, ld))
        _native.apply(n, self.ainv, both, solved)
        self.mu = float(solved[0, :n].sum() / (1.0 + solved[1, :n].sum()))
        self.alpha = solved[0, :n] - self.mu * solved[1, :n]
        self._residual = np.zeros((1, ld))
        self._residual[0, :n] = data.y - self.mu
        self._bound_rows: IntVector | None = None
        self._kept: dict[int, int] = {}
        self._end = 0
        self._K, self._V = np.zeros((16, ld)), np.zeros((16, ld))
        self._mean = np.zeros(16)

    def is_of(self, fitted: Fitted, rows: IntVector) -> bool:
        """True if it was made of this fit and these results."""
        return self.fitted is fitted and np.array_equal(self._rows, rows)

    def acquisition(self) -> _acquisition.Acquisition:
        """A new acquisition over this factor alone, for its posterior."""
        made = _acquisition.Acquisition()
        made.model(self.n, self.z, self.w2, self.rate, self.alpha, self.ainv, self.sf2, self.mu, 0.0)
        return made

    def left_out(self) -> tuple[IntVector, FloatVector, FloatVector]:
        """Places of the results of this sweep, and what all others say about them: mean and sd, with noise."""
        precision = self.ainv[np.arange(self.n), np.arange(self.n)]
        at = np.flatnonzero(self.data.is_own)
        mean = self.data.y - self.alpha / precision
        return at, mean[at], np.sqrt(1.0 / precision)[at]

    def score(self) -> float:
        """Log density of the results of this sweep, left out one at a time, in the units of the values."""
        at, mean, sd = self.left_out()
        y, output = self.data.y[at], self.fitted.output
        return float((-0.5 * ((y - mean) / sd) ** 2 - np.log(sd) + output.log_slope(output.inverse(y))).sum())

    @property
    def told_mean(self) -> FloatVector:
        """Posterior mean at the points of the factor, shape (n,)."""
        return self.data.y - self.noise * self.alpha

    def project(
        self, acquisition: _acquisition.Acquisition, X: FloatMatrix, rows: IntVector
    ) -> tuple[FloatMatrix, FloatMatrix, FloatVector]:
        """Return k(x, Z), V and V (y - mu) for points X, shape (p, d), of the given table rows.

        Each row is computed once and kept; rows share a call, but the bits of one do not depend on the others.
        """
        new = [i for i, row in enumerate(rows.tolist()) if row not in self._kept]
        if new:
            at, end = self._end, self._end + len(new)
            while end > len(self._K):
                self._K = np.concatenate([self._K, np.zeros_like(self._K)])
                self._V = np.concatenate([self._V, np.zeros_like(self._V)])
                self._mean = np.concatenate([self._mean, np.zeros_like(self._mean)])
            acquisition.project(X[new], self._V[at:end], self._K[at:end])
            mean = np.empty((len(new), 1))
            _native.gram(self.n, self._V[at:end], self._residual, mean)
            self._mean[at:end] = mean[:, 0]
            self._kept.update(zip(rows[new].tolist(), range(at, end), strict=True))
            self._end = end
        index = np.array([self._kept[row] for row in rows.tolist()], np.int64)
        return self._K[index], self._V[index], self._mean[index]

    def forget(self) -> None:
        """Drop kept projections of points that were only proposed: their rows are negative, and name others next."""
        self._kept = {row: at for row, at in self._kept.items() if row >= 0}
        self._end = 1 + max(self._kept.values(), default=-1)

    def bound_rows(self) -> IntVector:
        """Points of the variance bound: the best ones, since what is worth an exact look lies near them."""
        if self._bound_rows is None:
            self._bound_rows = np.sort(np.argsort(self.data.y, kind="stable")[: BOUND_POINTS - BOUND_LATER])
        return self._bound_rows


@dataclass(frozen=True, slots=True)
class Beyond:
    """What is known of points beyond the factor; the table above says V and C.

    Attributes
    ----------
    told : int
        The first so many are results, the others pending runs.
    z : ndarray of float64, shape (d, padded p)
        The points, scaled.
    inverse : ndarray of float64, shape (p, p)
        C^-1.
    shift : ndarray of float64, shape (outcomes + 1, p)
        Weights that move the mean, given each imagined outcome; the last: pending runs return the mean.
    incumbent : ndarray of float64, shape (outcomes,)
        Mapped.
    """

    told: int
    z: FloatMatrix
    V: FloatMatrix
    inverse: FloatMatrix
    shift: FloatMatrix
    incumbent: FloatVector


class Conditioned:
    """A factor, the points beyond it, and the acquisition over both.

    Attributes
    ----------
    acquisition : _native.Acquisition
        Ready to be evaluated.
    centres : ndarray of float64, shape (m, d)
        Told points of lowest posterior mean, best first.
    rows : ndarray of int64
        Rows of the table whose values it has learned from.
    best : float
        The incumbent while no run is pending, mapped.
    beyond : Beyond or None
        None if there are no points beyond the factor.
    """

    def __init__(
        self,
        factor: Factor,
        fits: Fits,
        acquisition: _acquisition.Acquisition,
        later: Sample,
        pending: tuple[FloatMatrix, IntVector],
        failed: tuple[FloatMatrix, float],
        draws: FloatMatrix,
    ) -> None:
        self.factor, self.acquisition = factor, acquisition
        self.rows: IntVector = np.concatenate([factor._rows, later.rows])
        X_pending, rows_pending = pending
        n, p = factor.n, len(later.rows) + len(rows_pending)
        is_exact = factor.sn2 <= NOISE_FREE
        values = factor.data.y if is_exact else factor.told_mean
        self._is_own = factor.data.is_own
        self._e = np.concatenate([factor.fitted.output.variance(later.y, later.sd), np.zeros(len(rows_pending))])
        acquisition.model(
            n,
            factor.z,
            factor.w2,
            factor.rate,
            factor.alpha,
            factor.ainv,
            factor.sf2,
            factor.mu,
            self._least(values),
            factor.sn2 if factor.sn2 > NOISY else 0.0,
        )
        X_all = factor.X
        self.beyond: Beyond | None = None
        if p:
            self._is_own = np.concatenate([self._is_own, later.is_own])
            X_extra = np.concatenate([later.X, X_pending])
            values = self._condition(X_extra, np.concatenate([later.rows, rows_pending]), later.y, draws, values)
            X_all = np.concatenate([X_all, later.X])
        self.best = self._least(values)
        order = np.argsort(values, kind="stable")[:5]
        self.centres = np.ascontiguousarray(X_all[order])
        self.centres[:, factor.d - fits.parents :] = 0.0
        if len(failed[0]):
            self._avoid(np.concatenate([factor.X, later.X]), *failed)
        if n > FEW:
            self._bound(p, fits)

    def _least(self, values: FloatVector) -> float:
        """The lowest of values, shape (m,), that is a result of this sweep."""
        return float(values[self._is_own[: len(values)]].min())

    def _condition(
        self, X: FloatMatrix, rows: IntVector, y_told: FloatVector, draws: FloatMatrix, values: FloatVector
    ) -> FloatVector:
        """Condition on points X, shape (p, d), the told ones first. Returns the values that incumbents come from."""
        factor, told, p = self.factor, len(y_told), len(X)
        K, V, mean = factor.project(self.acquisition, X, rows)
        scaled = X * factor.rate
        self._zp = np.zeros((factor.d, padded(p)))
        self._zp[:, :p] = scaled.T
        C = np.empty((p, p))
        own, ld = np.empty((p, p)), factor.ainv.shape[1]
        _native.kcross(p, self._zp, factor.w2, factor.sf2, scaled, own)
        for jitter in JITTERS:
            _native.gram(factor.n, K, V, C)
            np.subtract(own, C, out=C)
            C[np.diag_indices(p)] += factor.sn2 + self._e + jitter * factor.sf2
            rho = np.append(factor.fitted.output(y_told) - factor.mu - mean[:told], 0.0)
            count = len(draws) if p > told else 1
            e = np.zeros((count + 1, max(1, p - told)))  # the last: all pending runs return the posterior mean
            live = min(p - told, LARGEST_PENDING)
            if live:
                e[:count, p - told - live :] = draws[:, :live]
            shift, value, cinv = np.empty((count + 1, p)), np.empty((count + 1, p)), np.empty((p, p))
            if _native.condition(told, C, rho, e, shift, value, cinv) == 0:
                break
        assert V.shape[1] == ld
        if told:
            y = factor.mu + mean[:told] + rho[:told]
            if factor.sn2 <= NOISE_FREE:
                values = np.concatenate([values, y])
            else:  # a run that returns the posterior mean changes no other mean
                told_shift = shift[count, :told]
                alpha = factor.alpha - np.einsum("ij,i->j", V[:told, : factor.n], told_shift)
                values = np.concatenate(
                    [factor.data.y - factor.noise * alpha, y - (factor.sn2 + self._e[:told]) * told_shift]
                )
        best = self._least(values)
        incumbent = np.full(count, best)
        if p > told:
            np.minimum(best, (factor.mu + mean[told:] + value[:count, told:]).min(axis=1), out=incumbent)
        self.acquisition.pending(self._zp, p, V, cinv, shift[:count], incumbent)
        self.beyond = Beyond(told, self._zp, V, cinv, shift, incumbent)
        return values

    def _avoid(self, succeeded: FloatMatrix, failed: FloatMatrix, weight: float) -> None:
        """Penalise the neighbourhood of failures, within the objective's length scales or the prior's, if shorter.

        An objective may be smooth over the whole box while it fails in one corner.
        """
        d = self.factor.d
        rate = np.maximum(self.factor.rate, math.exp(-length_centre(d)))
        z = np.zeros((d, padded(len(succeeded) + len(failed))))
        z[:, : len(succeeded) + len(failed)] = (np.concatenate([succeeded, failed]) * rate).T
        self.acquisition.failures(z, len(succeeded), len(failed), rate, self.factor.clamp * rate**2, weight)

    def _bound(self, p: int, fits: Fits) -> None:
        factor = self.factor
        rows = factor.bound_rows()
        tail = min(p, BOUND_POINTS - len(rows))
        m = len(rows) + tail
        z = np.zeros((factor.d, padded(m)))
        z[:, : len(rows)] = factor.z[:, rows]
        noise = np.full(m, factor.sn2)
        noise[: len(rows)] = factor.noise[rows]
        if tail:
            z[:, len(rows) : m] = self._zp[:, p - tail : p]
            noise[len(rows) :] += self._e[p - tail :]
        K = np.zeros((BOUND_POINTS, BOUND_POINTS))
        _native.kmat(m, z, factor.w2, factor.sf2, noise, K)
        if _native.inverse(fits.workspace(m), m, K) == 0:
            self.acquisition.subset(rows.astype(np.int32), tail, K)


def _active(data: Training) -> Training:
    """All points, or those that predictions near the best one and overall need: nearest, best, spread in time."""
    if data.n <= LARGEST_FACTOR:
        return data
    n, third = data.n, ACTIVE // 6
    order = np.argsort(data.y, kind="stable")
    chosen = np.zeros(n, np.bool_)
    chosen[order[:third]] = True
    chosen[np.linspace(0, n - 1, 2 * third).astype(np.int64)] = True
    best = data.U[:, order[0]]
    distance = ((data.U[:, :n] - best[:, None]) ** 2).sum(axis=0)
    near = np.argsort(distance, kind="stable")
    near = near[~chosen[near]][: ACTIVE - int(chosen.sum())]
    chosen[near] = True
    return data.part(np.flatnonzero(chosen))
