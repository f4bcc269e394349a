"""Print the polynomial coefficients of ext/_math.h: Chebyshev interpolants computed with mpmath to 60 digits.

python tools/fit_math.py
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60


def chebyshev(
    function: Callable[[mp.mpf], mp.mpf], low: float, high: float, degree: int
) -> tuple[list[mp.mpf], mp.mpf]:
    """Monomial coefficients of the interpolant in Chebyshev points, lowest first, and its largest relative error."""
    low, high = mp.mpf(low), mp.mpf(high)
    nodes = [
        (low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * degree + 2)) for k in range(degree + 1)
    ]
    matrix = mp.matrix(degree + 1, degree + 1)
    for row, node in enumerate(nodes):
        for column in range(degree + 1):
            matrix[row, column] = node**column
    found = list(mp.lu_solve(matrix, mp.matrix([function(node) for node in nodes])))
    grid = [low + (high - low) * k / 997 for k in range(998)]
    worst = max(abs(mp.polyval(found[::-1], x) / function(x) - 1) for x in grid)
    return found, worst


def log_tail(z: mp.mpf) -> mp.mpf:
    """(2 atanh(s) - 2 s) / s**3 with z = s**2."""
    if z == 0:
        return mp.mpf(2) / 3
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3


def scaled_tail(y: mp.mpf) -> mp.mpf:
    """(t + 4) exp(t**2 / 2) Phi(-t) with y = (t - 4) / (t + 4); y = 0.82 is t = 40, where Phi has underflowed."""
    t = 4 * (1 + y) / (1 - y)
    return (t + 4) * mp.exp(t * t / 2) * mp.erfc(t / mp.sqrt(2)) / 2


if __name__ == "__main__":
    for name, function, low, high, degree in (
        ("log", log_tail, 0, float((mp.sqrt(2) - 1) ** 2 / (mp.sqrt(2) + 1) ** 2) * 1.01, 7),
        ("cdf", scaled_tail, -1, 0.82, 23),
    ):
        coefficients, worst = chebyshev(function, low, high, degree)
        print(f"{name}: relative error {mp.nstr(worst, 3)}")
        for value in coefficients:
            print(f"    {float(value)!r},")
