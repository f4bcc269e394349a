"""The snapshot of a code folder: what is copied, what is linked, what is left out."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from hdcore.errors import InputError
from hdcore.records import Limits, SweepSpec
from hdcore.typing import Goal
from hdcore.workspace import snapshot, snapshot_code


def spec_of(code: Path | str | None) -> SweepSpec:
    return SweepSpec(
        name="s",
        space={"x": ["uniform", [0, 1]]},
        metric="m",
        goal=Goal.MAXIMIZE,
        limits=Limits(max_total_runs=1),
        command="true",
        code=None if code is None else str(code),
    )


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("print('first')\n")
    return folder


@pytest.fixture
def sweep(tmp_path):
    folder = tmp_path / "root" / "sweeps" / "s"
    folder.mkdir(parents=True)
    return folder


def test_editing_a_script_later_changes_nothing(code, sweep):
    (code / "package").mkdir()
    (code / "package" / "model.py").write_text("a = 1\n")
    snap = snapshot_code(spec_of(code), sweep)
    (code / "train.py").write_text("print('second')\n")
    (code / "package" / "model.py").unlink()
    assert snap.folder == sweep / "code"
    assert (snap.folder / "train.py").read_text() == "print('first')\n"
    assert (snap.folder / "package" / "model.py").read_text() == "a = 1\n"
    assert (snap.files, snap.linked) == (2, ())


def test_a_second_call_keeps_the_first_snapshot(code, sweep):
    snapshot_code(spec_of(code), sweep)
    (code / "train.py").write_text("print('second')\n")
    again = snapshot_code(spec_of(code), sweep)
    assert (again.folder / "train.py").read_text() == "print('first')\n"
    snapshot_code(spec_of("/not/there/any/more"), sweep)


def test_what_a_killed_driver_left_is_replaced_and_links_in_it_are_not_followed(code, sweep, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data.csv").write_text("1\n")
    (sweep / "code.partial").mkdir()
    (sweep / "code.partial" / "half.py").write_text("")
    (sweep / "code.partial" / "link").symlink_to(precious)
    snap = snapshot_code(spec_of(code), sweep)
    assert sorted(os.listdir(snap.folder)) == ["train.py"]
    assert (precious / "data.csv").read_text() == "1\n"
    assert not (sweep / "code.partial").exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_the_copy_is_private_whatever_the_umask(umask, code, sweep):
    (code / "run.sh").write_text("#!/bin/sh\n")
    (code / "run.sh").chmod(0o755)
    (code / "sub").mkdir(mode=0o777)
    (code / "sub" / "a.txt").write_text("a")
    before = os.umask(umask)
    try:
        snap = snapshot_code(spec_of(code), sweep)
    finally:
        os.umask(before)
    modes = {
        str(p.relative_to(snap.folder)): stat.S_IMODE(p.stat().st_mode) for p in [snap.folder, *snap.folder.rglob("*")]
    }
    assert modes == {".": 0o700, "train.py": 0o600, "run.sh": 0o700, "sub": 0o700, "sub/a.txt": 0o600}


def test_a_missing_folder_is_an_input_error_and_makes_nothing(sweep):
    with pytest.raises(InputError) as caught:
        snapshot_code(spec_of("/not/there"), sweep)
    assert caught.value.field == "trial.code"
    assert list(sweep.iterdir()) == []


def test_a_sweep_without_code_has_an_empty_snapshot(sweep):
    assert list(snapshot_code(spec_of(None), sweep).folder.iterdir()) == []


@pytest.mark.parametrize("place", [".hdcore", "root", "."])
def test_the_root_of_the_sweeps_is_never_part_of_the_code(place, code):
    sweep = code / place / "sweeps" / "s"
    sweep.mkdir(parents=True)
    other = code / "elsewhere" / "sweeps" / "t"
    other.mkdir(parents=True)
    (other / "sweep.db").write_text("")
    (code / "sub").mkdir()
    (code / "sub" / "sweeps.py").write_text("")
    snap = snapshot_code(spec_of(code), sweep)
    assert sorted(os.listdir(snap.folder)) == ["sub", "train.py"]


def test_tools_and_caches_are_left_out_or_linked(code, sweep):
    for left_out in (".git", "__pycache__", "sub/__pycache__"):
        (code / left_out).mkdir(parents=True)
        (code / left_out / "x").write_text("")
    (code / "outputs").mkdir()
    (code / "env").mkdir()
    (code / "env" / "pyvenv.cfg").write_text("")
    (code / "web" / "node_modules").mkdir(parents=True)
    snap = snapshot_code(spec_of(code), sweep)
    assert sorted(os.listdir(snap.folder)) == ["env", "sub", "train.py", "web"]
    assert os.listdir(snap.folder / "sub") == []
    assert os.readlink(snap.folder / "env") == str(code / "env")
    assert snap.linked == ("env", "web/node_modules")


def test_ignored_entries_are_linked(code, sweep):
    (code / ".gitignore").write_text("*.bin\n/data/\nlogs/*.txt\n!keep.bin\n# comment\n")
    for path in ("a.bin", "keep.bin", "sub/b.bin", "data/x.csv", "logs/l.txt", "sub/data/y.csv"):
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_text("x")
    snap = snapshot_code(spec_of(code), sweep)
    assert snap.linked == ("a.bin", "data", "logs/l.txt", "sub/b.bin")
    assert (snap.folder / "data" / "x.csv").read_text() == "x"
    assert not (snap.folder / "sub" / "data").is_symlink()


def test_amlignore_comes_before_gitignore(code, sweep):
    (code / ".gitignore").write_text("a.txt\n")
    (code / ".amlignore").write_text("b.txt\n")
    for name in ("a.txt", "b.txt"):
        (code / name).write_text("x")
    assert snapshot_code(spec_of(code), sweep).linked == ("b.txt",)


def test_a_large_file_is_linked(code, sweep, monkeypatch):
    monkeypatch.setattr(snapshot, "MOST_BYTES_A_FILE", 100)
    (code / "weights.npy").write_bytes(b"x" * 101)
    (code / "small.npy").write_bytes(b"x" * 100)
    assert snapshot_code(spec_of(code), sweep).linked == ("weights.npy",)


def test_the_heaviest_folder_is_linked_when_the_whole_does_not_fit(code, sweep, monkeypatch):
    monkeypatch.setattr(snapshot, "MOST_FILES", 30)
    for folder, files in (("project/images", 50), ("project/src", 10), ("tools", 15)):
        (code / folder).mkdir(parents=True)
        for i in range(files):
            (code / folder / f"{i}.txt").write_text("x")
    snap = snapshot_code(spec_of(code), sweep)
    assert snap.linked == ("project/images",)
    assert len(os.listdir(snap.folder / "project" / "images")) == 50
    assert snap.files == 27


def test_bytes_count_as_well_as_files(code, sweep, monkeypatch):
    monkeypatch.setattr(snapshot, "MOST_BYTES", 1000)
    for folder, size in (("a", 600), ("b", 700)):
        (code / folder).mkdir()
        (code / folder / "x.dat").write_bytes(b"x" * size)
    assert snapshot_code(spec_of(code), sweep).linked == ("b",)


def test_loose_files_of_the_top_folder_are_linked_before_scripts(code, sweep, monkeypatch):
    monkeypatch.setattr(snapshot, "MOST_FILES", 3)
    monkeypatch.setattr(snapshot, "MOST_BYTES", 1000)
    for i in range(4):
        (code / f"{i}.png").write_bytes(b"x" * (100 * i + 1))
    snap = snapshot_code(spec_of(code), sweep)
    assert not (snap.folder / "train.py").is_symlink()
    assert sorted(os.listdir(snap.folder)) == sorted(os.listdir(code))
    assert "3.png" in snap.linked


def test_links_that_stay_inside_are_kept_and_others_point_to_the_original(code, sweep, tmp_path):
    (tmp_path / "data.csv").write_text("outside")
    (code / "sub").mkdir()
    (code / "sub" / "model.py").write_text("inside")
    (code / ".git").mkdir()
    (code / ".git" / "head").write_text("left out")
    (code / "relative.py").symlink_to("sub/model.py")
    (code / "sub" / "up.py").symlink_to("../train.py")
    (code / "absolute.py").symlink_to(code / "sub" / "model.py")
    (code / "data.csv").symlink_to("../data.csv")
    (code / "head").symlink_to(".git/head")
    (code / "broken").symlink_to("nowhere")
    (code / "self").symlink_to(".")
    (code / "loop").symlink_to("loop")
    here = snapshot_code(spec_of(code), sweep).folder
    links = {str(p.relative_to(here)): os.readlink(p) for p in here.rglob("*") if p.is_symlink()}
    assert links == {
        "relative.py": "sub/model.py",
        "sub/up.py": "../train.py",
        "absolute.py": "sub/model.py",
        "data.csv": str(tmp_path / "data.csv"),
        "head": str(code / ".git" / "head"),
        "broken": str(code / "nowhere"),
        "self": ".",
        "loop": "loop",
    }
    (code / "sub" / "model.py").write_text("edited")
    assert (here / "absolute.py").read_text() == "inside"


def test_pipes_and_sockets_are_left_out(code, sweep, monkeypatch):
    os.mkfifo(code / "pipe")
    monkeypatch.chdir(code)  # socket paths are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.sock")
        snap = snapshot_code(spec_of(code), sweep)
    assert os.listdir(snap.folder) == ["train.py"]


def test_very_deep_folders_are_linked_at_some_depth(code, sweep):
    deep = code.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)
    (deep / "x.py").write_text("1")
    snap = snapshot_code(spec_of(code), sweep)
    assert (snap.folder.joinpath(*["d"] * 60) / "x.py").read_text() == "1"
    assert len(snap.linked) == 1
