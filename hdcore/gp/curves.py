"""Final scores of stopped runs, from their curves and those of completed runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hdcore.history import RunTable
    from hdcore.typing import FloatVector, IntVector


def predict_finals(table: RunTable, completed: IntVector, stopped: IntVector) -> tuple[FloatVector, FloatVector]:
    """Predict what stopped runs would have ended with.

    The prediction is the best score up to the stop plus the mean gain that completed runs had from that interval on,
    at most the best score of a completed run: a run that was stopped is no candidate for the best one.

    Parameters
    ----------
    table : RunTable
        Larger scores are better.
    completed, stopped : ndarray of int64
        Rows. Completed ones have finite values.

    Returns
    -------
    score, sd : ndarray of float64, shape (len(stopped),)
        NaN where no completed run was as long, or the curve holds no finite score.
    """
    score, sd = np.full(len(stopped), np.nan), np.full(len(stopped), np.nan)
    intervals, metric, value = table.intervals, table.metric, table.value
    completed = completed[intervals[completed] > 0]
    if len(completed) == 0:
        return score, sd
    reached = np.maximum.accumulate(np.where(np.isfinite(metric[completed]), metric[completed], -np.inf), axis=1)
    ceiling = float(value[completed].max())
    for i, row in enumerate(stopped.tolist()):
        t, at_stop = int(intervals[row]), float(table.best[row])
        if t == 0 or not np.isfinite(at_stop):
            continue
        usable = (intervals[completed] >= t) & np.isfinite(reached[:, t - 1])
        gain = value[completed[usable]] - reached[usable, t - 1]
        m = len(gain)
        if m == 0 or not np.all(np.isfinite(gain)):
            continue
        mean = float(gain.mean())
        spread = float(np.sqrt((gain - mean) @ (gain - mean) / (m - 1) * (1 + 1 / m))) if m > 1 else abs(mean)
        score[i], sd[i] = min(at_stop + mean, ceiling), spread
    return score, sd
