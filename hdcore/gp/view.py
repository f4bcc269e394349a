"""One view of the metric: its fits, its factor and its acquisition, kept between proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hdcore._native import acquisition as _native
from hdcore.gp.fit import EVERY, FACTOR_STEP, due
from hdcore.gp.model import Conditioned, Factor
from hdcore.gp.trust import Trust

if TYPE_CHECKING:
    from hdcore.gp.columns import Columns
    from hdcore.gp.evidence import Evidence
    from hdcore.typing import FloatMatrix, IntVector

PLACES = 32
"""Stopped runs, the latest ones, whose places count as tried."""


class View:
    """One output model with its caches."""

    def __init__(self, columns: Columns, is_stretched: bool) -> None:
        self._columns = columns
        self._trust = Trust(columns, is_stretched)
        self._acquisition = _native.Acquisition()
        self._factors: list[Factor] = []
        self.is_believing = True
        """False after a proposal that left earlier sweeps out."""

    def condition(
        self,
        evidence: Evidence,
        open_points: tuple[FloatMatrix, IntVector],
        failed: tuple[FloatMatrix, float],
        draws: FloatMatrix,
    ) -> Conditioned | None:
        """The model given all that is known; None if all values are equal.

        Parameters
        ----------
        evidence : Evidence
        open_points : (ndarray of float64, shape (p, d), ndarray of int64, shape (p,))
            Pending points and their rows, negative where they have none yet.
        failed : (ndarray of float64, shape (f, d), float)
            Failed points, and how much they count.
        draws : ndarray of float64, shape (fantasies, most)
        """
        X_pending, rows_pending = open_points
        fit_size, size = settled(len(evidence.told), len(rows_pending))
        trusted = self._trust.at(fit_size, evidence)
        if trusted is None:
            return None
        fitted, fits, used = trusted
        self.is_believing, evidence = used is evidence, used
        sample = evidence.upto(size)
        factor = next((known for known in self._factors if known.is_of(fitted, sample.rows)), None)
        if factor is None:
            factor = Factor(fitted, fits, self._columns.clamp, sample)
            # Two, as the proposals of one batch go back and forth between sizes.
            self._factors = [factor, *self._factors[: int(fit_size > EVERY)]]
        # A stopped run without a prediction is like a pending one: its place has been tried.
        places = evidence.places(size)[-PLACES:]
        X_open = np.concatenate([evidence.X[places], X_pending])
        rows_open = np.concatenate([places, rows_pending])
        return Conditioned(factor, fits, self._acquisition, evidence.beyond(size), (X_open, rows_open), failed, draws)

    def forget(self) -> None:
        """Drop what was kept about points that were only chosen."""
        for factor in self._factors:
            factor.forget()


def settled(n: int, pending: int) -> tuple[int, int]:
    """Number of results in the fit and in the factor when there are n and some runs are pending.

    Above `EVERY`, results of as many runs as are pending are left out: when a run comes in late, it then rarely changes
    what the factor was made of.
    """
    if n <= EVERY:
        return n, n
    reach = max(EVERY, n - min(16, -(-pending // 8) * 8))
    fit = due(reach)
    return fit, fit + (reach - fit) // FACTOR_STEP * FACTOR_STEP
