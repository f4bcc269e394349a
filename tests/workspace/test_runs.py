"""A run made ready: folders, view of the code, environment, argument list, and a real process in it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hdcore.errors import ExecutorError, InputError, StoreError
from hdcore.records import InputSpec, Launch, Limits, SweepSpec
from hdcore.typing import Goal
from hdcore.workspace import prepare_run, run_folder, snapshot_code

SCRIPT = """
import json, os, sys, pathlib
import helper
pathlib.Path("outputs/model.txt").write_text("model")
pathlib.Path("scratch.txt").write_text("mine")
said = {"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "helper": helper.VALUE}
print(json.dumps({**said, "exe": sys.executable}))
"""


@pytest.fixture
def sweep(tmp_path):
    folder = tmp_path / "root" / "sweeps" / "s"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def spec(tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text(SCRIPT)
    (code / "helper.py").write_text("VALUE = 1\n")
    (code / "data").mkdir()
    (code / "data" / "d.csv").write_text("1,2\n")
    return SweepSpec(
        name="s",
        space={"lr": ["uniform", [0, 1]], "net": ["choice", [[{"units": 3}]]]},
        metric="m",
        goal=Goal.MAXIMIZE,
        limits=Limits(max_total_runs=3, run_timeout_s=7.5),
        command="python train.py --lr ${{search_space.lr}} --net ${{search_space.net}} --in ${{inputs.data}} "
        "--out ${{outputs.model}} ${{inputs.k}}",
        code=str(code),
        inputs={
            "data": InputSpec(type="uri_file", path="x", local="/data/a b.csv"),
            "k": InputSpec(type="literal", value=0.5),
        },
        outputs={"model": {"type": "uri_folder"}, "table": {"type": "uri_file"}},
        environment={"MINE": "1"},
        cpus_per_run=2,
        gpus_per_run=0.5,
    )


CONFIGURATION: dict[str, Any] = {"lr": 2.0, "net": {"units": 3}}


def ready(spec: SweepSpec, sweep: Path, number: int = 7, attempt: int = 1, **more: Any) -> Launch:
    snapshot_code(spec, sweep)
    return prepare_run(spec, sweep, number, attempt, CONFIGURATION, sweep_id="HD_abc", **more)


def start(launch: Launch) -> dict[str, Any]:
    out = subprocess.check_output(launch.argv, cwd=launch.cwd, env=launch.environment, stdin=subprocess.DEVNULL)
    return json.loads(out)


def test_a_real_process_finds_its_arguments_modules_and_folders(spec, sweep, monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    launch = ready(spec, sweep)
    (Path(spec.code) / "helper.py").write_text("VALUE = 2\n")
    said = start(launch)
    folder = sweep / "runs" / "0007"
    assert said["argv"] == [
        *(
            "--lr",
            "2",
            "--net",
            '{"units":3}',
            "--in",
            "/data/a b.csv",
            "--out",
            str(folder / "outputs" / "model"),
            "0.5",
        )
    ]
    assert said["helper"] == 1
    assert Path(said["cwd"]) == folder / "work"
    assert os.path.samefile(said["exe"], sys.executable)
    assert (folder / "outputs" / "model.txt").read_text() == "model"
    assert not (Path(spec.code) / "scratch.txt").exists()
    assert not (sweep / "code" / "scratch.txt").exists()
    env = said["env"]
    assert env["HDCORE_RUN_ID"] == "HD_abc_7"
    assert env["HDCORE_ATTEMPT"] == "1"
    assert env["HDCORE_REPORT"] == launch.report == str(folder / "report-1.jsonl")
    assert env["HDCORE_OUTPUT_DIR"] == str(folder / "outputs")
    assert env["HDCORE_CHECKPOINT_DIR"] == str(folder / "checkpoints")
    assert env["AZUREML_SWEEP_lr"] == "2"
    assert env["AZUREML_SWEEP_net"] == '{"units":3}'
    assert env["AZUREML_SWEEP_data"] == "/data/a b.csv"
    assert env["MINE"] == "1"
    assert env["PWD"] == said["cwd"]
    assert "HDCORE_RESUME_FROM" not in env


def test_the_launch_tells_the_executor_all_it_needs(spec, sweep):
    launch = ready(spec, sweep, number=3, attempt=2, offset=40)
    assert (launch.number, launch.attempt, launch.offset) == (3, 2, 40)
    assert (launch.cpus, launch.gpus, launch.timeout_s) == (2, 0.5, 7.5)
    assert launch.folder == str(sweep / "runs" / "0003")
    assert launch.report.endswith("report-2.jsonl")


def test_the_folder_holds_what_it_should_and_links_are_relative(spec, sweep, tmp_path):
    launch = ready(spec, sweep)
    folder = Path(launch.folder)
    assert sorted(os.listdir(folder)) == ["checkpoints", "configuration.json", "outputs", "report-1.jsonl", "work"]
    assert json.loads((folder / "configuration.json").read_text()) == CONFIGURATION
    assert {name: os.readlink(folder / "work" / name) for name in os.listdir(folder / "work")} == {
        "outputs": "../outputs",
        "train.py": "../../../code/train.py",
        "helper.py": "../../../code/helper.py",
        "data": "../../../code/data",
    }
    assert os.listdir(folder / "outputs") == ["model"]  # table is a file that the script writes
    shutil.move(tmp_path / "root", tmp_path / "moved")
    moved = tmp_path / "moved" / "sweeps" / "s" / "runs" / "0007"
    assert (moved / "work" / "data" / "d.csv").read_text() == "1,2\n"


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o777])
def test_everything_is_private_whatever_the_umask(umask, spec, sweep):
    snapshot_code(spec, sweep)
    before = os.umask(umask)
    try:
        launch = prepare_run(spec, sweep, 0, 1, CONFIGURATION, sweep_id="x")
    finally:
        os.umask(before)
    for path in [sweep / "runs", Path(launch.folder), *Path(launch.folder).rglob("*")]:
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_second_attempt_keeps_outputs_checkpoints_and_old_reports(spec, sweep):
    first = ready(spec, sweep)
    folder = Path(first.folder)
    (folder / "checkpoints" / "c.pt").write_text("c")
    (folder / "outputs" / "o.txt").write_text("o")
    (folder / "work" / "mine.txt").write_text("m")
    (folder / "work" / "helper.py").unlink()
    (folder / "work" / "helper.py").write_text("VALUE = 5\n")
    Path(first.report).write_text("{}\n")
    second = ready(spec, sweep, attempt=2)
    assert second.folder == first.folder
    assert second.report != first.report
    assert Path(second.report).read_text() == ""
    assert Path(first.report).read_text() == "{}\n"
    assert (folder / "checkpoints" / "c.pt").read_text() == "c"
    assert (folder / "outputs" / "o.txt").read_text() == "o"
    assert (folder / "work" / "helper.py").read_text() == "VALUE = 5\n"
    assert second.environment["HDCORE_ATTEMPT"] == "2"


@pytest.mark.parametrize("name", ["report-2.jsonl", "configuration.json"])
@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_what_an_attempt_put_in_the_place_of_our_files_is_taken_away(spec, sweep, tmp_path, name, kind):
    ready(spec, sweep)
    other = tmp_path / "other.txt"
    other.write_text("not ours")
    place = sweep / "runs" / "0007" / name
    place.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(place)  # opened for writing, it would wait for a reader for ever
    elif kind == "link":
        place.symlink_to(other)
    else:
        (place / "inner").mkdir(parents=True)
    ready(spec, sweep, attempt=2)
    assert stat.S_ISREG(place.lstat().st_mode)
    assert other.read_text() == "not ours"


@pytest.mark.parametrize("name", [".", "work", "outputs"])
def test_a_folder_that_an_attempt_spoiled_is_the_misfortune_of_that_run_alone(spec, sweep, name):
    ready(spec, sweep)
    place = sweep / "runs" / "0007" / name
    shutil.rmtree(place)
    place.write_text("a file")
    with pytest.raises(ExecutorError, match="its folder cannot be used again"):
        ready(spec, sweep, attempt=2)
    ready(spec, sweep, number=8)


def test_an_attempt_starts_with_an_empty_report_file_unless_some_of_it_was_consumed(spec, sweep):
    launch = ready(spec, sweep)
    Path(launch.report).write_text("{}\n")
    ready(spec, sweep, offset=3)
    assert Path(launch.report).read_text() == "{}\n"
    assert ready(spec, sweep) == launch
    assert Path(launch.report).read_text() == ""


def test_a_resumed_run_gets_the_folder_of_the_earlier_one(spec, sweep, tmp_path):
    launch = ready(spec, sweep, resume_from=tmp_path / "old run")
    assert launch.argv[-2:] == ("--resume-from", str(tmp_path / "old run"))
    assert launch.environment["HDCORE_RESUME_FROM"] == str(tmp_path / "old run")


def test_own_tokens_and_the_variables_of_an_outer_run_are_not_passed_on(spec, sweep):
    inherited = {
        "PATH": "/bin",
        "VIRTUAL_ENV": "/venv",
        "HDCORE_UI_TOKEN": "secret",
        "HDCORE_TOKEN": "secret",
        "HDCORE_REPORT": "/outer/report",
        "HDCORE_RESUME_FROM": "/outer",
        "AZUREML_SWEEP_other": "outer",
        "HDCORE_ROOT": "/root",
        "MY_API_TOKEN": "the script's own",
        "OLDPWD": "/",
    }
    environment = ready(spec, sweep, inherited=inherited).environment
    assert not {"HDCORE_UI_TOKEN", "HDCORE_TOKEN", "AZUREML_SWEEP_other", "HDCORE_RESUME_FROM", "OLDPWD"} & set(
        environment
    )
    assert environment["HDCORE_REPORT"] != "/outer/report"
    assert environment["MY_API_TOKEN"] == "the script's own"
    assert environment["HDCORE_ROOT"] == "/root"
    assert environment["PATH"] == "/bin"


def test_the_environment_is_in_no_file(spec, sweep):
    launch = ready(spec, sweep, inherited={"PATH": "/bin", "MY_API_TOKEN": "sesame-4711"})
    assert launch.environment["MY_API_TOKEN"] == "sesame-4711"
    assert not [p for p in sweep.rglob("*") if p.is_file() and b"sesame-4711" in p.read_bytes()]


def test_python_is_the_interpreter_of_hdcore_unless_an_environment_is_active(spec, sweep):
    here = os.path.dirname(sys.executable)
    plain = ready(spec, sweep, inherited={"PATH": "/nowhere"}).environment
    assert plain["PATH"] == f"{here}:/nowhere"
    assert ready(spec, sweep, inherited={"PATH": f"{here}:/x"}).environment["PATH"] == f"{here}:/x"
    assert ready(spec, sweep, inherited={"PATH": "/x", "CONDA_PREFIX": "/c"}).environment["PATH"] == "/x"
    assert ready(spec, sweep, inherited={}).environment["PATH"].startswith(here)


@pytest.mark.parametrize(
    ("number", "name"), [(0, "0000"), (42, "0042"), (9999, "9999"), (10000, "10000"), (123456, "123456")]
)
def test_folders_of_runs_have_four_digits_or_more(number, name, sweep):
    assert run_folder(sweep, number) == sweep / "runs" / name


def test_a_value_that_no_process_can_get_is_refused_before_anything_is_made(spec, sweep):
    snapshot_code(spec, sweep)
    with pytest.raises(InputError) as caught:
        prepare_run(spec, sweep, 0, 1, {"lr": "a\0b", "net": 1}, sweep_id="x")
    assert caught.value.field == "search_space.lr"
    assert not (sweep / "runs").exists()


def test_a_folder_that_cannot_be_made_is_a_store_error(spec, sweep):
    snapshot_code(spec, sweep)
    (sweep / "runs").write_text("in the way")
    with pytest.raises(StoreError, match="0000"):
        prepare_run(spec, sweep, 0, 1, CONFIGURATION, sweep_id="x")


def test_a_sweep_over_a_function_needs_no_command_and_no_code(spec, sweep):
    function = msgspec.structs.replace(spec, command="", function="module:train", code=None)
    launch = prepare_run(function, sweep, 0, 1, CONFIGURATION, sweep_id="x")
    assert launch.argv == ()
    assert os.listdir(launch.cwd) == ["outputs"]


def test_a_shell_command_runs_in_the_same_place(spec, sweep):
    shell = msgspec.structs.replace(
        spec, command="cat data/d.csv > outputs/copy.csv && echo ${{search_space.net}} >> outputs/copy.csv"
    )
    launch = ready(shell, sweep)
    assert launch.argv[:2] == ("/bin/sh", "-c")
    subprocess.check_call(launch.argv, cwd=launch.cwd, env=launch.environment)
    assert (Path(launch.folder) / "outputs" / "copy.csv").read_text() == '1,2\n{"units":3}\n'
