"""A fitted model to be asked by people: predictions, leave-one-out and noise in the units of the values.

A prediction is a normal distribution of the mapped value. Taken back through the map it is skewed; what is returned is
its median, and its sd by the delta method (times the slope of the inverse there). Both are exact where the map is
linear, which is everywhere below the knee of outliers in the plain view; in the stretched one the moments, and even
outer quantiles, would speak of the far end of the stretch and not of the metric.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hdcore.gp.fit import due
from hdcore.gp.model import Factor
from hdcore.gp.trust import Trust

if TYPE_CHECKING:
    from hdcore.gp.columns import Columns
    from hdcore.gp.evidence import Evidence
    from hdcore.typing import FloatMatrix, FloatVector, IntVector


class Surrogate:
    """One view of the metric with all results in it.

    Attributes
    ----------
    is_stretched : bool
    factor : Factor
    """

    def __init__(self, columns: Columns, evidence: Evidence, factor: Factor, *, is_stretched: bool) -> None:
        self.is_stretched, self.factor = is_stretched, factor
        self._columns, self._evidence = columns, evidence
        self._acquisition = factor.acquisition()

    def posterior(self, X: FloatMatrix) -> tuple[FloatVector, FloatVector]:
        """Median and sd of the objective itself, without noise, at model coordinates X, shape (m, d)."""
        mean, var = np.empty(len(X)), np.empty(len(X))
        self._acquisition.posterior(np.ascontiguousarray(X), mean, var)
        return self._back(mean, np.sqrt(np.maximum(var, 0.0)))

    def leave_one_out(self) -> tuple[IntVector, FloatVector, FloatVector, FloatVector, FloatVector]:
        """What the other results say about each one of this sweep: rows, values, predictions, sd, standardised errors.

        The sd includes the noise of a result. Equal configurations count as one result, of their mean and first row;
        a factor of part of the results (`hdcore.gp.fit.LARGEST_FACTOR`) answers for these.
        """
        at, mean, sd = self.factor.left_out()
        data = self.factor.data
        rows = self._rows_of(self.factor.X[at])
        middle, spread = self._back(mean, sd)
        return rows, self.factor.fitted.output.inverse(data.y[at]), middle, spread, (data.y[at] - mean) / sd

    @property
    def noise(self) -> float:
        """Standard deviation of one result around the objective, at the median of the results."""
        middle = np.array([np.median(self.factor.data.y[self.factor.data.is_own])])
        return float(self._back(middle, np.array([np.sqrt(self.factor.sn2)]))[1][0])

    def _back(self, mean: FloatVector, sd: FloatVector) -> tuple[FloatVector, FloatVector]:
        output = self.factor.fitted.output
        y = output.inverse(mean)
        return y, output.unscaled(y, sd)

    def _rows_of(self, X: FloatMatrix) -> IntVector:
        first: dict[bytes, int] = {}
        for row in self._evidence.told.tolist():
            first.setdefault(self._evidence.X[row].tobytes(), row)
        return np.array([first[x.tobytes()] for x in X], np.int64)


def fit_surrogate(columns: Columns, evidence: Evidence) -> Surrogate | None:
    """Fit both views and return the one whose leave-one-out predictions are better; None if all values are equal."""
    n = len(evidence.told)
    found: Surrogate | None = None
    for is_stretched in (False, True):
        trust = Trust(columns, is_stretched)
        chosen = trust.at(due(n), evidence)
        if chosen is None:
            return None
        fitted, fits, used = chosen
        made = Surrogate(
            columns, used, Factor(fitted, fits, columns.clamp, used.everything()), is_stretched=is_stretched
        )
        if found is None or made.factor.score() > found.factor.score():
            found = made
    return found
