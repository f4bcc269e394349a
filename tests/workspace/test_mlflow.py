"""What the environment of a run says to MLflow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hdcore.records import Limits, SweepSpec
from hdcore.typing import Goal
from hdcore.workspace import prepare_run, shared_environment


def spec(**variables: str) -> SweepSpec:
    return SweepSpec(
        name="s",
        space={"x": ["uniform", [0, 1]]},
        metric="m",
        goal=Goal.MAXIMIZE,
        limits=Limits(max_total_runs=1),
        command="true",
        environment=variables,
    )


def environment(folder: Path, inherited: dict[str, str], **variables: str) -> dict[str, str]:
    (folder / "code").mkdir(exist_ok=True)
    launch = prepare_run(spec(**variables), folder, 3, 1, {"x": 0.5}, sweep_id="HD_abc", inherited=inherited)
    return dict(launch.environment)


def test_mlflow_is_led_to_the_run_and_does_not_call_home(tmp_path: Path) -> None:
    found = environment(tmp_path, {"PYTHONPATH": "/a", "MLFLOW_TRACKING_URI": "http://shell", "MLFLOW_RUN_ID": "outer"})
    assert found["MLFLOW_TRACKING_URI"] == "hdcore:"
    assert found["MLFLOW_RUN_ID"] == found["HDCORE_RUN_ID"] == "HD_abc_3"
    assert found["MLFLOW_DISABLE_TELEMETRY"] == "true"
    *ours, last = found["PYTHONPATH"].split(os.pathsep)
    assert any((Path(folder) / "mlflow" / "__init__.py").is_file() for folder in ours)
    assert last == "/a"


def test_an_empty_path_of_modules_gets_no_empty_entry(tmp_path: Path) -> None:
    # An empty entry would be the working directory.
    assert "" not in environment(tmp_path, {"PYTHONPATH": ""})["PYTHONPATH"].split(os.pathsep)


def test_a_tracking_uri_of_the_sweep_stands(tmp_path: Path) -> None:
    found = environment(tmp_path, {"PYTHONPATH": "/a", "MLFLOW_RUN_ID": "outer"}, MLFLOW_TRACKING_URI="http://mine")
    assert found["MLFLOW_TRACKING_URI"] == "http://mine"
    assert "MLFLOW_RUN_ID" not in found
    assert "mlflow" not in found["PYTHONPATH"]


@pytest.mark.parametrize("where", ["shell", "sweep"])
def test_telemetry_that_the_user_turned_on_stays_on(where: str, tmp_path: Path) -> None:
    chosen = {"MLFLOW_DISABLE_TELEMETRY": "false"}
    found = environment(tmp_path, chosen if where == "shell" else {}, **(chosen if where == "sweep" else {}))
    assert found["MLFLOW_DISABLE_TELEMETRY"] == "false"


def test_what_all_runs_share_names_no_run() -> None:
    # The fork server of warm starts compares it with that of each run.
    assert "MLFLOW_RUN_ID" not in shared_environment(spec(), {"MLFLOW_RUN_ID": "outer"})


def test_a_journal_of_an_attempt_that_never_was_is_taken_away(tmp_path: Path) -> None:
    environment(tmp_path, {})
    journal = tmp_path / "runs" / "0003" / "mlflow-1.jsonl"
    journal.write_text('{"run": "HD_abc_3", "params": {"x": "1"}}\n')
    environment(tmp_path, {})
    assert not journal.exists()
