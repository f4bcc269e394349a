"""What a conditioned model expects of one point, in the units of the values: for people, after the point was chosen.

=====================  ==============================================================================
k, v = A^-1 k          covariances of the point with the factor
c = k(E, x) - V k      with the points beyond it, given the factor
M = C^-1               inverse covariance of these, results first, then pending runs
=====================  ==============================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hdcore._native import gp as _native
from hdcore.gp.transform import KNEE

if TYPE_CHECKING:
    from hdcore.gp.model import Conditioned
    from hdcore.gp.transform import OutputMap
    from hdcore.typing import FloatVector

OUTCOMES = 8
"""Of those imagined for the pending runs, the first so many are asked; they come in antithetic pairs."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Values are those that the model minimises.

    Attributes
    ----------
    mean, sd : float
        Median of the objective given all results, and its sd by the delta method; pending runs do not count.
    noise : float
        Standard deviation of a result around the objective there.
    incumbent : float
        What improvements are counted from, were no run pending.
    improvement : float
        Expected improvement, on average over the outcomes imagined for the pending runs.
    probability : float
        Of an improvement, likewise.
    """

    mean: float
    sd: float
    noise: float
    incumbent: float
    improvement: float
    probability: float


def forecast(model: Conditioned, x: FloatVector) -> Forecast:
    """Ask a model for one point in model coordinates, shape (d,); costs one product with the factor's inverse.

    Everything after the products is scalar: arrays of a few numbers would cost an ask more than all of this.
    """
    factor, beyond = model.factor, model.beyond
    n, output = factor.n, factor.fitted.output
    row = np.ascontiguousarray(x)[None, :]
    v, k = np.empty((2, 1, factor.ainv.shape[1]))
    model.acquisition.project(row, v, k)
    k1 = k[0, :n]
    told = wide = factor.sf2 - float(k1 @ v[0, :n])
    mean = factor.mu + float(k1 @ factor.alpha)
    means, incumbents = [mean], [model.best]
    if beyond is not None:
        near = np.empty((1, len(beyond.inverse)))
        _native.kcross(len(beyond.inverse), beyond.z, factor.w2, factor.sf2, row * factor.rate, near)
        c = near[0] - beyond.V[:, :n] @ k1
        wide -= float(c @ (beyond.inverse @ c))
        told -= _told_gain(c, beyond.inverse, beyond.told)
        shifts = beyond.shift[[*range(min(OUTCOMES, len(beyond.incumbent))), -1]] @ c
        *each, middle = (mean + shifts).tolist()
        means, mean, incumbents = each, middle, beyond.incumbent[: len(each)].tolist()
    floor = 1e-12 * factor.sf2
    root = math.sqrt(max(wide, floor))
    value, slope = _back(output, mean)
    hopes = [_improvement(output, *outcome, root) for outcome in zip(means, incumbents, strict=True)]
    return Forecast(
        mean=value,
        sd=slope * math.sqrt(max(told, floor)),
        noise=slope * math.sqrt(factor.sn2),
        incumbent=_back(output, model.best)[0],
        improvement=max(0.0, sum(hopes) / len(hopes)),
        probability=sum(_cdf((best - at) / root) for at, best in zip(means, incumbents, strict=True)) / len(hopes),
    )


def _back(output: OutputMap, mapped: float) -> tuple[float, float]:
    """The value that maps to a number, as `OutputMap.inverse` gives it, and the slope there."""
    t, slope = mapped * output.sd + output.mean, output.sd
    if not math.isinf(output.c):
        start = math.log(output.c)
        grown = math.exp(min(max(t, start), 700.0))
        t, slope = output.low + (grown - output.c if t > start else (t - start) * output.c), slope * grown
    if t > KNEE:
        grown = math.exp(min(t - KNEE, 700.0))
        t, slope = KNEE + grown - 1.0, slope * grown
    try:
        return math.ldexp(t * output.unit + output.offset, output.exponent), math.ldexp(
            slope * output.unit, output.exponent
        )
    except OverflowError:
        return math.inf, math.inf


def _improvement(output: OutputMap, mean: float, incumbent: float, sd: float) -> float:
    """Expected improvement in units of the values of a mapped value N(mean, sd^2) on a mapped incumbent.

    The map is linear on the good side, but for a stretch, which is an exponential down to its start and linear from
    there. With U the value before standardisation, u that of the incumbent, s the start and T the map back::

        E (T(u) - T(U))+ = P(U < u) T(u) - E[T(U); U < u]
        E[exp U; U < u] = exp(m + v / 2) Phi(z(u) - sqrt v)
        E[U - s; U < s] = (m - s) Phi(z(s)) - sqrt v phi(z(s))
    """
    m, root = mean * output.sd + output.mean, sd * output.sd
    u = incumbent * output.sd + output.mean
    z = (u - m) / root
    if math.isinf(output.c):
        gain = root * (_pdf(z) + z * _cdf(z))
    else:
        start = math.log(output.c)
        if u <= start:
            gain = output.c * root * (_pdf(z) + z * _cdf(z))
        else:
            lower = (start - m) / root
            below = _cdf(lower)
            grown = math.exp(min(m + 0.5 * root * root, 700.0))
            gain = math.exp(min(u, 700.0)) * _cdf(z) - grown * (_cdf(z - root) - _cdf(lower - root))
            gain -= output.c * (below + (m - start) * below - root * _pdf(lower))
    try:
        return math.ldexp(gain * output.unit, output.exponent)
    except OverflowError:
        return math.inf


def _cdf(z: float) -> float:
    return 0.5 * math.erfc(-z * math.sqrt(0.5))


def _pdf(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def _told_gain(c: FloatVector, inverse: FloatVector, told: int) -> float:
    """What the first `told` points alone explain: a block of the inverse, brought back by its Schur complement."""
    if told == 0:
        return 0.0
    first, rest = inverse[:told, :told], inverse[told:, told:]
    gain = float(c[:told] @ (first @ c[:told]))
    if len(rest):
        b = inverse[told:, :told] @ c[:told]
        gain -= float(b @ np.linalg.solve(rest, b))
    return gain
