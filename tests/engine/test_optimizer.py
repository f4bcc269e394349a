"""The optimizer as its users see it: any order of legal calls, saved and continued anywhere."""

from __future__ import annotations

import json
import math
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdcore as hd
from hdcore.errors import ExhaustedError, InputError, SpaceError, StateError

SPACE = {
    "learning_rate": hd.loguniform(-9, -2),
    "momentum": hd.uniform(0.5, 0.99),
    "units": hd.quniform(16, 512, 16),
    "optimizer": hd.choice("sgd", "adam", "lamb"),
}
POLICIES = [
    None,
    hd.MedianStoppingPolicy(delay_evaluation=2),
    hd.BanditPolicy(slack_factor=0.1),
    "truncation:percentage=40",
]


def play(optimizer: hd.Optimizer, moves: list[tuple[int, int, float]]) -> list[object]:
    """Carry out moves (kind, which pending run, value) and return everything that was answered."""
    answers: list[object] = []
    for kind, which, value in moves:
        pending = [run.number for run in optimizer.runs if run.status is hd.RunStatus.RUNNING]
        if kind == 0 or not pending:
            answers.append([(run.number, run.configuration) for run in optimizer.ask(1 + which % 3)])
            continue
        number = pending[which % len(pending)]
        if kind < 6:
            answers.append(optimizer.report(number, value))
        elif kind == 6:
            optimizer.tell(number)
        elif kind == 7:
            optimizer.tell(number, value)
        elif kind == 8:
            optimizer.tell(number, value, ["failed", "canceled"][which % 2])
        elif kind == 9:
            optimizer.restart(number)
        else:
            optimizer.add({"learning_rate": 0.01, "momentum": 0.6, "units": 32.0, "optimizer": "sgd"}, value)
        answers.append(best_of(optimizer))
    return answers


def best_of(optimizer: hd.Optimizer) -> object:
    best = optimizer.best
    return best and (best.number, best.configuration, best.value, best.interval)


VALUES = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, -1.0, math.nan, math.inf, -math.inf]), st.floats(-10, 10, width=16)
)
MOVES = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 20), VALUES), max_size=40)


@settings(max_examples=150, deadline=None)
@given(
    MOVES,
    st.integers(0, 40),
    st.sampled_from(["random", "sobol"]),
    st.sampled_from(["maximize", "minimize"]),
    st.sampled_from(POLICIES),
)
def test_a_saved_optimizer_continues_as_the_original_would_have(moves, cut, sampler, goal, policy) -> None:
    original = hd.Optimizer(SPACE, sampler=sampler, goal=goal, policy=policy, seed=11)
    play(original, moves[:cut])
    continued = hd.Optimizer.from_json(original.to_json())
    assert continued.to_json() == original.to_json()
    assert repr(play(continued, moves[cut:])) == repr(play(original, moves[cut:]))
    assert continued.to_json() == original.to_json()


@settings(max_examples=80, deadline=None)
@given(MOVES, st.sampled_from(POLICIES))
def test_minimising_is_maximising_the_negative(moves, policy) -> None:
    up = hd.Optimizer(SPACE, goal="maximize", policy=policy, seed=3)
    down = hd.Optimizer(SPACE, goal="minimize", policy=policy, seed=3)
    play(up, moves)
    play(down, [(kind, which, -value) for kind, which, value in moves])
    assert [run.stopped for run in up.runs] == [run.stopped for run in down.runs]
    assert (up.best and up.best.number) == (down.best and down.best.number)
    assert (up.best and up.best.value) == (down.best and -down.best.value)


