"""Whether earlier sweeps are believed: only as long as they predict this one's results better than it does alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdcore.gp.fit import Fits, Fitted
from hdcore.gp.model import Factor

if TYPE_CHECKING:
    from hdcore.gp.columns import Columns
    from hdcore.gp.evidence import Evidence


class Trust:
    """The fits of one output model, with and without earlier sweeps.

    Results left out one at a time are the judge. The length scale of a parent alone cannot protect a sweep: parents
    share its other length scales, its noise and its output map.
    """

    def __init__(self, columns: Columns, is_stretched: bool) -> None:
        self._clamp = columns.clamp
        self._alone = Fits(columns.clamp, is_stretched, columns.parents)
        self._both = Fits(columns.clamp, is_stretched, columns.parents)
        self._judged: tuple[Fitted, Fitted, bool] | None = None

    def at(self, size: int, evidence: Evidence) -> tuple[Fitted, Fits, Evidence] | None:
        """Return the fit of the first `size` results, its fits, and the evidence it is of; None if there is no fit."""
        plain = evidence.alone()
        alone = self._alone.at(size, plain)
        if plain is evidence:
            return None if alone is None else (alone, self._alone, plain)
        both = self._both.at(size, evidence)
        if both is None:
            return None
        if alone is None or len(both.rows) == len(alone.rows):
            return (both, self._both, evidence) if alone is None else (alone, self._alone, plain)
        if self._prefers_both(size, evidence, both, alone):
            return both, self._both, evidence
        return alone, self._alone, plain

    def _prefers_both(self, size: int, evidence: Evidence, both: Fitted, alone: Fitted) -> bool:
        known = self._judged
        if known is None or known[0] is not both or known[1] is not alone:
            with_them = Factor(both, self._both, self._clamp, evidence.upto(size)).score()
            without = Factor(alone, self._alone, self._clamp, evidence.alone().upto(size)).score()
            self._judged = known = (both, alone, with_them >= without)
        return known[2]
