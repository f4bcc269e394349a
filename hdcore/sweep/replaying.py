"""A stored sweep, or one that another program made, as a record to replay policies on."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hdcore.errors import InputError
from hdcore.typing import RunStatus

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hdcore.policies import Policy, Record
    from hdcore.store import StoreReader
    from hdcore.typing import FloatMatrix, FloatVector, Goal

_STOPPED = re.compile(r" at interval (\d+)$")


def record_of(reader: StoreReader) -> Record:
    """Return a sweep as it ran: every report and every end in the order in which its policy heard of them.

    Runs of earlier sweeps that it started from stand behind its own; they had ended before the first report.

    Raises
    ------
    InputError
        If no run has reported the primary metric.
    """
    import numpy as np

    from hdcore.policies import Record

    with reader.snapshot():
        sweep, runs = reader.sweep(), reader.runs()
        curves, times = reader.curves(living=True), reader.report_times()
        earlier = [run.reports for _, run in reader.earlier_runs() if run.reports]
    shown = [run for run in runs if len(curves.get(run.number, ()))]
    own: list[Sequence[float]] = [curves[run.number] for run in shown]
    if not own:
        raise InputError("no run has reported the primary metric, so there is nothing to replay", source=sweep.name)
    matrix = matrix_of([*own, *earlier])
    cut = np.zeros(len(matrix), np.int32)
    ends = np.full(len(matrix), np.inf)
    for row, run in enumerate(shown):
        found = _STOPPED.search(run.reason or "") if run.status is RunStatus.CANCELED else None
        cut[row] = int(found[1]) if found else 0
        if run.ended is not None and run.status.is_terminal:
            ends[row] = run.ended
    heard = [np.maximum.accumulate(np.asarray(times.get(run.number, ()), np.float64)) for run in shown]
    spans = [(run.started, run.ended) for run in shown]
    return Record(
        name=sweep.name,
        curves=matrix,
        goal=sweep.spec.goal,
        workers=most_at_a_time(spans),
        interval_s=_pace([(times[0], times[-1]) for times in heard], [len(times) - 1 for times in heard]),
        events=_events(heard, ends, [len(reports) for reports in earlier]),
        cut=cut,
        policy=policy_of(reader),
        earlier=len(earlier),
    )


def record_of_runs(
    name: str,
    goal: Goal,
    curves: Sequence[Sequence[float]],
    spans: Sequence[tuple[float | None, float | None]],
    is_cut: Sequence[bool],
) -> Record:
    """Return a search of another program, whose runs take turns when it is replayed.

    Parameters
    ----------
    spans : sequence of (float or None, float or None)
        When each run started and ended.
    is_cut : sequence of bool
        Whether the run was pruned, at its last report for all we know.
    """
    import numpy as np

    from hdcore.policies import Record

    kept = [row for row, curve in enumerate(curves) if len(curve)]
    if not kept:
        raise InputError("no run has reported the metric, so there is nothing to replay", source=name)
    if max(len(curves[row]) for row in kept) < 2:
        raise InputError("has one value a run; a policy needs the reports on the way there", source=name)
    chosen = [spans[row] for row in kept]
    reports = [curves[row] for row in kept]
    return Record(
        name=name,
        curves=matrix_of(reports),
        goal=goal,
        workers=most_at_a_time(chosen),
        interval_s=_pace(chosen, [len(curve) for curve in reports]),
        cut=np.array([len(curves[row]) if is_cut[row] else 0 for row in kept], np.int32),
    )


def policy_of(reader: StoreReader) -> Policy | None:
    """Return the policy that a sweep ran with."""
    from hdcore.policies import from_json

    return from_json(reader.sweep().spec.policy)


def matrix_of(curves: Sequence[Sequence[float]]) -> FloatMatrix:
    """Return curves as a matrix, NaN behind the end of each.

    A last report that is NaN would look as if it were none; infinity says the same to a policy.
    """
    import numpy as np

    matrix = np.full((len(curves), max(map(len, curves), default=0)), np.nan)
    for row, curve in enumerate(curves):
        matrix[row, : len(curve)] = curve
        if math.isnan(curve[-1]):
            matrix[row, len(curve) - 1] = np.inf
    return matrix


def most_at_a_time(spans: Sequence[tuple[float | None, float | None]]) -> int:
    """Return how many runs ran at once, at most."""
    changes = [change for start, end in spans if start is not None and end is not None and end > start
               for change in ((start, 1), (end, -1))]  # fmt: skip
    live = most = 0
    for _, change in sorted(changes):  # an end comes before a start at the same time
        live += change
        most = max(most, live)
    return max(most, 1)


def _pace(spans: Sequence[tuple[float | None, float | None]], intervals: Sequence[int]) -> FloatVector | None:
    """Return the seconds that an interval of each run took, without its start; None where hardly any run says."""
    import numpy as np

    paces = np.array([
        (end - start) / count if count and start is not None and end is not None and end > start else np.nan
        for (start, end), count in zip(spans, intervals, strict=True)
    ])  # fmt: skip
    known = np.isfinite(paces)
    if known.sum() * 2 < len(paces):
        return None
    return np.where(known, paces, np.median(paces[known]))


def _events(heard: Sequence[FloatVector], ends: FloatVector, earlier: Sequence[int]) -> npt.NDArray[np.int32]:
    """Return runs and intervals, 0 for an end, in order of time; what came before the sweep is first."""
    import numpy as np

    rows = len(heard)
    before = [(rows + i, k) for i, length in enumerate(earlier) for k in [*range(1, length + 1), 0]]
    lengths = np.array([len(times) for times in heard])
    run = np.repeat(np.arange(rows), lengths)
    interval = np.concatenate([np.arange(1, length + 1) for length in lengths])
    at = np.concatenate(list(heard))
    last = np.array([times[-1] for times in heard])
    # A run has ended when all of its reports are in, whatever the clocks say.
    told_run, told_interval = np.append(run, np.arange(rows)), np.append(interval, np.zeros(rows, np.int64))
    order = np.lexsort((told_interval == 0, np.append(at, np.maximum(ends[:rows], last))))
    events = np.stack([told_run[order], told_interval[order]]).astype(np.int32)
    if not before:
        return np.ascontiguousarray(events)
    return np.ascontiguousarray(np.concatenate([np.array(before, np.int32).T, events], axis=1))
