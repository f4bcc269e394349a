"""What policies would have done to recorded runs that take turns in a number of slots."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore._native.policies import RuleJudge, Study
from hdcore.errors import InputError, PolicyError, ShapeError
from hdcore.policies._curves import judge_of, open_curves, score_matrix
from hdcore.policies._threads import in_threads
from hdcore.typing import Goal

if TYPE_CHECKING:
    import numpy.typing as npt

    from hdcore._native.policies import Curves
    from hdcore.policies.base import Judge, Policy
    from hdcore.typing import FloatMatrix, FloatVector, IntVector

FEW_POLICIES = 4
"""Below so many policies ranking the curves costs more than it saves."""

MOST_RANKED = 20_000_000
"""Size of the matrix of a record that is ranked, whether its runs reported all of it or not: 70 bytes each."""


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Effect of one policy on recorded runs.

    Attributes
    ----------
    stopped_at : ndarray of int64, shape (runs,)
        Interval at which each run was stopped, 0 for never. A run stopped at its last interval counts as stopped.
    saved : float
        Share of the recorded intervals that were not run, in [0, 1].
    best_kept : bool
        Whether the best metric of the whole record was still reported; by the best so far, not the last value.
    gap : float
        Best metric of the record minus the best that was still reported, as a loss: never negative, in units of the
        metric; infinite if nothing finite was left.
    makespan : float
        When the last run ended, the first having started at 0.
    """

    stopped_at: IntVector
    saved: float
    best_kept: bool
    gap: float
    makespan: float


def replay(
    policies: Iterable[Policy | None],
    curves: npt.ArrayLike,
    goal: Goal | str,
    *,
    workers: int | None = None,
    durations: npt.ArrayLike | None = None,
) -> list[Replay]:
    """Replay recorded runs under each of several policies, asynchronously.

    Runs start in their order as slots get free. Reports are handled one by one in order of (time, run); the policy
    sees what was reported so far, the run's own report included. Interval k of a run comes at
    ``start + k * duration``. A run that ends, by itself or by the policy's word, frees its slot at that very time and
    has ended for everybody who reports after it; the run that follows starts then.

    Parameters
    ----------
    policies : iterable of Policy or None
        Built-in policies or any objects with the protocol. None stops nobody.
    curves : array_like of float, shape (runs, intervals)
        As for `evaluate`.
    goal : Goal or str
        ``maximize`` or ``minimize``.
    workers : int, optional
        Slots; all runs start at 0 by default.
    durations : array_like of float, optional
        Time an interval of each run, shape (runs,), or one number for all; positive. 1 by default.

    Returns
    -------
    list of Replay
        One a policy, in order.

    Raises
    ------
    ShapeError, InputError, PolicyError
        Curves that are no matrix of numbers, durations that do not fit, a goal or a policy that is none.

    Notes
    -----
    Built-in policies run compiled and without the GIL. Equal durations need no queue: all events fall on multiples
    of them, so the live runs take turns. Otherwise a heap of at most `workers` entries gives the order. With several
    policies the curves are ranked once for all of them, and large numbers of policies share the CPUs.

    Examples
    --------
    >>> import hdcore as hd
    >>> curves = [[.5, .6, .7], [.4, .5, .6], [.2, .3, .4]]
    >>> [effect] = hd.policies.replay([hd.MedianStoppingPolicy()], curves, "maximize", workers=1)
    >>> effect.stopped_at, round(effect.saved, 3), effect.best_kept, effect.makespan
    (array([0, 1, 1]), 0.444, True, 5.0)
    """
    goal = Goal.parse(goal)
    if not isinstance(policies, Iterable):
        raise PolicyError(f"policies is {policies!r}; give a list of policies", field="policies")
    judges = [judge_of(policy) for policy in policies]
    array, native = open_curves(curves, goal)
    lengths = native.lengths
    slots = _check_workers(workers, len(array))
    total = int(lengths.sum(dtype=np.int64))
    unit, steps = _check_durations(durations, len(array), total)
    whole = _best_score(array, goal)
    ranked = _replay_ranked(native, judges, slots, steps, total) if array.size <= MOST_RANKED else {}

    effects = []
    for number, judge in enumerate(judges):
        if number in ranked:
            stopped, makespan, best = ranked[number]
            if steps is None:
                makespan *= unit
        elif isinstance(judge, RuleJudge):
            stopped = np.zeros(len(array), np.int64)
            makespan, best = native.replay(judge, slots, steps, stopped)
            if steps is None:
                makespan *= unit
        else:
            stopped = np.zeros(len(array), np.int64)
            every = np.full(len(array), unit) if steps is None else steps
            makespan, best = _events(judge, score_matrix(array, goal), lengths.tolist(), slots, every, stopped)
        run = int(np.where(stopped > 0, stopped, lengths).sum())
        effects.append(
            Replay(
                stopped_at=stopped,
                saved=(total - run) / total if total else 0.0,
                best_kept=bool(best == whole),
                gap=0.0 if best == whole else whole - best,
                makespan=makespan,
            )
        )
    return effects


