"""The same curves are stopped at the same reports natively, in Optuna and in Ray Tune."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner
from optuna.trial import TrialState
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

import hdcore as hd
from hdcore.bindings.optuna import BanditPruner, MedianStoppingPruner, TruncationPruner
from hdcore.bindings.ray_tune import HdcorePolicyScheduler

CURVES = Path(__file__).parents[2] / "bench" / "stopped" / "curves"
POLICIES: list[tuple[Any, Callable[[], BasePruner]]] = [
    (hd.BanditPolicy(2, slack_factor=0.1), lambda: BanditPruner(2, slack_factor=0.1)),
    (
        hd.BanditPolicy(slack_amount=0.05, delay_evaluation=4),
        lambda: BanditPruner(slack_amount=0.05, delay_evaluation=4),
    ),
    (hd.MedianStoppingPolicy(1, 5), lambda: MedianStoppingPruner(1, 5)),
    (hd.TruncationSelectionPolicy(30, 5), lambda: TruncationPruner(30, 5)),
    (
        hd.TruncationSelectionPolicy(50, 1, 2, exclude_finished_jobs=True),
        lambda: TruncationPruner(50, 1, 2, exclude_finished_jobs=True),
    ),
]
policies = pytest.mark.parametrize(("policy", "pruner"), POLICIES, ids=[repr(policy) for policy, _ in POLICIES])


class Framework(Protocol):
    """One of the three, as whoever runs the trials sees it."""

    def start(self, run: int) -> None: ...

    def stops(self, run: int, value: float) -> bool: ...

    def end(self, run: int, *, stopped: bool) -> None: ...


class Native:
    def __init__(self, policy: Any, goal: str) -> None:
        self.optimizer = hd.Optimizer({"x": hd.uniform(0, 1)}, policy=policy, goal=goal, seed=0)
        self.last: dict[int, float] = {}

    def start(self, run: int) -> None:
        assert self.optimizer.ask().number == run

    def stops(self, run: int, value: float) -> bool:
        self.last[run] = value
        return self.optimizer.report(run, value)

    def end(self, run: int, *, stopped: bool) -> None:
        if stopped or not math.isfinite(self.last[run]):
            self.optimizer.tell(run, status="canceled" if stopped else "failed")
        else:
            self.optimizer.tell(run, self.last[run])


class Optuna:
    def __init__(self, pruner: BasePruner, goal: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.RandomSampler(seed=0)
        self.study = optuna.create_study(direction=goal, pruner=pruner, sampler=sampler)
        self.trials: dict[int, optuna.Trial] = {}
        self.values: dict[int, list[float]] = {}

    def start(self, run: int) -> None:
        self.trials[run], self.values[run] = self.study.ask(), []

    def stops(self, run: int, value: float) -> bool:
        self.trials[run].report(value, len(self.values[run]))
        self.values[run].append(value)
        return self.trials[run].should_prune()

    def end(self, run: int, *, stopped: bool) -> None:
        last = self.values[run][-1]
        if stopped or not math.isfinite(last):
            self.study.tell(self.trials[run], state=TrialState.PRUNED if stopped else TrialState.FAIL)
        else:
            self.study.tell(self.trials[run], last)


class RayTune:
    def __init__(self, policy: Any, goal: str) -> None:
        self.scheduler = HdcorePolicyScheduler(policy, "value", {"minimize": "min", "maximize": "max"}[goal])
        self.trials: dict[int, Trial] = {}
        self.results: dict[int, dict[str, float]] = {}

    def start(self, run: int) -> None:
        self.trials[run], self.results[run] = Trial("stub", stub=True, trial_id=f"trial{run}"), {}
        self.scheduler.on_trial_add(None, self.trials[run])

    def stops(self, run: int, value: float) -> bool:
        at = self.results[run].get("training_iteration", 0) + 1
        self.results[run] = {"training_iteration": at, "value": value}
        told = self.scheduler.on_trial_result(None, self.trials[run], self.results[run])
        return bool(told == TrialScheduler.STOP)

    def end(self, run: int, *, stopped: bool) -> None:
        self.scheduler.on_trial_complete(None, self.trials[run], self.results[run])


def stopped_at(framework: Framework, curves: list[list[float]], workers: int) -> list[int]:
    """Run the curves, some at a time, each reporting once a round; the report at which each was stopped, or 0."""
    found, waiting, running = [0] * len(curves), list(range(len(curves))), dict[int, int]()
    while waiting or running:
        while waiting and len(running) < workers:
            running[waiting[0]] = 0
            framework.start(waiting.pop(0))
        for run, told in list(running.items()):
            stops = framework.stops(run, curves[run][told])
            running[run] += 1
            if stops:
                found[run] = told + 1
            if stops or told + 1 == len(curves[run]):
                del running[run]
                framework.end(run, stopped=stops)
    return found


values = st.integers(0, 20).map(lambda k: k / 10) | st.sampled_from([math.nan, math.inf, -math.inf])
drawn = st.lists(st.lists(values, min_size=1, max_size=7), min_size=1, max_size=9)


@policies
@settings(max_examples=30)
@given(curves=drawn, goal=st.sampled_from(["minimize", "maximize"]), workers=st.integers(1, 4))
def test_drawn_curves_are_stopped_alike(
    policy: Any, pruner: Callable[[], BasePruner], curves: list[list[float]], goal: str, workers: int
) -> None:
    expected = stopped_at(Native(policy, goal), curves, workers)
    assert stopped_at(Optuna(pruner(), goal), curves, workers) == expected
    assert stopped_at(RayTune(policy, goal), curves, workers) == expected


@policies
@pytest.mark.parametrize("name", [file.stem for file in sorted(CURVES.glob("*.npz"))])
def test_curves_of_real_trainings_are_stopped_alike(policy: Any, pruner: Callable[[], BasePruner], name: str) -> None:
    with np.load(CURVES / f"{name}.npz") as archive:
        metric = next(key for key in archive.files if key != "params")
        curves = archive[metric][:40, :25].astype(float).tolist()
    goal = "maximize" if metric in ("accuracy", "r2") else "minimize"
    expected = stopped_at(Native(policy, goal), curves, workers=4)
    assert stopped_at(Optuna(pruner(), goal), curves, workers=4) == expected
    assert stopped_at(RayTune(policy, goal), curves, workers=4) == expected
    assert any(expected)
