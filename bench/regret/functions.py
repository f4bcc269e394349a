"""Closed-form test functions with a known minimum, as functions of a vector z in their classical coordinates.

`Affine` maps a point of the box [0, 1]^d onto these coordinates so that the minimum lies at a chosen point of the box:
``z = z_best + A (u - u_best)``. For functions whose minimum is global on all of R^d this keeps the minimum's value,
whatever A is; the others are used without a change of scale (see `problems`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Vector = np.ndarray


@dataclass(frozen=True, slots=True)
class Affine:
    """Map from the unit box to a function's coordinates; `u_best` goes to `z_best`."""

    matrix: np.ndarray
    u_best: Vector
    z_best: Vector

    def __call__(self, u: Vector) -> Vector:
        return self.z_best + self.matrix @ (u - self.u_best)


def affine(seed: int, z_best: Vector, width: float | Vector, *, rotated: bool) -> Affine:
    """Place the minimum by `seed`: every coordinate in [0.15, 0.85], 0.1 or more off the centre, far from the diagonal.

    `width` is the side of the box in the function's coordinates, a number or one a coordinate, applied before the
    rotation.
    """
    rng = np.random.default_rng([seed, len(z_best)])
    d = len(z_best)
    while True:
        u = rng.uniform(0.15, 0.85, d)
        if np.abs(u - 0.5).min() >= 0.1 and np.ptp(u) >= 0.3 and abs(u.mean() - 0.5) < 0.3:
            break
    matrix = np.diag(np.broadcast_to(np.asarray(width, float), d))
    if rotated:
        q, r = np.linalg.qr(rng.standard_normal((d, d)))
        matrix = matrix @ (q * np.sign(np.diag(r)))
    return Affine(matrix, u, np.asarray(z_best, float))


def branin(z: Vector) -> float:
    x, y = z
    bowl = (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
    return float(bowl + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


_H_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_H_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
_H_C = np.array([1.0, 1.2, 3.0, 3.2])
HARTMANN_BEST = np.array([0.20168951, 0.15001069, 0.47687398, 0.27533243, 0.31165162, 0.65730053])


def hartmann6(z: Vector) -> float:
    return float(-_H_C @ np.exp(-(_H_A * (z - _H_P) ** 2).sum(1)))


def rosenbrock(z: Vector) -> float:
    return float((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum())


def levy(z: Vector) -> float:
    w = 1 + (z - 1) / 4
    head = np.sin(np.pi * w[0]) ** 2
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    return float(head + middle + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


def sphere(z: Vector) -> float:
    return float(z @ z)


def ackley(z: Vector) -> float:
    root = np.sqrt(np.mean(z**2))
    return float(-20 * np.exp(-0.2 * root) - np.exp(np.mean(np.cos(2 * np.pi * z))) + 20 + np.e)


def rastrigin(z: Vector) -> float:
    return float(10 * len(z) + (z**2 - 10 * np.cos(2 * np.pi * z)).sum())


_S_BETA = np.array([1, 2, 2, 4, 4, 6, 3, 7, 5, 5]) / 10
_S_C = np.array(
    [
        [4, 1, 8, 6, 3, 2, 5, 8, 6, 7],
        [4, 1, 8, 6, 7, 9, 3, 1, 2, 3.6],
        [4, 1, 8, 6, 3, 2, 5, 8, 6, 7],
        [4, 1, 8, 6, 7, 9, 3, 1, 2, 3.6],
    ]
)
SHEKEL_BEST = np.array([4.00074687, 3.99950948, 4.00074687, 3.99950948])


def shekel(z: Vector) -> float:
    return float(-(1 / (_S_BETA + ((z[:, None] - _S_C) ** 2).sum(0))).sum())


STYBLINSKI_BEST = -2.903534027771178


def styblinski(z: Vector) -> float:
    return float((z**4 - 16 * z**2 + 5 * z).sum() / 2)


MICHALEWICZ_BEST = np.array([2.20290552, 1.57079633, 1.28499157, 1.92305847, 1.72046977])


def michalewicz(z: Vector) -> float:
    i = np.arange(1, len(z) + 1)
    return float(-(np.sin(z) * np.sin(i * z**2 / np.pi) ** 20).sum())


def goldstein(z: Vector) -> float:
    x, y = z
    first = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)
    second = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    return float(first * second)


def dixon_price(z: Vector) -> float:
    i = np.arange(2, len(z) + 1)
    return float((z[0] - 1) ** 2 + (i * (2 * z[1:] ** 2 - z[:-1]) ** 2).sum())


def dixon_price_best(d: int) -> Vector:
    """Coordinates of the minimum: z_i = 2^(-(2^i - 2) / 2^i)."""
    power = 2.0 ** np.arange(1, d + 1)
    return 2.0 ** (-(power - 2) / power)


def steep_bowl(z: Vector) -> float:
    """Exponential of a distance: three decades between the rim and the middle half of the box."""
    return float(np.expm1(np.sqrt(z @ z + 1e-2) - 0.1))
