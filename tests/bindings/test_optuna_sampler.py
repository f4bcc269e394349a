"""`HdcoreSampler` beyond Optuna's own tests: what it promises of hdcore's side, of workers, and of what is kept."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

import hdcore as hd
from hdcore.bindings.optuna import HdcoreSampler, MedianStoppingPruner
from hdcore.bindings.optuna.distributions import Axes
from hdcore.bindings.optuna.trials import CommonSpace, Unread
from hdcore.errors import InputError

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "choice": CategoricalDistribution(["sgd", None, True, 0.5]),
    "float": FloatDistribution(-2, 2),
    "grid": FloatDistribution(-10.2, 10.2, step=0.1),
    "int": IntDistribution(-5, 5, step=2),
    "log": FloatDistribution(1e-5, 1e-1, log=True),
    "log_int": IntDistribution(1, 500, log=True),
    "size": CategoricalDistribution([64, 16, 32]),
}
SPACE = {
    "choice": hd.choice("sgd", None, True, 0.5),
    "float": hd.uniform(-2, 2),
    "grid": hd.randint(205),
    "int": hd.randint(6),
    "log": hd.log_range(1e-5, 1e-1),
    "log_int": hd.qloguniform(math.log(0.5), math.log(500.5), 1),
    "size": hd.choice(64, 16, 32),
}


RUNNING: dict[str, Any] = {
    "state": TrialState.RUNNING, "value": None, "values": None, "datetime_start": None, "datetime_complete": None,
    "params": {}, "distributions": {}, "user_attrs": {}, "system_attrs": {}, "intermediate_values": {}, "trial_id": 0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def as_ours(params: dict[str, Any]) -> dict[str, Any]:
    return {
        **params,
        "grid": round((params["grid"] + 10.2) / 0.1),
        "int": (params["int"] + 5) // 2,
        "log_int": float(params["log_int"]),
    }


def quality(params: dict[str, Any]) -> float:
    return (
        params["float"] ** 2
        + abs(params["grid"] - 1) / 10
        + abs(params["int"] - 1)
        + (math.log10(params["log"]) + 3) ** 2
        + abs(math.log(params["log_int"] / 40))
        + params["size"] / 64
        + (params["choice"] is not None)
    )


def bowl(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", -1, 1) ** 2 + (trial.suggest_float("y", -1, 1) - 0.3) ** 2


def study_of(n: int = 0, *, objective: Callable[[optuna.Trial], float] = bowl, **options: Any) -> optuna.Study:
    study = optuna.create_study(sampler=HdcoreSampler(**{"seed": 5, **options}))
    study.optimize(objective, n_trials=n)
    return study


def asked(study: optuna.Study) -> dict[str, Any]:
    """What is proposed next, of a study whose trials have x and y; the trial stays running."""
    trial = study.ask()
    return {"x": trial.suggest_float("x", -1, 1), "y": trial.suggest_float("y", -1, 1)}


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_answers_are_those_of_the_plain_optimizer_and_the_policy_stops_the_same_trials(goal: str) -> None:
    sign = 1 if goal == "minimize" else -1
    optimizer = hd.Optimizer(
        SPACE, sampler="bayesian", goal=goal, policy=hd.MedianStoppingPolicy(delay_evaluation=2), seed=11
    )
    study = optuna.create_study(
        direction=goal, sampler=HdcoreSampler(seed=11), pruner=MedianStoppingPruner(delay_evaluation=2)
    )
    ends = []
    for number in range(40):
        trial = study.ask(DISTRIBUTIONS)
        if number == 0:  # the space is not known yet
            optimizer.restore(0, as_ours(trial.params))
        else:
            proposed = optimizer.ask().configuration
            ours = as_ours(trial.params)
            assert ours == {**proposed, "log": pytest.approx(proposed["log"], rel=1e-14)}
            assert [type(ours[name]) for name in ours] == [type(proposed[name]) for name in ours]
        base = sign * quality(trial.params)
        end = "failed" if number % 9 == 4 else "completed"
        for k in range(1, 6):
            value = base + sign * (5 - k) * (1 + number % 3) / 5
            trial.report(value, step=7 * k)
            stops = optimizer.report(number, value)
            assert trial.should_prune() == stops
            if stops:
                end = "canceled"
                break
        ends.append(end)
        if end == "completed":
            study.tell(trial, base)
            optimizer.tell(number, base)
        else:
            study.tell(trial, state=TrialState.PRUNED if end == "canceled" else TrialState.FAIL)
            optimizer.tell(number, status=end)
    assert set(ends) == {"completed", "failed", "canceled"}


finite = st.floats(-1e6, 1e6)
floats = st.tuples(finite, finite).map(sorted).map(lambda b: FloatDistribution(*b))
logs = st.tuples(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9)).map(sorted).map(lambda b: FloatDistribution(*b, log=True))
grids = st.builds(
    lambda low, step, n: FloatDistribution(low, low + n * step, step=step),
    st.integers(-999, 999).map(lambda k: k / 10),
    st.integers(1, 999).map(lambda k: k / 10),
    st.integers(0, 300),
)
whole = st.builds(
    lambda low, step, n: IntDistribution(low, low + n * step, step=step),
    st.integers(-(10**15), 10**15),
    st.integers(1, 9),
    st.integers(0, 10**16),
)
log_ints = (
    st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)).map(sorted).map(lambda b: IntDistribution(*b, log=True))
)
options = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3)
choices = st.lists(options, min_size=1, max_size=6).map(CategoricalDistribution)


@pytest.mark.filterwarnings("ignore:The distribution is specified by")
@settings(max_examples=60, deadline=None)
@given(
    distribution=floats | logs | grids | whole | log_ints | choices,
    u=st.floats(0, 1, exclude_max=True),
)
def test_any_draw_is_of_the_distribution_and_comes_back_as_the_same_row(distribution: Any, u: float) -> None:
    axes = Axes({"p": distribution})
    row = axes.space.snap(np.full((1, 1), u))[0]
    params = axes.decode(row)
    internal = distribution.to_internal_repr(params["p"])
    assert distribution._contains(internal)
    assert type(params["p"]) is type(distribution.to_external_repr(internal))
    again = axes.encode(params)
    assert again is not None
    np.testing.assert_equal(axes.decode(again), params)


def test_all_values_of_a_grid_have_the_same_weight() -> None:
    sampler, study = HdcoreSampler(seed=1), optuna.create_study()
    for distribution in (IntDistribution(3, 9, step=3), FloatDistribution(-0.1, 0.1, step=0.1)):
        trials = [optuna.trial.FrozenTrial(**{**RUNNING, "number": n}) for n in range(900)]
        drawn = [sampler.sample_independent(study, trial, "p", distribution) for trial in trials]
        values, counts = np.unique(drawn, return_counts=True)
        assert len(values) == 3
        assert np.all(abs(counts - 300) < 75)  # 5 sigma


@settings(max_examples=40, deadline=None)
@given(
    trials=st.lists(
        st.tuples(
            st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING]),
            st.dictionaries(st.sampled_from("abc"), st.sampled_from([1, 2]), max_size=3),
        ),
        max_size=8,
    ),
    cuts=st.lists(st.integers(0, 8), max_size=4).map(sorted),
)
def test_the_common_space_is_optunas_intersection(trials: Any, cuts: list[int]) -> None:
    study = optuna.create_study()
    for state, space in trials:
        study.add_trial(
            create_trial(
                state=state,
                value=0.0 if state == TrialState.COMPLETE else None,
                params=dict.fromkeys(space, 0.5),
                distributions={name: FloatDistribution(0, high) for name, high in space.items()},
            )
        )
    common = CommonSpace()
    for cut in (*cuts, len(trials)):  # as it is asked in the middle of a study
        seen = study.trials[:cut]
        assert common.over(seen) == optuna.search_space.intersection_search_space(seen)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_trial_is_overlooked_whatever_part_of_the_study_is_looked_at(data: st.DataObject) -> None:
    trials = [optuna.trial.FrozenTrial(**{**RUNNING, "number": number}) for number in range(12)]
    unread, closed = Unread(), set[int]()
    for _ in range(data.draw(st.integers(1, 8))):
        part = trials[: data.draw(st.integers(0, 12))]
        if data.draw(st.booleans()):
            kept = data.draw(st.sets(st.integers(0, 11)))
            part = [trial for trial in part if trial.number in kept]
        found = [trial.number for trial in unread.of(part)]
        assert found == [trial.number for trial in part if trial.number not in closed]
        for number in data.draw(st.sets(st.sampled_from(found))) if found else ():
            unread.close(number)
            closed.add(number)


def test_a_study_with_a_seed_repeats_and_goes_on_with_another_sampler_as_if_nothing_had_happened() -> None:
    whole = [trial.params for trial in study_of(24).trials]
    assert [trial.params for trial in study_of(24).trials] == whole
    study = study_of(13)
    study.sampler = pickle.loads(pickle.dumps(study.sampler))
    study.optimize(bowl, n_trials=5)
    study.sampler = HdcoreSampler(seed=5)
    study.optimize(bowl, n_trials=6)
    assert [trial.params for trial in study.trials] == whole


def test_reseeding_changes_what_is_drawn_independently_and_no_proposal() -> None:
    one, other = study_of(9), study_of(9)
    other.sampler.reseed_rng()
    trial, same = one.ask(), other.ask()
    assert trial.suggest_float("x", -1, 1) == same.suggest_float("x", -1, 1)
    assert trial.suggest_float("new", -1, 1) != same.suggest_float("new", -1, 1)


def test_two_threads_share_a_sampler_and_never_run_the_same_trial() -> None:
    study = optuna.create_study(sampler=HdcoreSampler(seed=3))
    barrier = threading.Barrier(2)

    def together(trial: optuna.Trial) -> float:
        value = bowl(trial)
        barrier.wait(timeout=60)  # both threads are in the middle of a trial
        return value

    study.optimize(together, n_trials=40, n_jobs=2)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 40
    assert study.best_value < 0.02


def journal(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path)))


def worker(path: Path, **options: Any) -> optuna.Study:
    """Another process's view of a study."""
    return optuna.load_study(study_name="s", storage=journal(path), sampler=HdcoreSampler(seed=5, **options))


