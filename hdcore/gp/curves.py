"""Final scores of stopped runs, from their curves and those of completed runs.

What a stopped run would still have gained is one of two things::

    with probability 1 - q    what one of the completed runs gained from that interval on
    with probability q        anything, as likely as anything else

but no more than it lacks to the best completed run: what was stopped is no candidate for the best one. The second is
there since completed runs are a choice: the policy let them go on, and stopped those that begin slowly. Without it
predictions are too low, and much too sure of themselves.

The final score of a run is its best one, so what it had reached when it was stopped is the least that it can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hdcore.history import RunTable
    from hdcore.typing import FloatVector, IntVector

ANYTHING = 0.2
"""What q falls to with the number of completed runs."""

MOST = 64
"""Completed runs, evenly spread over the sweep, whose gains are looked at."""


def predict_finals(table: RunTable, completed: IntVector, stopped: IntVector) -> tuple[FloatVector, FloatVector]:
    """Predict what stopped runs would have ended with.

    Parameters
    ----------
    table : RunTable
        Larger scores are better.
    completed, stopped : ndarray of int64
        Rows. Completed ones have finite values.

    Returns
    -------
    score, sd : ndarray of float64, shape (len(stopped),)
        Moments of the mixture above. NaN where no completed run was as long, or the curve holds no finite score.
    """
    score, sd = np.full(len(stopped), np.nan), np.full(len(stopped), np.nan)
    completed = completed[table.intervals[completed] > 0]
    has_curve = np.flatnonzero((table.intervals[stopped] > 0) & np.isfinite(table.best[stopped]))
    if len(completed) == 0 or len(has_curve) == 0:
        return score, sd
    value = table.value[completed]
    ceiling = value.max()
    if len(completed) > MOST:
        completed = completed[np.linspace(0, len(completed) - 1, MOST).astype(np.int64)]
        value = table.value[completed]
    at_stop, at = table.best[stopped[has_curve]], table.intervals[stopped[has_curve]] - 1
    # Powers of two are exact; no difference overflows, and no square vanishes beside a diverged run.
    exponent = int(np.frexp(max(np.abs(value).max(), abs(ceiling), np.abs(at_stop).max()))[1])
    start, top, value = np.ldexp(at_stop, -exponent), np.ldexp(ceiling, -exponent), np.ldexp(value, -exponent)
    reached = np.ldexp(np.maximum.accumulate(table.metric.T[: at.max() + 1, completed], axis=0), -exponent)
    # One row a stopped run: its bits then do not depend on the other ones that are asked for.
    before = reached[at]
    is_seen = np.isfinite(before) & (table.intervals[completed] > at[:, None])
    gap = np.maximum(top - start, 0.0)
    gain = np.minimum(value - np.where(is_seen, before, value), gap[:, None])
    finer = np.maximum(np.frexp(np.maximum(gap, np.abs(gain).max(axis=1)))[1], -1000)
    gain, gap = gain * np.ldexp(1.0, -finer)[:, None], np.ldexp(gap, -finer)
    seen = is_seen.sum(axis=1)
    m = np.maximum(seen, 1)
    q = ANYTHING + (1.0 - ANYTHING) / (1.0 + m)
    mean = (1.0 - q) * gain.sum(axis=1) / m + q * gap / 2.0
    apart = np.where(is_seen, gain - mean[:, None], 0.0)
    variance = (1.0 - q) * (apart * apart).sum(axis=1) / m + q * (gap * gap / 12.0 + (gap / 2.0 - mean) ** 2)
    spread = np.sqrt(variance * (1.0 + 1.0 / m))
    final = np.clip(start + np.ldexp(mean, finer), start, np.maximum(start, top))
    is_told = seen > 0
    score[has_curve[is_told]] = np.ldexp(final, exponent)[is_told]
    sd[has_curve[is_told]] = np.ldexp(spread, finer + exponent)[is_told]
    return score, sd
