"""Which hyperparameters hold after how many results: a pure function of the results in row order.

theta(n) must not depend on when somebody asked, so that a reloaded sweep goes on with the same proposals; and it must
not need the fits of all smaller n. Sizes 8, 10, 13, 16, ... (a third of an octave apart) are anchors. An anchor at a
doubling is fitted from the prior ("cold"); every other size starts from the anchor below it. A chain is at most three
fits long, and what was computed is kept as long as the results it saw stay the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hdcore._native import gp as _native
from hdcore.gp.columns import row_keys
from hdcore.gp.transform import FIRST, IDENTITY, STRETCHES, OutputMap, fit_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdcore.gp.evidence import Evidence, Sample
    from hdcore.typing import BoolVector, FloatMatrix, FloatVector, IntVector

EVERY = 100
"""Up to so many results each one is followed by a fit."""

FIT_GROWTH, FACTOR_STEP = 0.05, 64
"""After that a fit is due when the results grew by such a share, and a factor also after so many results."""

LARGEST_FIT = 400
"""Hyperparameters of more points come from so many: half of them the best, the others evenly spread in time."""

LARGEST_COLD = 160
"""A fit from the prior looks for the right valley with so many, and stretches are compared on so many."""

LARGEST_FACTOR = 1024
"""Predictions of more results use `ACTIVE` of them."""

ACTIVE = 768

FIRST_ANCHOR = 8
SETTLED = 24
"""Above `EVERY`, a size uses an anchor only when it is so much larger: late results rarely change a settled anchor."""

PARENT_LENGTH, PARENT_LENGTH_SD = 4.0, 1.0
"""Prior of the length scale between a parent and this sweep: a correlation of 0.95, give or take."""

COLD_EVALUATIONS, WARM_EVALUATIONS, STRETCH_EVALUATIONS = 100, 15, 10

REMEMBERED = 4
"""Fits beside those of anchors: the proposals of one batch go back and forth between sizes, see `view.settled`."""


@dataclass(frozen=True, slots=True)
class Training:
    """Points of a model: distinct, dimension-major, mapped values.

    Attributes
    ----------
    U : ndarray of float64, shape (d, capacity)
        Model coordinates; the first n columns count.
    y, v, e : ndarray of float64, shape (n,)
        Mapped values; noise variance of a point in units of sn2 (1 / number of merged results); its own variance
        beside that (0 for results that were told).
    is_own : ndarray of bool, shape (n,)
        Results in the metric of this sweep.
    dof, scatter : float
        Results lost by merging, and the sum of squares within the merged groups.
    """

    U: FloatMatrix
    y: FloatVector
    v: FloatVector
    e: FloatVector
    is_own: BoolVector
    dof: float
    scatter: float

    @property
    def n(self) -> int:
        return len(self.y)

    def part(self, rows: IntVector) -> Training:
        """The training data of some points."""
        U = np.zeros((len(self.U), padded(len(rows))))
        U[:, : len(rows)] = self.U[:, rows]
        share = len(rows) / self.n
        return Training(
            U, self.y[rows], self.v[rows], self.e[rows], self.is_own[rows], self.dof * share, self.scatter * share
        )


@dataclass(frozen=True, slots=True)
class Fitted:
    """Hyperparameters that were found for the first `size` results.

    Attributes
    ----------
    theta : ndarray of float64, shape (d + 2,)
        log l, log sf2, log sn2.
    stretch : int
        Index into `STRETCHES`.
    output : OutputMap
    """

    size: int
    rows: IntVector
    theta: FloatVector
    stretch: int
    output: OutputMap


def padded(n: int) -> int:
    """Leading dimension for n columns: a multiple of 8 but of no large power of two, or rows would share cache sets."""
    return (n + 7) // 8 * 8 + 8


def training(sample: Sample, output: OutputMap) -> Training:
    """Map the values of a sample and merge its equal points."""
    return merge(sample.X, output(sample.y), output.variance(sample.y, sample.sd), sample.is_own)


def merge(X: FloatMatrix, y: FloatVector, e: FloatVector, is_own: BoolVector) -> Training:
    """Merge equal rows of X, shape (n, d), and the mapped values y, shape (n,), in order of first appearance."""
    n, d = X.shape
    keys = row_keys(X)
    places = dict.fromkeys(keys)
    m = len(places)
    U = np.zeros((d, padded(m)))
    if m == n:
        U[:, :n] = X.T
        return Training(U, np.ascontiguousarray(y), np.ones(n), e, is_own, 0.0, 0.0)
    index = {key: i for i, key in enumerate(places)}
    group = np.fromiter((index[key] for key in keys), np.int64, n)
    count = np.bincount(group, minlength=m).astype(np.float64)
    mean = np.bincount(group, weights=y, minlength=m) / count
    extra = np.bincount(group, weights=e, minlength=m) / count  # 0 but for groups of one: guesses have own places
    own = np.bincount(group, weights=is_own, minlength=m) > 0
    U[:, group] = X.T
    return Training(U, mean, 1.0 / count, extra, own, float(n - m), float(((y - mean[group]) ** 2).sum()))


def priors(d: int, n: int, parents: int = 0) -> FloatMatrix:
    """Rows mean, sd, lower, upper of theta, shape (4, d + 2); the last columns of d are those of parents."""
    out = np.empty((4, d + 2))
    out[:, :d] = [
        [length_centre(d - parents)],
        [math.sqrt(3.0) if n > 10 * d else 0.75],
        [math.log(5e-3)],
        [math.log(1e3)],
    ]
    out[:2, d - parents : d] = [[math.log(PARENT_LENGTH)], [PARENT_LENGTH_SD]]
    out[:, d] = 0.5, 1.0, math.log(1e-2), math.log(1e2)
    out[:, d + 1] = math.log(1e-4), 2.0, math.log(1e-6), 0.0
    return out


def length_centre(d: int) -> float:
    """Prior mean of log l: the mode of the dimension-scaled log-normal of Hvarfner et al. 2024."""
    return math.log(0.205 * math.sqrt(d))


def due(n: int) -> int:
    """Number of results at which a fit was due last, when there are n."""
    if n <= EVERY:
        return n
    size = EVERY
    while (after := size + max(1, int(FIT_GROWTH * size))) <= n:
        size = after
    return size


def anchor_below(size: int) -> int:
    """Largest anchor that a fit at `size` may start from; 0 below the first."""
    reach = size - (1 if size <= EVERY else SETTLED)
    if reach < FIRST_ANCHOR:
        return 0
    i = int(3 * math.log2(reach / FIRST_ANCHOR)) + 1
    while _anchor(i) > reach:
        i -= 1
    return _anchor(i)


def is_anchor(size: int) -> bool:
    """True for 8, 10, 13, 16, 20, 25, 32, ..."""
    return size >= FIRST_ANCHOR and _anchor(round(3 * math.log2(size / FIRST_ANCHOR))) == size


def is_cold(size: int) -> bool:
    """True for anchors that start from the prior: 8, 16, 32, ..."""
    return size >= FIRST_ANCHOR and size % FIRST_ANCHOR == 0 and (size // FIRST_ANCHOR).bit_count() == 1


def _anchor(i: int) -> int:
    return round(FIRST_ANCHOR * 2 ** (i / 3))


class Fits:
    """The hyperparameters of one output model at any size, remembered.

    Parameters
    ----------
    clamp : ndarray of float64, shape (d,)
    is_stretched : bool
        Model S, which searches a stretch of the good end; else model I, the identity.
    parents : int
        The last columns tell parents apart.
    """

    def __init__(self, clamp: FloatVector, is_stretched: bool, parents: int = 0) -> None:
        self._clamp, self.parents = clamp, parents
        self._is_stretched = is_stretched
        self._known: dict[int, Fitted] = {}
        self._workspace = _native.Workspace(64, len(clamp))

    def at(self, size: int, evidence: Evidence) -> Fitted | None:
        """Return the fit of the first `size` results; None if their values are all equal."""
        sample = evidence.upto(size)
        known = self._known.get(size)
        if known is not None and np.array_equal(known.rows, sample.rows):
            return known
        below = anchor_below(size)
        start = None if below == 0 or is_cold(size) else self.at(below, evidence)
        found = self.fit(size, sample, start)
        if found is not None:
            self._known.pop(size, None)
            self._known[size] = found  # the last
            for old in [n for n in self._known if not is_anchor(n)][:-REMEMBERED]:
                del self._known[old]
        return found

    def workspace(self, n: int) -> _native.Workspace:
        """Scratch for n points."""
        if self._workspace.capacity < n:
            self._workspace = _native.Workspace(max(n, 2 * self._workspace.capacity), len(self._clamp))
        return self._workspace

    def fit(self, size: int, sample: Sample, parent: Fitted | None) -> Fitted | None:
        """Fit a sample that holds `size` results, from the prior or from an earlier fit."""
        y = sample.y
        stretch = IDENTITY
        if self._is_stretched:
            stretch = FIRST if parent is None else parent.stretch
        output = fit_map(y, stretch)
        if output is None:
            return None
        whole = training(sample, output)
        data = _subset(whole, LARGEST_FIT)
        prior = priors(len(self._clamp), data.n, self.parents)
        centre, noisy = prior[0].copy(), prior[0].copy()
        noisy[-1] = math.log(0.1)
        starts = [] if parent is None else [parent.theta]
        if parent is None or size <= 32:
            starts += [centre, noisy]
        most = COLD_EVALUATIONS if parent is None else WARM_EVALUATIONS
        if parent is None and data.n > LARGEST_COLD:  # find the valley with few points, its floor with all
            starts = [self.fit_theta(_subset(data, LARGEST_COLD), starts, most, prior)[1]]
            most = 2 * WARM_EVALUATIONS
        nll, theta = self.fit_theta(data, starts, most, prior)
        value = nll + data.n / whole.n * output.jacobian

        def fitted(
            index: int, thetas: list[FloatVector], most: int, points: int = LARGEST_FIT
        ) -> tuple[float, FloatVector, OutputMap]:
            map_ = fit_map(y, index)
            assert map_ is not None  # y is not constant
            whole = training(sample, map_)
            part = _subset(whole, points)
            nll, theta = self.fit_theta(part, thetas, most, prior)
            return nll + part.n / whole.n * map_.jacobian, theta, map_

        if self._is_stretched and (size < FIRST_ANCHOR or is_anchor(size)):
            is_large = data.n > LARGEST_COLD  # then the stretches are compared with few points
            if is_large:
                value = fitted(stretch, [theta], STRETCH_EVALUATIONS, LARGEST_COLD)[0]
            found, its_theta = self._search_stretch(stretch, value, theta, parent is None, fitted)
            if found != stretch:
                most = WARM_EVALUATIONS if is_large else 0
                stretch, theta = found, its_theta
                _, theta, output = fitted(stretch, [theta], most)
        return Fitted(size, sample.rows, theta, stretch, output)

    @staticmethod
    def _search_stretch(
        stretch: int,
        value: float,
        theta: FloatVector,
        is_cold: bool,
        fitted: Callable[[int, list[FloatVector], int, int], tuple[float, FloatVector, OutputMap]],
    ) -> tuple[int, FloatVector]:
        """Walk over neighbouring stretches as long as the evidence grows; a warm anchor moves one step at most."""
        value += _stretch_prior(stretch)
        tried = {stretch}
        for _ in range(4 if is_cold else 1):
            near = [i for i in (stretch - 1, stretch + 1) if 0 <= i < len(STRETCHES) and i not in tried]
            moved = False
            for i in near:
                tried.add(i)
                candidate, its_theta, _ = fitted(i, [theta], STRETCH_EVALUATIONS, LARGEST_COLD)
                candidate += _stretch_prior(i)
                if candidate < value:
                    stretch, value, theta, moved = i, candidate, its_theta, True
            if not moved:
                break
        return stretch, theta

    def fit_theta(
        self, data: Training, starts: list[FloatVector], most: int, prior: FloatMatrix
    ) -> tuple[float, FloatVector]:
        """Return the negative log posterior and theta of the best start."""
        thetas = np.array(starts)
        tolerance = 1e-2 * math.sqrt(data.n)
        nll, _ = _native.fit(
            self.workspace(data.n),
            data.n,
            data.U,
            self._clamp,
            thetas,
            data.y,
            data.v,
            data.e,
            data.dof,
            data.scatter,
            prior,
            most,
            tolerance,
        )
        return nll, thetas[0] if math.isfinite(nll) else prior[0].copy()


def _stretch_prior(index: int) -> float:
    return 0.5 * ((index - FIRST) / 3.0) ** 2


def _subset(data: Training, most: int) -> Training:
    """The points a fit uses."""
    return data if data.n <= most else data.part(spread_rows(data.y, most, most // 2))


def spread_rows(y: FloatVector, size: int, best: int) -> IntVector:
    """Return `size` of the points, ascending: the `best` best and the rest evenly spaced over the others."""
    order = np.argsort(y, kind="stable")
    others = np.sort(order[best:])
    spaced = others[np.linspace(0, len(others) - 1, size - best).astype(np.int64)]
    return np.sort(np.concatenate([order[:best], spaced]))
