"""Which of the free GPUs stand closest together. Pure: the distances are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import comb

SAME_NODE, FAR, UNKNOWN = 6.0, 7.0, 8.0
"""Distances: below 1 over NVLink or XGMI; 2 to 5 over one board, one PCIe switch, several, one host bridge;
then over one NUMA node, and between nodes."""

_MOST_SETS = 5000


def linked(lanes: int) -> float:
    """Return the distance of two GPUs with direct links: the more links, the closer."""
    return 1.0 / (1 + max(1, lanes))


def closest(names: Sequence[str], k: int, distance: Callable[[str, str], float]) -> tuple[str, ...]:
    """Return the `k` of `names` with the least sum of distances between them; of equal sets the first in order.

    All sets are tried up to 5,000 of them; beyond, sets are grown from each device by the nearest one.
    """
    if k >= len(names) or k < 2:
        return tuple(names[:k])
    table = {(a, b): distance(a, b) for a, b in combinations(names, 2)}
    table |= {(b, a): far for (a, b), far in table.items()}

    def total(chosen: tuple[str, ...]) -> float:
        return sum(table[pair] for pair in combinations(chosen, 2))

    sets: Iterable[tuple[str, ...]]
    sets = combinations(names, k) if comb(len(names), k) <= _MOST_SETS else (_grown(n, names, k, table) for n in names)
    return min(sets, key=total)


def _grown(seed: str, names: Sequence[str], k: int, table: dict[tuple[str, str], float]) -> tuple[str, ...]:
    chosen = [seed]
    while len(chosen) < k:
        rest = [name for name in names if name not in chosen]
        chosen.append(min(rest, key=lambda name: sum(table[name, other] for other in chosen)))
    return tuple(name for name in names if name in chosen)
