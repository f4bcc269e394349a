"""The run table against arrays that are made anew."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hdcore.history import RowState, RunTable

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(st.integers(0, 30), FLOATS), max_size=300))
def test_best_and_mean_are_those_of_the_reports(reports) -> None:
    table = RunTable(2)
    curves: list[list[float]] = []
    for run, score in reports:
        while run >= len(curves):
            curves.append([])
            assert table.append(np.array([0.25, len(curves)])) == len(curves) - 1
        curves[run].append(score)
        assert table.report(run, score) == len(curves[run])
    assert table.intervals.tolist() == [len(curve) for curve in curves]
    for run, curve in enumerate(curves):
        finite = [score for score in curve if math.isfinite(score)]
        assert table.best[run] == max(finite, default=-math.inf)
        total = 0.0
        for score in finite:  # left to right, in float64
            total += score
        with np.errstate(over="ignore"):
            assert table.mean[run] == (total / len(finite) if finite else -math.inf)
        expected = [score if math.isfinite(score) else -math.inf for score in curve]
        assert table.metric[run, : len(curve)].tolist() == expected
        assert np.isnan(table.metric[run, len(curve) :]).all()
    assert table.encoded.shape == (len(curves), 2)


def test_growing_keeps_everything() -> None:
    table = RunTable(1)
    for run in range(1000):
        table.append(np.array([run / 1000]), source=run % 3)
        table.report(run, run)
        table.finish(run, RowState.COMPLETED, run)
    assert table.encoded[:, 0].tolist() == [run / 1000 for run in range(1000)]
    assert table.value.tolist() == list(range(1000))
    assert table.earlier.tolist() == [run % 3 > 0 for run in range(1000)]
    assert table.metric.flags.f_contiguous