@pytest.mark.parametrize(
    "policy", [hd.MedianStoppingPolicy(), hd.BanditPolicy(slack_amount=0.1), "truncation:percentage=50"]
)
def test_what_a_stopped_run_reports_before_it_ends_counts_alike_after_a_resume(policy) -> None:
    """Its process goes on for a moment after the word; those reports are in the store like all others."""
    original = hd.Optimizer(SPACE, policy=policy, seed=1)
    original.ask(4)
    for number in range(3):
        original.report(number, 0.2)
    assert original.report(3, 0.0) is True
    assert original.report(3, 0.9) is True  # on its way when the policy spoke
    original.tell(3, status="canceled")
    continued = hd.Optimizer.from_json(original.to_json())
    words = [(original.report(number, 0.3), continued.report(number, 0.3)) for number in range(3)]
    assert [mine for mine, _ in words] == [theirs for _, theirs in words]


def test_a_restored_sweep_proposes_what_the_uninterrupted_one_would_have() -> None:
    whole = hd.Optimizer(SPACE, seed=5, policy=hd.MedianStoppingPolicy())
    parts = hd.Optimizer(SPACE, seed=5, policy=hd.MedianStoppingPolicy())
    for run in whole.ask(6):
        stopped = [whole.report(run.number, 0.1 * run.number * k) for k in range(4)]
        whole.tell(run.number)
        record = whole.run(run.number)
        stored = json.loads(json.dumps(run.configuration))
        why = whole.explain(run.number)
        parts.restore(
            run.number, stored, "completed", record.value, record.reports, stopped=stopped[-1], explanation=why
        )
    assert parts.to_json() == whole.to_json()
    assert parts.ask().configuration == whole.ask().configuration


@pytest.mark.parametrize("batches", [[10], [1] * 10, [3, 3, 4], [None] * 10])
def test_run_i_has_the_same_configuration_however_it_was_asked_for(batches) -> None:
    expected = [run.configuration for run in hd.Optimizer(SPACE, seed=9).ask(10)]
    optimizer = hd.Optimizer(SPACE, seed=9)
    asked = []
    for batch in batches:
        runs = optimizer.ask(batch) if batch else [optimizer.ask()]
        asked += [run.configuration for run in runs]
        optimizer.tell(runs[0].number, 1.0)
    assert asked == expected


def test_a_finite_space_ends() -> None:
    optimizer = hd.Optimizer({"a": hd.choice(1, 2, 3), "b": hd.choice("x", "y")}, seed=0)
    runs = optimizer.ask(100)
    assert len(runs) == 6
    assert len({tuple(run.configuration.items()) for run in runs}) == 6
    assert optimizer.exhausted
    assert optimizer.ask(5) == []
    with pytest.raises(ExhaustedError, match="6 configurations"):
        optimizer.ask()


@pytest.mark.parametrize(
    "space",
    [
        {"a": hd.choice(1, 2, 3), "b": hd.choice("x", "y")},
        {"a": hd.choice({"x": hd.choice(1, 2)}, {"x": hd.choice(2, 3)}), "b": hd.choice(0.1, 0.7)},
    ],
)
@pytest.mark.parametrize("at_once", [1, 4, 99])
def test_a_grid_that_begins_with_runs_that_are_gone_on_with_has_every_configuration_once(
    space: dict[str, Any], at_once: int
) -> None:
    whole = list(hd.grid(space))
    resumed = [whole[4], whole[1]]
    optimizer = hd.Optimizer(space, sampler="grid")
    optimizer.add(whole[0], 1.0, source="earlier")
    for number, configuration in enumerate(resumed):
        optimizer.restore(number, configuration)
    found = []
    while not optimizer.exhausted:
        found += [run.configuration for run in optimizer.ask(at_once)]
        optimizer = hd.Optimizer.from_json(optimizer.to_json())
    assert found == [configuration for configuration in whole if configuration not in resumed]


def test_grid_follows_the_declared_order() -> None:
    optimizer = hd.Optimizer({"a": hd.choice(1, 2), "b": hd.choice("x", "y")}, sampler="grid")
    assert [tuple(run.configuration.values()) for run in optimizer.ask(9)] == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    with pytest.raises(SpaceError, match="'lr'"):
        hd.Optimizer({"lr": hd.uniform(0, 1)}, sampler="grid")


