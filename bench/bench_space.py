"""Spaces: encoding, decoding and grids, beside what SciPy, NumPy and the standard library make of the same columns.

    pytest bench/bench_space.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

Each comparison first asserts that both sides give the same answer. `us a row` is the time per configuration.
"""

from __future__ import annotations

import json
import math
import os
from itertools import product
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from scipy import special

import hdcore as hd

QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
ROWS = 1_000 if QUICK else 10_000
SPACE = hd.SearchSpace(
    {
        "lr": hd.loguniform(-9, -2),
        "momentum": hd.uniform(0.5, 0.99),
        "units": hd.quniform(16, 512, 16),
        "optimizer": hd.choice("sgd", "adam", "lamb"),
        "depth": hd.randint(7),
        "shift": hd.normal(0, 1),
        "scale": hd.lognormal(0, 2),
        "batch": hd.choice(16, 32, 64),
    }
)
OPTIMIZERS, BATCHES = ["sgd", "adam", "lamb"], [16, 32, 64]
TREE = hd.SearchSpace(
    {
        "net": hd.choice(
            {"kind": "mlp", "layers": hd.randint(4), "units": hd.quniform(16, 512, 16)},
            {"kind": "conv", "filters": hd.choice(8, 16, 32)},
            {"kind": "linear"},
        ),
        "lr": hd.loguniform(-9, -2),
    }
)


def rows(space: hd.SearchSpace) -> np.ndarray:
    """Encoded rows that stand for configurations."""
    return space.snap(np.random.default_rng(0).random((ROWS, len(space.columns))))


def encode_by_scipy(configurations: list[dict[str, Any]]) -> np.ndarray:
    """A column at a time, by the formulas."""
    columns = {name: [one[name] for one in configurations] for name in configurations[0]}
    units = np.array(columns["units"])
    return np.column_stack(
        [
            (np.log(columns["lr"]) + 9) / 7,
            (np.array(columns["momentum"]) - 0.5) / (0.99 - 0.5),
            (np.clip(units - 8, 16, 512) + np.clip(units + 8, 16, 512) - 32) / 2 / (512 - 16),  # the middle of a cell
            np.array([OPTIMIZERS.index(name) for name in columns["optimizer"]]) / 3 + 1 / 6,
            np.array(columns["depth"]) / 7 + 1 / 14,
            special.ndtr(columns["shift"]),
            special.ndtr(np.log(columns["scale"]) / 2),
            np.array([BATCHES.index(size) for size in columns["batch"]]) / 3 + 1 / 6,
        ]
    )


def decode_by_scipy(encoded: np.ndarray) -> list[dict[str, Any]]:
    u = encoded.T
    columns = [
        np.exp(-9 + 7 * u[0]).tolist(),
        (0.5 + (0.99 - 0.5) * u[1]).tolist(),
        (np.round((16 + (512 - 16) * u[2]) / 16) * 16).tolist(),
        [OPTIMIZERS[i] for i in np.floor(u[3] * 3).astype(int).tolist()],
        np.floor(u[4] * 7).astype(int).tolist(),
        special.ndtri(u[5]).tolist(),
        np.exp(2 * special.ndtri(u[6])).tolist(),
        [BATCHES[i] for i in np.floor(u[7] * 3).astype(int).tolist()],
    ]
    return [dict(zip(SPACE.names, row, strict=True)) for row in zip(*columns, strict=True)]


NORMAL = NormalDist()


def decode_one_plainly(row: list[float]) -> dict[str, Any]:
    """One row by the standard library, as a script would do it."""
    return {
        "lr": math.exp(-9 + 7 * row[0]),
        "momentum": 0.5 + (0.99 - 0.5) * row[1],
        "units": round((16 + (512 - 16) * row[2]) / 16) * 16.0,
        "optimizer": OPTIMIZERS[int(row[3] * 3)],
        "depth": int(row[4] * 7),
        "shift": NORMAL.inv_cdf(row[5]),
        "scale": math.exp(2 * NORMAL.inv_cdf(row[6])),
        "batch": BATCHES[int(row[7] * 3)],
    }


def same(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert list(one) == list(other)
        for name, value in one.items():
            assert type(value) is type(other[name]), name
            assert value == (pytest.approx(other[name], rel=1e-9, abs=1e-12) if type(value) is float else other[name])


def record(benchmark: Any, count: int) -> None:
    benchmark.extra_info["us a row"] = benchmark.stats.stats.min / count * 1e6


@pytest.mark.parametrize("who", ["SciPy by columns", "hdcore"])
@pytest.mark.benchmark(group=f"encode {ROWS:,} configurations of 8 parameters")
def test_encode(benchmark: Any, who: str) -> None:
    configurations = SPACE.decode(rows(SPACE))
    encode = SPACE.encode if who == "hdcore" else encode_by_scipy
    np.testing.assert_allclose(SPACE.encode(configurations), encode_by_scipy(configurations), rtol=1e-9, atol=1e-12)
    benchmark(encode, configurations)
    record(benchmark, ROWS)


@pytest.mark.parametrize("who", ["SciPy by columns", "hdcore"])
@pytest.mark.benchmark(group=f"decode {ROWS:,} configurations of 8 parameters")
def test_decode(benchmark: Any, who: str) -> None:
    encoded = rows(SPACE)
    same(SPACE.decode(encoded), decode_by_scipy(encoded))
    benchmark(SPACE.decode if who == "hdcore" else decode_by_scipy, encoded)
    record(benchmark, ROWS)


@pytest.mark.parametrize("who", ["the standard library", "hdcore"])
@pytest.mark.benchmark(group="decode one configuration of 8 parameters")
def test_decode_one(benchmark: Any, who: str) -> None:
    encoded = rows(SPACE)[:200]
    same([SPACE.decode_row(row) for row in encoded], [decode_one_plainly(row) for row in encoded.tolist()])
    if who == "hdcore":
        benchmark(lambda: [SPACE.decode_row(row) for row in encoded])
    else:
        benchmark(lambda: [decode_one_plainly(row) for row in encoded.tolist()])
    record(benchmark, len(encoded))


@pytest.mark.parametrize("what", ["decode", "encode"])
@pytest.mark.benchmark(group=f"a tree of nested choices, {ROWS:,} configurations, there and back")
def test_tree(benchmark: Any, what: str) -> None:
    encoded = rows(TREE)
    configurations = TREE.decode(encoded)
    np.testing.assert_allclose(TREE.encode(configurations), encoded, rtol=1e-12, atol=1e-15)  # NaN: not active
    benchmark(TREE.decode, encoded) if what == "decode" else benchmark(TREE.encode, configurations)
    record(benchmark, ROWS)


GRID = {"a": list(range(20)), "b": list(range(10)), "c": list("xyzuv"), "d": list(range(2 if QUICK else 20))}


@pytest.mark.parametrize("who", ["itertools", "hdcore"])
@pytest.mark.benchmark(group=f"grid of {math.prod(map(len, GRID.values())):,} configurations")
def test_grid(benchmark: Any, who: str) -> None:
    space = hd.SearchSpace({name: hd.choice(*options) for name, options in GRID.items()})

    def plain() -> list[dict[str, Any]]:
        return [dict(zip(GRID, row, strict=True)) for row in product(*GRID.values())]

    def order(found: list[dict[str, Any]]) -> list[str]:
        return sorted(map(json.dumps, found))

    assert order(list(hd.grid(space))) == order(plain())
    benchmark(plain if who == "itertools" else lambda: list(hd.grid(space)))
    record(benchmark, math.prod(map(len, GRID.values())))
