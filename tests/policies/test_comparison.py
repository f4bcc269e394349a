"""Settings side by side: savings, losses, the front, what is recommended."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hdcore.errors import InputError, PolicyError
from hdcore.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    Record,
    TruncationSelectionPolicy,
    compare,
    replay,
)
from hdcore.policies.comparison import _midranks
from hdcore.policies.grid import bandit_grid, default_grid
from hdcore.policies.slack import slack_warning
from hdcore.typing import Goal

POLICIES = [
    NoTerminationPolicy(),
    MedianStoppingPolicy(1, 5),
    BanditPolicy(1, 0.02, None, 1),
    BanditPolicy(1, delay_evaluation=5, slack_iqr=1.0),
    TruncationSelectionPolicy(20, 1, 5, True),
    TruncationSelectionPolicy(30, 1, 5),
]


def curves(runs=60, intervals=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((runs, 1)) * (1 - np.exp(-np.arange(1, intervals + 1) * rng.uniform(0.02, 0.5, (runs, 1))))


def record(**more):
    return Record(**{"name": "one", "curves": curves(), "goal": Goal.MAXIMIZE, "workers": 4, **more})


def test_a_record_without_events_is_replayed_as_by_replay():
    data = curves()
    found = compare(POLICIES, [record(interval_s=np.full(60, 2.0))], orders=0)
    for policy, effect in zip(POLICIES, found.effects, strict=True):
        [alone] = replay([policy], data, "maximize", workers=4, durations=2.0)
        assert effect.stopped_at[0].tolist() == alone.stopped_at.tolist()
        assert effect.saved == pytest.approx(alone.saved)
        assert effect.saved_s == pytest.approx(alone.saved * data.size * 2.0)
        assert (effect.gap, bool(effect.kept)) == (alone.gap, alone.best_kept)
        assert math.isnan(effect.kept_share)


def test_start_orders_are_replays_of_shuffled_runs():
    data, count = curves(), 7
    found = compare(POLICIES, [record()], orders=count, seed=3)
    rng = np.random.default_rng(3)
    orders = [rng.permutation(60) for _ in range(count)]
    for policy, effect in zip(POLICIES, found.effects, strict=True):
        alone = [replay([policy], data[order], "maximize", workers=4)[0] for order in orders]
        assert effect.orders == count
        assert effect.kept_share == pytest.approx(np.mean([one.best_kept for one in alone]))
        assert effect.mean_gap == pytest.approx(np.mean([one.gap for one in alone]))
        low, high = np.quantile([one.saved for one in alone], (0.05, 0.95))
        assert (effect.saved_low, effect.saved_high) == (pytest.approx(low), pytest.approx(high))


def test_the_front_holds_what_nothing_else_beats_in_saving_and_loss():
    effects = compare(default_grid(30), [record()], orders=20).effects
    for one in effects:
        beaten = any(
            (other.saved >= one.saved and other.loss < one.loss) or (other.saved > one.saved and other.loss <= one.loss)
            for other in effects
        )
        assert not (one.on_front and beaten)
    assert any(one.on_front for one in effects)


def test_the_recommended_setting_kept_the_best_in_nearly_all_orders():
    found = compare(default_grid(30), [record()], orders=50)
    best = found.recommended
    assert best is not None
    assert best.kept == 1
    assert best.kept_share >= 0.99
    assert all(one.saved <= best.saved for one in found.effects if one.kept == 1 and one.kept_share >= 0.99)


def test_a_setting_that_loses_the_best_by_luck_of_the_order_is_found_out():
    """The late bloomer comes first, when there is nobody to be compared with; in other orders it is stopped."""
    data = np.tile(np.linspace(0.1, 0.5, 10), (12, 1))
    data[0] = [*[0.0] * 8, 0.9, 1.0]
    found = compare([MedianStoppingPolicy(1, 2)], [record(curves=data, workers=1)], orders=60)
    [effect] = found.effects
    assert effect.kept == 1
    assert effect.kept_share < 0.5
    assert found.recommended is None


def test_runs_that_were_cut_short_count_as_long_as_the_others_and_as_unseen():
    data = np.array([[0.5] * 10, [0.9] * 10, [0.1] * 4 + [np.nan] * 6])
    cut = np.array([0, 0, 3], np.int32)
    events = [(r, k) for k in range(1, 11) for r in range(3) if not (r == 2 and k > 4)] + [(0, 0), (1, 0), (2, 0)]
    one = record(curves=data, cut=cut, events=np.ascontiguousarray(np.array(events, np.int32).T))
    none, median = compare([NoTerminationPolicy(), MedianStoppingPolicy(1, 3)], [one], orders=0).effects
    assert (none.saved, none.unseen) == (0.0, 1)
    assert median.stopped_at[0].tolist() == [0, 0, 3]
    assert (median.saved, median.unseen) == (pytest.approx(7 / 30), 0)


def test_runs_of_earlier_sweeps_are_compared_with_and_not_counted():
    data = np.array([[0.2] * 4, [0.8] * 4, [0.9] * 4])
    events = [(r, k) for r in (1, 2, 0) for k in (1, 2, 3, 4, 0)]
    one = record(curves=data, events=np.ascontiguousarray(np.array(events, np.int32).T), earlier=2)
    [effect] = compare([MedianStoppingPolicy()], [one], orders=5).effects
    assert [stops.tolist() for stops in effect.stopped_at] == [[1]]
    assert effect.saved == pytest.approx(3 / 4)


def test_several_sweeps_are_joined():
    many = [record(name=str(seed), curves=curves(seed=seed)) for seed in range(3)]
    together = compare(POLICIES, many, orders=0).effects
    apart = [compare(POLICIES, [one], orders=0).effects for one in many]
    for i, effect in enumerate(together):
        assert effect.saved == pytest.approx(np.mean([one[i].saved for one in apart]))
        assert effect.kept == sum(one[i].kept for one in apart)
        assert effect.gap == max(one[i].gap for one in apart)


def test_the_rank_correlation_is_spearmans():
    stats = pytest.importorskip("scipy.stats")
    data = np.round(curves(), 1)
    for effect in compare(POLICIES, [record(curves=data)], orders=0).effects:
        ran = np.where(effect.stopped_at[0] > 0, effect.stopped_at[0], 30)
        reached = np.maximum.accumulate(data, axis=1)[np.arange(60), ran - 1]
        assert effect.correlation == pytest.approx(stats.spearmanr(reached, data.max(axis=1)).statistic)
    values = np.round(np.random.default_rng(0).random(50), 1)
    assert _midranks(values).tolist() == (stats.rankdata(values) - 1).tolist()


def test_what_cannot_be_replayed_is_refused():
    with pytest.raises(InputError, match="nothing to replay"):
        compare(POLICIES, [record(curves=np.full((3, 4), np.nan))])
    with pytest.raises(InputError, match="nothing to replay"):
        compare(POLICIES, [])
    with pytest.raises(PolicyError, match="not a policy"):
        compare([object()], [record()])  # type: ignore[list-item]


def test_grids_hold_each_setting_once_and_no_delay_beyond_half_of_the_curves():
    for make in (default_grid, bandit_grid):
        for intervals in (1, 3, 30, 1000):
            policies = make(intervals)
            assert len(set(policies)) == len(policies)
            assert all(p.delay_evaluation == 1 or p.delay_evaluation * 2 <= intervals for p in policies)


@pytest.mark.parametrize(
    ("policy", "values", "goal", "told"),
    [
        (BanditPolicy(1, 0.1), np.linspace(0.95, 0.99, 10), Goal.MAXIMIZE, "stop none of 10"),
        (BanditPolicy(1, 0.1), np.linspace(0.01, 0.2, 20), Goal.MINIMIZE, "stop 19 of 20"),
        (BanditPolicy(1, None, 5.0), np.linspace(1, 2, 10), Goal.MINIMIZE, "slack_amount 5 allows down to 6"),
        (BanditPolicy(1, 0.5), np.linspace(0.1, 0.9, 10), Goal.MAXIMIZE, None),
        (BanditPolicy(1, 0.1), np.linspace(0.95, 0.99, 9), Goal.MAXIMIZE, None),
        (BanditPolicy(1, 0.1), np.full(10, 0.5), Goal.MAXIMIZE, None),
        (BanditPolicy(slack_iqr=9.0), np.linspace(0.95, 0.99, 10), Goal.MAXIMIZE, None),
        (MedianStoppingPolicy(), np.linspace(0.95, 0.99, 10), Goal.MAXIMIZE, None),
        (None, np.linspace(0.95, 0.99, 10), Goal.MAXIMIZE, None),
    ],
)
def test_a_slack_beside_the_scale_of_the_metric_is_told(policy, values, goal, told):
    warning = slack_warning(policy, values.tolist(), goal)
    assert (warning is None) == (told is None)
    if told is not None:
        assert warning is not None
        assert told in warning
        assert "\n" not in warning
