"""Earlier sweeps: what they are worth when they are right, what they cost when they are wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdcore as hd

CUBE = {f"x{i}": hd.uniform(0, 1) for i in range(3)}
MIXED = {"x": hd.uniform(0, 1), "k": hd.choice("a", "b", "c", "d"), "n": hd.randint(12)}


def valley(c):
    x = np.array([c[f"x{i}"] for i in range(3)]) * 3 - 1
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def bowl(c):
    return sum((c[f"x{i}"] - 0.3 - 0.1 * i) ** 2 for i in range(3))


def options(c):
    return (c["x"] - 0.3) ** 2 + 0.1 * abs(c["n"] - 7) + {"a": 0.5, "b": 0.2, "c": 0.0, "d": 0.8}[c["k"]]


PROBLEMS = [(CUBE, valley), (CUBE, bowl), (MIXED, options)]


def sweep(space, f, n, *, seed=0, earlier=(), target=-math.inf):
    optimizer = hd.Optimizer(space, sampler="bayesian", goal="minimize", seed=seed)
    for source, runs in enumerate(earlier):
        for configuration, value in runs:
            optimizer.add(configuration, value, source=f"sweep{source}")
    for _ in range(n):
        run = optimizer.ask()
        optimizer.tell(run.number, f(run.configuration))
        if optimizer.best.value <= target:
            break
    return optimizer


def history(optimizer, change=float):
    return [(run.configuration, change(run.value)) for run in optimizer.runs]


@pytest.mark.parametrize(("space", "f"), PROBLEMS)
def test_a_shifted_and_scaled_copy_saves_half_of_the_runs(space, f):
    shares = []
    for seed in range(5):
        cold = sweep(space, f, 50, seed=seed)
        values = [run.value for run in cold.runs]
        goal = min(values) + 1e-4 * (float(np.median(values[:8])) - min(values))
        needed = next(i for i, value in enumerate(values, 1) if value <= goal)
        parent = history(sweep(space, f, 50, seed=100 + seed), lambda y: 7 * y + 100)
        warm = sweep(space, f, 50, seed=seed, earlier=[parent], target=goal)
        shares.append(len(warm.runs) / needed)
    assert np.median(shares) <= 0.5


@pytest.mark.parametrize(("space", "f"), PROBLEMS[1:])
def test_a_parent_that_wants_the_opposite_costs_little(space, f):
    losses = []
    for seed in range(5):
        cold = [run.value for run in sweep(space, f, 44, seed=seed).runs]
        parent = history(sweep(space, lambda c: -f(c), 30, seed=100 + seed))
        warm = sweep(space, f, 50, seed=seed, earlier=[parent]).best.value
        losses.append((warm - min(cold)) / np.ptp(cold))
    assert np.median(losses) < 1e-3


def test_a_sweep_begins_with_the_best_configurations_of_its_parents_apart_from_each_other():
    parent = history(sweep(CUBE, bowl, 25, seed=1))
    optimizer = sweep(CUBE, bowl, 0, earlier=[parent])
    first = [run.configuration for run in optimizer.ask(2)]
    assert first[0] == min(parent, key=lambda pair: pair[1])[0]
    assert all(configuration in [c for c, _ in parent] for configuration in first)
    X = np.array([[c[f"x{i}"] for i in range(3)] for c in first])
    distance = np.sqrt(((X[:, None] - X[None]) ** 2).mean(-1))
    assert distance[0, 1] >= 0.15


def test_a_parent_is_not_believed_before_four_results_could_contradict_it():
    plain = hd.Optimizer(CUBE, sampler="bayesian", goal="minimize", seed=3).ask(4)
    parent = history(sweep(CUBE, bowl, 25, seed=1))
    runs = sweep(CUBE, bowl, 5, seed=3, earlier=[parent]).runs
    assert [run.configuration for run in runs[2:4]] == [run.configuration for run in plain[2:]]
    assert runs[4].value < min(run.value for run in runs[2:4])  # a parent that is right is believed from then on


@pytest.mark.parametrize(("space", "f"), [PROBLEMS[0], PROBLEMS[2]])
def test_a_warm_sweep_that_was_reloaded_goes_on_alike(space, f):
    parents = [history(sweep(space, f, 20, seed=1)), history(sweep(space, lambda c: -f(c), 12, seed=2))]
    optimizer = sweep(space, f, 0, earlier=parents)
    for _ in range(24):
        again = hd.Optimizer.from_json(optimizer.to_json())
        run = optimizer.ask()
        assert again.ask() == run
        optimizer.tell(run.number, f(run.configuration))


def test_a_scaled_metric_with_its_history_gives_the_same_sweep():
    runs = history(sweep(CUBE, bowl, 20, seed=1))
    one = sweep(CUBE, bowl, 20, earlier=[runs])
    other = sweep(CUBE, lambda c: 1e6 * bowl(c) + 5, 20, earlier=[runs])
    assert [run.configuration for run in one.runs] == [run.configuration for run in other.runs]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 8), st.integers(1, 7))
def test_any_history_is_served(seed, n, sources):
    rng = np.random.default_rng(seed)
    optimizer = hd.Optimizer(MIXED, sampler="bayesian", seed=seed)
    points = [run.configuration for run in hd.Optimizer(MIXED, seed=seed).ask(8)]
    for source in range(sources):
        for configuration in points[:n]:
            optimizer.add(configuration, float(rng.choice([1.0, 2.0, 1e300, math.nan])), source=str(source))
    for _ in range(5):
        run = optimizer.ask()
        optimizer.tell(run.number, float(rng.choice([1.0, 2.0, math.nan])))
    if optimizer.best is not None:
        assert np.all(np.isfinite(optimizer.predict(points)[0]))