def _replay_ranked(
    native: Curves, judges: list[Judge], workers: int, steps: FloatVector | None, total: int
) -> dict[int, tuple[IntVector, float, float]]:
    """Replay what goes by ranks on ranked curves, where there are enough policies to pay for the ranking."""
    ranked = {number: judge for number, judge in enumerate(judges) if isinstance(judge, RuleJudge) and judge.is_ranked}
    chosen = list(ranked)
    if len(chosen) < FEW_POLICIES or total == 0:
        return {}
    study = Study(native)
    rows = np.arange(len(study.lengths))

    def work(some: list[int]) -> list[tuple[int, tuple[IntVector, float, float]]]:
        stopped, spans = study.replay([ranked[i] for i in some], workers=workers, durations=steps)
        done = []
        for i, stops, span in zip(some, stopped, spans.tolist(), strict=True):
            ran = np.where(stops > 0, stops, study.lengths)
            best = study.best[rows, ran - 1].max(initial=-np.inf, where=ran > 0)
            done.append((i, (stops, span, float(best))))
        return done

    return dict(in_threads(work, chosen, len(chosen) * total))


def _events(
    judge: Judge, scores: FloatMatrix, lengths: list[int], workers: int, durations: FloatVector, stopped: IntVector
) -> tuple[float, float]:
    """The same through the protocol alone; return the makespan and the best score of what was run."""
    waiting = iter([run for run, length in enumerate(lengths) if length])  # without reports a run ends as it starts
    best, now = -math.inf, 0.0
    queue: list[tuple[float, int, int, float]] = []  # time, run, interval, start

    def start(run: int, at: float) -> None:
        heapq.heappush(queue, (at + float(durations[run]), run, 1, at))

    for run in islice(waiting, workers):
        start(run, 0.0)
    while queue:
        now, run, k, began = heapq.heappop(queue)
        score = float(scores[run, k - 1])
        if math.isfinite(score) and score > best:
            best = score
        if judge.report(run, score):
            stopped[run] = k
        if stopped[run] or k == lengths[run]:
            judge.end(run)
            following = next(waiting, None)
            if following is not None:
                start(following, now)
        else:
            heapq.heappush(queue, (began + (k + 1) * float(durations[run]), run, k + 1, began))
    return now, best


def _check_workers(workers: int | None, runs: int) -> int:
    """Return the number of slots; more than runs are never used."""
    if workers is None:
        return max(runs, 1)
    try:
        number = 0 if isinstance(workers, bool) else index(workers)
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(f"workers is {workers!r}; give a whole number from 1 up or None for all", field="workers")
    return min(number, max(runs, 1))


def _check_durations(durations: npt.ArrayLike | None, runs: int, reports: int) -> tuple[float, FloatVector | None]:
    """Return (unit, None) if all events fall on exact multiples of one duration, else (1.0, durations)."""
    if durations is None:
        return 1.0, None
    try:
        steps = np.asarray(durations, np.float64)
    except (TypeError, ValueError):
        raise InputError("durations has to hold numbers, one a run", field="durations") from None
    if steps.ndim == 0:
        steps = np.full(runs, float(steps))
    if steps.shape != (runs,):
        raise ShapeError(f"durations has shape {steps.shape} for {runs} runs; give one number a run, or one for all")
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise InputError("durations has to be positive and finite", field="durations")
    if runs == 0:
        return 1.0, None
    unit = float(steps[0])
    # start + k * unit is exact while its multiples need no more than 53 bits; else rounding decides about ties
    if (steps == unit).all() and unit.as_integer_ratio()[0] * max(reports, 1) < 2**53:
        return unit, None
    return 1.0, np.ascontiguousarray(steps)


def _best_score(array: npt.NDArray[np.floating[Any]], goal: Goal) -> float:
    """Return the best finite score of the record, -inf if there is none."""
    finite = np.isfinite(array)
    if goal is Goal.MAXIMIZE:
        return float(array.max(initial=-np.inf, where=finite))
    return -float(array.min(initial=np.inf, where=finite))
