"""The private copy of what an earlier run has left."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from hdcore.workspace import copy_run, resumed_folder


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    run = tmp_path / "sweeps" / "old" / "runs" / "0012"
    (run / "outputs" / "deep").mkdir(parents=True)
    (run / "checkpoints").mkdir()
    (run / "outputs" / "model.bin").write_bytes(os.urandom(3_000_000))
    (run / "outputs" / "deep" / "step").write_text("7")
    (run / "checkpoints" / "last").write_text("state")
    return run


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "sweeps" / "new"
    folder.mkdir(parents=True)
    return folder


def test_outputs_and_checkpoints_are_copied_and_the_earlier_sweep_may_go(earlier: Path, sweep: Path) -> None:
    (earlier / "outputs" / "tool.sh").write_text("#!/bin/sh\n")
    (earlier / "outputs" / "tool.sh").chmod(0o755)
    os.utime(earlier / "outputs" / "model.bin", ns=(10**18, 10**18))
    model = (earlier / "outputs" / "model.bin").read_bytes()
    copy_run(earlier, sweep, 0)
    shutil.rmtree(earlier.parent.parent)
    copied = resumed_folder(sweep, 0)
    assert (copied / "model.bin").read_bytes() == model
    assert (copied / "model.bin").stat().st_mtime_ns == 10**18
    assert (copied / "deep" / "step").read_text() == "7"
    assert (sweep / "runs" / "0000" / "checkpoints" / "last").read_text() == "state"
    assert not (sweep / "runs" / "0000" / "outputs").exists()
    assert stat.S_IMODE((copied / "tool.sh").stat().st_mode) == 0o700
    for path in sweep.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_what_is_written_into_the_copy_does_not_reach_the_original(earlier: Path, sweep: Path) -> None:
    copy_run(earlier, sweep, 0)
    (resumed_folder(sweep, 0) / "deep" / "step").write_text("8")
    (sweep / "runs" / "0000" / "checkpoints" / "last").write_text("newer")
    assert (earlier / "outputs" / "deep" / "step").read_text() == "7"
    assert (earlier / "checkpoints" / "last").read_text() == "state"


def test_no_link_leads_back_into_the_earlier_sweep(earlier: Path, sweep: Path, tmp_path: Path) -> None:
    outputs = earlier / "outputs"
    data = tmp_path / "data"
    data.mkdir()
    (outputs / "latest").symlink_to(outputs / "deep")  # absolute, and inside the tree
    (outputs / "deep" / "up").symlink_to("../model.bin")
    (outputs / "checkpoint").symlink_to("../checkpoints/last")
    (outputs / "all").symlink_to("../checkpoints")
    (outputs / "data").symlink_to(data)
    (outputs / "nowhere").symlink_to("gone")
    (outputs / "round").symlink_to("..")
    os.mkfifo(outputs / "pipe")
    copy_run(earlier, sweep, 0)
    copied = resumed_folder(sweep, 0)
    assert os.readlink(copied / "latest") == "deep"
    assert os.readlink(copied / "deep" / "up") == "../model.bin"
    assert (copied / "checkpoint").read_text() == "state"
    assert not (copied / "checkpoint").is_symlink()
    assert (copied / "all" / "last").read_text() == "state"
    assert os.readlink(copied / "data") == str(data)
    assert sorted(path.name for path in copied.iterdir()) == [
        *("all", "checkpoint", "data", "deep", "latest", "model.bin"),
    ]
    shutil.rmtree(earlier.parent.parent)
    for path in sweep.rglob("*"):
        assert path.exists(), f"{path} led into the earlier sweep"


def test_a_run_that_never_started_leaves_empty_folders(tmp_path: Path, sweep: Path) -> None:
    copy_run(tmp_path / "sweeps" / "old" / "runs" / "0003", sweep, 4)
    assert list(resumed_folder(sweep, 4).iterdir()) == []
    assert list((sweep / "runs" / "0004" / "checkpoints").iterdir()) == []
