"""Random streams and Sobol points against NumPy and SciPy, bit for bit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import qmc

from hdcore._native import sampling as _native
from hdcore.errors import InputError
from hdcore.sampling.sobol import scramble_keys
from hdcore.sampling.streams import streams_of


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**64) | st.integers(0, 2**400),
    st.integers(0, 2**63 - 3) | st.sampled_from([2**32 - 2, 2**32 - 1, 2**63 - 3]),
    st.integers(0, 9),
    st.integers(0, 14),
)
def test_rows_are_numpys_philox_streams(seed: int, start: int, skip: int, d: int) -> None:
    out = np.empty((3, d))
    streams_of(seed).fill(start, skip, out)
    for row in range(3):
        sequence = np.random.SeedSequence(seed, spawn_key=(start + row,))
        expected = np.random.Generator(np.random.Philox(sequence)).random(skip + d)[skip:]
        np.testing.assert_array_equal(out[row], expected)


def test_blocks_join_without_seams() -> None:
    whole, parts = np.empty((1000, 5)), np.empty((1000, 5))
    streams_of(1).fill(0, 0, whole)
    streams_of(1).fill(0, 0, parts[:300])
    streams_of(1).fill(300, 0, parts[300:])
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("seed", [-1, 1.0, True, "7"])
def test_seeds_are_whole_numbers(seed: object) -> None:
    with pytest.raises(InputError, match="whole number"):
        streams_of(seed)  # type: ignore[arg-type]


def scipys(d: int, n: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # n is no power of two
        return qmc.Sobol(d, scramble=False).random(n)


@pytest.mark.parametrize("d", [1, 2, 10, 1111])
def test_unscrambled_points_are_scipys(d: int) -> None:
    out = np.empty((600, d))
    _native.Sobol(d, np.empty(0, np.uint64)).fill(0, out)
    expected = scipys(d, 600)
    np.testing.assert_array_equal(out, expected)
    later = np.empty((100, d))
    _native.Sobol(d, np.empty(0, np.uint64)).fill(333, later)
    np.testing.assert_array_equal(later, expected[333:433])


def scrambled(d: int, n: int, seed: int) -> np.ndarray:
    out = np.empty((n, d))
    _native.Sobol(d, scramble_keys(streams_of(seed), d)).fill(0, out)
    return out


@pytest.mark.parametrize("seed", range(5))
def test_scrambled_points_keep_the_net_property(seed: int) -> None:
    points = scrambled(30, 1024, seed)
    for j in range(30):
        assert len(set((points[:, j] * 1024).astype(int))) == 1024
    for a in range(1, 10):
        boxes = zip((points[:, 0] * 2**a).astype(int), (points[:, 1] * 2 ** (10 - a)).astype(int), strict=True)
        assert len(set(boxes)) == 1024


def test_scrambling_is_nested() -> None:
    """Points that share their first digits share them afterwards, and no others."""
    plain, mixed = np.empty((512, 4)), scrambled(4, 512, 9)
    _native.Sobol(4, np.empty(0, np.uint64)).fill(0, plain)
    for digits in (1, 3, 6):
        for j in range(4):
            pairs = set(zip((plain[:, j] * 2**digits).astype(int), (mixed[:, j] * 2**digits).astype(int), strict=True))
            assert len(pairs) == 2**digits


def test_flips_are_independent_fair_bits() -> None:
    flips = []
    for seed in range(400):
        mixed = scrambled(3, 8, seed)
        plain = scipys(3, 8)
        flips.append(((mixed * 8).astype(int) ^ (plain * 8).astype(int)).ravel())
    bits = np.array(flips)[:, :, None] >> np.arange(3) & 1
    means = bits.mean(axis=0)
    assert np.abs(means - 0.5).max() < 0.12  # 4.8 standard deviations of 0.025
    first = bits[:, :, 2].reshape(400, 8, 3)[:, 0, :]  # the top flip of each dimension
    assert np.abs(np.corrcoef(first.T) - np.eye(3)).max() < 0.2


def test_scrambled_points_integrate_better_than_random_ones() -> None:
    def error(points: np.ndarray) -> float:
        return abs(float(np.prod(1 + 0.5 * (points - 0.5), axis=1).mean()) - 1.0)

    sobol = np.mean([error(scrambled(6, 1024, seed)) for seed in range(20)])
    random = np.mean([error(np.random.default_rng(seed).random((1024, 6))) for seed in range(20)])
    assert sobol < random / 5


def test_low_digits_are_filled_too() -> None:
    low = (scrambled(2, 4096, 1) * 2.0**53).astype(np.uint64) & np.uint64(2**21 - 1)
    assert len(np.unique(low)) > 8000
