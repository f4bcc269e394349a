"""Single runs that are gone on with, in real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hdcore as hd
from hdcore.errors import InputError
from hdcore.store import StoreReader

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "resume"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def command_line(place: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HDCORE")}
    return subprocess.Popen(
        [sys.executable, "-m", "hdcore", *arguments, "--root", str(place / "root")],
        cwd=place, env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def done(process: subprocess.Popen[str], code: int = 0) -> str:
    out, err = process.communicate(timeout=90)
    assert process.returncode == code, out + err
    return out + err


def left_by(place: Path, sweep: str, number: int = 0) -> dict[str, Any]:
    with np.load(place / "root" / "sweeps" / sweep / "runs" / f"{number:04d}" / "outputs" / "checkpoint.npz") as state:
        return dict(state)


def test_the_example_that_is_canceled_and_resumed_ends_where_it_would_have_ended(place: Path) -> None:
    sweep_file = str(EXAMPLE / "sweep.yml")
    done(command_line(place, "run", sweep_file, "--name", "whole", "--max-runs", "1"))
    cut = command_line(place, "run", sweep_file, "--name", "cut", "--max-runs", "1", EPOCH_PAUSE_S="0.5")
    deadline = time.monotonic() + 60
    while not (place / "root/sweeps/cut/runs/0000/outputs/checkpoint.npz").exists():
        assert time.monotonic() < deadline, "no checkpoint was ever written"
        assert cut.poll() is None
        time.sleep(0.02)
    hd.open_sweep("cut", place / "root").cancel(0)
    done(cut, code=1)  # no run has completed
    canceled = hd.open_sweep("cut", place / "root").runs[0]
    assert canceled["status"] == "Canceled"
    reached = int(left_by(place, "cut")["epoch"])
    assert 1 <= reached < 60

    text = done(command_line(place, "resume", "cut", "--run", "0", "--name", "rest"))
    assert "Completed" in text
    rest = hd.open_sweep("rest", place / "root")
    assert rest.runs[0]["configuration"] == canceled["configuration"]
    assert rest.metrics(0)["accuracy"][0][0] == reached + 1
    whole = hd.open_sweep("whole", place / "root")
    assert rest.metrics(0)["accuracy"][-1] == whole.metrics(0)["accuracy"][-1]
    for name, array in left_by(place, "whole").items():
        np.testing.assert_array_equal(left_by(place, "rest")[name], array)
    assert int(left_by(place, "cut")["epoch"]) == reached


def learner(configuration: dict[str, Any], run: hd.Run) -> None:
    """Counts further from what an earlier run has left; even runs of a sweep without such a folder fail."""
    folder = Path(os.environ["HDCORE_OUTPUT_DIR"])
    old = Path(run.resume_from, "count") if run.resume_from else None
    count = int(old.read_text()) if old is not None else 0
    checkpoint = Path(os.environ["HDCORE_CHECKPOINT_DIR"], "seen")
    seen = checkpoint.read_text() if checkpoint.exists() else ""
    checkpoint.write_text(seen + "x")
    (folder / "count").write_text(str(count + 1))
    run.log("quality", configuration["x"] + count + len(seen))
    if old is None and run.number % 2 == 0:
        raise RuntimeError("not this time")


def tune(place: Path, **more: Any) -> hd.Sweep:
    settings = {"metric": "quality", "max_concurrent": 1, "seed": 5, "root": place, "max_runs": 4}
    return hd.tune(learner, {"x": hd.uniform(0, 1)}, **{**settings, **more})


def test_failed_and_completed_runs_go_on_first_together_with_a_warm_start(place: Path) -> None:
    old = tune(place, name="old")
    assert [run["status"] for run in old.runs] == ["Failed", "Completed"] * 2
    new = tune(place, name="new", resume_runs=["old/2", "old/1"], resume_from="old", sampler="bayesian", max_runs=4)
    assert new.status is hd.RunStatus.COMPLETED
    configurations = [run["configuration"] for run in new.runs]
    assert configurations[:2] == [old.runs[2]["configuration"], old.runs[1]["configuration"]]
    assert [run["value"] for run in new.runs[:2]] == [c["x"] + 1 + 1 for c in configurations[:2]]
    assert [run["status"] for run in new.runs] == ["Completed", "Completed", "Failed", "Completed"]
    with StoreReader.open(new.folder) as reader:
        assert reader.sweep().spec.resume_runs == ("old/2", "old/1")
        assert [parent.line for parent in reader.parents()] == ["4 of 4 runs of old"]
        proposals = [reader.proposal(number) for number in range(4)]
    assert [(told.how, told.source) for told in proposals[:2]] == [("resumed", "old/2"), ("resumed", "old/1")]
    assert {told.how for told in proposals[2:]} <= {"earlier", "design", "model"}


def test_a_chain_of_resumed_runs_each_takes_up_what_the_last_one_left(place: Path) -> None:
    tune(place, name="a")
    tune(place, name="b", resume_runs="a/3", max_runs=1)
    shutil.rmtree(place / "sweeps" / "a")
    last = tune(place, name="c", resume_runs="b/0", max_runs=1)
    assert (last.folder / "runs" / "0000" / "outputs" / "count").read_text() == "3"
    assert (last.folder / "runs" / "0000" / "checkpoints" / "seen").read_text() == "xxx"


@pytest.mark.parametrize(
    ("runs", "word"),
    [
        (["old/9"], "has no run 9"),
        (["gone/0"], "no sweep is named 'gone'"),
        (["old/0", "old/0"], "names a run twice"),
        ([f"old/{n}" for n in range(4)], "at most 3"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused_before_anything_is_made(
    place: Path, runs: list[str], word: str
) -> None:
    tune(place, name="old")
    with pytest.raises(InputError, match=word) as caught:
        tune(place, name="new", resume_runs=runs, max_runs=3)
    assert caught.value.field == "hdcore.resume_runs"
    assert [path.name for path in (place / "sweeps").iterdir() if path.is_dir()] == ["old"]


def test_a_run_of_a_function_needs_its_program(place: Path) -> None:
    tune(place, name="old")
    with pytest.raises(InputError, match="run the program again"):
        hd.resume_runs("old/0", root=place)
    for wrong in ("old", "old/", "/3", "old/x"):
        with pytest.raises(InputError, match="write SWEEP/NUMBER"):
            hd.resume_runs(wrong, root=place)
