"""Options that say what a sweep starts from, as a user gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hdcore as hd
from hdcore.cli.main import run_command_line

TRAIN = """
import argparse, pathlib
import hdcore
a = argparse.ArgumentParser()
for name in ("x", "rate", "deep", "resume-from"):
    a.add_argument("--" + name)
o = a.parse_args()
run = hdcore.get_run()
before = pathlib.Path(o.resume_from, "done") if o.resume_from else None
pathlib.Path("outputs/done").write_text("after " + before.read_text() if before else "a first run")
run.log("loss", float(o.x or o.rate))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HDCORE_ROOT", str(tmp_path / "root"))
    (tmp_path / "train.py").write_text(TRAIN)
    assert call("--param", "x=uniform:0:1", "--name", "old", "--max-runs", "6") == 0
    return tmp_path


def call(*options: str) -> int:
    return run_command_line(["run", "train.py", "--metric", "loss", "--goal", "minimize", "--seed", "4", *options])


def left_by(place: Path, name: str, number: int = 0) -> str:
    return (place / f"root/sweeps/{name}/runs/{number:04d}/outputs/done").read_text()


def test_a_sweep_starts_from_an_earlier_one_with_other_names(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = hd.open_sweep("old")
    assert old.best is not None
    space = ["--param", "rate=uniform:0:0.8", "--param", "deep=choice:true,false"]
    renamed = ["--rename", "x=rate", "--default", "deep=false"]
    kept = sum(run["configuration"]["x"] <= 0.8 for run in old.runs)
    capsys.readouterr()
    new = ["--sampler", "bayesian", "--max-runs", "2", "--name", "new", "--resume-from", "old"]
    assert call(*space, *renamed, *new) == 0
    told = f"{kept} of 6 runs of old; dropped: {6 - kept} ('rate' outside uniform(0, 0.8)); 'deep' is new and was False"
    assert f"starts from {told}" in capsys.readouterr().out
    assert hd.open_sweep("new").runs[0]["configuration"] == {"rate": old.best.configuration["x"], "deep": False}
    assert run_command_line(["show", "new"]) == 0
    assert f"started from {told}" in capsys.readouterr().out
    assert run_command_line(["show", "new", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["resume_from"] == [
        {
            "name": "old",
            "runs": 6,
            "kept": kept,
            "dropped": [{"reason": "'rate' outside uniform(0, 0.8)", "runs": 6 - kept}],
            "notes": ["'deep' is new and was False"],
        }
    ]


def test_single_runs_go_on_in_a_sweep_of_their_own_or_first_in_a_larger_one(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["resume", "old", "--run", "3", "--run", "1"]) == 0
    rest = hd.open_sweep("old-resumed")
    old = hd.open_sweep("old").runs
    assert [run["configuration"] for run in rest.runs] == [old[3]["configuration"], old[1]["configuration"]]
    assert left_by(place, "old-resumed") == "after a first run"
    assert call("--param", "x=uniform:0:1", "--max-runs", "3", "--resume-run", "old-resumed/1", "--name", "big") == 0
    assert left_by(place, "big") == "after after a first run"
    assert left_by(place, "big", 1) == "a first run"
    assert hd.resume_runs("old/0", max_runs=2, name="python").runs[0]["configuration"] == old[0]["configuration"]
    capsys.readouterr()
    assert run_command_line(["show", "big", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["resume_runs"] == ["old-resumed/1"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--resume-from", "old", "--rename", "y=x"], "no earlier run has a parameter of this name"),
        (["--resume-from", "old", "--rename", "x"], "write OLD=NEW"),
        (["--resume-from", "old", "--default", "x=2"], "hdcore.resume_defaults.x"),
        (["--resume-from", "../old"], "--resume-from: is '../old'"),
        (["--resume-run", "old"], "write SWEEP/NUMBER"),
        (["--resume-run", "old/77"], "has no run 77"),
        (["--rename", "x=x"], "there is no resume_from"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], options: list[str], word: str
) -> None:
    capsys.readouterr()
    assert call("--param", "x=uniform:0:1", "--name", "new", *options) == 2
    err = capsys.readouterr().err
    assert word in err
    assert err.count("\n") == 1
    assert not (place / "root/sweeps/new").exists()


def test_a_name_without_runs_to_go_on_with_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run_command_line(["resume", "old", "--name", "x"]) == 2
    assert "add --run N" in capsys.readouterr().err
