"""The ten distributions. Objects are frozen; what cannot be meant is refused when it is written down."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hdcore.errors import SpaceError
from hdcore.space.values import Distribution, is_number, serialised

LARGEST_EXPONENT = 709.0
"""exp(709) is the last whole exponent whose power is finite in float64."""

WIDEST_DRAW = 8.3
"""No draw of the normal family lies farther from mu, in sigmas: encoded values stay in [2**-54, 1 - 2**-53]."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Choice(Distribution):
    """One of some options, each with the same weight.

    Attributes
    ----------
    options : tuple
        Plain Python values. A dictionary is a conditional subspace: its values are constants or distributions, and they
        are part of the configuration only where this option was drawn.
    """

    options: tuple[Any, ...]
    name: ClassVar[str] = "choice"

    def arguments(self) -> list[Any]:
        return [[serialised(option) for option in self.options]]

    def content(self) -> list[Any]:
        return list(self.options)

    def __repr__(self) -> str:
        return f"choice({', '.join(map(repr, self.options))})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RandInt(Distribution):
    """A whole number in [0, upper)."""

    upper: int
    name: ClassVar[str] = "randint"

    def __post_init__(self) -> None:
        if isinstance(self.upper, bool) or not isinstance(self.upper, int):
            self._refuse(f"needs a whole number, not {type(self.upper).__name__}; write randint(10) for 0 to 9")
        if self.upper <= 0:
            self._refuse(f"has upper {self.upper}, which leaves nothing to draw; write an upper of at least 1")
        if self.upper > 2**53:
            self._refuse("has more values than a float64 can tell apart; keep upper at or below 2**53")

    def arguments(self) -> list[Any]:
        return [self.upper]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Interval(Distribution):
    """Bounds, and `q` for the quantised ones; for log types the bounds are exponents of e."""

    min_value: float
    max_value: float
    q: float = field(default=0)
    logarithmic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        low, high = self.min_value, self.max_value
        _check_numbers(self, {"min": low, "max": high})
        if low > high:
            self._refuse(f"has min {low!r} above max {high!r}; swap them")
        if low == high and not self.logarithmic:
            self._refuse(f"has min and max both {low!r}; write the constant {low!r} instead, or widen the bounds")
        if not math.isfinite(float(high) - float(low)):
            self._refuse("is wider than the largest float64; narrow the bounds")
        if self.logarithmic and high > LARGEST_EXPONENT:
            self._refuse(
                f"has max exp({high!r}), which overflows: bounds are exponents of e; "
                f"write log_range(low, high) to give the values themselves"
            )
        _check_q(self, math.exp(high) if self.logarithmic else max(abs(low), abs(high)))

    def arguments(self) -> list[Any]:
        return [self.min_value, self.max_value, self.q][: 3 if self.name.startswith("q") else 2]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Uniform(_Interval):
    """U(min_value, max_value)."""

    name: ClassVar[str] = "uniform"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class QUniform(_Interval):
    """round(U(min_value, max_value) / q) * q, half to even, without clipping: end values have half the weight."""

    name: ClassVar[str] = "quniform"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LogUniform(_Interval):
    """exp(U(min_value, max_value)): the bounds are exponents."""

    name: ClassVar[str] = "loguniform"
    logarithmic: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class QLogUniform(_Interval):
    """round(exp(U(min_value, max_value)) / q) * q."""

    name: ClassVar[str] = "qloguniform"
    logarithmic: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Bell(Distribution):
    """Mean and standard deviation, of the logarithm for log types; sigma 0 is a constant."""

    mu: float
    sigma: float
    q: float = field(default=0)
    logarithmic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_numbers(self, {"mu": self.mu, "sigma": self.sigma})
        if self.sigma < 0:
            self._refuse(f"has sigma {self.sigma!r}; a standard deviation is 0 or larger")
        farthest = abs(float(self.mu)) + WIDEST_DRAW * float(self.sigma)
        if not math.isfinite(farthest):
            self._refuse("is wider than the largest float64; use a smaller sigma")
        if self.logarithmic and self.mu + WIDEST_DRAW * self.sigma > LARGEST_EXPONENT:
            self._refuse(
                f"overflows: it draws up to exp({self.mu + WIDEST_DRAW * self.sigma:.6g}); mu and sigma are those of "
                "the logarithm"
            )
        if self.logarithmic:
            farthest = math.exp(self.mu + WIDEST_DRAW * self.sigma)
        _check_q(self, farthest)

    def arguments(self) -> list[Any]:
        return [self.mu, self.sigma, self.q][: 3 if self.name.startswith("q") else 2]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Normal(_Bell):
    """N(mu, sigma)."""

    name: ClassVar[str] = "normal"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class QNormal(_Bell):
    """round(N(mu, sigma) / q) * q; unbounded, may be negative."""

    name: ClassVar[str] = "qnormal"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LogNormal(_Bell):
    """exp(N(mu, sigma))."""

    name: ClassVar[str] = "lognormal"
    logarithmic: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class QLogNormal(_Bell):
    """round(exp(N(mu, sigma)) / q) * q; may be 0."""

    name: ClassVar[str] = "qlognormal"
    logarithmic: ClassVar[bool] = True


def _check_numbers(owner: Distribution, values: dict[str, Any]) -> None:
    for word, value in values.items():
        if not is_number(value):
            raise SpaceError(
                f"{owner!r} has {word} {value!r} of type {type(value).__name__}; bounds and moments are numbers"
            )
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            raise SpaceError(f"{owner!r} has {word} {value!r}, which is no finite float64; write a finite number")


def _check_q(owner: _Interval | _Bell, farthest: float) -> None:
    if not owner.name.startswith("q"):
        return
    _check_numbers(owner, {"q": owner.q})
    if owner.q <= 0:
        raise SpaceError(f"{owner!r} has q {owner.q!r}; the step between values is a number above 0")
    if not math.isfinite(farthest / owner.q):
        raise SpaceError(f"{owner!r} has more steps than float64 can count; use a larger q")
