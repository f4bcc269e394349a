"""Many settings on one record: the ranked replay, events in their recorded order, against the plain loops."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from policies.helpers import DESCRIPTIONS, built, descriptions, load_curves, tables
from reference import policies as reference

from hdcore._native.policies import Curves, Study
from hdcore.errors import PolicyError, ShapeError
from hdcore.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    TruncationSelectionPolicy,
    asynchronous,
    comparison,
    parse,
    replay,
    to_text,
)
from hdcore.typing import Goal

GOALS = st.sampled_from(["maximize", "minimize"])
RANKED = [d for d in DESCRIPTIONS if not d.get("exclude_finished") and "slack_iqr" not in d]


def sign_of(goal):
    return 1.0 if goal == "maximize" else -1.0


@settings(max_examples=100, deadline=None)
@given(tables(), st.lists(descriptions(), min_size=4, max_size=6), GOALS, st.data())
def test_many_settings_decide_as_the_plain_loops(curves, several, goal, data):
    workers = data.draw(st.integers(1, len(curves)))
    durations = data.draw(st.sampled_from([None, np.random.default_rng(workers).choice([0.5, 1.0, 2.0], len(curves))]))
    effects = replay([built(d) for d in several], curves, goal, workers=workers, durations=durations)
    for description, effect in zip(several, effects, strict=True):
        stopped, _, makespan = reference.asynchronous(description, curves.tolist(), goal, workers, durations)
        assert effect.stopped_at.tolist() == stopped
        assert effect.makespan == makespan
        [alone] = replay([built(description)], curves, goal, workers=workers, durations=durations)
        assert (effect.saved, effect.best_kept, effect.gap) == (alone.saved, alone.best_kept, alone.gap)


def large_record(style, runs=1500, intervals=12):
    """Enough runs that populations outgrow the short list, and windows move."""
    rng = np.random.default_rng(5)
    level, slope = rng.normal(size=(runs, 1)), rng.normal(size=(runs, 1))
    if style == "rising":
        level = np.sort(level, axis=0)
    if style == "falling":
        level = -np.sort(level, axis=0)
    curves = level + slope * np.log1p(np.arange(intervals)) + 0.2 * rng.normal(size=(runs, intervals))
    if style == "ties":
        curves = np.round(curves * 2) / 2
    curves[rng.random(curves.shape) < 0.02] = np.nan
    for run in np.flatnonzero(rng.random(runs) < 0.3):
        curves[run, rng.integers(1, intervals + 1) :] = np.nan
    return curves


@pytest.mark.parametrize("style", ["random", "rising", "falling", "ties"])
@pytest.mark.parametrize("workers", [1, 7, 300, 1500])
def test_the_ranked_replay_and_the_judges_agree_on_large_records(style, workers):
    curves = large_record(style)
    durations = np.random.default_rng(2).uniform(0.5, 2.0, len(curves))
    native = Curves(curves, 1.0)
    study, order = Study(native), np.random.default_rng(3).permutation(len(curves)).astype(np.int32)
    judges = [built(d).judge() for d in RANKED]
    for steps in (None, durations):
        stopped, spans = study.replay(judges, workers=workers, durations=steps)
        shuffled, _ = study.replay(judges, workers=workers, durations=steps, order=order)
        permuted = Curves(curves[order], 1.0)
        for judge, found, span, other in zip(judges, stopped, spans, shuffled, strict=True):
            expected = np.zeros(len(curves), np.int64)
            assert native.replay(judge, workers, steps, expected)[0] == span
            assert found.tolist() == expected.tolist()
            permuted.replay(judge, workers, None if steps is None else steps[order], expected)
            assert other[order].tolist() == expected.tolist()


@pytest.mark.parametrize("name", load_curves(), ids=".".join)
def test_real_curves_are_replayed_alike_by_ranks_and_by_judges(name):
    curves, goal, durations = load_curves()[name]
    policies = [built(d) for d in RANKED]
    for workers, times in ((4, None), (4, durations), (None, durations)):
        together = replay(policies, curves, goal, workers=workers, durations=times)
        for policy, effect in zip(policies, together, strict=True):
            [alone] = replay([policy], curves, goal, workers=workers, durations=times)
            assert effect.stopped_at.tolist() == alone.stopped_at.tolist()
            assert effect.makespan == alone.makespan


def slow_events(description, curves, goal, events, cut):
    """The events as a judge hears of them who remembers everything."""
    judge, stopped, gone = reference.SlowJudge(description), [0] * len(curves), set()
    for run, k in events:
        if run in gone:
            continue
        if k:
            if not judge.report(run, sign_of(goal) * curves[run][k - 1]) or stopped[run]:
                continue
            stopped[run] = k
            if cut[run] in (k, -1):
                continue
        gone.add(run)
        judge.end(run)
    return stopped


def any_events(curves, random):
    """Reports and ends in any order that keeps each run's own."""
    left = {run: [*range(1, reference.length(curve) + 1), 0] for run, curve in enumerate(curves) if any(curve)}
    events = []
    while left:
        run = random.choice(list(left))
        events.append((run, left[run].pop(0)))
        if not left[run]:
            del left[run]
    return events


