"""Sharing the settings of a replay among threads: the kernels hold no lock while they work."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_A_THREAD = 5_000_000
"""Reports: some 50 ms."""

_CHUNK = 16


def in_threads(work: Callable[[list[Item]], Sequence[Result]], items: Sequence[Item], reports: int) -> list[Result]:
    """Return what `work` makes of all items, in order; it is given some of them at a time, on the CPUs that we have."""
    chunks = [list(items[at : at + _CHUNK]) for at in range(0, len(items), _CHUNK)]
    threads = min(len(os.sched_getaffinity(0)), len(chunks), reports // WORTH_A_THREAD + 1)
    if threads < 2:
        return list(chain.from_iterable(map(work, chunks)))
    with ThreadPoolExecutor(threads) as pool:
        return list(chain.from_iterable(pool.map(work, chunks)))
