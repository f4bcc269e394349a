"""The random streams of a sweep: run i draws from ``Philox(SeedSequence(seed, spawn_key=(i,)))``."""

from __future__ import annotations

import secrets

import numpy as np

from hdcore._native import sampling as _native
from hdcore.errors import InputError


def streams_of(seed: int) -> _native.Streams:
    """Return the streams of a seed, a non-negative integer of any size."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"the seed is {seed!r}; use a whole number from 0 up", field="seed")
    rest, words = int(seed), list[int]()
    while rest or not words:
        words.append(rest & 0xFFFFFFFF)
        rest >>= 32
    return _native.Streams(np.array(words, np.uint32))


def fresh_seed() -> int:
    """Return 128 random bits of the operating system."""
    return secrets.randbits(128)
