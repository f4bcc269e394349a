"""The metric as the model sees it: a monotone map to roughly standard normal values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hdcore.typing import FloatVector

STRETCHES = (np.inf, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Values of c in log(c s + y - min); infinity is the identity."""

KNEE = 5.0
"""Values worse than the median by so many distances median - minimum count as outliers."""

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
        Median of the divided values and its distance s from their minimum (if 0: their standard deviation); values
        are shifted and scaled by them next.
    low : float
        Minimum of the scaled values, -1 or 0.
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
    low: float
    c: float
    mean: float
    sd: float
    jacobian: float

    def __call__(self, y: FloatVector) -> FloatVector:
        """Return the mapped values, same shape; values below the fitted minimum continue with the slope there."""
        return (self._shape(_scaled(y, self.exponent, self.offset, self.unit)) - self.mean) / self.sd

    def variance(self, y: FloatVector, sd: FloatVector) -> FloatVector:
        """Variance of mapped values that are uncertain by sd: the wider of the two sides of one standard deviation.

        Values better than the best fitted one are not considered possible.
        """
        out = np.zeros(len(y))
        at = sd > 0
        if at.any():
            middle = self(y[at])
            lowest = (self._shape(np.array([self.low])) - self.mean) / self.sd
            lower = np.maximum(self(y[at] - sd[at]), np.minimum(lowest, middle))
            out[at] = np.maximum(self(y[at] + sd[at]) - middle, middle - lower) ** 2
        return out

    def log_slope(self, y: FloatVector) -> FloatVector:
        """Log slope of the map at values y, same shape."""
        t = _scaled(y, self.exponent, self.offset, self.unit)
        slope: FloatVector = -np.log1p(np.maximum(t - KNEE, 0.0))
        slope -= np.log(self.sd) + np.log(self.unit) + self.exponent * np.log(2.0)
        if not np.isinf(self.c):
            slope -= np.log(self.c + np.maximum(_squashed(t) - self.low, 0.0))
        return slope

    def unscaled(self, y: FloatVector, sd: FloatVector) -> FloatVector:
        """Return small distances sd of mapped values, at values y, as distances of values: the delta method."""
        with np.errstate(over="ignore"):
            out: FloatVector = sd * np.exp(-self.log_slope(y))
        return out

    def inverse(self, mapped: FloatVector) -> FloatVector:
        """Return the values that map to the given ones, same shape."""
        t = np.asarray(mapped, np.float64) * self.sd + self.mean
        if not np.isinf(self.c):
            start = np.log(self.c)
            t = self.low + np.where(
                t > start, np.exp(np.minimum(np.maximum(t, start), 700.0)) - self.c, (t - start) * self.c
            )
        t = np.where(t > KNEE, KNEE + np.expm1(np.clip(t - KNEE, 0.0, 700.0)), t)
        with np.errstate(over="ignore"):
            return np.ldexp(t * self.unit + self.offset, self.exponent)

    def _shape(self, t: FloatVector) -> FloatVector:
        t = _squashed(t)
        if np.isinf(self.c):
            return t
        return np.log(self.c + np.maximum(t - self.low, 0.0)) + np.minimum(t - self.low, 0.0) / self.c


def fit_map(y: FloatVector, index: int) -> OutputMap | None:
    """Return the map for raw values y, shape (n,), finite; None if they are all equal.

    With s = median - min (if 0: the standard deviation), values beyond median + 5 s become
    knee + s log1p((y - knee)/s); then, for finite c = STRETCHES[index], y becomes log(c s + y - min).
    Every step commutes with y -> a y + b, a > 0, so the scale of the metric does not matter.
    """
    exponent = int(np.frexp(np.abs(y).max())[1])
    divided = np.ldexp(y, -exponent)
    if not np.ptp(divided) > 1e-12:
        return None
    offset = float(np.median(divided))
    unit = offset - float(divided.min())
    if not unit > 1e-300:
        unit = float(divided.std())
    t = _scaled(y, exponent, offset, unit)
    low, c = float(t.min()), STRETCHES[index]
    found = OutputMap(exponent, offset, unit, low, c, 0.0, 1.0, 0.0)
    values = found._shape(t)
    mean, sd = float(values.mean()), float(values.std())
    jacobian = len(y) * float(np.log(sd))
    if index != IDENTITY:
        jacobian += float(np.log(c + _squashed(t) - low).sum())
    return OutputMap(exponent, offset, unit, low, c, mean, sd, jacobian)


def _squashed(t: FloatVector) -> FloatVector:
    """Values beyond the knee grow logarithmically: one diverged run must not set the scale."""
    return np.where(t > KNEE, KNEE + np.log1p(np.maximum(t - KNEE, 0.0)), t)


def _scaled(y: FloatVector, exponent: int, offset: float, unit: float) -> FloatVector:
    # Rounded to 2**-28, far below the noise floor of 1e-3: y and 1e6 y + 5 then give the same bits from here on.
    t = np.minimum((np.ldexp(y, -exponent) - offset) / unit, 1e290)
    return np.rint(t * 2.0**28) * 2.0**-28
