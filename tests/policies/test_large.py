"""Lockstep at sizes where it samples: a NumPy twin that sorts everything at every interval."""

from __future__ import annotations

from bisect import insort

import numpy as np
import pytest
from policies.helpers import NAN, built, describe

from hdcore.policies import evaluate, replay

DESCRIPTIONS = [
    describe("median", delay=3),
    describe("median", population="reached"),
    describe("bandit", delay=2, slack_amount=0.05),
    describe("bandit", population="reached", slack_amount=0.05),
    describe("bandit", delay=2, slack_iqr=0.5),
    describe("truncation", percentage=20),
    describe("truncation", delay=2, percentage=3, exclude_finished=True),
    describe("truncation", delay=5, percentage=97),
]


def sorting_twin(description, scores):
    runs, intervals = scores.shape
    reported = ~np.isnan(scores)
    length = np.where(reported.any(axis=1), intervals - reported[:, ::-1].argmax(axis=1), 0)
    best, total, count = np.full(runs, -np.inf), np.zeros(runs), np.zeros(runs)
    stopped = np.zeros(runs, np.int64)
    for k in range(1, intervals + 1):
        living = (stopped == 0) & (length >= k)
        now = scores[:, k - 1]
        finite = living & np.isfinite(now)
        best[finite] = np.maximum(best[finite], now[finite])
        total[finite] += now[finite]
        count[finite] += 1
        if k < description["delay"]:
            continue
        only_living = description["population"] == "reached" or description.get("exclude_finished")
        population = living if only_living else length > 0
        mean = np.where(count > 0, np.minimum(total / np.maximum(count, 1), best), -np.inf)
        keys = np.sort((mean if description["kind"] == "median" else best)[population])
        n = len(keys)
        if n == 0:
            continue
        if description["kind"] == "median":
            edge = keys[n // 2] if n % 2 else (keys[n // 2 - 1] + keys[n // 2]) / 2
        elif "slack_iqr" in description:
            low, high = keys[n * 25 // 100], keys[n * 75 // 100]
            edge = keys[-1] - description["slack_iqr"] * (high - low) if high > low else -np.inf
        elif description["kind"] == "bandit":
            edge = keys[-1] - description["slack_amount"]
        else:
            edge = keys[n * description["percentage"] // 100]
        stopped[living & (best < edge)] = k
    return stopped


def large_table(style, runs, intervals):
    rng = np.random.default_rng(11)
    level, slope = rng.normal(size=(runs, 1)), rng.normal(size=(runs, 1))
    scores = 0.3 * level + 0.1 * slope * np.log1p(np.arange(intervals)) + 0.05 * rng.normal(size=(runs, intervals))
    if style == "ties":
        scores = scores.round(1)
    if style == "sorted":
        scores = np.sort(scores, axis=0)
    if style == "periodic":  # every sample of the same stride sees one kind of run only
        scores[::8] -= 100.0
    for run in rng.choice(runs, runs // 4, replace=False):
        scores[run, rng.integers(0, intervals) :] = NAN
    scores[rng.random(scores.shape) < 0.02] = NAN
    scores[rng.random(scores.shape) < 0.01] = np.inf
    return scores


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda d: "-".join(map(str, d.values())))
@pytest.mark.parametrize("style", ["smooth", "ties", "sorted", "periodic"])
@pytest.mark.parametrize("runs", [4099, 20_011])
def test_lockstep_at_scale_decides_as_sorting_does(description, style, runs):
    scores = large_table(style, runs, 21)
    with np.errstate(over="ignore"):
        expected = sorting_twin(description, scores)
    assert np.array_equal(evaluate(built(description), scores, "maximize"), expected)


@pytest.mark.parametrize("percentage", [1, 20, 50, 99, None])
@pytest.mark.parametrize("style", ["random", "ties", "rising", "falling", "zigzag", "hollow"])
def test_a_long_stream_is_judged_as_by_a_sorted_list(style, percentage):
    """3,000 runs that report once, in orders that drive the wanted rank about; None is the median."""
    rng, n = np.random.default_rng(2), 3000
    scores = {
        "random": rng.normal(size=n),
        "ties": rng.integers(0, 5, n) / 4,
        "rising": np.arange(n) / n,
        "falling": -np.arange(n) / n,
        "zigzag": np.sin(np.arange(n) / 200) * np.arange(n),
        "hollow": np.where(rng.random(n) < 0.6, NAN, rng.normal(size=n)),
    }[style]
    rest = {} if percentage is None else {"percentage": percentage}
    judge = built(describe("median" if percentage is None else "truncation", **rest)).judge()
    ordered: list[float] = []
    for run, score in enumerate(scores.tolist()):
        key = -np.inf if np.isnan(score) else score
        insort(ordered, key)
        rank = len(ordered) * (percentage or 50) // 100
        edge = ordered[rank]
        if percentage is None and len(ordered) % 2 == 0:
            edge = (ordered[rank - 1] + edge) / 2
        assert judge.report(run, score) == (key < edge)


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda d: "-".join(map(str, d.values())))
def test_many_workers_with_a_heap_give_what_rounds_give(description):
    scores = large_table("ties", 1500, 21)
    [rounds] = replay([built(description)], scores, "maximize", workers=700, durations=0.5)
    silent = np.vstack([scores, np.full((1, 21), NAN)])
    [queued] = replay([built(description)], silent, "maximize", workers=700, durations=[0.5] * 1500 + [1.0])
    assert np.array_equal(rounds.stopped_at, queued.stopped_at[:-1])
