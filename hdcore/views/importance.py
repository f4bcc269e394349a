"""Importance of the parameters while a sweep runs: PED-ANOVA over the runs that have ended, in small bites."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from hdcore.errors import SpaceError
from hdcore.typing import Configuration

if TYPE_CHECKING:
    from hdcore.space import SearchSpace
    from hdcore.typing import FloatMatrix

EVERY_S = 5.0
"""Between two computations, at least; and `_REST` times as long as the last one took."""

FEWEST = 10
"""Runs from which on something is said."""

_GOOD = 5
"""With fewer runs among the good ones the answer is chance: until there are enough runs, more than a tenth are good."""

_REST = 100
_BITE = 16


class LiveImportance:
    """Keeps the encoded configurations of ended runs, and ranks the parameters now and then.

    Encoding costs some 50 us a run and is put off: `refresh` does a bite of it each time.

    Parameters
    ----------
    space : dict
        Serialised.
    sign : float
        Of the goal.
    budget_s : float
        CPU seconds that a call of `refresh` may take for encoding.
    """

    def __init__(self, space: dict[str, Any], sign: float, budget_s: float) -> None:
        self._described, self._sign, self._budget_s = space, sign, budget_s
        self._space: SearchSpace | None = None
        self._waiting: deque[tuple[Configuration, float]] = deque()
        self._encoded: list[FloatMatrix] = []
        self._scores: list[float] = []
        self._ranked = 0  # runs in `shares`
        self._next = 0.0
        self.shares: list[tuple[str, float]] = []
        """Parameter and share, the largest first; empty while there is nothing to say."""

    def add(self, configuration: Configuration, value: float) -> None:
        """Take a run that has ended with a finite value, completed or stopped."""
        self._waiting.append((configuration, value))

    def refresh(self, now: float) -> None:
        """Encode some runs and, if it is time, rank the parameters; `now` in monotonic seconds."""
        if self._space is None:
            if len(self._waiting) < FEWEST:
                return
            from hdcore.space import SearchSpace

            self._space = SearchSpace(self._described)
        space, until = self._space, time.thread_time() + self._budget_s
        while self._waiting:
            bite = [self._waiting.popleft() for _ in range(min(_BITE, len(self._waiting)))]
            try:
                self._encoded.append(space.encode([configuration for configuration, _ in bite]))
            except SpaceError:  # of a store that somebody edited; a view must not end a sweep for that
                continue
            self._scores += [value * self._sign for _, value in bite]
            if time.thread_time() >= until:
                break
        if now >= self._next and len(self._scores) > self._ranked:
            began = time.thread_time()
            self._rank(space)
            self._next = now + max(EVERY_S, _REST * (time.thread_time() - began))

    def _rank(self, space: SearchSpace) -> None:
        import numpy as np

        from hdcore.importance import ped_anova

        encoded = np.concatenate(self._encoded)
        self._encoded = [encoded]
        self._ranked = len(encoded)
        kept = [j for j, column in enumerate(space.columns) if column.levels != 1]
        columns = [space.columns[j] for j in kept]
        top = min(0.5, max(0.1, _GOOD / len(encoded)))
        found = ped_anova(encoded[:, kept], np.array(self._scores), columns, target_quantile=top)
        order = np.argsort(-found, kind="stable")
        self.shares = [(columns[j].name, float(found[j])) for j in order] if found.any() else []
