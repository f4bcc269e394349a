"""The run table against arrays that are made anew."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
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


@given(st.lists(st.tuples(st.integers(0, 5), st.lists(FLOATS, max_size=40)), max_size=12))
@settings(deadline=None)
def test_reports_in_bulk_are_reports_one_by_one(pieces) -> None:
    one_by_one, bulk = RunTable(1), RunTable(1)
    for _ in range(6):
        one_by_one.append(np.zeros(1))
        bulk.append(np.zeros(1))
    for run, scores in pieces:
        for score in scores:
            one_by_one.report(run, score)
        bulk.report_many(run, np.array(scores))
    with np.errstate(over="ignore"):
        for name in ("best", "mean", "intervals", "metric"):
            np.testing.assert_array_equal(getattr(bulk, name), getattr(one_by_one, name))


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
