"""Which reports of a long series to show."""

from __future__ import annotations

import math
from array import array

_LONG = 8_192
"""Where importing NumPy pays."""


def extremes(values: array[float], width: int) -> set[int]:
    """Return the intervals (from 1) of the lowest and the highest report of each `width` in a row.

    Of equal ones the first; of a piece without a finite report its first. NaN and infinities are no extremes.
    """
    if len(values) >= _LONG:
        return _extremes_numpy(values, width)
    found = set()
    for at in range(0, len(values), width):
        piece = values[at : at + width]
        if not math.isfinite(sum(piece)):
            finite = [value for value in piece if math.isfinite(value)]
            if not finite:
                found.add(at + 1)
                continue
            found |= {at + 1 + piece.index(min(finite)), at + 1 + piece.index(max(finite))}
        else:
            found |= {at + 1 + piece.index(min(piece)), at + 1 + piece.index(max(piece))}
    return found


def _extremes_numpy(values: array[float], width: int) -> set[int]:
    import numpy as np

    rows = -(-len(values) // width)
    padded = np.full(rows * width, np.nan)
    padded[: len(values)] = np.frombuffer(values)
    table = padded.reshape(rows, width)
    missing = ~np.isfinite(table)
    first = np.arange(rows) * width + 1
    lowest = np.where(missing, np.inf, table).argmin(axis=1)
    highest = np.where(missing, -np.inf, table).argmax(axis=1)
    return {*(first + lowest).tolist(), *(first + highest).tolist()}
