"""Runs that a policy stopped count with the value that their curve promises."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.curves import predicted_final

import hdcore as hd
from hdcore.gp.curves import ANYTHING, MOST, predict_finals
from hdcore.gp.stopped import StoppedRuns
from hdcore.history import RowState, RunTable
from hdcore.sampling.bayesian import BayesianSampler

CURVES = Path(__file__).parents[1] / "data" / "curves.npz"
TASKS = ["bc_mlp.log_loss", "digits_mlp.log_loss", "diabetes_gb.mse", "wine_sgd.log_loss"]


def real_curves(name):
    """Best loss so far, shape (configurations, intervals), sorted so that neighbours are alike."""
    with np.load(CURVES) as archive:
        curves = archive[f"{name}.minimize"].astype(float)
    curves = np.minimum.accumulate(curves, axis=1)
    return curves[np.argsort(curves[:, -1], kind="stable")]


def sweep(curves, *, policy=None, as_final=False, seed=0, n=20):
    """A task whose only parameter leads to one of the curves, as a valley with its floor off the centre."""
    space = {"x": hd.randint(len(curves))}
    place = np.argsort(np.abs(np.arange(len(curves)) - 0.3 * len(curves)), kind="stable")
    of = np.empty(len(curves), int)
    of[place] = np.arange(len(curves))
    optimizer = hd.Optimizer(space, sampler="bayesian", goal="minimize", policy=policy, seed=seed)
    intervals = 0
    for _ in range(n):
        run = optimizer.ask()
        curve = curves[of[run.configuration["x"]]]
        is_stopped = False
        for value in curve:
            intervals += 1
            is_stopped = optimizer.report(run.number, value)
            if is_stopped:
                break
        optimizer.tell(run.number, status="canceled" if is_stopped and not as_final else "completed")
    return optimizer, intervals


POLICIES = ["bandit:slack_iqr=0.5,delay=5", "median:delay=5", "truncation:percentage=50,delay=5"]


@cache
def outcome(policy, as_final):
    """Share of the curves that are better than what each sweep found, and intervals, over all tasks and some seeds."""
    left, cost = [], 0
    for name in TASKS:
        curves = real_curves(name)
        for seed in range(4):
            optimizer, intervals = sweep(curves, policy=policy, as_final=as_final, seed=seed)
            left.append(np.mean(curves[:, -1] < optimizer.best.value * (1 - 1e-9)))
            cost += intervals
    return np.mean(left), cost


@pytest.mark.parametrize("policy", POLICIES)
def test_with_a_policy_about_the_same_best_is_found_with_fewer_intervals(policy):
    (plain, cost), (left, fewer) = outcome(None, False), outcome(policy, False)
    naive, _ = outcome(policy, True)
    assert left <= min(plain, naive) + 0.0125  # half a curve
    assert fewer < 0.75 * cost


@pytest.mark.parametrize("name", TASKS)
def test_final_values_are_predicted_better_than_by_the_last_one_and_about_as_surely_as_said(name):
    curves = real_curves(name)
    curves = curves[np.isfinite(curves[:, -1])]
    errors, naive, covered = [], [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        table, order = RunTable(1), rng.permutation(len(curves))
        for row, i in enumerate(order):
            table.append(np.zeros(1))
            for value in curves[i][: curves.shape[1] if row < 15 else int(rng.integers(3, 12))]:
                table.report(row, -value)
            table.finish(row, RowState.COMPLETED if row < 15 else RowState.CANCELED, table.best[row])
        score, sd = predict_finals(table, np.arange(15), np.arange(15, len(curves)))
        known = np.isfinite(score)
        assert np.array_equal(known, np.isfinite(table.best[15:]))
        truth = -curves[order[15:], -1]
        errors += [*(score - truth)[known]]
        naive += [*(table.best[15:] - truth)[known]]
        covered += [*(np.abs(score - truth) < 2 * sd)[known]]
        reached = table.best[15:][known]
        assert np.all(score[known] >= reached)
        assert np.all(score[known] <= np.maximum(reached, table.value[:15].max()))
    assert np.mean(np.square(errors)) < 0.9 * np.mean(np.square(naive))
    assert np.mean(covered) > 0.85


score = st.one_of(st.floats(-4, 4, width=16), st.sampled_from([math.nan, math.inf]))
curve = st.lists(score, max_size=6)


def table_of(curves, completed):
    """Runs with reports; of the completed ones the final score is the best report, or a bit less, as scripts tell."""
    table = RunTable(1)
    for row, reports in enumerate(curves):
        table.append(np.zeros(1))
        table.report_many(row, np.array(reports, float))
        best = table.best[row]
        final = best - 0.25 * (row % 3 == 1) if np.isfinite(best) else float(row)
        table.finish(row, RowState.COMPLETED if row < completed else RowState.CANCELED, final)
    return table


@given(st.lists(curve, max_size=8), st.lists(curve, max_size=5), st.integers(0, 30))
def test_predictions_are_the_moments_of_the_stated_mixture(finished, stopped, copies):
    finished = finished * (1 + copies) if len(finished) > 3 else finished
    table = table_of([*finished, *stopped], len(finished))
    told = [(reports, float(table.value[row])) for row, reports in enumerate(finished)]
    rows = np.arange(len(finished), table.n)
    mean, sd = predict_finals(table, np.arange(len(finished)), rows)
    for row, found in zip(rows, zip(mean, sd, strict=True), strict=True):
        expected = predicted_final(stopped[row - len(finished)], told, anything=ANYTHING, most=MOST)
        if expected is None:
            assert np.isnan(found).all()
        else:
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
        alone = predict_finals(table, np.arange(len(finished)), np.array([row]))
        assert np.array_equal(np.ravel(alone), found, equal_nan=True)


@settings(max_examples=20)
@given(st.lists(curve, min_size=1, max_size=8), st.lists(curve, min_size=1, max_size=4))
def test_predictions_move_with_the_units_of_the_metric(finished, stopped):
    def predicted(unit, offset):
        changed = [[unit * value + offset for value in reports] for reports in [*finished, *stopped]]
        table = RunTable(1)
        for row, reports in enumerate(changed):
            table.append(np.zeros(1))
            table.report_many(row, np.array(reports))
            final = table.best[row] if np.isfinite(table.best[row]) else offset
            table.finish(row, RowState.COMPLETED if row < len(finished) else RowState.CANCELED, final)
        return predict_finals(table, np.arange(len(finished)), np.arange(len(finished), table.n))

    mean, sd = predicted(1.0, 0.0)
    for unit, offset in ((1024.0, 0.0), (1e6, 5.0), (1e300, 0.0), (1e-300, 0.0)):
        other = predicted(unit, offset)
        np.testing.assert_allclose(other[0], unit * mean + offset, rtol=1e-9, atol=1e-9 * unit)
        np.testing.assert_allclose(other[1], unit * sd, rtol=1e-7, atol=1e-9 * unit)


def test_a_diverged_run_makes_nobody_sure_of_the_others():
    calm = [[0.0, 1.0, 2.0], [0.5, 1.0, 1.5], [1.0, 1.5, 3.0]]
    table = table_of([*calm, [-1e300, -1e300, -1e300], [0.25, 0.5]], 4)
    mean, sd = predict_finals(table, np.arange(4), np.array([4]))
    assert 0.5 < mean[0] < 3.0
    assert 0.1 < sd[0] < 2.0


def test_a_run_that_was_better_than_all_completed_ones_counts_with_what_it_reached():
    table = table_of([[1.0, 2.0], [1.0, 3.0], [7.0]], 2)
    assert predict_finals(table, np.arange(2), np.array([2]))[0] == 7.0


def test_when_a_sweep_asks_does_not_matter_while_runs_are_stopped():
    """Runs come in late and in any order, whole or stopped; a sampler that sees only the end proposes the same."""
    space = hd.SearchSpace({"x": hd.uniform(0, 1), "y": hd.uniform(0, 1)})

    def bound():
        sampler = BayesianSampler()
        sampler.bind(space, 3)
        return sampler

    rng = np.random.default_rng(1)
    for n in (12, 40, 220):
        live, table, under_way = bound(), RunTable(2), []
        points = rng.random((n, 2))
        for i in range(n):
            table.append(points[i])
            under_way.append(i)
            while len(under_way) > 6:
                row = under_way.pop(int(rng.integers(len(under_way))))
                length = int(rng.choice([3, 5, 12]))
                level = float(((points[row] - 0.4) ** 2).sum())
                table.report_many(row, -level - np.exp(-np.arange(length) / 4))
                table.finish(row, RowState.COMPLETED if length == 12 else RowState.CANCELED, table.best[row])
            if i % 3 == 0:
                live.propose(table, table.n, 1)
        np.testing.assert_array_equal(live.propose(table, n, 2), bound().propose(table, n, 2))


def test_the_scale_and_the_offset_of_the_metric_do_not_matter_while_runs_are_stopped():
    curves = real_curves("digits_mlp.log_loss")
    policy = "median:delay=5"
    one, other = sweep(curves, policy=policy)[0], sweep(1e6 * curves + 5, policy=policy)[0]
    assert any(run.status is hd.RunStatus.CANCELED for run in one.runs)
    assert [run.configuration for run in one.runs] == [run.configuration for run in other.runs]


def test_without_a_completed_run_as_long_nothing_is_predicted():
    table = RunTable(1)
    for row, length in enumerate((2, 3)):
        table.append(np.zeros(1))
        for k in range(length):
            table.report(row, float(k))
    table.finish(0, RowState.COMPLETED, 1.0)
    table.finish(1, RowState.CANCELED, 2.0)
    assert np.isnan(predict_finals(table, np.array([0]), np.array([1]))[0]).all()


def test_a_sweep_with_stopped_runs_that_was_reloaded_goes_on_alike():
    curves = real_curves("digits_mlp.log_loss")
    optimizer, _ = sweep(curves, policy="median:delay=3", n=0)
    for i in range(30):
        again = hd.Optimizer.from_json(optimizer.to_json())
        run = optimizer.ask()
        assert again.ask() == run
        for value in curves[run.configuration["x"]]:
            if optimizer.report(run.number, math.nan if i == 7 else value):
                optimizer.tell(run.number, status="canceled")
                break
        else:
            optimizer.tell(run.number)
    states = {run.status.value for run in optimizer.runs}
    assert len(states) == 2


def test_a_result_takes_the_place_of_a_guess_and_a_place_is_guessed_once():
    optimizer = hd.Optimizer({"x": hd.randint(50)}, sampler="bayesian", goal="minimize", seed=1)
    runs = [(k, "completed", 9) for k in range(10)] + [(3, "canceled", 4), (20, "canceled", 4), (20, "canceled", 5)]
    for number, (x, status, length) in enumerate(runs):
        optimizer.restore(number, {"x": x}, status, reports=[(x - 6.5) ** 2 + 1 / (k + 1) for k in range(length)])
    optimizer.restore(len(runs), {"x": 21}, "canceled", reports=[math.nan] * 4)
    run = optimizer.ask()
    assert run.proposal.how == "model"
    assert (run.proposal.told, run.proposal.predicted) == (10, 1)


@given(st.lists(st.tuples(curve, st.sampled_from([1, 3]), st.integers(0, 5)), min_size=1, max_size=12))
def test_what_is_remembered_of_stopped_runs_is_what_would_be_found_anew(runs):
    """Rows come one by one and end late: a table of runs under way, of which the last but `late` have ended."""
    table, memory = RunTable(1), StoppedRuns()
    state, ends = [], []
    for row, (reports, end, late) in enumerate(runs):
        table.append(np.zeros(1))
        table.report_many(row, np.array(reports, float))
        state.append(RowState.PENDING)
        ends.append((row + late, row, RowState(end)))
        for _, ended, its_end in [x for x in ends if x[0] == row]:
            state[ended] = its_end
            table.finish(ended, its_end, table.best[ended] if np.isfinite(table.best[ended]) else 0.0)
        told = np.flatnonzero(np.array(state) == RowState.COMPLETED)
        stopped = np.flatnonzero(np.array(state) == RowState.CANCELED)
        for completed in (told, told[: len(told) // 2]):
            found = memory.finals(table, completed, stopped)
            np.testing.assert_array_equal(found, predict_finals(table, completed, stopped))