def plain_optimizer(path: Path) -> hd.Optimizer:
    space = {"x": hd.uniform(-1, 1), "y": hd.uniform(-1, 1)}
    optimizer = hd.Optimizer(space, sampler="bayesian", goal="minimize", seed=5)
    for trial in worker(path).trials:
        optimizer.restore(trial.number, trial.params, "completed", trial.value)
    return optimizer


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A stored study with 12 trials."""
    path = tmp_path / "journal.log"
    optuna.create_study(study_name="s", storage=journal(path)).add_trials(study_of(12).trials)
    return path


def test_a_worker_knows_what_another_one_runs_even_before_it_has_asked_for_its_parameters(begun: Path) -> None:
    optimizer = plain_optimizer(begun)
    first, second = (run.configuration for run in optimizer.ask(2))
    trial = worker(begun).ask()
    assert trial.suggest_float("x", -1, 1) == first["x"]  # and has not asked for y
    assert asked(worker(begun)) == second


def test_workers_that_propose_at_the_same_moment_propose_different_points(begun: Path) -> None:
    optimizer = plain_optimizer(begun)
    worker(begun).ask()  # has not come to its first parameter
    assert asked(worker(begun)) == optimizer.ask(2)[1].configuration


def test_without_the_liar_running_trials_are_nobodys_business(begun: Path) -> None:
    optimizer = plain_optimizer(begun)
    study = worker(begun, constant_liar=False)
    asked(study)
    alone = optimizer.sampler.propose(optimizer.table, 13, 1)
    assert asked(study) == optimizer.space.decode_row(alone[0])


PROGRAM = """
import sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from hdcore.bindings.optuna import HdcoreSampler, MedianStoppingPruner

