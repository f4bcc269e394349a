"""Curves in one line of text, on one scale a sweep."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence

BARS = "▁▂▃▄▅▆▇█"
_HOLE = "·"  # a report that was not finite


class Curve:
    """The reports of one run, thinned so that memory stays bounded: at most `_MOST` points.

    When full, every second point goes and from then on only every 2nd (4th, 8th, …) report is kept. The last report
    is always at hand.
    """

    __slots__ = ("_points", "_stride", "count", "last")

    _MOST = 64

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._points = array("f")
        self._stride = 1
        self.count = 0
        self.last = math.nan
        for value in values:
            self.add(value)

    def add(self, value: float) -> None:
        """Take the next report."""
        if self.count % self._stride == 0:
            if len(self._points) == self._MOST:
                self._points = self._points[::2]
                self._stride *= 2
            if self.count % self._stride == 0:
                self._points.append(_bounded(value))
        self.count += 1
        self.last = value

    def extend(self, values: Sequence[float]) -> None:
        """Take further reports, as `add` would one by one; most of a long curve is not even looked at."""
        at, n = 0, len(values)
        while at < n:
            until = min(n, at + -self.count % self._stride)  # these are between the kept ones
            self.count += until - at
            at = until
            if at < n:
                self.add(values[at])
                at += 1
        if n:
            self.last = values[n - 1]

    def points(self) -> Sequence[float]:
        """Return the kept points, the last report at the end."""
        if self.count and (self.count - 1) % self._stride:
            return [*self._points, _bounded(self.last)]
        return self._points


class Scale:
    """The range of all curves of a sweep, so that sparklines of two runs can be compared."""

    __slots__ = ("high", "low")

    def __init__(self) -> None:
        self.low = math.inf
        self.high = -math.inf

    def add(self, value: float) -> None:
        """Widen the range by a value; what is not finite is left out."""
        if math.isfinite(value):
            self.low = min(self.low, value)
            self.high = max(self.high, value)


def sparkline(points: Sequence[float], scale: Scale, width: int) -> str:
    """Draw points with block characters.

    Parameters
    ----------
    points : sequence of float
        NaN and infinities become a dot.
    scale : Scale
    width : int
        Most characters; more points are thinned, the last one stays.
    """
    n = len(points)
    if not n or width <= 0:
        return ""
    if n > width:
        points = [points[round(i * (n - 1) / (width - 1))] for i in range(width)] if width > 1 else [points[-1]]
    spread = scale.high - scale.low
    out = []
    for value in points:
        if not math.isfinite(value):
            out.append(_HOLE)
            continue
        # A flat sweep is drawn in the middle; a spread that overflows (±1e308) is scaled down first.
        share = 0.5 if spread <= 0 else ((value / 2 - scale.low / 2) / (scale.high / 2 - scale.low / 2))
        out.append(BARS[min(len(BARS) - 1, max(0, int(share * len(BARS))))])
    return "".join(out)


def _bounded(value: float) -> float:
    """Return a value that fits a 32-bit float."""
    return math.copysign(3.4e38, value) if math.isfinite(value) and abs(value) > 3.4e38 else value
