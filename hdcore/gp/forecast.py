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

if TYPE_CHECKING:
    from hdcore.gp.model import Conditioned
    from hdcore.typing import FloatVector

_REACH = 9.0
"""Standard deviations beyond which a normal distribution has nothing to give."""

_NODES = 65
"""Of Simpson's rule over the part of the prediction that is an improvement; good for five digits."""


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
    """Ask a model for one point in model coordinates, shape (d,); costs one product with the factor's inverse."""
    factor = model.factor
    ld = factor.ainv.shape[1]
    v, k = np.empty((1, ld)), np.empty((1, ld))
    row = np.ascontiguousarray(x)[None, :]
    model.acquisition.project(row, v, k)
    k1, v1 = k[0, : factor.n], v[0, : factor.n]
    told = wide = factor.sf2 - float(k1 @ v1)
    mean = factor.mu + float(k1 @ factor.alpha)
    means, incumbents = np.array([mean]), np.array([model.best])
    beyond = model.beyond
    if beyond is not None:
        near = np.empty((1, len(beyond.inverse)))
        _native.kcross(len(beyond.inverse), beyond.z, factor.w2, factor.sf2, row * factor.rate, near)
        c = near[0] - beyond.V[:, : factor.n] @ k1
        gain = beyond.inverse @ c
        wide -= float(c @ gain)
        told -= _told_gain(c, beyond.inverse, beyond.told)
        means, mean = mean + beyond.shift[:-1] @ c, mean + float(beyond.shift[-1] @ c)
        incumbents = beyond.incumbent
    floor = 1e-12 * factor.sf2
    output = factor.fitted.output
    middle = np.array([mean])
    y = output.inverse(middle)
    sds = np.sqrt(np.maximum([told, factor.sn2], floor))
    sd, noise = output.unscaled(np.repeat(y, 2), sds).tolist()
    root = math.sqrt(max(wide, floor))
    z = (incumbents - means) / root
    # Improvements lie below the incumbent: nodes from there down to where nothing is left.
    top = np.minimum(z, _REACH)
    low = np.minimum(top - 1.0, -_REACH)
    steps = np.linspace(0.0, 1.0, _NODES)
    nodes = low[:, None] + (top - low)[:, None] * steps
    values = output.inverse(means[:, None] + root * nodes)
    weights = np.full(_NODES, 2.0)
    weights[1::2] = 4.0
    weights[[0, -1]] = 1.0
    density = np.exp(-0.5 * nodes * nodes) / math.sqrt(2.0 * math.pi)
    better = np.maximum(output.inverse(incumbents)[:, None] - values, 0.0) * density
    improvement = float(((top - low) / (3.0 * (_NODES - 1)) * (better @ weights)).mean())
    probability = sum(0.5 * math.erfc(-one / math.sqrt(2.0)) for one in z.tolist()) / len(z)
    return Forecast(
        mean=float(y[0]),
        sd=sd,
        noise=noise if factor.sn2 > floor else 0.0,
        incumbent=float(output.inverse(np.array([model.best]))[0]),
        improvement=improvement,
        probability=probability,
    )


def _told_gain(c: FloatVector, inverse: FloatVector, told: int) -> float:
    """What the first `told` points alone explain: a block of the inverse, brought back by its Schur complement."""
    first, rest = inverse[:told, :told], inverse[told:, told:]
    gain = float(c[:told] @ first @ c[:told])
    if len(rest):
        b = inverse[told:, :told] @ c[:told]
        gain -= float(b @ np.linalg.solve(rest, b))
    return gain
