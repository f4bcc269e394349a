"""Reasons in the store: written with the ask and with the end, and true of the curves that stand beside them."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from reference import policies as twin

import hdcore as hd
from hdcore.driver import drive
from hdcore.reasons import Proposal, Stop
from hdcore.records import EarlierRun, Limits, NewRows, Parent, SweepSpec
from hdcore.store import Store, StoreReader
from hdcore.typing import Goal, RunStatus

sys.path.insert(0, os.path.dirname(__file__))
from scripted import Play, ScriptedExecutor, bare_launch

POLICIES = [
    (hd.BanditPolicy(slack_factor=0.1), {"kind": "bandit", "slack_factor": 0.1}),
    (hd.BanditPolicy(2, slack_amount=0.2), {"kind": "bandit", "slack_amount": 0.2}),
    (hd.MedianStoppingPolicy(1, 3), {"kind": "median"}),
    (hd.TruncationSelectionPolicy(30, population="reached"), {"kind": "truncation", "percentage": 30}),
]


def make_spec(runs: int = 40, **more: Any) -> SweepSpec:
    return SweepSpec(
        name="s",
        space={"x": ["uniform", [0, 1]]},
        metric="loss",
        limits=Limits(max_total_runs=runs),
        command="true",
        seed=7,
        **{"goal": Goal.MINIMIZE, **more},
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "root"


def go(root: Path, spec: SweepSpec, executor: ScriptedExecutor, first: NewRows = NewRows()) -> None:  # noqa: B008
    with Store.create(root, spec, sweep_id="HD_test", first=first) as store:
        drive(store, executor, prepare=bare_launch)


@pytest.mark.parametrize("goal", list(Goal), ids=lambda goal: goal.value)
@pytest.mark.parametrize(("policy", "rule"), POLICIES, ids=lambda item: getattr(item, "__class__", item).__name__)
def test_the_stored_bar_is_the_one_that_the_stored_curves_give(root: Path, policy: Any, rule: Any, goal: Goal) -> None:
    rng = random.Random(3)

    def play(number: int, attempt: int) -> Play:
        level = rng.random()
        return Play([level + rng.gauss(0, 0.3) / k for k in range(1, rng.randrange(2, 14))])

    parents = tuple(EarlierRun(n, {"x": 0.5}, RunStatus.COMPLETED, 0.4, (0.5 - n / 10, 0.4)) for n in range(3))
    first = NewRows(parents=((Parent(name="p", sweep_id="HD_p", total=3), parents),))
    go(root, make_spec(goal=goal, policy=policy.to_json()), ScriptedExecutor(play, slots=5), first)
    with StoreReader.open(root / "sweeps" / "s") as reader:
        curves = {number: list(values) for number, values in reader.curves().items()}
        stops = {run.number: reader.stop(run.number) for run in reader.runs()}
        ends = {run.number: run for run in reader.runs()}
    found = {number: stop for number, stop in stops.items() if stop is not None}
    assert len(found) >= 3
    assert {n for n, run in ends.items() if run.status is RunStatus.CANCELED} <= set(found)
    for number, stop in found.items():
        k, way = stop.interval, goal.value
        numbers = [number, *(n for a, b in stop.runs for n in range(a, b + 1))]
        members = [curves[n][:k] for n in numbers] + (
            [list(run.reports)[:k] for run in parents] if stop.earlier else []
        )
        assert len(members) == stop.count
        if rule["kind"] == "median":
            expected = twin.median([twin.average(of, way) for of in members], way)
        elif rule["kind"] == "truncation":
            order = twin.worst_first([twin.best(of, way) for of in members], way)
            expected = order[len(order) * rule["percentage"] // 100]
        else:
            expected = twin.allowed(rule, twin.best([value for of in members for value in of], way), way)
        assert stop.bar == expected
        assert stop.value == twin.best(curves[number][:k], way)
        assert twin.worse(stop.value, stop.bar, way)
        assert stop.best == twin.best([value for of in members for value in of], way)
        assert ends[number].reason is None or f"at interval {k}" in ends[number].reason


def statements(store: Store) -> list[str]:
    seen: list[str] = []
    store._connection.set_trace_callback(seen.append)
    return seen


def transactions(seen: list[str]) -> list[list[str]]:
    """Words of the statements of each transaction."""
    found: list[list[str]] = []
    for text in seen:
        if text.startswith("BEGIN"):
            found.append([])
        elif found and not text.startswith(("PRAGMA", "COMMIT", "SELECT")):
            words = text.split()
            found[-1].append(" ".join(words[: 3 if words[0] in ("INSERT", "REPLACE") else 2]))
    return found


def test_a_proposal_is_committed_with_its_run_and_a_stop_with_the_end(root: Path) -> None:
    spec = make_spec(3, policy=hd.BanditPolicy(slack_amount=0.1).to_json())
    with Store.create(root, spec, sweep_id="HD_test") as store:
        seen = statements(store)
        drive(store, ScriptedExecutor(lambda n, a: Play([float(n)] * 3), slots=3), prepare=bare_launch)
        done = transactions(seen)
    asked = [part for part in done if "INSERT INTO run" in part]
    assert [part.count("INSERT INTO proposal") for part in asked] == [part.count("INSERT INTO run") for part in asked]
    assert sum(part.count("INSERT INTO proposal") for part in done) == 3
    stopped = [part for part in done if "REPLACE INTO stop" in part]
    assert stopped
    assert all("UPDATE run" in part for part in stopped)


def test_what_a_killed_driver_leaves_holds_a_reason_for_each_run(root: Path, tmp_path: Path) -> None:
    import shutil

    with Store.create(root, make_spec(), sweep_id="HD_test") as store:
        store.add_runs([(0, {"x": 0.5}), (1, {"x": 0.25})], proposals=[Proposal(how="random"), None])
        store.start_run(0, 1, ("GPU-1",), 10.0)
        shutil.copytree(root, tmp_path / "crashed", ignore=shutil.ignore_patterns("*-shm"))
    for name in ("root", "crashed"):
        (tmp_path / name).chmod(0o700)
    with Store.open(tmp_path / "crashed", "s") as store:
        assert store.requeued == (0,)
        store.start_run(0, 2, (), 20.0)
        store.finish_run(0, RunStatus.COMPLETED, at=30.0)
    with StoreReader.open(tmp_path / "crashed" / "sweeps" / "s") as reader:
        assert [reader.proposal(n) for n in (0, 1)] == [Proposal(how="random"), None]
        [past] = reader.attempts(0)
        assert (past.attempt, past.reason, past.started, past.ended) == (1, "its driver ended", 10.0, None)
        assert past.devices == ("GPU-1",)
        assert reader.attempts(1) == []


def test_attempts_that_failed_are_kept_with_their_reasons(root: Path) -> None:
    def play(number: int, attempt: int) -> Play:
        return Play([1.0], *([(RunStatus.FAILED), f"exit code {attempt}"] if attempt < 3 else []))

    go(root, make_spec(2, retries=2), ScriptedExecutor(play))
    with StoreReader.open(root / "sweeps" / "s") as reader:
        for number in range(2):
            assert [(past.attempt, past.reason) for past in reader.attempts(number)] == [
                (1, "exit code 1"),
                (2, "exit code 2"),
            ]
            assert reader.run(number).status is RunStatus.COMPLETED
            assert reader.stop(number) is None


def test_a_stop_that_a_retry_undoes_is_not_told_of_the_run(root: Path) -> None:
    """A run that crashes in the moment in which the policy ends it starts again."""

    def play(number: int, attempt: int) -> Play:
        return Play([0.1, 0.1]) if number == 0 or attempt > 1 else Play([0.9], RunStatus.FAILED, "exit code 1")

    class Deaf(ScriptedExecutor):
        def cancel(self, number: int, reason: str, *, grace_s: float = 5.0) -> None:
            pass

    go(root, make_spec(2, retries=1, policy=hd.BanditPolicy(slack_amount=0.1).to_json()), Deaf(play, slots=2))
    with StoreReader.open(root / "sweeps" / "s") as reader:
        assert [past.reason for past in reader.attempts(1)] == ["exit code 1"]
        assert [reader.stop(number) for number in (0, 1)] == [None, None]


def test_a_stop_of_any_content_comes_back_from_the_store(root: Path) -> None:
    stop = Stop(policy={"name": "\x1b[31m", "properties": {"a": [1, None]}}, interval=3, runs=((0, 4), (6, 6)))
    with Store.create(root, make_spec(), sweep_id="HD_test") as store:
        store.add_runs([(0, {"x": 0.5})], proposals=[Proposal(how="\u202e'\"\n", told=3, mean=-0.0)])
        store.start_run(0, 1, (), 1.0)
        store.finish_run(0, RunStatus.CANCELED, at=2.0, stop=stop)
    with StoreReader.open(root / "sweeps" / "s") as reader:
        assert reader.stop(0) == stop
        assert reader.proposal(0) == Proposal(how="\u202e'\"\n", told=3, mean=-0.0)
