"""Proposals without repetition in a finite space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hdcore.space.enumeration import enumerate_rows
from hdcore.space.ranking import row_at

if TYPE_CHECKING:
    import numpy.typing as npt

    from hdcore._native.sampling import Streams
    from hdcore.history import RunTable
    from hdcore.space import SearchSpace
    from hdcore.typing import FloatMatrix, FloatVector

TRIES = 16
"""Draws of one run before the remaining configurations are looked at."""

MANY_TRIES = 512
"""The same in a space that is too large to be written down."""

ENUMERABLE = 1 << 18
"""Largest space whose configurations are written down: 2**18 rows of ten columns are 20 MB."""


class Unrepeated:
    """Draws configurations that the sweep does not have yet.

    The proposal of run i is a function of the seed, i and the set of configurations before it: its first draws in turn,
    the first one that is new; when all are taken, one of the remaining configurations with their prior weights (in a
    space too large to be written down: the next new one in order of levels). What is kept here is derived from the
    table and only makes that fast.

    Parameters
    ----------
    space : SearchSpace
        Of finite size.
    streams : Streams
    """

    def __init__(self, space: SearchSpace, streams: Streams) -> None:
        assert space.size is not None
        self._space, self._streams = space, streams
        self._size = space.size
        self._is_small = space.size <= ENUMERABLE
        self._tries = TRIES if self._is_small else MANY_TRIES
        self._seen: set[bytes] = set()
        self._synced = 0
        self._left: _Remaining | None = None

    def propose(self, table: RunTable, start: int, first_draws: FloatMatrix) -> FloatMatrix:
        """Return rows for the runs from `start` on, given the first draw of each, shape (n, d), snapped.

        Fewer rows than first draws only when the space is used up.
        """
        self._sync(table)
        if self._left is not None:
            self._left.start_batch()
        rows: list[FloatVector] = []
        new: set[bytes] = set()
        for offset, row in enumerate(first_draws):
            key = row.tobytes()
            if key in self._seen or key in new:
                if len(self._seen) + len(new) >= self._size:
                    break
                row = self._other(start + offset, new)
                key = row.tobytes()
            new.add(key)
            rows.append(row)
            if self._left is not None:
                self._left.take(key)
        return np.array(rows).reshape(len(rows), len(self._space.columns))

    def _sync(self, table: RunTable) -> None:
        """Take over the rows that the table got since the last call."""
        if table.n < self._synced:
            self._seen, self._synced, self._left = set(), 0, None
        if table.n > self._synced:
            rows, earlier = table.encoded[self._synced :], table.earlier[self._synced :]
            for row, is_earlier in zip(rows, earlier.tolist(), strict=True):
                if not is_earlier:
                    key = row.tobytes()
                    self._seen.add(key)
                    if self._left is not None:
                        self._left.remove(key)
            self._synced = table.n

    def _other(self, number: int, new: set[bytes]) -> FloatVector:
        """A row that is neither in the table nor in `new`; there is one."""
        d = len(self._space.columns)
        draws = np.empty((self._tries, d))
        self._streams.tries(number, d, draws)
        draws = self._space.snap(draws)
        for row in draws:
            key = row.tobytes()
            if key not in self._seen and key not in new:
                return row
        last = np.empty((1, 1))
        self._streams.tries(number, d * (self._tries + 1), last)
        at = float(last[0, 0])
        if self._is_small:
            if self._left is None:
                self._left = _Remaining(self._space, self._seen)
            return self._left.pick(at, new)
        rank = int(at * self._size)
        while True:
            row = row_at(self._space.encoder, rank)
            key = row.tobytes()
            if key not in self._seen and key not in new:
                return row
            rank = (rank + 1) % self._size


class _Remaining:
    """The configurations that are left, with whole-number weights: their sums do not depend on the order of adding."""

    def __init__(self, space: SearchSpace, seen: set[bytes]) -> None:
        rows, weights = enumerate_rows(space.encoder)
        shares = np.maximum(np.rint(weights / weights.max() * 2.0**32), 1.0).astype(np.int64)
        by_key: dict[bytes, int] = {}
        for index, row in enumerate(rows):  # overlapping options give one key more than once after snapping
            by_key.setdefault(row.tobytes(), index)
        if space.encoder.has_overlaps:
            rows, shares, by_key = _merged(space, rows, shares)
        keep = np.array([index for key, index in by_key.items() if key not in seen], np.int64)
        self._rows, self._shares = rows[keep], shares[keep]
        self._index = {row.tobytes(): index for index, row in enumerate(self._rows)}
        self._alive = len(keep)
        self._trial: npt.NDArray[np.int64] | None = None

    def start_batch(self) -> None:
        """Forget what the last batch took: only the table says what was really used."""
        self._trial = None

    def take(self, key: bytes) -> None:
        """Leave out a row of the present batch."""
        index = self._index.get(key)
        if self._trial is not None and index is not None:
            self._trial[index] = 0

    def remove(self, key: bytes) -> None:
        index = self._index.pop(key, None)
        if index is None:
            return
        self._shares[index] = 0
        self._alive -= 1
        if self._alive < len(self._shares) // 2:
            left = self._shares > 0
            self._rows, self._shares = self._rows[left], self._shares[left]
            self._index = {row.tobytes(): i for i, row in enumerate(self._rows)}

    def pick(self, at: float, new: set[bytes]) -> FloatVector:
        """The row at the share `at` of the total weight; rows in `new`, those of this batch, weigh nothing."""
        if self._trial is None and new:
            self._trial = self._shares.copy()
            for key in new:
                self.take(key)
        sums = np.cumsum(self._shares if self._trial is None else self._trial)
        row: FloatVector = self._rows[int(np.searchsorted(sums, int(at * int(sums[-1])), side="right"))]
        return row


def _merged(
    space: SearchSpace, rows: FloatMatrix, shares: npt.NDArray[np.int64]
) -> tuple[FloatMatrix, npt.NDArray[np.int64], dict[bytes, int]]:
    """Give rows of equal configurations to the first of them."""
    snapped = space.snap(rows)
    by_key: dict[bytes, int] = {}
    total: list[int] = []
    kept: list[FloatVector] = []
    for row, share in zip(snapped, shares.tolist(), strict=True):
        index = by_key.setdefault(row.tobytes(), len(kept))
        if index == len(kept):
            kept.append(row)
            total.append(0)
        total[index] += share
    return np.array(kept), np.array(total, np.int64), by_key