@pytest.mark.parametrize(("goal", "value", "interval"), [("maximize", 0.9, 2), ("minimize", 0.2, 3)])
def test_tell_without_a_value_takes_the_best_reported(goal, value, interval) -> None:
    optimizer = hd.Optimizer(SPACE, goal=goal, seed=1)
    run = optimizer.ask()
    assert optimizer.best is None
    for reported in (0.5, 0.9, 0.2, math.nan):
        assert optimizer.report(run.number, reported) is False
    optimizer.tell(run.number)
    assert optimizer.best == hd.BestRun(0, run.configuration, value, interval)


def test_the_best_run_is_finite_and_of_equal_ones_the_first_asked() -> None:
    optimizer = hd.Optimizer(SPACE, seed=1)
    runs = optimizer.ask(6)
    for number, value in [(5, math.inf), (4, 0.7), (3, math.nan), (2, 0.7), (1, 0.1)]:
        optimizer.tell(number, value)
    assert optimizer.best == hd.BestRun(2, runs[2].configuration, 0.7, None)
    optimizer.tell(0, 0.8, status="failed")  # as in HyperDrive, a failed run's metric counts
    assert optimizer.best is not None
    assert optimizer.best.number == 0


def test_the_policy_stops_a_bad_run_once_and_for_all() -> None:
    optimizer = hd.Optimizer(SPACE, policy=hd.MedianStoppingPolicy(delay_evaluation=2), seed=1)
    good, bad = optimizer.ask(2)
    assert [optimizer.report(good.number, v) for v in (0.8, 0.9)] == [False, False]
    assert [optimizer.report(bad.number, v) for v in (0.1, 0.2)] == [False, True]
    assert optimizer.report(bad.number, 1.0) is True, "a report on its way does not save it"
    optimizer.tell(bad.number, status="canceled")
    assert optimizer.run(bad.number).reports == (0.1, 0.2, 1.0)


def test_a_restarted_run_leaves_no_trace_of_its_first_attempt() -> None:
    policy = hd.MedianStoppingPolicy()
    plain, restarted = (hd.Optimizer(SPACE, policy=policy, seed=1) for _ in range(2))
    for optimizer in (plain, restarted):
        optimizer.ask(3)
    for value in (9.0, 9.0, 9.0):
        restarted.report(0, value)
    restarted.restart(0)
    for optimizer in (plain, restarted):
        assert [optimizer.report(1, 0.5), optimizer.report(0, 0.6), optimizer.report(2, 0.1)] == [False, False, True]
    assert restarted.to_json() == plain.to_json()


def test_history_in_the_same_metric_may_be_best_and_other_history_never_is() -> None:
    optimizer = hd.Optimizer(SPACE, seed=1)
    known = {"learning_rate": 0.01, "momentum": 0.6, "units": 32.0, "optimizer": "sgd"}
    optimizer.add(known, 5.0, source="last month")
    assert optimizer.best is None
    optimizer.add(known, 0.5)
    assert optimizer.best == hd.BestRun(None, known, 0.5, None)
    assert optimizer.ask().number == 0, "history takes no number"
    columns = hd.sample(optimizer.space, 50, seed=2)
    optimizer.add_many(columns, np.linspace(0, 1, 50))
    assert optimizer.best is not None
    assert optimizer.best.value == 1.0
    assert optimizer.table.n == 53
    with pytest.raises(SpaceError, match="momentum"):
        optimizer.add({**known, "momentum": 7.0}, 1.0)
    with pytest.raises(InputError, match="one value each"):
        optimizer.add_many([known], [1.0, 2.0])
    assert optimizer.table.n == 53


