"""Runs that a policy stopped count with the value that their curve promises."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import hdcore as hd
from hdcore.gp.curves import predict_finals
from hdcore.history import RowState, RunTable

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


@pytest.mark.parametrize("name", TASKS)
def test_with_a_policy_the_same_best_is_found_with_fewer_intervals(name):
    curves = real_curves(name)
    best, cost = {"none": [], "policy": [], "as_final": []}, {"none": 0, "policy": 0}
    for seed in range(4):
        plain, intervals = sweep(curves, seed=seed)
        stopped, fewer = sweep(curves, seed=seed, policy="median:delay=5")
        naive, _ = sweep(curves, seed=seed, policy="median:delay=5", as_final=True)
        cost["none"] += intervals
        cost["policy"] += fewer
        for key, optimizer in (("none", plain), ("policy", stopped), ("as_final", naive)):
            best[key].append(optimizer.best.value)
    unit = 0.02 * (np.median(curves[:, -1]) - curves[:, -1].min())
    assert np.median(best["policy"]) <= np.median(best["none"]) + unit
    assert np.median(best["policy"]) <= np.median(best["as_final"]) + unit
    assert cost["policy"] < 0.9 * cost["none"]


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
        assert np.all(score[known] <= table.value[:15].max())
    assert np.mean(np.square(errors)) < np.mean(np.square(naive))
    assert np.mean(covered) > 0.75


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
