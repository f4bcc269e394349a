"""Scrambled Sobol points: random draws that fill the space evenly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore._native import sampling as _native
from hdcore.sampling.finite import Unrepeated
from hdcore.sampling.streams import streams_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from hdcore.history import RunTable
    from hdcore.space import SearchSpace
    from hdcore.typing import FloatMatrix

POINTS = 1 << 32
"""Length of the sequence: it has 32 digits."""

SCRAMBLE_STREAM = 2**64 - 1
"""Number of the stream that the scrambling keys come from; runs are numbered below 2**63."""


class SobolSampler:
    """Proposes point i of a Sobol sequence for run i, with Owen's scrambling by the seed.

    Columns beyond the table of direction numbers (1,111), and runs beyond the end of the sequence, are drawn as
    `RandomSampler` draws them. A finite space never gives a configuration twice: where the point is taken, the random
    draws of that run come next.
    """

    name = "sobol"

    def bind(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._streams = streams_of(seed)
        self._d = len(space.columns)
        self._covered = min(self._d, _native.sobol_dimensions())
        self._sobol = _native.Sobol(self._covered, scramble_keys(self._streams, self._covered))
        self._unrepeated = None if space.size is None else Unrepeated(space, self._streams)

    def propose(self, table: RunTable, start: int, n: int) -> FloatMatrix:
        within = max(0, min(n, POINTS - start)) if self._covered else 0
        rows = np.empty((n, self._d))
        if self._covered < self._d or within < n:
            self._streams.fill(start, 0, rows)
        if self._covered == self._d == 0:
            pass
        elif self._covered == self._d and within == n:
            self._sobol.fill(start, rows)
        elif within:
            points = np.empty((within, self._covered))
            self._sobol.fill(start, points)
            rows[:within, : self._covered] = points
        if self._space.encoder.has_overlaps:
            rows = self._space.snap(rows)
        else:
            self._space.encoder.plan.snap(rows)
        return rows if self._unrepeated is None else self._unrepeated.propose(table, start, rows)

    def to_json(self) -> dict[str, Any]:
        """Return what `make_sampler` reads."""
        return {"type": "random", "rule": "sobol"}


def even_points(n: int, d: int, seed: int = 0) -> FloatMatrix:
    """Return the first n points of a scrambled sequence in the unit cube, shape (n, d)."""
    streams, covered = streams_of(seed), min(d, _native.sobol_dimensions())
    rows = np.empty((n, d))
    streams.fill(0, 0, rows)
    if covered:
        points = np.empty((n, covered))
        _native.Sobol(covered, scramble_keys(streams, covered)).fill(0, points)
        rows[:, :covered] = points
    return rows


def scramble_keys(streams: _native.Streams, dimensions: int) -> npt.NDArray[np.uint64]:
    """Return one 64-bit key a dimension, from two draws each."""
    draws = np.empty((1, 2 * dimensions))
    streams.fill(SCRAMBLE_STREAM, 0, draws)
    halves = (draws[0] * 2.0**32).astype(np.uint64)
    keys: npt.NDArray[np.uint64] = halves[0::2] | halves[1::2] << np.uint64(32)
    return keys