@settings(max_examples=150, deadline=None)
@given(tables(), descriptions(), GOALS, st.randoms(use_true_random=False))
def test_events_in_recorded_order_are_judged_as_by_the_slow_judge(curves, description, goal, random):
    rows = curves.tolist()
    events = any_events(rows, random)
    cut = np.array([random.choice([-1, 0, 1, 2, 3]) for _ in rows], np.int32)
    expected = slow_events(description, rows, goal, events, cut)
    judge, told = built(description).judge(), np.ascontiguousarray(np.array(events, np.int32).reshape(-1, 2).T)
    native, found = Curves(curves, sign_of(goal)), np.zeros(len(curves), np.int64)
    native.follow(judge, told, cut, found)
    assert found.tolist() == expected
    if judge.is_ranked:
        assert Study(native).replay([judge], events=told, cut=cut)[0][0].tolist() == expected


def test_events_that_make_no_sense_are_refused():
    native = Curves(np.zeros((2, 3)), 1.0)
    cut, judge = np.zeros(2, np.int32), MedianStoppingPolicy().judge()
    for events in ([[0], [2]], [[2], [1]], [[-1], [1]], [[0, 0], [0, 1]], [[0, 0], [1, 1]], [[0] * 4, [1, 2, 3, 4]]):
        with pytest.raises(ShapeError, match="in order"):
            Study(native).replay([judge], events=np.array(events, np.int32), cut=cut)


def test_what_does_not_go_by_ranks_is_refused_by_the_ranked_replay():
    for policy in (TruncationSelectionPolicy(20, 1, 0, True), BanditPolicy(slack_iqr=1.0)):
        with pytest.raises(PolicyError, match="ranks only"):
            Study(Curves(np.zeros((2, 3)), 1.0)).replay([policy.judge()])


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (3, 0), (1, 1)])
def test_the_smallest_records_are_replayed(shape):
    curves = np.zeros(shape)
    for effect in replay([MedianStoppingPolicy()] * 5, curves, "maximize"):
        assert effect.stopped_at.tolist() == [0] * shape[0]


@given(descriptions())
def test_a_policy_is_read_back_from_its_word(description):
    policy = built(description)
    assert parse(to_text(policy)) == policy


def test_a_few_long_runs_among_short_ones_are_not_ranked(monkeypatch):
    """What ranking takes grows with the matrix, not with the reports in it."""
    curves = np.full((30, 40), np.nan)
    curves[:, :3] = np.random.default_rng(2).normal(size=(30, 3))
    curves[0] = 0.0
    policies = [MedianStoppingPolicy(delay_evaluation=delay) for delay in range(5)]
    expected = [effect.stopped_at.tolist() for effect in replay(policies, curves, "maximize", workers=4)]
    compared = [effect.stopped_at[0].tolist() for effect in compare_alone(policies, curves)]

    def refuse(curves):
        raise AssertionError("ranked")

    for module in (asynchronous, comparison):
        monkeypatch.setattr(module, "MOST_RANKED", 1000)
        monkeypatch.setattr(module, "Study", refuse)
    assert [effect.stopped_at.tolist() for effect in replay(policies, curves, "maximize", workers=4)] == expected
    assert [effect.stopped_at[0].tolist() for effect in compare_alone(policies, curves)] == compared == expected


def compare_alone(policies, curves):
    record = comparison.Record(name="r", curves=curves, goal=Goal.MAXIMIZE, workers=4)
    return comparison.compare(policies, [record], orders=0).effects
