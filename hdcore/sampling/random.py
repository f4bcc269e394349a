"""Independent draws from the declared distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.sampling.finite import Unrepeated
from hdcore.sampling.streams import streams_of

if TYPE_CHECKING:
    from hdcore.history import RunTable
    from hdcore.space import SearchSpace
    from hdcore.typing import FloatMatrix


class RandomSampler:
    """Draws run i from the stream of ``SeedSequence(seed, spawn_key=(i,))``, one double a column.

    A finite space never gives a configuration twice; see `Unrepeated`.
    """

    name = "random"

    def bind(self, space: SearchSpace, seed: int) -> None:
        self._streams = streams_of(seed)
        self._plan = space.encoder.plan
        self._d = len(space.columns)
        self._needs_snap = space.encoder.has_overlaps
        self._space = space
        self._unrepeated = None if space.size is None else Unrepeated(space, self._streams)

    def propose(self, table: RunTable, start: int, n: int) -> FloatMatrix:
        rows = np.empty((n, self._d))
        self._plan.propose(self._streams, start, rows)
        if self._needs_snap:
            rows = self._space.snap(rows)
        return rows if self._unrepeated is None else self._unrepeated.propose(table, start, rows)

    def to_json(self) -> dict[str, Any]:
        """Return what `make_sampler` reads."""
        return {"type": self.name}
