"""Judge kernel ridge regression on a part of the data it has not seen; the data are Friedman's first function."""

from __future__ import annotations

import argparse

import numpy as np

from hdcore import get_run


def friedman(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.random((n, 10))  # five of the ten columns say nothing
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, y + rng.standard_normal(n)


def kernel(name: str, length: float, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if name == "polynomial":
        return (1.0 + a @ b.T / length) ** 3
    r2 = ((a[:, None] - b[None]) ** 2).sum(axis=-1) / length**2
    return np.exp(-r2) if name == "gauss" else np.exp(-np.sqrt(r2))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--penalty", type=float, default=1.0)
    parser.add_argument("--length", type=float, default=1.0)
    parser.add_argument("--noise-columns", type=float, default=1.0, help="weight of the last five columns")
    parser.add_argument("--kernel", choices=["gauss", "laplace", "polynomial"], default="gauss")
    arguments = parser.parse_args()

    x, y = friedman(np.random.default_rng(0), 400)
    x[:, 5:] *= arguments.noise_columns
    seen, unseen = slice(0, 250), slice(250, None)
    mean = y[seen].mean()
    k = kernel(arguments.kernel, arguments.length, x[seen], x[seen])
    weights = np.linalg.solve(k + arguments.penalty * np.eye(len(k)), y[seen] - mean)
    predicted = kernel(arguments.kernel, arguments.length, x[unseen], x[seen]) @ weights + mean
    get_run().log("rmse", float(np.sqrt(np.mean((predicted - y[unseen]) ** 2))))


if __name__ == "__main__":
    main()
