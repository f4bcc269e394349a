"""`hdcore explain`: sentences that are true, harmless and there for every way in which a run can begin and end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.commands import call, show, sweep_file
from store.support import make_version

from hdcore.explain import explain
from hdcore.reasons import Proposal, Stop
from hdcore.records import Limits, SweepSpec
from hdcore.store import Store, StoreReader
from hdcore.typing import Goal, RunStatus

EVIL = "\x1b[31mlo\nss\u202e\x07"


def make(root: Path, *, metric: str = "accuracy", goal: Goal = Goal.MAXIMIZE, **more: Any) -> Store:
    root.parent.chmod(0o700)
    spec = SweepSpec(
        name="s", space={"x": ["uniform", [0, 1]]}, metric=metric, goal=goal, limits=Limits(max_total_runs=9),
        command="true", seed=7, **more,
    )  # fmt: skip
    return Store.create(root, spec, sweep_id="HD_s")


def told(root: Path, number: int = 0) -> dict[str, Any]:
    with StoreReader.open(root / "sweeps" / "s") as reader:
        found = explain(reader, number)
    json.dumps(found, allow_nan=False)
    assert all(line.isprintable() for line in found["lines"])
    return found


def run_with(
    root: Path, status: RunStatus, reason: str | None = None, proposal: Proposal | None = None, **more: Any
) -> dict[str, Any]:
    spec = {key: more.pop(key) for key in ("metric", "goal", "policy") if key in more}
    with make(root, **spec) as store:
        store.add_runs([(0, {"x": 0.5})], proposals=[proposal])
        store.start_run(0, 1, (), 1.0)
        store.finish_run(0, status, reason=reason, duration_s=2.0, at=3.0, **more)
    return told(root)


@pytest.mark.parametrize(
    ("proposal", "words"),
    [
        (Proposal(how="random"), "drawn at random from the search space: draw 0 of seed 7"),
        (Proposal(how="sobol"), "point 0 of a scrambled Sobol sequence"),
        (Proposal(how="grid"), "next configuration of the grid"),
        (Proposal(how="resumed", source="first/3"), "goes on with run first/3"),
        (Proposal(how="imported", source="runs.csv"), "imported from runs.csv"),
        (Proposal(how="earlier"), "best configurations of the earlier sweeps"),
        (Proposal(how="design", why="start"), "start-up design, since the first runs are spread evenly."),
        (Proposal(how="design", why="equal", told=4), "since all results were equal; 4 results by then."),
        (Proposal(how="mine"), "proposed by the sampler 'mine'"),
        (None, "what it thought of this run was not stored"),
    ],
    ids=lambda item: item.how if isinstance(item, Proposal) else "",
)
def test_each_origin_has_its_sentence(tmp_path: Path, proposal: Proposal | None, words: str) -> None:
    found = run_with(tmp_path / "root", RunStatus.COMPLETED, proposal=proposal)
    assert words.lower() in found["lines"][1].lower()
    assert (found["proposal"] is None) == (proposal is None)


def test_a_proposal_of_the_model_says_what_it_knew_expected_and_hoped_for(tmp_path: Path) -> None:
    proposal = Proposal(
        how="model", told=24, predicted=3, earlier=9, failed=1, pending=2, mean=0.91234567, sd=0.0142, noise=0.003,
        best=0.905, incumbent=0.9, improvement=0.0091, probability=0.684, is_stretched=True,
    )  # fmt: skip
    found = run_with(tmp_path / "root", RunStatus.COMPLETED, proposal=proposal, value=0.921, interval=4)
    assert found["lines"][1:] == [
        "Proposed from 24 results, 3 stopped runs with what their curves promised and 9 results of earlier sweeps: "
        "the most promising point of the Bayesian sampler's model.",
        "It allowed for 2 runs in flight, kept away from 1 failed run and saw the metric stretched at its good end.",
        "It predicted accuracy 0.91235 ± 0.014 (standard deviation; repeated runs differ by 0.003). "
        "The best result was 0.905.",
        "It hoped for an improvement: expected 0.0091, probability 68 %, "
        "counted from 0.9, what the model thought of the best.",
        "It came to 0.921, 0.6 standard deviations above the prediction.",
        "It completed after 2.0 s; its best accuracy is 0.921 at interval 4.",
    ]
    assert found["proposal"]["mean"] == 0.91234567


MEDIAN = {"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 5}}


@pytest.mark.parametrize(
    ("goal", "stop", "words"),
    [
        (
            Goal.MAXIMIZE,
            Stop(
                policy=MEDIAN, interval=5, value=0.42, bar=0.55, count=15,
                runs=((0, 3), (5, 14)), best_run=3, best=0.8,
            ),
            [
                "Ended by median stopping (interval 1, delay 5) at interval 5: its best accuracy was 0.42, and it "
                "needed 0.55 or more: the median of the averages of 15 runs by then.",
                "Compared with 14 other runs: runs 0-3, 5-14; the best was run 3 with 0.8.",
            ],
        ),
        (
            Goal.MINIMIZE,
            Stop(
                policy={"name": "Bandit", "properties": {"evaluation_interval": 2, "slack_factor": 0.1}},
                interval=4, value=0.9, bar=0.55, count=4, earlier=2, runs=((7, 7),), best=0.5,
            ),
            [
                "Ended by bandit (interval 2, slack factor 0.1) at interval 4: its best accuracy was 0.9, and it "
                "needed 0.55 or less: the best by then, 0.5, with slack factor 0.1.",
                "Compared with 3 other runs: run 7 and 2 runs of earlier sweeps; the best was a run of an "
                "earlier sweep with 0.5.",
            ],
        ),
        (
            Goal.MAXIMIZE,
            Stop(
                policy={"name": "TruncationSelection", "properties": {"truncation_percentage": 20}},
                interval=1, bar=0.5, count=500, runs=((0, 0), (2, 2)), best_run=2, best=0.9,
            ),
            [
                "Ended by truncation (percentage 20) at interval 1: it had reported no finite accuracy, and it needed "
                "0.5 or more not to be among the worst 20 % of 500, which is 100 runs.",
                "Compared with 499 other runs: runs 0, 2 and 497 more; the best was run 2 with 0.9.",
            ],
        ),
        (
            Goal.MAXIMIZE,
            Stop(policy={"name": "Mine"}, interval=2, value=0.5),
            ["Ended by Mine at interval 2: its best accuracy was 0.5."],
        ),
    ],
    ids=["median", "bandit", "truncation", "mine"],
)  # fmt: skip
def test_a_stop_says_bar_value_and_company(tmp_path: Path, goal: Goal, stop: Stop, words: list[str]) -> None:
    reason = "whatever"
    found = run_with(tmp_path / "root", RunStatus.CANCELED, reason, Proposal(how="random"), goal=goal, stop=stop)
    assert found["lines"][2:] == words
    assert found["ended_by"] == "policy"
    assert found["stop"]["interval"] == stop.interval


@pytest.mark.parametrize(
    ("status", "reason", "more", "kind", "words"),
    [
        (RunStatus.CANCELED, "canceled by user", {}, "user", "It was canceled by the user after 2.0 s."),
        (RunStatus.CANCELED, "sweep timeout of 60 s", {}, "sweep timeout", "The sweep ran out of time"),
        (RunStatus.CANCELED, "all runs done", {}, "sweep", "It was not run to its end: all runs done."),
        (RunStatus.CANCELED, "bandit at interval 3", {}, "policy", "what it was compared with was not stored"),
        (RunStatus.FAILED, "run timeout of 5 s", {}, "run timeout", "limit of the sweep for a single run (run timeout"),
        (RunStatus.FAILED, "exit code 1: bad", {"exit_code": 1}, "exit code", "It failed after 2.0 s: exit code 1: ba"),
        (RunStatus.FAILED, "signal SIGSEGV", {"signal": "SIGSEGV"}, "signal", "It died after 2.0 s: signal SIGSEGV."),
        (RunStatus.FAILED, None, {}, "failure", "no reason is known"),
        (RunStatus.COMPLETED, None, {"exit_code": 0}, "completed", "It completed after 2.0 s."),
    ],
)  # fmt: skip
def test_each_end_has_its_kind_and_its_sentence(
    tmp_path: Path, status: RunStatus, reason: str | None, more: dict[str, Any], kind: str, words: str
) -> None:
    found = run_with(tmp_path / "root", status, reason, **more)
    assert found["ended_by"] == kind
    assert words in found["lines"][-1]


def test_a_run_that_ended_by_itself_while_the_policy_spoke_has_both(tmp_path: Path) -> None:
    stop = Stop(policy=MEDIAN, interval=5, value=0.42, bar=0.55)
    found = run_with(tmp_path / "root", RunStatus.COMPLETED, stop=stop, value=0.42)
    assert found["ended_by"] == "completed"
    assert found["lines"][-2].startswith("Ended by median stopping")
    assert found["lines"][-1].startswith("It completed")


def test_attempts_and_runs_in_flight_are_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with make(root) as store:
        store.add_runs([(0, {"x": 0.5}), (1, {"x": 0.5})])
        store.start_run(0, 1, (), 1.0)
        store.requeue_run(0, "exit code 3")
        store.start_run(0, 2, (), 1.0)
        lines = told(root)["lines"]
        assert lines[-2].startswith("Attempt 1 ended after")
        assert lines[-2].endswith(": exit code 3.")
        assert lines[-1] == "It is running in attempt 2."
        assert told(root, 1)["lines"][-1] == "It waits to be started."
        assert told(root, 1)["ended_by"] is None


def test_names_that_steer_terminals_are_harmless(tmp_path: Path) -> None:
    stop = Stop(policy={"name": EVIL, "properties": {EVIL: 1}}, interval=1, value=0.5, bar=0.6)
    proposal = Proposal(how=EVIL, source=EVIL)
    root = tmp_path / "root"
    run_with(root, RunStatus.CANCELED, EVIL, proposal, metric=EVIL, stop=stop)
    shown = call(tmp_path, "explain", "s", "0", "--root", str(root))
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == 3
    assert all(line.isprintable() for line in shown.stdout.splitlines())
    assert "\x1b" not in call(tmp_path, "explain", "s", "0", "--root", str(root), "--json").stdout


def test_a_store_of_an_earlier_version_is_explained_as_far_as_it_knows(tmp_path: Path) -> None:
    root = tmp_path / "root"
    run_with(root, RunStatus.FAILED, "exit code 1", Proposal(how="random"), exit_code=1)
    make_version(root / "sweeps" / "s" / "sweep.db", 4)
    found = told(root)
    assert found["lines"][1:] == [
        "The sampler is random; what it thought of this run was not stored.",
        "It failed after 2.0 s: exit code 1.",
    ]


def test_the_command_prints_the_lines_and_refuses_runs_that_are_not_there(tmp_path: Path) -> None:
    root = tmp_path / "root"
    found = run_with(root, RunStatus.COMPLETED, proposal=Proposal(how="sobol"))
    shown = call(tmp_path, "explain", "s", "0", "--root", str(root))
    assert [line.strip() for line in shown.stdout.splitlines()] == found["lines"]
    document = call(tmp_path, "explain", "s", "0", "--root", str(root), "--json").stdout
    assert json.loads(document) == found
    wrong = call(tmp_path, "explain", "s", "7", "--root", str(root))
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1


def test_a_bayesian_sweep_says_how_it_counts_the_runs_that_the_policy_stopped(place: Path) -> None:
    script = place / "train.py"
    script.write_text(script.read_text() + "while o.x > 0.5:  # ends only if it is stopped\n    time.sleep(0.05)\n")
    policy = {"type": "bandit", "slack_amount": 0.25, "delay_evaluation": 3}
    path = sweep_file(
        place, "--steps 6", runs=8, concurrent=1, sampling_algorithm="bayesian", early_termination=policy
    )  # fmt: skip
    assert call(place, "run", str(path), "--name", "s").returncode == 0
    runs = show(place)["runs"]
    stopped = [run["number"] for run in runs[:7] if run["status"] == "Canceled"]
    assert len(stopped) > 1
    last = json.loads(call(place, "explain", "s", "7", "--json").stdout)
    assert last["proposal"]["predicted"] == len(stopped)
    assert last["proposal"]["told"] == 7 - len(stopped)
    assert f"{len(stopped)} stopped runs with what their curves promised" in " ".join(last["lines"])
