"""Pipelines whose steps are sweeps and plain commands, in real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import hdcore as hd
from hdcore.azure import is_pipeline, load_pipeline
from hdcore.cli.main import run_command_line
from hdcore.errors import InputError
from hdcore.store import StoreReader

TRAIN = """
import argparse, json, os, pathlib
a = argparse.ArgumentParser()
for name in ("data", "c", "degree", "model", "note"):
    a.add_argument("--" + name)
o = a.parse_args()
offset = float(pathlib.Path(o.data).read_text())
loss = abs(float(o.c) - 0.5) + offset
pathlib.Path(o.model, "model.json").write_text(json.dumps({"loss": loss, "degree": o.degree}))
pathlib.Path(o.note).write_text("c was " + o.c)
with open(os.environ["HDCORE_REPORT"], "a") as file:
    file.write(json.dumps({"name": "loss", "value": loss}) + "\\n")
"""
PREPARE = """
import pathlib, sys
pathlib.Path(sys.argv[2], "ready.txt").write_text(pathlib.Path(sys.argv[1]).read_text())
"""
USE = """
import json, pathlib, sys
model, note, out = sys.argv[1:4]
found = json.loads(pathlib.Path(model, "model.json").read_text())
pathlib.Path(out, "answer.json").write_text(json.dumps({**found, "note": pathlib.Path(note).read_text()}))
"""
COMPONENT = {
    "type": "command",
    "name": "train",
    "inputs": {
        "data": {"type": "uri_folder"},
        "c": {"type": "number", "default": 1.0},
        "degree": {"type": "integer", "default": 3},
    },
    "outputs": {"model": {"type": "uri_folder"}, "note": {"type": "uri_file"}},
    "code": "./src",
    "environment": "azureml:any@latest",
    "command": "python train.py --data ${{inputs.data}}/ready.txt --c ${{inputs.c}} --degree ${{inputs.degree}}"
    " --model ${{outputs.model}} --note ${{outputs.note}}",
}
PIPELINE: dict[str, Any] = {
    "type": "pipeline",
    "display_name": "three steps",
    "settings": {"default_compute": "azureml:cluster"},
    "inputs": {"table": {"type": "uri_file", "path": "wasbs://far/away.csv"}, "degree": 2},
    "jobs": {
        "use": {  # stands first, runs last
            "type": "command",
            "command": "python use.py ${{inputs.model}} ${{inputs.note}} ${{outputs.answer}}",
            "code": "src",
            "inputs": {
                "model": "${{parent.jobs.search.outputs.model}}",
                "note": {"type": "uri_file", "path": "${{ parent.jobs.search.outputs.note }}"},
            },
            "outputs": {"answer": "${{parent.outputs.answer}}"},
        },
        "prepare": {
            "command": "python prepare.py ${{inputs.raw}} ${{outputs.folder}}",
            "code": "src",
            "inputs": {"raw": "${{parent.inputs.table}}"},
            "outputs": {"folder": None},
        },
        "search": {
            "type": "sweep",
            "trial": "./train.yml",
            "inputs": {"data": "${{parent.jobs.prepare.outputs.folder}}", "degree": "${{parent.inputs.degree}}"},
            "outputs": {"model": None, "note": {"type": "uri_file"}},
            "search_space": {"c": {"type": "uniform", "min_value": 0, "max_value": 1}},
            "objective": {"goal": "minimize", "primary_metric": "loss"},
            "limits": {"max_total_trials": 4, "max_concurrent_trials": 2},
            "hdcore": {"seed": 3},
        },
    },
    "outputs": {"answer": {"type": "uri_folder"}},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HDCORE_ROOT", str(tmp_path / "root"))
    (tmp_path / "src").mkdir()
    for name, text in {"train": TRAIN, "prepare": PREPARE, "use": USE}.items():
        (tmp_path / "src" / f"{name}.py").write_text(text)
    (tmp_path / "train.yml").write_text(json.dumps(COMPONENT))
    (tmp_path / "table.csv").write_text("0.25")
    return tmp_path


def write(place: Path, **jobs: Any) -> Path:
    document = json.loads(json.dumps(PIPELINE))
    for name, change in jobs.items():
        if change is None:
            del document["jobs"][name]
        else:
            document["jobs"].setdefault(name, {}).update(change)
    path = place / "pipe.yml"
    path.write_text(json.dumps(document))
    return path


def call(*arguments: str) -> int:
    return run_command_line([*arguments])


def outputs(place: Path, step: str, run: int = 0) -> Path:
    return place / "root" / "sweeps" / f"three-steps.{step}" / "runs" / f"{run:04d}" / "outputs"


def test_steps_run_in_order_with_the_outputs_of_the_best_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place)
    assert call("run", "pipe.yml", "--input", "table=table.csv") == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("three-steps: ")] == [
        "three-steps: step 1 of 3, prepare",
        "three-steps: step 2 of 3, search",
        "three-steps: step 3 of 3, use",
        "three-steps: Completed, 3 steps",
    ]
    search = hd.open_sweep("three-steps.search")
    assert search.best is not None
    answer = json.loads((outputs(place, "use") / "answer" / "answer.json").read_text())
    assert answer["loss"] == search.best.value
    assert answer["degree"] == "2"
    assert answer["note"] == f"c was {search.best.configuration['c']}"
    assert search.best.value >= 0.25
    # every step is a sweep that all commands know
    assert call("list", "--json") == 0
    listed = {entry["name"]: entry["status"] for entry in json.loads(capsys.readouterr().out)}
    assert listed == dict.fromkeys([f"three-steps.{step}" for step in ("prepare", "search", "use")], "Completed")
    assert call("show", "three-steps.use") == 0
    assert "one run of a command" in capsys.readouterr().out
    # the same file again: another pipeline, as nobody chose the name
    assert call("run", "pipe.yml", "--input", "prepare.raw=table.csv", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["name"] == "three-steps-2"
    assert [step["status"] for step in again["steps"]] == ["Completed"] * 3
    assert call("run", "pipe.yml", "--input", "table=table.csv", "--name", "three-steps") == 3
    assert "a pipeline named 'three-steps' exists" in capsys.readouterr().err


def test_a_step_that_fails_stops_the_pipeline_and_resume_goes_on_with_mended_code(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "src" / "use.py").write_text("raise SystemExit('no idea')")
    write(place)
    assert call("run", "pipe.yml", "--input", "table=table.csv") == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith(
        "hdcore: pipeline three-steps: step use: it is Failed (exit code 1: no idea); mend that, then"
    )
    before = (place / "root/sweeps/three-steps.search/sweep.db").read_bytes()
    assert call("resume", "three-steps") == 1  # not mended
    capsys.readouterr()
    (place / "src" / "use.py").write_text(USE)
    assert call("resume", "three-steps") == 0
    assert "step 2 of 3, search: done before" in capsys.readouterr().out
    assert (place / "root/sweeps/three-steps.search/sweep.db").read_bytes() == before
    assert (outputs(place, "use-3") / "answer" / "answer.json").exists()
    assert call("resume", "last") == 0  # the newest sweep is a step: its pipeline is meant
    assert "step 3 of 3, use: done before" in capsys.readouterr().out


def test_a_pipeline_whose_driver_died_goes_on_in_the_middle_of_a_step(place: Path) -> None:
    write(place)
    assert call("run", "pipe.yml", "--input", "table=table.csv") == 0
    whole = hd.open_sweep("three-steps.search").runs
    # as a kill in the second step leaves it: one run done, the next one never started, no third step
    plan = place / "root/pipelines/three-steps/pipeline.json"
    document = json.loads(plan.read_text())
    del document["sweeps"]["use"]
    plan.write_text(json.dumps(document))
    shutil.rmtree(place / "root/sweeps/three-steps.use")
    shutil.rmtree(place / "root/sweeps/three-steps.search")
    assert call("resume", "three-steps") == 0  # noted in the plan, and gone: it is begun anew
    again = hd.open_sweep("three-steps.search").runs
    assert [run["configuration"] for run in again] == [run["configuration"] for run in whole]
    assert (outputs(place, "use") / "answer" / "answer.json").exists()


def test_ctrl_c_in_the_middle_of_a_step_leaves_a_pipeline_that_goes_on_there(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wait = "import time\nwhile not os.path.exists(os.environ['GATE']):\n    time.sleep(0.02)\n"
    (place / "src" / "train.py").write_text(TRAIN + wait)
    write(place, search={"limits": {"max_total_trials": 3, "max_concurrent_trials": 1}})
    kept = {key: value for key, value in os.environ.items() if key != "GATE"}
    process = subprocess.Popen(
        [sys.executable, "-m", "hdcore", "run", "pipe.yml", "--input", "table=table.csv"],
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), "GATE": str(place / "open")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (outputs(place, "search") / "note").exists():
        assert time.monotonic() < deadline, "the second step never ran"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "three-steps: stopped; `hdcore resume three-steps` goes on with it" in out
    first = hd.open_sweep("three-steps.search").runs
    (place / "src" / "train.py").write_text("the code of a step that has begun is a copy")
    os.environ["GATE"] = str(place)
    try:
        assert call("resume", "three-steps") == 0
    finally:
        del os.environ["GATE"]
    assert "step 1 of 3, prepare: done before" in capsys.readouterr().out
    runs = hd.open_sweep("three-steps.search").runs
    assert [run["status"] for run in runs] == ["Completed"] * 3
    assert runs[0]["configuration"] == first[0]["configuration"]
    assert runs[0]["attempt"] == 2


def test_a_sweep_without_a_completed_run_and_an_output_that_is_missing_stop_the_next_step(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "src" / "train.py").write_text(TRAIN.replace("pathlib.Path(o.note)", "pathlib.Path('elsewhere')"))
    write(place)
    assert call("run", "pipe.yml", "--input", "table=table.csv") == 1
    assert "left no output 'note'" in capsys.readouterr().err
    (place / "src" / "train.py").write_text(TRAIN.replace('"loss", "value"', '"lost", "value"'))
    assert call("run", "pipe.yml", "--input", "table=table.csv", "--name", "b") == 1
    assert "no run of step search has completed with a value" in capsys.readouterr().err


def test_validate_tells_the_steps_and_what_is_missing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place)
    assert call("validate", "pipe.yml") == 0
    out = capsys.readouterr().out
    assert "pipe.yml: valid; a pipeline of 3 steps" in out
    assert "search: minimize loss, random sampler, at most 4 runs; takes data from prepare" in out
    assert "jobs.prepare.inputs.raw: is in the cloud" in out
    assert call("validate", "pipe.yml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == ["prepare", "search", "use"]
    assert not (place / "root").exists()


@pytest.mark.parametrize(
    ("jobs", "field", "word"),
    [
        ({"search": {"type": "spark"}}, "jobs.search.type", "write sweep or command"),
        ({"search": {"limit": 1}}, "jobs.search.limit", "did you mean 'limits'"),
        ({"search": {"trial": "./gone.yml"}}, "jobs.search.trial", "gone.yml"),
        ({"use": {"commnd": "x"}}, "jobs.use.commnd", "did you mean 'command'"),
        ({"use": {"component": "./train.yml"}}, "jobs.use.command", "stands beside a component"),
        ({"use": {"command": "python use.py ${{inputs.modle}}"}}, "jobs.use.command", "did you mean"),
        ({"use": {"limits": {"timeout": "x"}}}, "jobs.use.limits.timeout", "write a number"),
        ({"use": {"inputs": {"model": "${{parent.jobs.serch.outputs.model}}"}}}, "jobs.use.inputs.model", "'serch'"),
        ({"use": {"inputs": {"model": "${{parent.inputs.x}}"}}}, "jobs.use.inputs.model", "it has table, degree"),
        ({"use": {"inputs": {"model": "${{parent.outputs.x}}"}}}, "jobs.use.inputs.model", "refers to"),
        ({"use": {"inputs": {"model": "a ${{parent.inputs.degree}}"}}}, "jobs.use.inputs.model", "whole"),
        ({"prepare": {"inputs": {"raw": "${{parent.jobs.use.outputs.answer}}"}}}, "jobs", "wait for each other"),
        ({"two words": {"type": "command", "command": "x"}}, "jobs.two words", "no name of a step"),
    ],
)
def test_a_pipeline_that_cannot_be_meant_is_refused(place: Path, jobs: dict[str, Any], field: str, word: str) -> None:
    path = write(place, **jobs)
    assert is_pipeline(path)
    with pytest.raises(InputError) as caught:
        load_pipeline(path)
    assert caught.value.field == field
    assert word in str(caught.value)


def test_an_output_that_no_step_has_is_refused(place: Path) -> None:
    path = write(place, search={"inputs": {"data": "${{parent.jobs.prepare.outputs.fodler}}", "degree": 3}})
    with pytest.raises(InputError, match="step prepare has no output 'fodler'; it has folder"):
        load_pipeline(path)


def test_options_that_a_pipeline_cannot_have_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place)
    for option, value in (("--resume-from", "x"), ("--preload", "json"), ("--input", "nothing=table.csv")):
        assert call("run", "pipe.yml", option, value) == 2
        assert option in capsys.readouterr().err
    assert call("run", "pipe.yml") == 2
    assert "give a local copy with --input" in capsys.readouterr().err
    assert not (place / "root").exists()


def test_a_damaged_plan_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place)
    assert call("run", "pipe.yml", "--input", "table=table.csv") == 0
    plan = place / "root/pipelines/three-steps/pipeline.json"
    assert plan.stat().st_mode & 0o077 == 0
    plan.write_text(plan.read_text()[:-40])
    capsys.readouterr()
    assert call("resume", "three-steps") == 3
    assert "its file is damaged" in capsys.readouterr().err
    with StoreReader.open(place / "root/sweeps/three-steps.use") as reader:
        assert reader.sweep().spec.inputs["model"].local is not None