def test_illegal_calls_say_what_was_found() -> None:
    optimizer = hd.Optimizer(SPACE, seed=1)
    with pytest.raises(StateError, match="run 0 was never proposed"):
        optimizer.report(0, 1.0)
    run = optimizer.ask()
    optimizer.tell(run.number, 1.0)
    with pytest.raises(StateError, match="run 0 is COMPLETED and cannot report"):
        optimizer.report(run.number, 1.0)
    with pytest.raises(StateError, match="told before"):
        optimizer.tell(run.number, 1.0)
    with pytest.raises(InputError, match="completed, failed or canceled"):
        optimizer.tell(optimizer.ask().number, 1.0, status="running")
    for arguments in (
        {"goal": "up"},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": True},
        {"sampler": "magic"},
        {"policy": "nice"},
    ):
        with pytest.raises(InputError):
            hd.Optimizer(SPACE, **arguments)
    saved = optimizer.to_json()
    spoiled = [saved.replace(f'"{optimizer.seed}"', '"one"'), saved.replace('"state":1', '"state":9')]
    for text in ("", "[]", "{}", '{"hdcore_optimizer": 99}', *spoiled, None):
        assert text != saved
        with pytest.raises(InputError):
            hd.Optimizer.from_json(text)


class HalfAndHalf:
    """A sampler of somebody else: always the middle of the cube."""

    name = "half"

    def bind(self, space, seed) -> None:
        self.space = space

    def propose(self, table, start, n):
        return self.space.snap(np.full((n, len(self.space.columns)), 0.5))


def test_a_sampler_and_a_policy_of_somebody_else_are_welcome() -> None:
    class Impatient:
        evaluation_interval = 1
        delay_evaluation = 0

        def judge(self):
            return self

        def to_json(self):
            return {"name": "Impatient"}

        def report(self, run, score):
            return score < 0

        def report_many(self, runs, scores):
            return scores < 0

        def end(self, run):
            pass

    optimizer = hd.Optimizer(SPACE, sampler=HalfAndHalf(), policy=Impatient(), seed=1)
    first, second = optimizer.ask(2)
    assert first.configuration == second.configuration
    assert optimizer.report(0, -1.0)
    text = optimizer.to_json()
    with pytest.raises(StateError, match="sampler="):
        hd.Optimizer.from_json(text, policy=Impatient())
    again = hd.Optimizer.from_json(text, sampler=HalfAndHalf(), policy=Impatient())
    assert again.to_json() == text


def test_threads_get_distinct_runs_and_lose_none() -> None:
    optimizer = hd.Optimizer(SPACE, policy=hd.MedianStoppingPolicy(delay_evaluation=3), seed=1)
    seen: list[int] = []

    def work() -> None:
        for _ in range(200):
            run = optimizer.ask()
            seen.append(run.number)
            for k in range(3):
                optimizer.report(run.number, k)
            optimizer.tell(run.number)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert sorted(seen) == list(range(800))
    expected = hd.Optimizer(SPACE, seed=1).ask(800)
    assert [run.configuration for run in optimizer.runs] == [run.configuration for run in expected]


def test_ten_thousand_runs_with_a_hundred_intervals_stay_small() -> None:
    optimizer = hd.Optimizer(SPACE, policy=hd.MedianStoppingPolicy(delay_evaluation=5), seed=1)
    rng = np.random.default_rng(0)
    for run in optimizer.ask(10_000):
        for value in rng.random(10):
            optimizer.report(run.number, value)
        optimizer.tell(run.number)
    assert optimizer.table.metric.shape == (10_000, 10)
    assert optimizer.best is not None
    assert optimizer.best.value == np.nanmax(optimizer.table.metric)


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_zero_has_one_sign(goal) -> None:
    optimizer = hd.Optimizer(SPACE, sampler="random", goal=goal, seed=0)
    run = optimizer.ask()
    optimizer.report(run.number, -0.0)
    optimizer.report(run.number, 0.0)
    optimizer.tell(run.number)
    assert repr(optimizer.best.value) == "0.0"
    assert hd.Optimizer.from_json(optimizer.to_json()).to_json() == optimizer.to_json()
