"""Which policy would have saved how much on recorded sweeps, and what it would have lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore._native.policies import Curves, RuleJudge, Study
from hdcore.errors import InputError, PolicyError, ShapeError
from hdcore.policies._curves import check_curves, judge_of
from hdcore.policies._threads import in_threads
from hdcore.policies.asynchronous import MOST_RANKED
from hdcore.typing import Goal

if TYPE_CHECKING:
    import numpy.typing as npt

    from hdcore.policies.base import Policy
    from hdcore.typing import BoolVector, FloatMatrix, FloatVector, IntVector

SURE = 0.99
"""Share of the start orders in which a setting has to keep the best run to be recommended."""

_BUDGET = 100_000_000
"""Reports that all start orders together may replay: one or two seconds."""

_FEW_ORDERS = 20


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Record:
    """A sweep that has run.

    Attributes
    ----------
    name : str
    curves : ndarray, shape (runs, intervals)
        As for `evaluate`.
    goal : Goal
    workers : int
        Runs that ran at a time.
    interval_s : ndarray, shape (runs,), or None
        Seconds that an interval of each run took; None where nobody knows, then all count the same.
    events : ndarray of int32, shape (2, m), or None
        All reports and ends in the order in which they came: runs, and intervals, 0 for the end of a run. None where
        nobody knows: then runs take turns.
    cut : ndarray of int32, shape (runs,), or None
        Interval at which a policy stopped the run in fact, 0 for never. What such a run would have reached is not
        known; as intervals that were saved, it counts as long as the longest of all.
    policy : Policy or None
        The policy that ran: what it did is not replayed as something that might have been, but as it happened. A run
        that had ended by itself before the policy's word reached it was not stopped.
    earlier : int
        So many rows at the end are runs of earlier sweeps, which were compared with but not run.
    """

    name: str
    curves: npt.NDArray[np.floating[Any]]
    goal: Goal
    workers: int = 1
    interval_s: FloatVector | None = None
    events: npt.NDArray[np.int32] | None = None
    cut: npt.NDArray[np.int32] | None = None
    policy: Policy | None = None
    earlier: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Effect:
    """What one policy would have done to all records together.

    Attributes
    ----------
    saved : float
        Share of the intervals that would not have been run.
    saved_s : float or None
        Seconds of running time that would have been saved.
    kept : int
        Records in which the best value was still reached.
    gap : float
        Largest loss of the best value among the records, in units of the metric.
    correlation : float
        Spearman's rank correlation of what runs reached with what they would have reached, mean of the records; NaN
        where there is no order to keep.
    unseen : int
        Runs that were cut short in fact and would have gone on, nobody knows how far.
    orders : int
        Start orders that were tried, in each record; 0 for none.
    saved_low, saved_high : float
        5 and 95 % quantiles of the share saved over the start orders; NaN without.
    kept_share : float
        Share of the start orders, in all records, that kept the best value; NaN without.
    mean_gap : float
        Mean over start orders of the largest gap; NaN without.
    on_front : bool
        No other setting saves more and loses less.
    stopped_at : tuple of ndarray of int64
        For each record, as in `Replay`.
    """

    policy: Policy
    saved: float
    saved_s: float | None
    kept: int
    gap: float
    correlation: float
    unseen: int
    orders: int = 0
    saved_low: float = math.nan
    saved_high: float = math.nan
    kept_share: float = math.nan
    mean_gap: float = math.nan
    on_front: bool = False
    stopped_at: tuple[IntVector, ...] = field(repr=False, default=())

    @property
    def loss(self) -> tuple[float, float]:
        """How much is lost: share of start orders, then gap. Without start orders the records alone count."""
        if math.isnan(self.kept_share):
            return (float(self.gap > 0), self.gap)
        return (1.0 - self.kept_share, max(self.mean_gap, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All settings side by side.

    Attributes
    ----------
    effects : list of Effect
        In the order of the policies.
    recommended : Effect or None
        The setting that saves most among those that kept the best in every record, and in `SURE` of the start orders
        where these were tried.
    """

    records: Sequence[Record]
    effects: list[Effect]
    recommended: Effect | None