def objective(trial):
    value = trial.suggest_float("x", -1, 1) ** 2 + trial.suggest_int("n", 0, 9)
    for k in range(3):
        trial.report(value + 1 / (k + 1), k)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value

optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(
    study_name="s", storage=storage, sampler=HdcoreSampler(seed=5), pruner=MedianStoppingPruner()
)
sys.stdin.readline()
study.optimize(objective, n_trials=12)
"""


def test_several_processes_work_on_one_storage(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    optuna.create_study(study_name="s", storage=journal(path))
    workers = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", PROGRAM, str(path)], stdin=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in workers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in workers:
        process.communicate(timeout=100)
        assert process.returncode == 0
    trials = optuna.load_study(study_name="s", storage=journal(path)).trials
    assert [trial.number for trial in trials] == list(range(24))
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)


def test_parameters_come_and_go_and_change_their_range() -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -1, 1)
        if trial.number % 3 == 1:
            x += trial.suggest_float("sometimes", 0, 1)
        x += trial.suggest_int("n", 0, 10 if trial.number < 8 else 20)
        if trial.number % 5 == 3:
            raise ValueError
        return x**2

    study = optuna.create_study(sampler=HdcoreSampler(seed=1))
    study.optimize(objective, n_trials=7, catch=ValueError)
    assert set(study.sampler.infer_relative_search_space(study, study.ask()._cached_frozen_trial)) == {"n", "x"}
    study.optimize(objective, n_trials=13, catch=ValueError)
    assert set(study.sampler.infer_relative_search_space(study, study.ask()._cached_frozen_trial)) == {"x"}


def test_what_is_enqueued_is_what_the_model_learns() -> None:
    study, twin = study_of(12), study_of(12)
    study.enqueue_trial({"y": 0.9})
    trial = study.ask()
    params = {"x": trial.suggest_float("x", -1, 1), "y": trial.suggest_float("y", -1, 1)}
    assert params["y"] == 0.9
    study.tell(trial, 7.0)
    twin.add_trial(create_trial(params=params, distributions=twin.trials[0].distributions, value=7.0))
    assert asked(study) == asked(twin)


@pytest.mark.parametrize("end", [TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED])
def test_a_trial_that_ends_with_other_values_than_were_proposed_is_no_trap(end: TrialState) -> None:
    def only_x(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", -1, 1) ** 2

    study, fresh = study_of(12), study_of(12)
    for is_asked in (True, False):
        trial = study.ask()
        trial.suggest_float("x", -1, 1)
        if is_asked:
            trial.suggest_float("y", 5, 6)  # another range: drawn independently
        study.tell(trial, 3.0 if end == TrialState.COMPLETE else None, state=end)
    fresh.add_trials(study.trials[12:])
    fresh.sampler = HdcoreSampler(seed=5)  # has seen none of it happen
    for one in (study, fresh):
        one.optimize(only_x if end == TrialState.COMPLETE else bowl, n_trials=3)
    assert [trial.params for trial in study.trials] == [trial.params for trial in fresh.trials]


def test_trials_of_a_worker_that_was_killed_do_not_stop_the_others() -> None:
    study = study_of(8)
    asked(study)  # and is never told
    study.optimize(bowl, n_trials=12)
    assert [trial.state for trial in study.trials].count(TrialState.COMPLETE) == 20


def test_a_space_that_is_used_up_is_drawn_from_again() -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_int("n", 0, 2) + trial.suggest_categorical("c", [0, 1])

    study = study_of(15, objective=objective)
    assert len(study.trials) == 15
    assert len({tuple(trial.params.values()) for trial in study.trials[:7]}) == 6


@pytest.mark.parametrize("n_startup", [0, 3, 20])
def test_the_model_proposes_after_the_startup(n_startup: int) -> None:
    study = study_of(24, n_startup=n_startup)
    design = hd.Optimizer({"x": hd.uniform(-1, 1), "y": hd.uniform(-1, 1)}, sampler="sobol", seed=5).ask(24)
    points = [trial.params == run.configuration for trial, run in zip(study.trials, design, strict=True)]
    assert points[1 : max(n_startup, 2)] == [True] * max(n_startup - 1, 1)  # the first trial's space is not known
    assert not any(points[max(n_startup, 2) :])


def test_other_samplers_and_pruners_of_optuna_work_with_it() -> None:
    def objective(trial: optuna.Trial) -> float:
        value = bowl(trial)
        for step in range(1, 28):
            trial.report(value + 1 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study = optuna.create_study(sampler=HdcoreSampler(seed=2), pruner=optuna.pruners.HyperbandPruner(max_resource=27))
    study.optimize(objective, n_trials=25)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}


def test_infinite_values_are_failures_to_the_model() -> None:
    study = study_of(20, objective=lambda trial: math.inf if bowl(trial) > 1 else bowl(trial))
    assert math.isinf(max(study.trials, key=lambda trial: trial.value or 0).value or 0)
    assert study.best_value < 0.05


def test_several_objectives_and_constraints_are_refused_in_one_line() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=HdcoreSampler())
    with pytest.raises(InputError, match=r"^HdcoreSampler: the study has 2 objectives; use it for"):
        study.ask({"x": FloatDistribution(0, 1)})
    study = study_of(3)
    trial = study.trials[0]
    study.add_trial(
        create_trial(
            params=trial.params, distributions=trial.distributions, value=1.0, system_attrs={"constraints": (1.0,)}
        )
    )
    with pytest.raises(InputError, match=r"^HdcoreSampler: trial 3 has constraints"):
        asked(study)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": 1.5}, {"n_startup": -1}, {"n_startup": True}])
def test_wrong_arguments_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"^HdcoreSampler: {next(iter(wrong))} is"):
        HdcoreSampler(**wrong)


def test_a_sampler_can_go_from_study_to_study() -> None:
    sampler = HdcoreSampler(seed=5)
    runs = []
    for _ in range(2):
        study = optuna.create_study(sampler=sampler)
        study.optimize(bowl, n_trials=12)
        runs.append([trial.params for trial in study.trials])
    assert runs[0] == runs[1]
