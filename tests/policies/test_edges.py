"""Edge cases: nothing finite, ties, lone runs, unequal lengths, odd orders, odd calls."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from policies.helpers import DESCRIPTIONS, NAN, built, describe
from reference import policies as reference

from hdcore.errors import HdcoreError, InputError, PolicyError, ShapeError, StateError
from hdcore.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
    evaluate,
    replay,
)
from hdcore.typing import Goal

INF = math.inf
EVERY = [pytest.param(built(d), id=f"{d['kind']}{i}") for i, d in enumerate(DESCRIPTIONS)]
SMALLEST = [MedianStoppingPolicy(), BanditPolicy(slack_amount=0.0), TruncationSelectionPolicy(50)]


@pytest.mark.parametrize("policy", SMALLEST, ids=lambda p: type(p).__name__)
class TestNotFinite:
    @pytest.mark.parametrize("bad", [NAN, INF, -INF])
    @pytest.mark.parametrize("goal", ["maximize", "minimize"])
    def test_a_run_without_anything_finite_is_worse_than_any_other(self, policy, bad, goal):
        """0.0 ends each curve, for a trailing NaN would be no report."""
        curves = [[-1e308, -1e308], [bad, 0.0], [1e308, 1e308]]
        assert evaluate(policy, curves, goal)[1] == 1

    def test_it_counts_as_an_interval_and_is_left_out_of_best_and_average(self, policy):
        judge = policy.judge()
        for run in (0, 2):
            assert not judge.report(run, 0.5)
            assert not judge.report(run, 0.5)
        assert judge.report(1, NAN)  # -inf against 0.5
        assert not judge.report(1, 0.5)  # its interval 2: a tie in best and in average
        assert not judge.report(0, INF)
        assert not judge.report(1, -INF)

    def test_nobody_goes_where_all_are_at_minus_infinity(self, policy):
        assert evaluate(policy, [[NAN, 0.0], [INF, 0.0], [-INF, 0.0]], "maximize").tolist() == [0, 0, 0]


class TestMedian:
    def test_the_mean_of_minus_infinity_and_a_number_is_minus_infinity(self):
        judge = MedianStoppingPolicy().judge()
        assert not judge.report(0, 1.0)
        assert not judge.report(1, NAN)  # the middle pair is (-inf, 1)
        assert not judge.report(2, NAN)  # the middle is -inf
        assert not judge.report(3, -5.0)  # (-inf, -5)
        assert not judge.report(4, 2.0)
        assert judge.report(5, -6.0)  # -inf -inf -6 -5 1 2: below -5.5
        assert judge.report(6, NAN)  # the middle is -6

    def test_a_lone_run_is_not_ended_by_the_rounding_of_its_mean(self):
        judge = MedianStoppingPolicy().judge()
        assert (0.1 + 0.1 + 0.1) / 3 > 0.1
        assert [judge.report(0, 0.1) for _ in range(50)] == [False] * 50

    def test_a_run_that_overtakes_itself_is_saved_by_its_best(self):
        policy = MedianStoppingPolicy(delay_evaluation=2)
        curves = [[0.5, 0.5], [0.6, 0.6], [0.0, 0.55], [0.0, 0.1]]
        assert evaluate(policy, curves, "maximize").tolist() == [0, 0, 0, 2]

    def test_sums_are_taken_from_left_to_right(self):
        left = (0.1 + 0.2) + 0.3
        right = 0.1 + (0.2 + 0.3)
        assert left != right
        judge = MedianStoppingPolicy(delay_evaluation=3).judge()
        for score in (0.1, 0.2, 0.3):
            judge.report(0, score)
        for score in (left / 3, left / 3, left / 3):
            verdict = judge.report(1, score)
        assert not verdict
        judge = MedianStoppingPolicy(delay_evaluation=3).judge()
        for run in (0, 1):
            for score in (0.1, 0.2, 0.3):
                judge.report(run, score)
        verdicts = [judge.report(2, value) for value in (right / 3, right / 3, right / 3)]
        assert right / 3 < left / 3
        assert verdicts == [False, False, True]

    def test_huge_averages_do_not_overflow_their_middle(self):
        judge = MedianStoppingPolicy().judge()
        verdicts = [judge.report(run, 1.7e308) for run in range(4)]
        assert verdicts == [False] * 4
        assert evaluate(MedianStoppingPolicy(), [[1.7e308]] * 4, "maximize").tolist() == [0] * 4
        assert evaluate(MedianStoppingPolicy(), [[1.7e308, 1.7e308]] * 3, "maximize").tolist() == [0] * 3


class TestBandit:
    def test_a_best_of_zero_leaves_a_factor_nothing(self):
        assert evaluate(BanditPolicy(slack_factor=0.5), [[0.0], [-0.001], [-0.0]], "maximize").tolist() == [0, 1, 0]

    def test_a_best_of_minus_infinity_allows_all(self):
        for slack in ({"slack_factor": 0.1}, {"slack_amount": 0.1}):
            assert not evaluate(BanditPolicy(**slack), [[NAN, NAN, 0.0]] * 3, "maximize").any()

    @pytest.mark.parametrize("slack", [{"slack_factor": 1e308}, {"slack_amount": 1.7e308}])
    def test_a_slack_beyond_the_range_of_a_double_stops_nobody(self, slack):
        assert not evaluate(BanditPolicy(**slack), [[1e308], [1.7e308], [1.1e308]], "minimize").any()

    def test_a_leader_that_is_further_on_is_compared_by_its_prefix(self):
        judge = BanditPolicy(slack_amount=0.1).judge()
        for score in (0.1, 0.2, 0.9):
            assert not judge.report(0, score)
        assert not judge.report(1, 0.05)
        assert not judge.report(1, 0.15)
        assert judge.report(1, 0.7)


class TestUnequalLengths:
    @pytest.mark.parametrize("policy", SMALLEST, ids=lambda p: type(p).__name__)
    def test_a_run_that_ended_at_the_first_interval_stands_later(self, policy):
        judge = policy.judge()
        judge.report(0, 0.9)
        judge.end(0)
        judge.report(1, 0.5)
        assert judge.report(1, 0.5)

    def test_only_the_reached_population_leaves_it_out(self):
        for kind, rest in (("median", {}), ("bandit", {"slack_amount": 0.0}), ("truncation", {"percentage": 50})):
            verdicts = []
            for population in ("all", "reached"):
                judge = built(describe(kind, population=population, delay=2, **rest)).judge()
                judge.report(0, 0.9)
                judge.end(0)
                judge.report(1, 0.5)
                verdicts.append(judge.report(1, 0.5))
            assert verdicts == [True, False]

    def test_a_live_run_that_is_not_there_yet_stays_out(self):
        for policy in SMALLEST:
            judge = policy.judge()
            judge.report(0, 0.9)
            judge.report(1, 0.9)
            judge.report(1, 0.1)
            assert not judge.report(2, 0.9)
            assert not judge.report(2, 0.9)

    def test_a_stopped_run_is_live_until_its_end_is_said(self):
        judge = TruncationSelectionPolicy(50, exclude_finished_jobs=True).judge()
        assert not judge.report(0, 0.2)
        assert judge.report(1, 0.1)
        assert not judge.report(2, 0.15)  # .1 .15 .2: c = 1
        judge.end(1)
        assert judge.report(3, 0.12)  # .12 .15 .2

    def test_excluded_runs_leave_every_interval(self):
        judge = TruncationSelectionPolicy(50, exclude_finished_jobs=True).judge()
        slow = reference.SlowJudge(describe("truncation", percentage=50, exclude_finished=True))
        rng = np.random.default_rng(0)
        live = list(range(60))
        for step in range(1500):
            run = live[rng.integers(len(live))]
            score = float(rng.integers(0, 20))
            assert judge.report(run, score) == slow.report(run, score)
            if step % 7 == 0 and len(live) > 2:
                live.remove(run)
                judge.end(run)
                slow.end(run)
            if step % 11 == 0:
                live.append(60 + step)

    def test_a_run_without_any_report_is_nobody(self):
        curves = [[NAN, NAN], [0.5, 0.5]]
        for policy in SMALLEST:
            assert evaluate(policy, curves, "maximize").tolist() == [0, 0]
            [effect] = replay([policy], curves, "maximize", workers=1)
            assert effect.stopped_at.tolist() == [0, 0]
            assert effect.makespan == 2.0

    def test_a_run_stopped_at_its_last_interval_counts_as_stopped_and_saves_nothing(self):
        [effect] = replay([BanditPolicy(delay_evaluation=2, slack_amount=0.1)], [[0.5, 0.9], [0.5, 0.5]], "maximize")
        assert effect.stopped_at.tolist() == [0, 2]
        assert effect.saved == 0.0


@pytest.mark.parametrize("policy", EVERY)
class TestShapes:
    def test_a_delay_beyond_the_last_interval_stops_nobody(self, policy):
        late = type(policy)(**{f: getattr(policy, f) for f in policy.__dataclass_fields__} | {"delay_evaluation": 99})
        curves = np.random.default_rng(0).random((20, 10))
        assert not evaluate(late, curves, "maximize").any()
        assert not replay([late], curves, "maximize")[0].stopped_at.any()

    def test_an_evaluation_interval_above_the_length_stops_nobody(self, policy):
        for interval in (11, 2**40, 2**80):
            rare = type(policy)(
                **{f: getattr(policy, f) for f in policy.__dataclass_fields__} | {"evaluation_interval": interval}
            )
            assert not evaluate(rare, np.random.default_rng(0).random((20, 10)), "maximize").any()

    @pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (1, 30)])
    def test_tables_without_competition_stop_nobody(self, policy, shape):
        curves = np.random.default_rng(0).random(shape)
        assert evaluate(policy, curves, "minimize").tolist() == [0] * shape[0]
        [effect] = replay([policy], curves, "minimize")
        assert (effect.saved, effect.best_kept, effect.gap) == (0.0, True, 0.0)
        assert effect.makespan == (shape[1] if shape[0] else 0)

    def test_any_memory_layout_and_both_widths_give_the_same(self, policy):
        rng = np.random.default_rng(1)
        curves = rng.random((40, 25)).astype(np.float32)
        curves[rng.random(curves.shape) < 0.05] = NAN
        curves[3, 9:] = NAN
        expected = evaluate(policy, curves.astype(np.float64), "maximize").tolist()
        wide = np.zeros((80, 75), np.float64)
        wide[::2, ::3] = curves
        read_only = curves.copy()
        read_only.flags.writeable = False
        for same in (
            curves,
            np.asfortranarray(curves),
            wide[::2, ::3],
            read_only,
            curves.astype(">f8"),
            curves.tolist(),
        ):
            assert evaluate(policy, same, "maximize").tolist() == expected
        backwards = np.ascontiguousarray(curves[::-1])[::-1]
        assert evaluate(policy, backwards, "maximize").tolist() == expected

    def test_a_memory_mapped_file_is_read_in_place(self, policy, tmp_path):
        curves = np.random.default_rng(1).random((30, 12)).astype(np.float32)
        np.save(tmp_path / "curves.npy", curves)
        mapped = np.load(tmp_path / "curves.npy", mmap_mode="r")
        assert evaluate(policy, mapped, "maximize").tolist() == evaluate(policy, curves, "maximize").tolist()


class TestCalls:
    @pytest.mark.parametrize("policy", [*SMALLEST, TruncationSelectionPolicy(20, exclude_finished_jobs=True)])
    def test_a_report_after_the_end_is_refused_and_changes_nothing(self, policy):
        judge = policy.judge()
        judge.report(0, 0.5)
        judge.end(0)
        with pytest.raises(StateError, match="run 0 has ended"):
            judge.report(0, 0.6)
        with pytest.raises(StateError, match="run 0 has ended"):
            judge.report_many(np.array([1, 0]), np.array([0.1, 0.2]))
        assert not judge.report(2, 0.5)  # run 1 was not taken: nobody to lose against but a tie

    @pytest.mark.parametrize("number", [-1, 2**31, 2**62])
    def test_run_numbers_out_of_range_are_refused(self, number):
        judge = MedianStoppingPolicy().judge()
        with pytest.raises(ShapeError, match="out of range"):
            judge.report(number, 0.5)
        with pytest.raises(ShapeError, match="out of range"):
            judge.report_many(np.array([number]), np.array([0.5]))
        judge.end(number)

    @pytest.mark.parametrize(
        ("runs", "scores"), [([0, 1], [0.5]), ([[0]], [[0.5]]), ([0.0], [0.5]), ([True], [0.5]), (0, 0.5)]
    )
    def test_batches_that_do_not_fit_are_refused(self, runs, scores):
        with pytest.raises(ShapeError):
            MedianStoppingPolicy().judge().report_many(np.array(runs), np.array(scores))

    def test_batches_of_other_types_are_converted(self):
        judge = BanditPolicy(slack_amount=0.1).judge()
        runs, scores = np.arange(6, dtype=np.int16)[::2], np.linspace(1, 0, 6).astype(np.float32)[::2]
        assert judge.report_many(runs, scores).tolist() == [False, True, True]

    def test_numbers_are_taken_sparsely(self):
        judge = MedianStoppingPolicy().judge()
        assert not judge.report(100_000, 0.5)
        assert judge.report(7, 0.4)

    def test_a_judge_is_neither_copied_nor_pickled(self):
        import copy
        import pickle

        for act in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="make a fresh one"):
                act(MedianStoppingPolicy().judge())

    def test_a_judge_holds_no_more_than_three_matrices_of_its_reports(self):
        curves = np.random.default_rng(0).random((3000, 40))
        policies = [*SMALLEST, TruncationSelectionPolicy(20, exclude_finished_jobs=True)]
        for policy in policies:
            judge = policy.judge()
            for k in range(40):
                judge.report_many(np.arange(3000), curves[:, k])
            assert judge.nbytes <= 3 * curves.nbytes
            for run in range(3000):
                judge.end(run)
            assert judge.nbytes <= 3 * curves.nbytes
            assert sys.getsizeof(judge) < 200


class TestArguments:
    def test_curves_have_to_be_a_matrix_of_numbers(self):
        with pytest.raises(ShapeError, match="runs, intervals"):
            evaluate(MedianStoppingPolicy(), [1.0, 2.0], "maximize")
        with pytest.raises(InputError, match="curves"):
            evaluate(MedianStoppingPolicy(), [["a"]], "maximize")

    @pytest.mark.parametrize("workers", [0, -1, 1.5, True, "two"])
    def test_workers_have_to_be_a_positive_number(self, workers):
        with pytest.raises(InputError) as caught:
            replay([None], [[1.0]], "maximize", workers=workers)
        assert caught.value.field == "workers"

    def test_more_workers_than_runs_are_as_many_as_runs(self):
        assert replay([None], [[1.0, 2.0]] * 3, "maximize", workers=10**18)[0].makespan == 2.0

    @pytest.mark.parametrize(
        "durations", [0.0, -1.0, NAN, INF, [1.0, 1.0, 1.0], [[1.0], [1.0]], ["x", "y"], [1.0, 0.0]]
    )
    def test_durations_have_to_be_positive_and_one_a_run(self, durations):
        with pytest.raises(HdcoreError, match="durations"):
            replay([None], [[1.0], [2.0]], "maximize", durations=durations)

    def test_what_is_no_policy_is_refused(self):
        for wrong in (object(), "median", 5, MedianStoppingPolicy):
            with pytest.raises((PolicyError, TypeError)):
                evaluate(wrong, [[1.0]], "maximize")
        with pytest.raises(PolicyError, match="list of policies"):
            replay(MedianStoppingPolicy(), [[1.0]], "maximize")

    def test_a_goal_is_a_word_or_an_enum(self):
        curves = [[1.0], [0.0]]
        policy = BanditPolicy(slack_amount=0.1)
        assert (
            evaluate(policy, curves, Goal.MINIMIZE).tolist() == evaluate(policy, curves, "MINIMIZE").tolist() == [1, 0]
        )
        with pytest.raises(InputError, match="goal"):
            evaluate(policy, curves, "up")

    def test_no_policy_stops_nobody(self):
        curves = np.random.default_rng(0).random((5, 4))
        for policy in (None, NoTerminationPolicy()):
            assert not evaluate(policy, curves, "maximize").any()
            [effect] = replay([policy], curves, "maximize", workers=2)
            assert (effect.saved, effect.best_kept, effect.gap, effect.makespan) == (0.0, True, 0.0, 12.0)
