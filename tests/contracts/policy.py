"""What every policy and its judge promise. Inherit, and give a `policy` fixture."""

from __future__ import annotations

import math

import numpy as np

from hdcore.policies import Judge, Policy, evaluate, from_json, replay


def some_curves(runs=20, intervals=12, seed=3):
    rng = np.random.default_rng(seed)
    curves = rng.random((runs, 1)) + 0.05 * np.arange(intervals) + 0.1 * rng.random((runs, intervals))
    return curves.round(2)


def feed(judge, curves, *, skip=()):
    """Report interval by interval until a run is stopped; return the interval of the stop, 0 for never."""
    stopped = np.zeros(len(curves), int)
    for k in range(curves.shape[1]):
        for run in range(len(curves)):
            if run not in skip and not stopped[run] and judge.report(run, curves[run, k]):
                stopped[run] = k + 1
                judge.end(run)
    return stopped


class PolicyContract:
    """Suite for one policy; a subclass gives the fixture `policy`."""

    built_in = True

    def test_it_satisfies_the_protocols(self, policy):
        assert isinstance(policy, Policy)
        assert isinstance(policy.judge(), Judge)

    def test_it_says_when_it_is_applied(self, policy):
        assert policy.evaluation_interval >= 1
        assert policy.delay_evaluation >= 0

    def test_it_survives_its_serialised_form(self, policy):
        form = policy.to_json()
        assert isinstance(form["name"], str)
        if self.built_in:
            assert from_json(form) == policy
            assert from_json(form).to_json() == form

    def test_judges_share_nothing(self, policy):
        curves = some_curves()
        first, second = policy.judge(), policy.judge()
        feed(first, curves + 100.0)
        assert feed(second, curves).tolist() == feed(policy.judge(), curves).tolist()

    def test_a_verdict_is_a_plain_bool(self, policy):
        assert type(policy.judge().report(0, 1.0)) is bool

    def test_a_lone_run_is_never_stopped(self, policy):
        judge = policy.judge()
        assert not any(judge.report(0, score) for score in [0.1, 0.1, 0.1, -5.0, math.nan, -math.inf, 0.3] * 20)

    def test_equal_runs_are_never_stopped(self, policy):
        for value in (0.1, 0.7, -0.3, 0.0, 1e300, -1e300, 5e-324):
            assert not feed(policy.judge(), np.full((7, 30), value)).any()

    def test_runs_without_anything_finite_stop_nobody(self, policy):
        """Neither each other nor another run: a judge fed NaN rows never ends the others."""
        assert not feed(policy.judge(), np.full((9, 12), math.nan)).any()
        for bad in (math.nan, -math.inf, math.inf):
            curves = np.full((9, 12), bad)
            curves[4] = 0.1
            assert feed(policy.judge(), curves)[4] == 0

    def test_the_best_run_is_never_stopped(self, policy):
        for seed in range(10):
            curves = some_curves(seed=seed)
            curves[11] = np.maximum.accumulate(curves.max(axis=0))
            assert feed(policy.judge(), curves)[11] == 0

    def test_many_reports_at_once_are_judged_one_by_one(self, policy):
        curves = some_curves()
        one, many = policy.judge(), policy.judge()
        for k in range(curves.shape[1]):
            runs = np.random.default_rng(k).permutation(len(curves))
            expected = [one.report(int(run), float(curves[run, k])) for run in runs]
            verdicts = many.report_many(runs, curves[runs, k])
            assert verdicts.dtype == np.bool_
            assert verdicts.tolist() == expected
        assert many.report_many(np.array([], np.int64), np.array([])).tolist() == []

    def test_ending_twice_or_before_the_first_report_changes_nothing(self, policy):
        curves = some_curves()
        plain, noisy = policy.judge(), policy.judge()
        for k in range(curves.shape[1]):
            for run in range(10):
                assert plain.report(run, curves[run, k]) == noisy.report(run, curves[run, k])
            if k == 3:
                plain.end(9)
                noisy.end(9)
                noisy.end(9)
                noisy.end(500)
                curves = curves[:9]
                break
        for run in range(9):
            assert plain.report(run, 0.0) == noisy.report(run, 0.0)

    def test_it_is_applied_to_recorded_curves(self, policy):
        curves = some_curves()
        stopped = evaluate(policy, curves[:7], "maximize")
        assert stopped.shape == (7,)
        assert ((stopped >= 0) & (stopped <= curves.shape[1])).all()
        [effect] = replay([policy], curves, "maximize", workers=3)
        assert 0.0 <= effect.saved <= 1.0
        assert effect.makespan > 0

    def test_a_fresh_last_run_changes_no_earlier_decision(self, policy):
        curves = some_curves()
        [short] = replay([policy], curves[:-1], "maximize", workers=1)
        [full] = replay([policy], curves, "maximize", workers=1)
        assert full.stopped_at[:-1].tolist() == short.stopped_at.tolist()
