"""Which GPUs look broken, by how runs on them end. Pure: told of starts and ends, asked for a verdict.

A GPU that fails everything at once would eat a sweep: each run that it fails frees it for the next one. A script that
fails everywhere is not the GPUs' fault, though. So `IN_A_ROW` failures take a GPU out for as long as runs elsewhere
have not told which of the two it is; and out for good it goes when failures as frequent as elsewhere would hardly
make such a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum

IN_A_ROW = 3
CHANCE = 1e-3
"""Of a row this long on a GPU in order; at 10 % failures elsewhere three in a row are that rare."""


class Verdict(Enum):
    """What to do with a device now."""

    USE = "use"
    WAIT = "wait"
    STOP = "stop"


class Health:
    """How runs ended, per device."""

    def __init__(self) -> None:
        self._row: Counter[str] = Counter()
        self._completed: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._running: Counter[str] = Counter()

    def began(self, names: Iterable[str]) -> None:
        self._running.update(names)

    def ended(self, names: Iterable[str], *, failed: bool | None) -> None:
        """Note an end; None: a cancel, or another end that is not the device's."""
        for name in names:
            self._running[name] -= 1
            if failed:
                self._row[name] += 1
                self._failed[name] += 1
            elif failed is not None:
                self._row[name] = 0
                self._completed[name] += 1

    def row(self, name: str) -> int:
        """Return how many runs in a row have failed on a device."""
        return self._row[name]

    def verdict(self, name: str) -> Verdict:
        row = self._row[name]
        if row < IN_A_ROW:
            return Verdict.USE
        completed = self._completed.total() - self._completed[name]
        failed = self._failed.total() - self._failed[name]
        share = (failed + 1) / (completed + failed + 2)  # of failures elsewhere, as far as is known
        if completed and share**row <= CHANCE * (1 + 1e-9):
            return Verdict.STOP
        is_elsewhere = any(count > 0 for other, count in self._running.items() if other != name)
        return Verdict.WAIT if is_elsewhere and share < 0.7 else Verdict.USE
