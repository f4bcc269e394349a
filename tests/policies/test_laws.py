"""Laws that hold for every table: what may change without changing a decision."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings
from policies.helpers import built, describe, descriptions, tables

from hdcore.policies import evaluate, replay

GOALS = st.sampled_from(["maximize", "minimize"])
OPPOSITE = {"maximize": "minimize", "minimize": "maximize"}
LAW = settings(max_examples=120, deadline=None)


def dyadic(curves):
    """The same, on a grid of 1/64: sums and shifts are exact."""
    return np.round(curves * 64) / 64


def scaled(description, factor):
    """A slack amount is in units of the metric."""
    if "slack_amount" in description:
        return {**description, "slack_amount": description["slack_amount"] * factor}
    return description


def decisions(description, curves, goal, workers=3):
    [effect] = replay([built(description)], curves, goal, workers=min(workers, len(curves)))
    return evaluate(built(description), curves, goal).tolist(), effect.stopped_at.tolist()


@LAW
@given(tables(), descriptions(), GOALS)
def test_the_negative_metric_with_the_opposite_goal_changes_nothing(curves, description, goal):
    assert decisions(description, curves, goal) == decisions(description, -curves, OPPOSITE[goal])


@LAW
@given(tables(), descriptions(), GOALS, st.sampled_from([2.0, 0.25, 1024.0]))
def test_another_scale_changes_nothing(curves, description, goal, factor):
    assert decisions(description, curves, goal) == decisions(scaled(description, factor), curves * factor, goal)


@LAW
@given(tables(), descriptions(), GOALS, st.sampled_from([1.0, -3.0]))
def test_another_origin_changes_nothing_but_for_a_slack_factor(curves, description, goal, shift):
    assume("slack_factor" not in description)
    if description["kind"] == "bandit":
        description = {**description, "slack_amount": 0.125}
        description.pop("slack_iqr", None)  # its product with a range is not exact
    curves = dyadic(curves)
    if description["kind"] == "median":  # means of 2**j exact sums are exact too
        curves = curves[:, :2]
        curves[~np.isfinite(curves)] = 0.0
    assert decisions(description, curves, goal) == decisions(description, curves + shift, goal)


@LAW
@given(tables(), descriptions(), GOALS, st.data())
def test_the_order_of_the_runs_permutes_what_lockstep_decides(curves, description, goal, data):
    order = np.array(data.draw(st.permutations(range(len(curves)))))
    there = evaluate(built(description), curves, goal)
    assert evaluate(built(description), curves[order], goal).tolist() == there[order].tolist()


@LAW
@given(tables(), descriptions(), GOALS)
def test_a_fresh_last_run_changes_no_earlier_decision(curves, description, goal):
    """Run after run, so that what comes last comes later."""
    short = replay([built(description)], curves[:-1], goal, workers=1)[0].stopped_at
    assert replay([built(description)], curves, goal, workers=1)[0].stopped_at[:-1].tolist() == short.tolist()


@LAW
@given(tables(), descriptions(), GOALS, st.data())
def test_with_equal_durations_the_number_of_workers_changes_only_times(curves, description, goal, data):
    """Where only runs that reached the interval count; in the whole population a run stopped elsewhere counts too."""
    if description["kind"] == "truncation":
        description = {**description, "exclude_finished": False}
    description = {**description, "population": "reached"}
    workers = data.draw(st.integers(1, len(curves)))
    one, many = (replay([built(description)], curves, goal, workers=w)[0] for w in (1, workers))
    assert one.stopped_at.tolist() == many.stopped_at.tolist()
    assert one.makespan >= many.makespan


@LAW
@given(tables(), descriptions(), GOALS, st.data(), st.sampled_from([0.25, 1.0, 3.0]))
def test_equal_durations_need_no_queue(curves, description, goal, data, unit):
    """The heap, which a last run of another duration and without reports brings about, gives the same."""
    workers = data.draw(st.integers(1, len(curves)))
    rounds = replay([built(description)], curves, goal, workers=workers, durations=unit)[0]
    silent = np.vstack([curves, np.full((1, curves.shape[1]), np.nan)])
    queued = replay([built(description)], silent, goal, workers=workers, durations=[unit] * len(curves) + [unit + 1.0])[
        0
    ]
    assert rounds.stopped_at.tolist() == queued.stopped_at[:-1].tolist()
    assert rounds.makespan == queued.makespan


@LAW
@given(tables(), descriptions(), GOALS, st.data())
def test_streaming_and_replay_agree_report_for_report(curves, description, goal, data):
    """All runs at once, reports by interval: one by one, in batches of any size, and in the replay."""
    sign = 1.0 if goal == "maximize" else -1.0
    lengths = [int(np.flatnonzero(~np.isnan(curve))[-1]) + 1 if (~np.isnan(curve)).any() else 0 for curve in curves]
    judge, stopped = built(description).judge(), np.zeros(len(curves), int)
    log_runs, log_scores, log_verdicts, ends = [], [], [], []
    for k in range(1, curves.shape[1] + 1):
        for run in range(len(curves)):
            if stopped[run] or lengths[run] < k:
                continue
            verdict = judge.report(run, sign * curves[run, k - 1])
            log_runs.append(run)
            log_scores.append(sign * curves[run, k - 1])
            log_verdicts.append(verdict)
            if verdict:
                stopped[run] = k
            if verdict or lengths[run] == k:
                judge.end(run)
                ends.append((len(log_runs), run))
    assert replay([built(description)], curves, goal)[0].stopped_at.tolist() == stopped.tolist()

    batch, at, verdicts = built(description).judge(), 0, []
    for upto, run in [*ends, (len(log_runs), -1)]:
        while at < upto:
            size = data.draw(st.integers(1, upto - at))
            verdicts += batch.report_many(
                np.array(log_runs[at : at + size]), np.array(log_scores[at : at + size])
            ).tolist()
            at += size
        batch.end(run)
    assert verdicts == log_verdicts


@LAW
@given(tables(whole=True), descriptions(), GOALS, st.data())
def test_lockstep_decides_of_a_run_as_a_judge_that_hears_it_last(curves, description, goal, data):
    """At the first interval at which the policy is applied, before anybody was stopped."""
    sign = 1.0 if goal == "maximize" else -1.0
    every = description["interval"]
    first = -(-max(description["delay"], 1) // every) * every
    curves[:, -1] = 0.5
    assume(first <= curves.shape[1])
    last = data.draw(st.integers(0, len(curves) - 1))
    judge = built(description).judge()
    for run in [*(r for r in range(len(curves)) if r != last), last]:
        verdicts = judge.report_many(np.full(first, run), sign * curves[run, :first])
    assert (evaluate(built(description), curves, goal)[last] == first) == verdicts[-1]


@LAW
@given(tables(), descriptions(["bandit"], ["slack_factor", "slack_amount"]), GOALS)  # quartiles would count the rows
def test_rows_without_a_finite_report_stop_nobody_under_the_bandit(curves, description, goal):
    hollow = np.full((4, curves.shape[1]), np.inf)
    there = evaluate(built(description), curves, goal)
    assert evaluate(built(description), np.vstack([curves, hollow]), goal)[:-4].tolist() == there.tolist()


@LAW
@given(tables(), GOALS, st.integers(1, 12))
def test_a_report_that_is_not_finite_never_helps_or_hurts_another_median_below(curves, goal, extra):
    """Hollow rows only lower the median and the rank: nobody is stopped who would have stayed, at the first look."""
    for description in (describe("median"), describe("truncation", percentage=50)):
        hollow = np.full((extra, curves.shape[1]), np.inf)
        there = evaluate(built(description), curves[:, :1], goal)
        with_them = evaluate(built(description), np.vstack([curves, hollow])[:, :1], goal)[:-extra]
        assert (with_them <= there).all()


@pytest.mark.parametrize("kind", ["median", "bandit", "truncation"])
@settings(max_examples=60, deadline=None)
@given(curves=tables(), goal=GOALS)
def test_the_run_with_the_best_value_so_far_is_never_the_one_stopped(kind, curves, goal):
    rest = {"bandit": {"slack_factor": 0.0}, "truncation": {"percentage": 99}}.get(kind, {})
    stopped = evaluate(built(describe(kind, **rest)), curves, goal)
    score = np.where(np.isfinite(curves), curves if goal == "maximize" else -curves, -np.inf)
    best = np.maximum.accumulate(score, axis=1)
    for run in np.flatnonzero(stopped):
        k = stopped[run] - 1
        assert best[run, k] < best[:, k].max()
