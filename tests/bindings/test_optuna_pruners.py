"""The pruners give the answers of the policies, whatever the steps are and whoever asks."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner
from optuna.trial import TrialState

import hdcore as hd
from hdcore.bindings.optuna import BanditPruner, HdcoreSampler, MedianStoppingPruner, TruncationPruner
from hdcore.errors import InputError, PolicyError

PAIRS: list[tuple[Callable[[], BasePruner], Any]] = [
    (lambda: BanditPruner(2, slack_factor=0.1), hd.BanditPolicy(2, slack_factor=0.1)),
    (
        lambda: BanditPruner(slack_amount=0.2, delay_evaluation=2, population="reached"),
        hd.BanditPolicy(slack_amount=0.2, delay_evaluation=2, population="reached"),
    ),
    (lambda: MedianStoppingPruner(1, 2), hd.MedianStoppingPolicy(1, 2)),
    (lambda: TruncationPruner(40), hd.TruncationSelectionPolicy(40)),
    (
        lambda: TruncationPruner(50, 1, 1, exclude_finished_jobs=True),
        hd.TruncationSelectionPolicy(50, 1, 1, exclude_finished_jobs=True),
    ),
]
pairs = pytest.mark.parametrize(("make", "policy"), PAIRS, ids=[repr(policy) for _, policy in PAIRS])
STEPS = [lambda k: k, lambda k: k + 1, lambda k: 10 * k, lambda k: k * k + 3]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_with(pruner: BasePruner, goal: str = "maximize") -> optuna.Study:
    return optuna.create_study(direction=goal, pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0))


scores = st.integers(0, 20).map(lambda k: k / 10) | st.sampled_from([math.nan, math.inf, -math.inf])
curves = st.lists(st.lists(scores, min_size=1, max_size=7), min_size=1, max_size=9)


@pairs
@settings(max_examples=30, deadline=None)
@given(curves=curves, goal=st.sampled_from(["minimize", "maximize"]), step=st.sampled_from(STEPS))
def test_one_trial_after_the_other_stops_where_the_replayed_policy_does(
    make: Callable[[], BasePruner], policy: Any, curves: list[list[float]], goal: str, step: Callable[[int], int]
) -> None:
    padded = np.full((len(curves), max(map(len, curves)) + 1), math.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
        row[len(curve)] = 0.5  # so that a NaN at the end of the curve is a report
    [expected] = hd.policies.replay([policy], padded, goal, workers=1)
    study = study_with(make(), goal)
    stopped = []
    for row in padded:
        trial, at = study.ask(), 0
        for k, value in enumerate(row[: np.flatnonzero(row == 0.5)[-1] + 1].tolist()):
            trial.report(value, step(k))
            if trial.should_prune():
                at = k + 1
                break
        stopped.append(at)
        study.tell(trial, state=TrialState.PRUNED if at else TrialState.FAIL)
    assert stopped == expected.stopped_at.tolist()


@pairs
@settings(max_examples=30, deadline=None)
@given(data=st.data(), runs=st.integers(2, 6), reports=st.integers(1, 25))
def test_trials_side_by_side_stop_as_the_optimizer_says(
    make: Callable[[], BasePruner], policy: Any, data: st.DataObject, runs: int, reports: int
) -> None:
    optimizer = hd.Optimizer({"x": hd.uniform(0, 1)}, policy=policy, seed=0)
    optimizer.ask(runs)
    study = study_with(make())
    trials = {number: study.ask() for number in range(runs)}
    counts = dict.fromkeys(trials, 0)
    for _ in range(reports):
        if not trials:
            break
        number, value = data.draw(st.sampled_from(sorted(trials))), data.draw(scores)
        trial = trials[number]
        trial.report(value, 5 * counts[number])
        counts[number] += 1
        stops = optimizer.report(number, value)
        assert trial.should_prune() == stops
        if stops or data.draw(st.integers(0, 5)) == 0:
            study.tell(trials.pop(number), state=TrialState.PRUNED if stops else TrialState.FAIL)
            optimizer.tell(number, status="canceled" if stops else "failed")


def begun(pruner: BasePruner) -> tuple[optuna.Study, optuna.Trial]:
    """Three complete trials with values around 1, and one that runs."""
    study = study_with(pruner)
    for level in (0.9, 1.0, 1.1):
        trial = study.ask()
        for step in range(4):
            trial.report(level, step)
        study.tell(trial, level)
    return study, study.ask()


def test_asking_again_without_a_new_report_gives_the_same_answer() -> None:
    study, trial = begun(MedianStoppingPruner())
    assert not trial.should_prune()  # nothing reported
    trial.report(2.0, 0)
    assert [trial.should_prune() for _ in range(3)] == [False] * 3
    with pytest.warns(UserWarning, match="already reported"):
        trial.report(0.0, 0)  # a repeated step is none
    assert not trial.should_prune()
    other = study.ask()
    other.report(0.5, 0)
    assert [other.should_prune() for _ in range(3)] == [True] * 3
    other.report(9.0, 1)
    assert other.should_prune()  # the policy has ended it


def test_a_trial_that_asks_rarely_is_judged_at_the_latest_interval_that_counts() -> None:
    for values, is_pruned in (([2.0, 0.1, 0.1], False), ([0.1, 2.0, 2.0], False), ([0.1, 0.1, 2.0], True)):
        _, trial = begun(MedianStoppingPruner(evaluation_interval=2))
        for step, value in enumerate(values):
            trial.report(value, step)
        assert trial.should_prune() == is_pruned, values  # interval 2 counts, 3 does not


def test_a_new_pruner_does_not_judge_old_reports_by_what_came_later() -> None:
    study = study_with(MedianStoppingPruner())
    first = study.ask()
    first.report(0.5, 0)
    assert not first.should_prune()  # it is alone
    for _ in range(3):
        trial = study.ask()
        trial.report(1.0, 0)
        study.tell(trial, 1.0)
    study.pruner = MedianStoppingPruner()
    first.report(3.0, 1)
    assert not first.should_prune()


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_a_value_that_comes_late_for_an_earlier_step_takes_its_place(order: tuple[int, ...]) -> None:
    study = study_with(MedianStoppingPruner(delay_evaluation=2))
    leader, other = study.ask(), study.ask()
    for step in order:
        leader.report([1.0, 10.0, 1.0][step], step)
        assert not leader.should_prune()  # it is alone
    for step in range(2):
        other.report(1.05, step)
    assert other.should_prune()  # the average of the leader's first two steps is 5.5


@pairs
def test_a_copy_and_a_new_pruner_decide_the_same_in_the_middle_of_a_study(
    make: Callable[[], BasePruner], policy: Any
) -> None:
    values = np.random.default_rng(3).random((30, 6)).cumsum(axis=1) / 6
    stops = []
    for anew in (False, True):
        study = study_with(make())
        found = []
        for row in values:
            trial, at = study.ask(), 0
            for k, value in enumerate(row.tolist()):
                trial.report(value, k)
                if anew:
                    study.pruner = make() if k % 2 else pickle.loads(pickle.dumps(study.pruner))
                if trial.should_prune():
                    at = k + 1
                    break
            study.tell(trial, state=TrialState.PRUNED if at else TrialState.FAIL)
            found.append(at)
        stops.append(found)
    assert stops[0] == stops[1]
    assert any(stops[0]) or policy == PAIRS[-1][1]  # which compares with nobody here


def test_two_threads_share_a_pruner() -> None:
    def objective(trial: optuna.Trial) -> float:
        quality = trial.suggest_float("x", 0, 1)
        for k in range(20):
            trial.report(quality + k / 100, k)
            if trial.should_prune():
                raise optuna.TrialPruned
        return quality

    study = optuna.create_study(
        direction="maximize", sampler=HdcoreSampler(seed=1), pruner=MedianStoppingPruner(delay_evaluation=3)
    )
    study.optimize(objective, n_trials=40, n_jobs=2)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert min(len(trial.intermediate_values) for trial in study.trials) >= 3


def test_a_pruner_can_go_from_study_to_study() -> None:
    pruner = BanditPruner(slack_amount=0)
    for level in (2.0, 1.0):  # the second study knows nothing of the first
        study = study_with(pruner)
        for _ in range(2):
            trial = study.ask()
            trial.report(level, 0)
            assert not trial.should_prune()


def test_wrong_arguments_and_several_objectives_are_refused() -> None:
    with pytest.raises(PolicyError, match="no slack"):
        BanditPruner()
    with pytest.raises(PolicyError, match="truncation_percentage is 0"):
        TruncationPruner(0)
    study = optuna.create_study(directions=["minimize", "minimize"], pruner=MedianStoppingPruner())
    study.add_trial(optuna.create_trial(values=[0, 0]))
    with pytest.raises(InputError, match="MedianStoppingPruner: the study has 2 objectives"):
        study.pruner.prune(study, study.trials[0])
    assert repr(TruncationPruner(20)).startswith("TruncationPruner(TruncationSelectionPolicy(truncation_percentage=20")
