"""The worked numbers of the documentation."""

from __future__ import annotations

import numpy as np
import pytest

from hdcore.policies import BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy, evaluate, replay


@pytest.mark.parametrize(
    ("goal", "best", "slack", "stops", "stays"),
    [
        ("maximize", 0.8, {"slack_factor": 0.2}, 0.66, 0.67),
        ("maximize", 0.8, {"slack_amount": 0.2}, 0.59, 0.61),
        ("maximize", 1.0, {"slack_factor": 0.1}, 0.90, 0.91),
        ("minimize", 0.5, {"slack_factor": 0.2}, 0.61, 0.59),
        ("minimize", 0.5, {"slack_amount": 0.2}, 0.71, 0.69),
        ("maximize", -1.0, {"slack_factor": 0.2}, -1.21, -1.19),
        ("minimize", 0.8, {"slack_factor": 0.2}, 0.97, 0.95),
        ("minimize", 0.8, {"slack_amount": 0.2}, 1.01, 0.99),
        ("maximize", -0.5, {"slack_factor": 0.2}, -0.61, -0.59),
        ("minimize", -0.8, {"slack_factor": 0.2}, -0.66, -0.67),
        ("maximize", 0.0, {"slack_factor": 0.2}, -0.01, 0.0),
        ("minimize", 0.0, {"slack_factor": 0.2}, 0.01, 0.0),
    ],
)
def test_bandit_allows_what_the_table_says(goal, best, slack, stops, stays):
    curves = [[best], [stops], [stays]]
    assert evaluate(BanditPolicy(**slack), curves, goal).tolist() == [0, 1, 0]
    assert replay([BanditPolicy(**slack)], curves, goal)[0].stopped_at.tolist() == [0, 1, 0]


def test_bandit_keeps_a_run_that_is_exactly_as_good_as_allowed():
    assert evaluate(BanditPolicy(slack_amount=0.25), [[1.0], [0.75], [0.7499]], "maximize").tolist() == [0, 0, 1]
    assert evaluate(BanditPolicy(slack_factor=1.0), [[1.0], [0.5], [0.4999]], "maximize").tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("interval", "delay", "applied"),
    [
        (1, 0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (2, 0, [2, 4, 6, 8, 10, 12]),
        (1, 5, [5, 6, 7, 8, 9, 10, 11, 12]),
        (2, 5, [6, 8, 10, 12]),
        (3, 6, [6, 9, 12]),
        (0, -3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (100, 200, []),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda interval, delay: BanditPolicy(interval, 0.1, None, delay),
        MedianStoppingPolicy,
        lambda interval, delay: TruncationSelectionPolicy(50, interval, delay),
        lambda interval, delay: TruncationSelectionPolicy(50, interval, delay, True),
    ],
)
def test_a_policy_is_applied_at_multiples_of_its_interval_from_the_delay_on(make, interval, delay, applied):
    judge = make(interval, delay).judge()
    found = []
    for k in range(1, 13):
        judge.report(0, 1.0)
        if judge.report(1, 0.1):  # goes on all the same, to see the next interval
            found.append(k)
    assert found == applied


def test_long_intervals_and_delays_are_applied_at_the_first_multiple():
    judge = MedianStoppingPolicy(100, 200).judge()
    found = [k for k in range(1, 401) if [judge.report(0, 1.0), judge.report(1, 0.1)][1]]
    assert found == [200, 300, 400]


@pytest.mark.parametrize(
    ("goal", "curves", "stopped"),
    [
        ("maximize", [[0.5, 0.6, 0.7], [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]], [0, 0, 3]),
        ("minimize", [[1.0, 0.8, 0.6], [0.9, 0.9, 0.9], [2.0, 1.5, 1.4]], [0, 0, 3]),
    ],
)
def test_median_compares_the_best_with_the_median_of_averages(goal, curves, stopped):
    assert evaluate(MedianStoppingPolicy(delay_evaluation=3), curves, goal).tolist() == stopped


def test_median_of_an_even_number_is_the_mean_of_the_two_middle_averages():
    policy = MedianStoppingPolicy()
    assert evaluate(policy, [[1.0], [0.5], [0.25], [0.0]], "maximize").tolist() == [0, 0, 1, 1]  # below 0.375
    assert evaluate(policy, [[1.0], [0.5], [0.5], [0.0]], "maximize").tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("percentage", "values", "goal", "stopped"),
    [
        (20, [i / 10 for i in range(1, 11)], "maximize", [0, 1]),
        (20, [i / 10 for i in range(1, 11)], "minimize", [8, 9]),
        (40, [1, 2, 2, 4, 5], "maximize", [0]),
        (25, [7, 6, 5, 4, 3, 2, 1], "maximize", [6]),
        (20, [1, 1, 1, 1, 1], "maximize", []),
        (20, [1, 2, 3, 4], "maximize", []),
        (20, [1, 2, 3, 4, 5], "maximize", [0]),
        (25, [1, 2, 3], "maximize", []),
        (50, [1, 2], "maximize", [0]),
        (1, list(range(99)), "maximize", []),
        (1, list(range(100)), "maximize", [0]),
        (99, list(range(100)), "maximize", list(range(99))),
    ],
)
def test_truncation_ends_the_lowest_share(percentage, values, goal, stopped):
    curves = np.array(values, float)[:, None]
    found = evaluate(TruncationSelectionPolicy(percentage), curves, goal)
    assert np.flatnonzero(found).tolist() == stopped


def test_truncation_never_rounds_the_share_in_floating_point():
    for n, percentage in ((100, 29), (50, 58), (100, 57), (200, 7)):  # 0.29 * 100 is 28.999999999999996
        found = evaluate(TruncationSelectionPolicy(percentage), np.arange(float(n))[:, None], "maximize")
        assert (found > 0).sum() == n * percentage // 100


def test_replay_runs_as_the_interface_says():
    """Two slots, unequal durations, by hand: run 2 starts when run 1 is stopped, at time 2."""
    curves = [[0.5, 0.6, 0.7], [0.1, 0.2, 0.3], [0.6, 0.6, 0.9]]
    [effect] = replay([BanditPolicy(slack_amount=0.3)], curves, "maximize", workers=2, durations=[1.0, 2.0, 1.5])
    # 1: run 0 .5; 2: run 0 .6, run 1 .1 against .5 (its interval 1) -> stopped; 3: run 0 .7; 3.5, 5, 6.5: run 2
    assert effect.stopped_at.tolist() == [0, 1, 0]
    assert effect.makespan == 6.5
    assert effect.saved == 2 / 9
    assert effect.best_kept
    assert effect.gap == 0.0


def test_replay_shows_what_a_hasty_policy_loses():
    curves = [[0.5, 0.6, 0.7], [0.1, 0.5, 0.9]]
    lost, kept = replay([BanditPolicy(slack_amount=0.3), None], curves, "maximize")
    assert not lost.best_kept
    assert lost.gap == pytest.approx(0.2)
    assert lost.saved == 2 / 6
    assert kept.best_kept
    assert (kept.saved, kept.gap, kept.makespan) == (0.0, 0.0, 3.0)
    assert replay([BanditPolicy(slack_amount=0.3)], -np.array(curves), "minimize")[0].gap == pytest.approx(0.2)
