"""The metric as the model sees it: a monotone map to roughly standard normal values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hdcore.typing import FloatVector

STRETCHES = (np.inf, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Values of c in log(c s + y - min); infinity is the identity."""

IDENTITY, FIRST = 0, 3
"""Indices of `STRETCHES`: no stretch, and where the search for c starts."""


@dataclass(frozen=True, slots=True)
class OutputMap:
    """Monotone map of raw values (smaller is better), frozen between fits.

    Attributes
    ----------
    exponent : int
        Values are first divided by 2**exponent, which is exact, so that no later step overflows.
    offset, unit : float
        Median and half the range of the divided values; they are shifted and scaled by them next.
    knee : float
        Scaled values beyond it grow logarithmically: one diverged run must not set the scale.
    spread : float
        Median - minimum.
    low : float
        Minimum of the scaled values.
    c : float
        Stretch of the good end; infinity is none.
    mean, sd : float
        Standardisation at the end.
    jacobian : float
        Minus the summed log slopes over the fitted values, up to a constant that all c share.
    """

    exponent: int
    offset: float
    unit: float
    knee: float
    spread: float
    low: float
    c: float
    mean: float
    sd: float
    jacobian: float

    def __call__(self, y: FloatVector) -> FloatVector:
        """Return the mapped values, same shape; values below the fitted minimum continue with the slope there."""
        return (self._shape(_scaled(y, self.exponent, self.offset, self.unit)) - self.mean) / self.sd

    def _shape(self, t: FloatVector) -> FloatVector:
        t = np.where(t > self.knee, self.knee + self.spread * np.log1p(np.maximum(t - self.knee, 0.0) / self.spread), t)
        if np.isinf(self.c):
            return t
        base = self.c * self.spread
        above = np.maximum(t - self.low, 0.0)
        return np.log(base + above) + np.minimum(t - self.low, 0.0) / base


def fit_map(y: FloatVector, index: int) -> OutputMap | None:
    """Return the map for raw values y, shape (n,), finite; None if they are all equal.

    With s = median - min (if 0: the standard deviation), values beyond median + 5 s become
    knee + s log1p((y - knee)/s); then, for finite c = STRETCHES[index], y becomes log(c s + y - min).
    Every step commutes with y -> a y + b, a > 0, so the scale of the metric does not matter.
    """
    exponent = int(np.frexp(np.abs(y).max())[1])
    divided = np.ldexp(y, -exponent)
    offset, unit = float(np.median(divided)), float(np.ptp(divided)) / 2
    if not unit > 5e-13:
        return None
    t = _scaled(y, exponent, offset, unit)
    least = float(t.min())
    spread = -least
    if not spread > 1e-12:
        spread = float(t.std())
    knee = 5.0 * spread
    found = OutputMap(exponent, offset, unit, knee, spread, least, STRETCHES[index], 0.0, 1.0, 0.0)
    values = found._shape(t)
    mean, sd = float(values.mean()), float(values.std())
    jacobian = len(y) * float(np.log(sd))
    if index != IDENTITY:
        squashed = np.where(t > knee, knee + spread * np.log1p(np.maximum(t - knee, 0.0) / spread), t)
        jacobian += float(np.log(STRETCHES[index] * spread + squashed - least).sum())
    return OutputMap(exponent, offset, unit, knee, spread, least, STRETCHES[index], mean, sd, jacobian)


def _scaled(y: FloatVector, exponent: int, offset: float, unit: float) -> FloatVector:
    # Rounded to 2**-36, far below the noise floor of 1e-3: y and 1e6 y + 5 then give the same bits from here on.
    return np.rint((np.ldexp(y, -exponent) - offset) / unit * 2.0**36) * 2.0**-36
