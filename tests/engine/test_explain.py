"""What the optimizer writes down about proposals and stops, against the plain-loop twin of the policies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import policies as twin

import hdcore as hd
from hdcore.reasons import MOST_RANGES, Proposal
from hdcore.store.reasons import to_text

SPACE = {"x": hd.uniform(0, 1)}
CASES = [
    (hd.BanditPolicy(slack_factor=0.2), {"kind": "bandit", "slack_factor": 0.2}),
    (hd.BanditPolicy(2, slack_amount=0.3, delay_evaluation=2), {"kind": "bandit", "slack_amount": 0.3}),
    (hd.BanditPolicy(slack_amount=0.1, population="reached"), {"kind": "bandit", "slack_amount": 0.1}),
    (hd.MedianStoppingPolicy(), {"kind": "median"}),
    (hd.MedianStoppingPolicy(1, 2, population="reached"), {"kind": "median"}),
    (hd.TruncationSelectionPolicy(40), {"kind": "truncation", "percentage": 40}),
    (
        hd.TruncationSelectionPolicy(50, exclude_finished_jobs=True),
        {"kind": "truncation", "percentage": 50, "exclude_finished": True},
    ),
]
values = st.one_of(st.floats(-3, 3), st.sampled_from([math.nan, math.inf, 0.0, 1.0, 1.0]))


def bar(policy, histories, ended, k, goal):
    """What a run needs at interval k, by the wording of each rule."""
    members = twin.population(policy, histories, ended, k)
    if policy["kind"] == "median":
        return twin.median([twin.average(of, goal) for of in members], goal)
    if policy["kind"] == "truncation":
        order = twin.worst_first([twin.best(of, goal) for of in members], goal)
        return order[len(order) * policy["percentage"] // 100]
    return twin.allowed(policy, twin.best([value for of in members for value in of], goal), goal)


@given(
    st.sampled_from(CASES),
    st.sampled_from(["maximize", "minimize"]),
    st.lists(st.tuples(st.integers(0, 6), values), min_size=5, max_size=60),
    st.sets(st.integers(0, 59)),
    st.integers(0, 3),
)
@settings(deadline=None, max_examples=300)
def test_a_stop_tells_the_bar_and_the_population_that_the_twin_finds(case, goal, reports, ends, earlier) -> None:
    policy, rule = case
    rule = {
        "interval": policy.evaluation_interval,
        "delay": policy.delay_evaluation,
        "population": policy.population,
        **rule,
    }
    optimizer = hd.Optimizer(SPACE, goal=goal, policy=policy, seed=0)
    optimizer.ask(3)
    histories: dict[object, list[float]] = {}
    for k in range(earlier):
        told = [0.5 * k, 1.0 + k][: 1 + k % 2]
        optimizer.add({"x": 0.5}, told[-1], reports=told, source="parent" if k else None)
        histories[f"earlier {k}"] = told
    ended: set[object] = set(histories)
    optimizer.ask(4)
    for step, (number, value) in enumerate(reports):
        if number in ended:
            continue
        histories.setdefault(number, []).append(value)
        k = len(histories[number])
        before = optimizer.explain(number).stop
        stops = optimizer.report(number, value)
        stop = optimizer.explain(number).stop
        assert (stop is not None) == stops
        if stops and before is not None:
            assert stop == before  # the first word counts
        elif stops:
            members = {
                run for run, of in histories.items()
                if (len(of) >= k or (run in ended and policy.population == "all"))
                and not (rule.get("exclude_finished") and run in ended)
            }  # fmt: skip
            ours = sorted(run for run in members if isinstance(run, int) and run != number)
            bests = {run: twin.best(histories[run][:k], goal) for run in members}
            best = twin.worst_first(list(bests.values()), goal)[-1]
            assert stop.interval == k
            assert stop.policy == policy.to_json()
            assert stop.value == twin.best(histories[number], goal)
            assert stop.bar == bar(rule, histories, ended, k, goal)
            assert (stop.count, stop.earlier) == (len(members), len(members) - len(ours) - 1)
            assert [run for a, b in stop.runs for run in range(a, b + 1)] == ours
            assert stop.best == best
            leaders = [run for run, value in bests.items() if value == best]
            assert stop.best_run in leaders or (stop.best_run is None and any(isinstance(run, str) for run in leaders))
        if step in ends:
            ended.add(number)
            optimizer.tell(number, status="canceled" if stops else "completed")
    saved = hd.Optimizer.from_json(optimizer.to_json())
    assert [saved.explain(n) for n in range(7)] == [optimizer.explain(n) for n in range(7)]


def test_of_equal_runs_the_first_is_the_best_of_a_population() -> None:
    optimizer = hd.Optimizer(SPACE, policy="bandit:slack_amount=0.1", seed=0)
    optimizer.ask(5)
    for number in (2, 1, 3):
        optimizer.report(number, 1.0)
    optimizer.tell(2)
    assert optimizer.report(0, 0.5)
    assert optimizer.report(4, 0.5)
    assert [optimizer.explain(n).stop.best_run for n in (0, 4)] == [1, 1]


def test_a_run_that_starts_again_has_not_been_stopped_and_its_reports_are_nobodys_bar() -> None:
    optimizer = hd.Optimizer(SPACE, policy="bandit:slack_amount=0.1", seed=0)
    optimizer.ask(3)
    optimizer.report(0, 1.0)
    assert optimizer.report(1, 0.5)
    optimizer.restart(1)
    optimizer.restart(0)
    assert optimizer.explain(1).stop is None
    optimizer.report(2, 0.7)
    assert optimizer.report(1, 0.5)
    stop = optimizer.explain(1).stop
    assert (stop.bar, stop.best_run, stop.runs) == (pytest.approx(0.6), 2, ((2, 2),))


def test_a_population_with_many_holes_is_counted_whole_and_told_in_part() -> None:
    optimizer = hd.Optimizer(SPACE, policy=hd.MedianStoppingPolicy(1, 2, population="reached"), seed=0)
    optimizer.ask(401)
    for number in range(400):
        for _ in range(1 + number % 2):
            optimizer.report(number, 1.0)
    optimizer.report(400, 0.0)
    assert optimizer.report(400, 0.0)
    stop = optimizer.explain(400).stop
    assert stop.count == 201
    assert stop.runs == tuple((n, n) for n in range(1, 2 * MOST_RANGES, 2))


def test_a_policy_of_ones_own_is_explained_as_far_as_it_tells() -> None:
    class Judge:
        last_bar = 0.25

        def report(self, run, score):
            return score < 0.25

        def report_many(self, runs, scores):
            return scores < 0.25

        def end(self, run):
            pass

    class Quiet(Judge):
        last_bar = None

    class Policy:
        evaluation_interval, delay_evaluation = 1, 0

        def __init__(self, judge):
            self.judge = judge

        def to_json(self):
            return {"name": "Mine"}

    class Numpy(Judge):
        last_bar = np.float64(0.25)

    for judge, expected in ((Judge, -0.25), (Quiet, None), (Numpy, -0.25)):
        optimizer = hd.Optimizer(SPACE, goal="minimize", policy=Policy(judge), seed=0)
        optimizer.ask()
        assert optimizer.report(0, 1.0)
        stop = optimizer.explain(0).stop
        assert (stop.policy, stop.value, stop.bar, stop.count) == ({"name": "Mine"}, 1.0, expected, 0)
        assert to_text(stop)  # numpy's floats are none to JSON


@pytest.mark.parametrize("sampler", ["random", "sobol", "grid"])
def test_plain_samplers_stand_for_their_proposals(sampler) -> None:
    optimizer = hd.Optimizer({"x": hd.choice(*range(20))}, sampler=sampler, seed=0)
    assert {run.proposal for run in optimizer.ask(5)} == {Proposal(how=sampler)}
    assert optimizer.explain(4).proposal == Proposal(how=sampler)
    with pytest.raises(hd.errors.StateError, match="never proposed"):
        optimizer.explain(5)


def test_a_sampler_of_ones_own_may_explain_itself_and_need_not() -> None:
    class Mine:
        name = "mine"

        def bind(self, space, seed):
            pass

        def propose(self, table, start, n):
            return np.full((n, 1), 0.5) + np.arange(start, start + n)[:, None] / 100

    class Talking(Mine):
        def propose(self, table, start, n):
            self.n = n
            return super().propose(table, start, n)

        def explain(self):
            return [Proposal(how="mine", mean=0.5, best=0.25, sd=0.1) for _ in range(self.n)]

    assert hd.Optimizer(SPACE, sampler=Mine(), seed=0).ask().proposal == Proposal(how="mine")
    told = hd.Optimizer(SPACE, sampler=Talking(), goal="minimize", seed=0).ask(2)
    assert [run.proposal for run in told] == [Proposal(how="mine", mean=-0.5, best=-0.25, sd=0.1)] * 2


def test_a_reloaded_bayesian_sweep_expects_what_the_original_would_have() -> None:
    original = hd.Optimizer({"x": hd.uniform(0, 1), "y": hd.uniform(0, 1)}, sampler="bayesian", seed=4)
    for run in original.ask(12):
        original.tell(run.number, -((run.configuration["x"] - 0.3) ** 2) - run.configuration["y"])
    continued = hd.Optimizer.from_json(original.to_json())
    for _ in range(3):
        assert original.ask(2) == continued.ask(2)
