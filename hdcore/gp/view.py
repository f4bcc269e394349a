"""One view of the metric: its fits, its factor and its acquisition, kept between proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdcore._native import acquisition as _native
from hdcore.gp.fit import EVERY, FACTOR_GROWTH, FIT_GROWTH, Fits, due
from hdcore.gp.model import Conditioned, Factor

if TYPE_CHECKING:
    from hdcore.gp.columns import Columns
    from hdcore.typing import FloatMatrix, FloatVector, IntVector


class View:
    """One output model with its caches."""

    def __init__(self, columns: Columns, is_stretched: bool) -> None:
        self._columns = columns
        self._fits = Fits(columns.clamp, is_stretched)
        self._acquisition = _native.Acquisition()
        self._factor: Factor | None = None

    def condition(
        self,
        X: FloatMatrix,
        told: IntVector,
        y: FloatVector,
        X_pending: FloatMatrix,
        rows_pending: IntVector,
        failed: tuple[FloatMatrix, float],
        draws: FloatMatrix,
    ) -> Conditioned | None:
        """The model given all that is known; None if all values are equal."""
        fit_size, size = settled(len(told), len(rows_pending))
        fitted = self._fits.at(fit_size, X[told[:fit_size]], y, told)
        if fitted is None:
            return None
        factor = self._factor
        if factor is None or not factor.is_of(fitted, told[:size]):
            args = (X[told[:size]], y[:size], told[:size])
            factor = self._factor = Factor(fitted, self._fits, self._columns.clamp, *args)
        later = told[size:]
        model = Conditioned(
            factor,
            self._fits,
            self._acquisition,
            (X[later], y[size:], later),
            (X_pending, rows_pending),
            failed,
            draws,
        )
        factor.forget(rows_pending[rows_pending < 0][::-1])
        return model


def settled(n: int, pending: int) -> tuple[int, int]:
    """Number of results in the fit and in the factor when there are n and some runs are pending.

    Above `EVERY`, results of as many runs as are pending are left out: when a run comes in late, it then rarely changes
    what the factor was made of.
    """
    if n <= EVERY:
        return n, n
    reach = max(EVERY, n - min(16, -(-pending // 8) * 8))
    return due(reach, FIT_GROWTH), due(reach, FACTOR_GROWTH)