def compare(policies: Sequence[Policy], records: Sequence[Record], *, orders: int = 100, seed: int = 0) -> Comparison:
    """Replay recorded sweeps under each of many settings.

    Parameters
    ----------
    policies : sequence of Policy
        Built-in policies, thousands if need be.
    records : sequence of Record
    orders : int
        Random start orders to try, so that a lucky one does not mislead. Where all of them would take more than a few
        seconds there are fewer, and below 20 only the settings that look best are tried, 20 times.
    seed : int
        Of the start orders.

    Raises
    ------
    PolicyError, InputError, ShapeError
        A policy that is not built in; no records, or one without reports.
    """
    if not records:
        raise InputError("there is nothing to replay; give a sweep")
    judges = []
    for policy in policies:
        judge = judge_of(policy)
        if not isinstance(judge, RuleJudge):
            raise PolicyError(f"{policy!r} is not built in; hd.policies.replay takes it", field="policy")
        judges.append(judge)
    replayers = [_Replayer(record) for record in records]
    everything = list(range(len(judges)))
    as_run = [replayer.as_recorded(policies, judges) for replayer in replayers]
    effects = [_join(policy, [outcomes[i] for outcomes in as_run], replayers) for i, policy in enumerate(policies)]

    reports = sum(replayer.reports for replayer in replayers)
    affordable = _BUDGET // max(reports * len(judges), 1)
    tried = everything
    if orders > 0 and affordable < min(orders, _FEW_ORDERS):
        affordable = min(orders, _FEW_ORDERS)
        tried = _most_promising(effects, max(_BUDGET // (affordable * max(reports, 1)), 3))
    count = min(orders, affordable)
    if count > 0 and tried:
        _try_orders(effects, tried, replayers, judges, count, seed)
    _mark_front(effects, tried if count > 0 else everything)
    return Comparison(records, effects, _recommend(effects, len(records), count > 0))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One setting on one record."""

    stopped: IntVector
    ran: float
    saved_s: float | None
    gap: float
    correlation: float
    unseen: int


class _Replayer:
    """A record, ranked, and what its runs reach when they are not stopped."""

    def __init__(self, record: Record) -> None:
        array = check_curves(record.curves)
        self.record, self.array = record, array
        self.native = Curves(array, record.goal.sign)
        if record.events is None and record.earlier:
            raise ShapeError(f"{record.name}: runs of earlier sweeps need events")
        self.n = len(array) - record.earlier
        self.lengths = self.native.lengths[: self.n].astype(np.int64)
        self.reports = int(self.native.lengths.sum(dtype=np.int64))
        if not self.reports:
            raise InputError(f"{record.name}: no run has reported the metric; there is nothing to replay")
        self.study = Study(self.native) if array.size <= MOST_RANKED else None
        self.cut = np.zeros(len(array), np.int32) if record.cut is None else record.cut
        self.is_cut = self.cut[: self.n] > 0
        # A run that was cut short would have gone on, as far as the longest one for all we know.
        self.whole = np.where(self.is_cut, self.lengths.max(), self.lengths)
        self.total = int(self.whole.sum())
        self.rows = np.arange(self.n)
        self.best = self._best_so_far()
        self.final = self.best[self.rows, np.maximum(self.lengths - 1, 0)]
        self.order_of_final = _midranks(self.final)
        # The start orders: the runs alone, each at the pace that it had.
        alone = array[: self.n]
        self.native_alone = self.native if not record.earlier else Curves(alone, record.goal.sign)
        self.study_alone = self.study if not record.earlier or self.study is None else Study(self.native_alone)
        self.steps = None if record.interval_s is None else np.ascontiguousarray(record.interval_s, np.float64)

    def _best_so_far(self) -> FloatMatrix:
        if self.study is not None:
            return self.study.best[: self.n]
        scores = self.record.goal.sign * self.array[: self.n].astype(np.float64)
        best: FloatMatrix = np.maximum.accumulate(np.where(np.isfinite(scores), scores, -np.inf), axis=1)
        return best

    def as_recorded(self, policies: Sequence[Policy], judges: list[RuleJudge]) -> dict[int, _Outcome]:
        """Replay as the reports came, or with the runs taking turns where nobody knows."""
        chosen = list(range(len(judges)))
        if self.record.events is None:
            stops = self.in_order(judges, chosen, None)
        else:
            ran = [i for i in chosen if policies[i] == self.record.policy]
            others = [i for i in chosen if policies[i] != self.record.policy]
            stops = self._follow(judges, others, self.cut)
            for i, found in self._follow(judges, ran, np.full_like(self.cut, -1)).items():
                stops[i] = np.where(self.is_cut, found, 0)

        def work(some: list[int]) -> list[tuple[int, _Outcome]]:
            return [(i, self.outcome(stops[i], with_correlation=True)) for i in some]

        return dict(in_threads(work, chosen, 0))

    def _follow(self, judges: list[RuleJudge], chosen: list[int], cut: npt.NDArray[np.int32]) -> dict[int, IntVector]:
        events = self.record.events
        assert events is not None

        def work(some: list[int]) -> list[tuple[int, IntVector]]:
            ranked = [i for i in some if self.study is not None and judges[i].is_ranked]
            found = []
            if ranked and self.study is not None:
                stopped, _ = self.study.replay([judges[i] for i in ranked], events=events, cut=cut)
                found = list(zip(ranked, stopped, strict=True))
            for i in some:
                if i not in ranked:
                    stops = np.zeros(len(self.array), np.int64)
                    self.native.follow(judges[i], events, cut, stops)
                    found.append((i, stops))
            return [(i, stops[: self.n]) for i, stops in found]

        return dict(in_threads(work, chosen, len(chosen) * self.reports))

    def in_order(
        self, judges: list[RuleJudge], chosen: list[int], order: npt.NDArray[np.int32] | None
    ) -> dict[int, IntVector]:
        """Replay with the runs taking turns, in a start order."""
        workers = min(max(self.record.workers, 1), max(self.n, 1))
        study, steps = self.study_alone, self.steps
        permuted = None if order is None else (self.array[: self.n][order], None if steps is None else steps[order])

        def work(some: list[int]) -> list[tuple[int, IntVector]]:
            ranked = [i for i in some if study is not None and judges[i].is_ranked]
            found = []
            if ranked and study is not None:
                stopped, _ = study.replay([judges[i] for i in ranked], order=order, workers=workers, durations=steps)
                found = list(zip(ranked, stopped, strict=True))
            others = [i for i in some if i not in ranked]
            native = self.native_alone
            if others and permuted is not None:
                native = Curves(permuted[0], self.record.goal.sign)
            for i in others:
                stops = np.zeros(self.n, np.int64)
                native.replay(judges[i], workers, steps if permuted is None else permuted[1], stops)
                if order is not None:
                    told, stops = stops, np.zeros(self.n, np.int64)
                    stops[order] = told
                found.append((i, stops))
            return found

        return dict(in_threads(work, chosen, len(chosen) * self.reports))

    def outcome(self, stopped: IntVector, *, with_correlation: bool = False) -> _Outcome:
        """Say what a policy's stops would have cost and saved."""
        is_stopped = stopped > 0
        ran = np.where(is_stopped, stopped, self.whole)
        seen = np.minimum(ran, self.lengths)
        reached = np.where(seen > 0, self.best[self.rows, np.maximum(seen - 1, 0)], -np.inf)
        best, whole = float(reached.max(initial=-np.inf)), float(self.final.max(initial=-np.inf))
        steps = self.record.interval_s
        return _Outcome(
            stopped=stopped,
            ran=float(ran.sum()),
            saved_s=None if steps is None else float(((self.whole - ran) * steps).sum()),
            gap=0.0 if best == whole else whole - best,
            correlation=_correlation(_midranks(reached), self.order_of_final) if with_correlation else math.nan,
            unseen=int((self.is_cut & ~is_stopped).sum()),
        )


def _join(policy: Policy, outcomes: list[_Outcome], replayers: list[_Replayer]) -> Effect:
    """Put what a setting did to each record together."""
    total = sum(replayer.total for replayer in replayers)
    seconds = [outcome.saved_s for outcome in outcomes]
    known = [second for second in seconds if second is not None]
    correlations = [outcome.correlation for outcome in outcomes if not math.isnan(outcome.correlation)]
    return Effect(
        policy=policy,
        saved=1.0 - sum(outcome.ran for outcome in outcomes) / total,
        saved_s=sum(known) if len(known) == len(seconds) else None,
        kept=sum(outcome.gap == 0 for outcome in outcomes),
        gap=max(outcome.gap for outcome in outcomes),
        correlation=sum(correlations) / len(correlations) if correlations else math.nan,
        unseen=sum(outcome.unseen for outcome in outcomes),
        stopped_at=tuple(outcome.stopped for outcome in outcomes),
    )


def _most_promising(effects: list[Effect], most: int) -> list[int]:
    """Return the settings on the front of the records themselves, then those that save most and lose nothing."""
    front = _front(effects, list(range(len(effects))))
    others = sorted(set(range(len(effects))) - front, key=lambda i: (effects[i].loss, -effects[i].saved))
    return sorted([*sorted(front, key=lambda i: effects[i].loss), *others][:most])


def _try_orders(
    effects: list[Effect],
    tried: list[int],
    replayers: list[_Replayer],
    judges: list[RuleJudge],
    count: int,
    seed: int,
) -> None:
    """Fill in what the settings do when the runs start in other orders."""
    rng = np.random.default_rng(seed)
    total = sum(replayer.total for replayer in replayers)
    saved, gaps = np.zeros((len(tried), count)), np.zeros((len(tried), count))
    kept = np.zeros((len(tried), count))
    for draw in range(count):
        for replayer in replayers:
            stops = replayer.in_order(judges, tried, rng.permutation(replayer.n).astype(np.int32))
            for at, i in enumerate(tried):
                outcome = replayer.outcome(stops[i])
                saved[at, draw] += replayer.total - outcome.ran
                kept[at, draw] += outcome.gap == 0
                gaps[at, draw] = max(gaps[at, draw], outcome.gap)
    low, high = np.quantile(saved / total, (0.05, 0.95), axis=1)
    for at, i in enumerate(tried):
        effects[i] = replace(
            effects[i],
            orders=count,
            saved_low=float(low[at]),
            saved_high=float(high[at]),
            kept_share=float(kept[at].mean() / len(replayers)),
            mean_gap=float(gaps[at].mean()),
        )


def _front(effects: list[Effect], among: list[int]) -> set[int]:
    """Return the settings such that no other one saves more and loses no more, or as much and loses less."""
    best: tuple[float, float] | None = None
    front: set[int] = set()
    for i in sorted(among, key=lambda i: (-effects[i].saved, effects[i].loss)):
        if best is None or effects[i].loss < best:
            front.add(i)
            best = effects[i].loss
    return front


def _mark_front(effects: list[Effect], among: list[int]) -> None:
    for i in _front(effects, among):
        effects[i] = replace(effects[i], on_front=True)


def _recommend(effects: list[Effect], records: int, is_tried: bool) -> Effect | None:
    safe = [
        effect
        for effect in effects
        if effect.kept == records and effect.saved > 0 and (not is_tried or effect.kept_share >= SURE)
    ]
    return max(safe, key=lambda effect: effect.saved, default=None)


def _midranks(values: FloatVector) -> FloatVector:
    """Return ranks from 0; equal values share the mean of theirs."""
    n = len(values)
    order = np.argsort(values)  # equal values share a rank, so their order does not matter
    ordered = values[order]
    is_new: BoolVector = np.ones(n, np.bool_)
    is_new[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(is_new)
    ends = np.append(starts[1:], n)
    ranks = np.empty(n)
    ranks[order] = np.repeat((starts + ends - 1) / 2.0, ends - starts)
    return ranks


def _correlation(x: FloatVector, y: FloatVector) -> float:
    """Return Pearson's correlation; NaN where one side is all equal."""
    if len(x) < 2:
        return math.nan
    a, b = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else math.nan
