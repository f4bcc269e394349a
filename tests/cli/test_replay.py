"""`hdcore replay` on sweeps that were really run, and on those of other programs."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hdcore as hd
from hdcore.cli.main import run_command_line
from hdcore.driver import drive
from hdcore.policies import compare, from_json
from hdcore.records import Limits, SweepSpec
from hdcore.store import Store, StoreReader
from hdcore.sweep import record_of
from hdcore.typing import Goal, RunStatus

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "driver"))
from scripted import Play, ScriptedExecutor, bare_launch

POLICIES: list[dict[str, Any]] = [
    {"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 3}},
    {"name": "MedianStopping", "properties": {"evaluation_interval": 2, "population": "reached"}},
    {"name": "Bandit", "properties": {"slack_factor": 0.2, "delay_evaluation": 2}},
    {"name": "Bandit", "properties": {"slack_iqr": 0.5, "delay_evaluation": 2}},
    {"name": "TruncationSelection", "properties": {"truncation_percentage": 40}},
    {"name": "TruncationSelection", "properties": {"truncation_percentage": 30, "exclude_finished_jobs": True}},
]


def play(number: int, attempt: int) -> Play:
    rng = np.random.default_rng(number)
    length = int(rng.integers(5, 15))
    losses = rng.random() + rng.random() / np.arange(1, length + 1) + 0.05 * rng.random(length)
    losses[rng.random(length) < 0.03] = np.nan
    return Play([float(loss) for loss in losses])


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: f"{p['name']}{len(p['properties'])}")
def test_the_policy_that_ran_does_exactly_the_same_when_it_is_replayed(tmp_path: Path, policy: dict[str, Any]) -> None:
    spec = SweepSpec(
        name="s", metric="loss", goal=Goal.MINIMIZE, limits=Limits(max_total_runs=80), command="true", seed=7,
        space={"x": ["uniform", [0, 1]]}, policy=policy,
    )  # fmt: skip
    tmp_path.chmod(0o700)
    with Store.create(tmp_path / "root", spec, sweep_id="HD_test") as store:
        drive(store, ScriptedExecutor(play, slots=6), prepare=bare_launch)
    with StoreReader.open(tmp_path / "root" / "sweeps" / "s") as reader:
        record, runs = record_of(reader), reader.runs()
    ran = record.policy
    assert ran == from_json(policy)
    assert ran is not None
    [effect] = compare([ran], [record], orders=0).effects
    stopped = [int(re.findall(r"at interval (\d+)$", run.reason or "0: at interval 0")[0]) for run in runs]
    assert sum(run.status is RunStatus.CANCELED for run in runs) == sum(map(bool, stopped)) > 5
    assert effect.stopped_at[0].tolist() == stopped
    assert effect.unseen == 0
    assert record.workers == 6


def test_a_run_that_ended_before_the_word_of_the_policy_was_not_stopped(tmp_path: Path) -> None:
    """It goes on being compared with in all its length, as it was in fact."""
    policy = {"name": "TruncationSelection", "properties": {"truncation_percentage": 50}}
    spec = SweepSpec(
        name="s", metric="loss", goal=Goal.MINIMIZE, limits=Limits(max_total_runs=40), command="true", seed=7,
        space={"x": ["uniform", [0, 1]]}, policy=policy,
    )  # fmt: skip

    class Deaf(ScriptedExecutor):
        def cancel(self, number: int, reason: str, *, grace_s: float = 5.0) -> None:
            if number % 3:
                super().cancel(number, reason, grace_s=grace_s)

    tmp_path.chmod(0o700)
    with Store.create(tmp_path / "root", spec, sweep_id="HD_test") as store:
        drive(store, Deaf(play, slots=6), prepare=bare_launch)
    with StoreReader.open(tmp_path / "root" / "sweeps" / "s") as reader:
        record = record_of(reader)
    assert record.policy is not None
    assert record.cut is not None
    [effect] = compare([record.policy], [record], orders=0).effects
    assert effect.stopped_at[0].tolist() == record.cut.tolist()
    assert (record.cut > 0).sum() > 5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("replay") / "root"

    def train(configuration: dict[str, Any], run: Any) -> None:
        for k in range(1, 13):
            run.log("accuracy", configuration["x"] * (1 - 0.7**k))

    policy = hd.MedianStoppingPolicy(delay_evaluation=3)
    space = {"x": hd.uniform(0, 1)}
    for name, chosen in (("with", policy), ("without", None)):
        hd.tune(
            train, space, metric="accuracy", goal="maximize", policy=chosen, max_runs=16, max_concurrent=3, seed=2,
            root=root, name=name,
        )  # fmt: skip
    return root


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_command_line(["replay", *arguments]) == 0
    return capsys.readouterr().out


def test_a_sweep_of_processes_is_replayed_as_it_ran(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "with", "--root", str(root))
    assert re.search(r"the policy that ran \(r\), replayed, stops the same \d+ runs at the same intervals", text), text
    assert "were stopped early in fact" in text
    assert re.search(r"^ *[»*]?r +median:delay=3 ", text, re.MULTILINE)


def test_named_settings_are_all_shown_and_the_safe_one_is_recommended(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["median:delay=3", "median:delay=6", "none"]
    options = [part for word in words for part in ("--policy", word)]
    lines = told(capsys, "without", *options, "--root", str(root)).splitlines()
    assert lines[0] == "without (16 runs x 12): 3 settings, 100 start orders"
    assert [next(word for word in words if word in line) for line in lines[2:5]] == words
    assert lines[-1].startswith("median:delay=3 would have saved ")
    assert "kept the best" in lines[-1]
    assert max(map(len, lines[:-1])) <= 100


def test_json_holds_every_setting_and_is_strict(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    text = told(capsys, "with", "without", "--json", "--orders", "0", "--root", str(root))
    document = json.loads(text, parse_constant=refuse)
    assert [sweep["runs"] for sweep in document["sweeps"]] == [16, 16]
    assert all(len(setting["stopped_at"]) == 2 for setting in document["settings"])
    assert document["recommended"] in [setting["policy"] for setting in document["settings"]]


def test_bandits_with_many_slacks_are_suggested(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "without", "--suggest", "bandit", "--orders", "10", "--root", str(root))
    assert text.splitlines()[-1].startswith("bandit:slack_")


def test_a_table_of_reports_is_replayed_without_being_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "curves.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "epoch", "accuracy", "params.lr"])
        for run in range(20):
            writer.writerows([run, k, (run + 1) / 20 * (1 - 0.5**k), run] for k in range(1, 9))
    options = ["--metric", "accuracy", "--goal", "maximize", "--run-column", "run", "--step-column", "epoch"]
    text = told(capsys, str(path), *options, "--workers", "4", "--root", str(tmp_path / "none"))
    assert text.startswith("curves (20 runs x 8): ")
    assert not (tmp_path / "none").exists()


def test_a_table_of_reports_needs_no_parameters_to_be_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "curves.csv"
    path.write_text("run,epoch,accuracy\n" + "".join(f"{n},{k},{n * k / 100}\n" for n in range(9) for k in range(1, 5)))
    text = told(capsys, str(path), "--metric", "accuracy", "--run-column", "run", "--step-column", "epoch")
    assert text.startswith("curves (9 runs x 4): ")
    assert run_command_line(["replay", str(path)]) == 2
    assert capsys.readouterr().err == "hdcore: replay: --metric: is missing; name the metric\n"


def test_a_study_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(study_name="tuned", storage=storage, direction="minimize")
    for number in range(4):
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        for k in range(1, 4):
            trial.report(number + 1 / k, k)
        study.tell(trial, float(number))
    text = told(capsys, storage, "--study", "tuned", "--policy", "median:delay=2")
    assert text.startswith("tuned (4 runs x 3): 1 setting, 100 start orders")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no sweep"),
        (["without", "--policy", "medien"], "did you mean 'median'"),
        (["without", "--workers", "0"], "workers"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run_command_line(["replay", *arguments, "--root", str(root)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_values_without_curves_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "values.csv"
    path.write_text("params.lr,accuracy\n1,0.5\n2,0.7\n")
    assert run_command_line(["replay", str(path), "--metric", "accuracy", "--goal", "maximize"]) == 2
    assert "one value a run" in capsys.readouterr().err
