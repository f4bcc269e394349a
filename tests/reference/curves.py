"""Twin of the prediction of final scores: one stopped run and one completed run at a time, moments from SciPy."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats


def predicted_final(stopped, completed, *, anything, most=64):
    """Mean and sd of the final score of a stopped run, or None.

    Parameters
    ----------
    stopped : list of float
        Its reports.
    completed : list of (list of float, float)
        Reports and final score of each completed run.
    """
    finite = [score for score in stopped if math.isfinite(score)]
    completed = [(curve, final) for curve, final in completed if curve]
    if not finite or not completed:
        return None
    t, at_stop = len(stopped), max(finite)
    gap = max(max(final for _, final in completed) - at_stop, 0.0)
    if len(completed) > most:
        completed = [completed[int(i)] for i in np.linspace(0, len(completed) - 1, most)]
    gains = []
    for curve, final in completed:
        until = [score for score in curve[:t] if math.isfinite(score)]
        if len(curve) >= t and until:
            gains.append(min(final - max(until), gap))
    if not gains:
        return None
    m = len(gains)
    q = anything + (1 - anything) / (1 + m)
    parts = [((1 - q) / m, gain, 0.0) for gain in gains]
    uniform = stats.uniform(0.0, gap)
    parts.append((q, uniform.mean(), uniform.var()) if gap else (q, 0.0, 0.0))
    mean = sum(weight * middle for weight, middle, _ in parts)
    # law of total variance
    variance = sum(weight * (own + (middle - mean) ** 2) for weight, middle, own in parts)
    return max(at_stop, at_stop + mean), math.sqrt(variance * (1 + 1 / m))
