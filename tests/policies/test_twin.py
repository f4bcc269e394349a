"""Every decision of the compiled policies against plain loops written from the documentation's wording."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from policies.helpers import DESCRIPTIONS, built, descriptions, load_curves, tables, whole_curve_files
from reference import policies as reference

from hdcore.policies import evaluate, replay

GOALS = st.sampled_from(["maximize", "minimize"])
CURVES = load_curves()
NAMES = [pytest.param(key, id=".".join(key)) for key in CURVES]
KINDS = [pytest.param(d, id=f"{d['kind']}{i}") for i, d in enumerate(DESCRIPTIONS)]


def durations_for(runs):
    """None, one number, few different ones (many equal times), or all different."""
    return st.one_of(
        st.none(),
        st.sampled_from([1.0, 0.5, 0.1, 3.0]).map(lambda one: [one] * runs),
        st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=runs, max_size=runs),
        st.lists(st.floats(0.1, 10), min_size=runs, max_size=runs),
    )


@settings(max_examples=400, deadline=None)
@given(tables(), descriptions(), GOALS)
def test_lockstep_decides_as_the_plain_loops(curves, description, goal):
    assert evaluate(built(description), curves, goal).tolist() == reference.lockstep(description, curves.tolist(), goal)


@settings(max_examples=400, deadline=None)
@given(tables(), descriptions(), GOALS, st.data())
def test_replay_decides_as_the_plain_loops(curves, description, goal, data):
    workers = data.draw(st.integers(1, len(curves)), label="workers")
    durations = data.draw(durations_for(len(curves)), label="durations")
    [effect] = replay([built(description)], curves, goal, workers=workers, durations=durations)
    stopped, histories, makespan = reference.asynchronous(description, curves.tolist(), goal, workers, durations)
    assert effect.stopped_at.tolist() == stopped
    assert effect.makespan == makespan

    lengths = [reference.length(curve) for curve in curves.tolist()]
    ran = sum(len(values) for values in histories.values())
    assert effect.saved == ((sum(lengths) - ran) / sum(lengths) if sum(lengths) else 0.0)
    kept = reference.best([v for values in histories.values() for v in values], goal)
    whole = reference.best([v for curve in curves.tolist() for v in curve], goal)
    assert effect.best_kept == (kept == whole)
    if kept is not None:
        assert effect.gap == abs(whole - kept)


@settings(max_examples=60, deadline=None)
@given(tables(), descriptions(), GOALS, st.data())
def test_a_third_party_policy_is_served_through_its_judge(curves, description, goal, data):
    curves = curves[:8]
    third = reference.SlowPolicy(description)
    assert evaluate(third, curves, goal).tolist() == evaluate(built(description), curves, goal).tolist()
    workers = data.draw(st.integers(1, len(curves)), label="workers")
    durations = data.draw(durations_for(len(curves)), label="durations")
    theirs, ours = replay([third, built(description)], curves, goal, workers=workers, durations=durations)
    assert theirs.stopped_at.tolist() == ours.stopped_at.tolist()
    assert (theirs.saved, theirs.best_kept, theirs.gap, theirs.makespan) == (
        ours.saved,
        ours.best_kept,
        ours.gap,
        ours.makespan,
    )


@settings(max_examples=150, deadline=None)
@given(tables(), descriptions(), st.randoms(use_true_random=False))
def test_reports_in_any_order_are_judged_as_by_the_slow_judge(curves, description, random):
    """Runs report in any interleaving; some are ended by somebody else, some go on after the policy's word."""
    fast, slow = built(description).judge(), reference.SlowJudge(description)
    left = {run: reference.length(curve) for run, curve in enumerate(curves.tolist())}
    done = dict.fromkeys(left, 0)
    live = [run for run in left if left[run]]
    while live:
        run = random.choice(live)
        verdict = fast.report(run, curves[run, done[run]])
        assert verdict == slow.report(run, float(curves[run, done[run]]))
        done[run] += 1
        if done[run] == left[run] or random.random() < (0.7 if verdict else 0.03):
            live.remove(run)
            if random.random() < 0.9:  # some are never told to have ended: they stay live
                fast.end(run)
                slow.end(run)


@pytest.mark.parametrize("description", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_real_curves_are_judged_as_by_the_plain_loops(name, description):
    curves, goal, durations = CURVES[name]
    curves = curves[:, :20]
    policy = built(description)
    assert evaluate(policy, curves, goal).tolist() == reference.lockstep(description, curves.tolist(), goal)
    for workers, times in ((40, None), (4, durations)):
        [effect] = replay([policy], curves, goal, workers=workers, durations=times)
        stopped, _, makespan = reference.asynchronous(description, curves.tolist(), goal, workers, times)
        assert effect.stopped_at.tolist() == stopped
        assert effect.makespan == makespan


def test_the_whole_record_is_judged_as_by_the_plain_loops_where_it_is_at_hand():
    """More runs of each file than are shipped; without the files there is nothing left to compare."""
    for file in whole_curve_files():
        with np.load(file) as archive:
            for metric, goal in zip(archive["metrics"], archive["goals"], strict=True):
                curves = archive[str(metric)][-40:, :20]
                for description in DESCRIPTIONS[::4]:
                    ours = evaluate(built(description), curves, str(goal))
                    assert ours.tolist() == reference.lockstep(description, curves.tolist(), str(goal).lower())
