"""The model of a sweep for people: what it predicts, how well, and which parameters matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.engine.dependence import BACKGROUND, PartialDependence, partial_dependence
from hdcore.errors import StateError
from hdcore.history import RowState
from hdcore.sampling.learning import Learning

if TYPE_CHECKING:
    from hdcore.gp.columns import Columns
    from hdcore.gp.surrogate import Surrogate
    from hdcore.history import RunTable
    from hdcore.space import SearchSpace
    from hdcore.typing import FloatMatrix, FloatVector, IntVector


@dataclass(frozen=True, slots=True, eq=False)
class LeaveOneOut:
    """Predictions of results by a model that does not know them (with the same hyperparameters).

    Attributes
    ----------
    run : ndarray of int64, shape (n,)
        Run number; -1 for history. Runs of equal configurations count once, with their mean.
    value, mean, sd : ndarray of float64, shape (n,)
        Result, prediction, and its standard deviation with the noise of a run, in the metric's units.
    error : ndarray of float64, shape (n,)
        Standardised error where the model sees the metric: near standard normal if the model is right.
    """

    run: IntVector
    value: FloatVector
    mean: FloatVector
    sd: FloatVector
    error: FloatVector


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A Gaussian process of the finished runs of one moment.

    Attributes
    ----------
    length_scales : mapping of str to float
        By column: the distance, as a share of the parameter's range (in its prior's distribution function), over which
        the metric changes; large for parameters without effect. For a choice, the smaller the more its options differ.
    noise : float
        Standard deviation between repeated runs, in the metric's units.
    """

    length_scales: Mapping[str, float]
    noise: float
    _space: SearchSpace
    _columns: Columns | None
    _surrogate: Surrogate | None
    _constant: tuple[float, float]
    _sign: float
    _numbers: Mapping[int, int]

    @classmethod
    def of(cls, space: SearchSpace, table: RunTable, rows: Sequence[int], sign: float) -> Model:
        """Fit the model of a table; `rows` are the rows of the runs by number."""
        told = (table.state == RowState.COMPLETED) & (table.source <= 1) & np.isfinite(table.value)
        if not told.any():
            raise StateError("no finished run has a finite value to learn from; tell some results first")
        numbers = MappingProxyType({row: number for number, row in enumerate(rows)})
        names = [column.name for column in space.columns]
        columns, surrogate = None, None
        if names:
            learning = Learning(space)
            surrogate, columns = learning.surrogate(table), learning.columns
        scales, noise = dict.fromkeys(names, np.inf), 0.0
        if surrogate is not None:
            scales = dict(zip(names, np.exp(surrogate.factor.theta).tolist(), strict=False))
            noise = surrogate.noise
        constant = sign * float(table.value[told].mean()), 0.0 if np.count_nonzero(told) > 1 else np.nan
        return cls(MappingProxyType(scales), noise, space, columns, surrogate, constant, sign, numbers)

    def predict(self, configurations: Sequence[Mapping[str, Any]]) -> tuple[FloatVector, FloatVector]:
        """Return mean and sd of the metric at configurations.

        The mean is the median of the prediction and the sd comes by the delta method: where the model sees the metric
        stretched (`hdcore.gp.transform`), the moments would say more about its far end than about the metric. After
        one result, or results that are all equal, the mean is that value, and the sd is NaN or 0.
        """
        given = list(configurations)
        for configuration in given:
            self._space.validate(configuration)
        if self._surrogate is None or self._columns is None:
            return np.full(len(given), self._constant[0]), np.full(len(given), self._constant[1])
        if not given:
            return np.empty(0), np.empty(0)
        return self._predict(self._space.encode(given))

    def partial_dependence(
        self,
        names: Sequence[str],
        *,
        background: int = BACKGROUND,
        points: int | None = None,
        within: tuple[float, float] = (-np.inf, np.inf),
    ) -> PartialDependence:
        """Average predictions along one or two parameters over the others (`hdcore.engine.dependence`)."""
        return partial_dependence(
            self._space, self._predict, names, background=background, points=points, within=within
        )

    def _predict(self, encoded: FloatMatrix) -> tuple[FloatVector, FloatVector]:
        if self._surrogate is None or self._columns is None:
            return np.full(len(encoded), self._constant[0]), np.full(len(encoded), self._constant[1])
        mean, sd = self._surrogate.posterior(self._columns.to_model(encoded))
        return -self._sign * mean, sd

    def leave_one_out(self) -> LeaveOneOut:
        """Compare every result with its prediction from all others."""
        if self._surrogate is None:
            nothing = np.empty(0)
            return LeaveOneOut(np.empty(0, np.int64), nothing, nothing, nothing, nothing)
        rows, value, mean, sd, error = self._surrogate.leave_one_out()
        run = np.array([self._numbers.get(row, -1) for row in rows.tolist()], np.int64)
        flip = -self._sign
        return LeaveOneOut(run, flip * value, flip * mean, sd, flip * error)
