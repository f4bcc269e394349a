"""The command line as a user has it: real processes, their output, their exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli.commands import call, environment, one_line, processes_of, show, start, strict, sweep_file, until

# ---------------------------------------------------------------------- to the end


def test_a_sweep_runs_to_its_end_and_show_has_the_shape_of_the_interface(place: Path) -> None:
    done = call(place, "run", str(sweep_file(place)))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Completed") == 5  # four runs and the sweep
    assert "* best so far" in done.stdout
    document = show(place)
    interface = ["name", "id", "status", "goal", "primary_metric", "sampler", "policy", "limits", "best_run", "runs"]
    assert set(interface) <= set(document)
    assert document["limits"] == {
        "max_total_runs": 4, "max_concurrent_runs": 2, "timeout_s": None, "run_timeout_s": None
    }  # fmt: skip
    assert document["policy"] is None
    run = document["runs"][2]
    expected = ["number", "id", "status", "reason", "attempt", "configuration", "value", "metrics", "devices"]
    assert {*expected, "started", "ended", "duration_s", "sampler_s"} <= set(run)
    assert document["sampler_s_per_run"] == pytest.approx(sum(r["sampler_s"] for r in document["runs"]) / 4)
    assert re.search(r"^  sampler \S+ ms of CPU a run, \S+ ms at most$", done.stdout, re.MULTILINE)
    x = run["configuration"]["x"]
    assert run["metrics"] == {"loss": [[10, x + 1], [20, x + 1 / 2], [30, x + 1 / 3]]}
    assert run["value"] == x + 1 / 3
    assert run["id"] == f"{document['id']}_2"
    assert run["started"].endswith("Z")
    best = min(document["runs"], key=lambda r: r["value"])
    assert document["best_run"] == best["number"]

    told = strict(call(place, "best", "s", "--json").stdout)
    assert (told["number"], told["value"], told["interval"]) == (best["number"], best["value"], 3)
    assert Path(told["folder"], "stdout.log").read_text() == f"x is {best['configuration']['x']}\n"

    one = strict(call(place, "show", "s", "--run", "2", "--json").stdout)
    assert [r["number"] for r in one["runs"]] == [2]
    for people in (("show", "s"), ("show", "s", "--run", "1"), ("best", "s"), ("list",)):
        assert call(place, *people).returncode == 0
    (entry,) = strict(call(place, "list", "--json").stdout)
    assert (entry["name"], entry["status"], entry["best_value"]) == ("s", "Completed", best["value"])


def test_one_and_four_at_a_time_have_the_same_configurations(place: Path) -> None:
    found = []
    for slots in ("1", "4"):
        root = place / f"root{slots}"
        done = call(place, "run", str(sweep_file(place, runs=8)), "-j", slots, "--root", str(root), "--json")
        document = strict(done.stdout)
        assert {run["status"] for run in document["runs"]} == {"Completed"}
        found.append([run["configuration"] for run in document["runs"]])
    assert found[0] == found[1]


def test_a_script_needs_no_file(place: Path) -> None:
    done = call(
        place, "run", "train.py", "--param", "x=uniform:0:1", "--metric", "loss", "--goal", "minimize",
        "--max-runs", "3", "-j", "2", "--seed", "1", "--", "--steps", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = show(place, "last")
    assert document["name"] == "train"
    assert [len(run["metrics"]["loss"]) for run in document["runs"]] == [2, 2, 2]
    again = call(place, "run", "train.py", "--param", "x=uniform:0:1", "--metric", "loss", "--max-runs", "1")
    assert again.returncode == 0
    assert [entry["name"] for entry in strict(call(place, "list", "--json").stdout)] == ["train-2", "train"]


def test_the_policy_stops_real_runs(place: Path) -> None:
    policy = {"type": "bandit", "slack_amount": 0.0, "evaluation_interval": 1}
    path = sweep_file(place, "--steps 40 --pause 0.05", runs=6, early_termination=policy)
    done = call(place, "run", str(path))
    assert done.returncode == 0, done.stderr
    document = show(place)
    stopped = [run for run in document["runs"] if run["status"] == "Canceled"]
    assert stopped
    for run in stopped:
        interval = int(run["reason"].removeprefix("bandit at interval "))
        assert interval <= len(run["metrics"]["loss"]) < 40
    assert "stopped early by the policy" in done.stdout


def test_failures_are_told_and_strict_makes_them_count(place: Path) -> None:
    path = sweep_file(place, "--fail 1")
    done = call(place, "run", str(path))
    assert done.returncode == 0
    assert "exit code 3" in done.stdout
    assert show(place)["runs"][1]["reason"] == "exit code 3: to stderr"
    assert call(place, "run", str(path), "--name", "t", "--strict").returncode == 1
    path = sweep_file(place, "--fail 0,1,2,3", name="all")
    assert call(place, "run", str(path)).returncode == 1
    assert show(place, "all")["status"] == "Failed"


def test_a_failing_run_is_tried_again(place: Path) -> None:
    line = '{"name": "loss", "value": 1}'
    (place / "flaky.sh").write_text(f"[ $HDCORE_ATTEMPT = 2 ] && echo '{line}' >> $HDCORE_REPORT")
    trial = {"command": "sh flaky.sh ${{search_space.x}}", "code": "."}
    path = sweep_file(place, runs=2, hdcore={"retries": 1}, trial=trial)
    assert call(place, "run", str(path)).returncode == 0
    assert [(run["status"], run["attempt"]) for run in show(place)["runs"]] == [("Completed", 2)] * 2


def test_a_metric_of_another_name_is_warned_about(place: Path) -> None:
    done = call(place, "run", str(sweep_file(place, "--name Loss")))
    assert done.returncode == 0
    first, last = done.stderr.splitlines()  # at the end once more
    for line in (first, last):
        assert line.startswith("hdcore: warning: ")
        assert "'loss'" in line
        assert "'Loss'" in line


def test_time_limits_of_run_and_sweep(place: Path) -> None:
    never = place / "never"
    path = sweep_file(place, f"--hold {never}", runs=2, hdcore={"retries": 0})
    text = json.loads(path.read_text())
    text["limits"]["trial_timeout"] = 1
    path.write_text(json.dumps(text))
    done = call(place, "run", str(path))
    document = show(place)
    assert done.returncode == 1
    assert {run["status"] for run in document["runs"]} == {"Failed"}
    assert "timeout" in document["runs"][0]["reason"]


# ---------------------------------------------------------------------- interruptions


def test_killed_in_the_middle_and_resumed_the_table_is_the_same(place: Path) -> None:
    whole = place / "whole"
    path = sweep_file(place, "--pause 0.05", runs=12)
    assert call(place, "run", str(path), "--root", str(whole)).returncode == 0
    expected = strict(call(place, "show", "s", "--json", "--root", str(whole)).stdout)["runs"]

    driver = start(place, "run", str(path))
    finished = until(
        lambda: (
            (place / ".hdcore/sweeps/s").exists()
            and [r for r in show(place)["runs"] if r["status"] == "Completed"][2:]
            and show(place)["runs"]
        )
    )
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    until(lambda: not processes_of(place / ".hdcore"))
    dead = show(place)
    assert dead["status"] == "Queued"
    assert not [run for run in dead["runs"] if run["status"] == "Running"]
    assert "hdcore resume s" in call(place, "show", "s").stdout

    done = call(place, "resume", "s")
    assert done.returncode == 0, done.stderr
    resumed = show(place)["runs"]
    for part in ("number", "configuration", "value", "metrics", "status"):
        assert [run[part] for run in resumed] == [run[part] for run in expected]
    for before in finished:
        if before["status"] == "Completed":
            assert resumed[before["number"]]["ended"] == before["ended"]
            assert resumed[before["number"]]["attempt"] == 1
    assert call(place, "resume", "s").returncode == 0  # nothing is left to do


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_runs_and_leaves_the_sweep_resumable(place: Path, number: int, code: int) -> None:
    go = place / "go"
    driver = start(place, "run", str(sweep_file(place, f"--hold {go}")))
    until(lambda: (place / ".hdcore/sweeps/s").exists() and len(processes_of(place / ".hdcore")) >= 2)
    os.kill(driver.pid, number)
    out, err = driver.communicate(timeout=30)
    assert driver.returncode == code
    assert "Traceback" not in err
    name = signal.Signals(number).name
    assert f"s: Stopped by {name} after" in out
    assert "2 runs in flight will start again: hdcore resume s" in out
    assert processes_of(place / ".hdcore") == []
    assert {run["status"] for run in show(place)["runs"]} == {"Queued"}
    go.touch()
    assert call(place, "resume", "s").returncode == 0
    assert [run["status"] for run in show(place)["runs"]] == ["Completed"] * 4


def test_show_best_list_and_summary_agree_while_runs_are_in_flight_and_when_they_were_stopped(place: Path) -> None:
    driver = start(place, "run", str(sweep_file(place, f"--hold {place / 'never'}", runs=2)))
    until(lambda: (place / ".hdcore/sweeps/s/sweep.db").exists())
    until(lambda: [len(run["metrics"].get("loss", ())) for run in show(place)["runs"]] == [3, 3])
    runs = show(place)["runs"]
    lowest = min(runs, key=lambda run: min(value for _, value in run["metrics"]["loss"]))

    def check(status: str) -> None:
        best = strict(call(place, "best", "s", "--json").stdout)
        assert (best["number"], best["status"], best["interval"]) == (lowest["number"], status, 3)
        assert best["value"] == lowest["metrics"]["loss"][-1][1]
        assert show(place)["best_run"] == lowest["number"]
        assert strict(call(place, "list", "--json").stdout)[0]["best_value"] == best["value"]
        shown = call(place, "show", "s").stdout
        assert f"by run {lowest['number']} ({status.lower()})" in shown
        assert f"\n* {lowest['number']:>3} " in shown
        if status == "Running":
            assert " 0.0 s" not in shown
            assert "running for" in call(place, "show", "s", "--run", "0").stdout

    check("Running")
    os.kill(driver.pid, signal.SIGINT)
    out, _ = driver.communicate(timeout=30)
    assert f"  best    run {lowest['number']}, loss" in out
    check("Queued")


def test_nothing_reported_is_told_with_yet_only_while_the_sweep_goes_on(place: Path) -> None:
    assert call(place, "run", str(sweep_file(place, "--name other", runs=1))).returncode == 0
    done = call(place, "best", "s")
    one_line(done, 2, "no run reported a finite 'loss'; run 0 reported 'other'")
    assert "\nno run reported a finite 'loss'; run 0 reported 'other'\n" in call(place, "show", "s").stdout
    assert "yet" not in done.stderr


def test_a_second_driver_is_refused_and_the_first_is_not_disturbed(place: Path) -> None:
    go = place / "go"
    driver = start(place, "run", str(sweep_file(place, f"--hold {go}")))
    until(lambda: (place / ".hdcore/sweeps/s").exists() and processes_of(place / ".hdcore"))
    one_line(call(place, "resume", "s"), 3, f"pid {driver.pid}")
    assert show(place)["status"] == "Running"
    go.touch()
    driver.communicate(timeout=60)
    assert driver.returncode == 0


def test_runs_and_sweeps_are_canceled_from_another_process(place: Path) -> None:
    driver = start(place, "run", str(sweep_file(place, f"--hold {place / 'never'}", runs=5)))
    until(lambda: (place / ".hdcore/sweeps/s").exists() and len(show(place)["runs"]) >= 2)
    assert call(place, "cancel", "s", "--run", "0").returncode == 0
    until(lambda: show(place)["runs"][0]["status"] == "Canceled")
    until(lambda: len(show(place)["runs"]) == 3)  # its place was taken
    one_line(call(place, "cancel", "s", "--run", "77"), 2, "77")
    assert call(place, "cancel", "s").returncode == 0
    driver.communicate(timeout=60)
    assert driver.returncode == 1  # no run completed
    document = show(place)
    assert document["status"] == "Canceled"
    assert {(run["status"], run["reason"]) for run in document["runs"]} == {("Canceled", "canceled by user")}
    assert "already" in call(place, "cancel", "s").stdout


def test_a_sweep_without_a_driver_is_canceled_in_its_store(place: Path) -> None:
    driver = start(place, "run", str(sweep_file(place, f"--hold {place / 'never'}")))
    until(lambda: (place / ".hdcore/sweeps/s").exists() and len(show(place)["runs"]) >= 2)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    assert call(place, "cancel", "s").returncode == 0
    assert show(place)["status"] == "Canceled"
    assert {run["status"] for run in show(place)["runs"]} == {"Canceled"}


# ---------------------------------------------------------------------- what is refused


def test_wrong_input_is_one_line_and_makes_nothing(place: Path) -> None:
    path = sweep_file(place)
    good = json.loads(path.read_text())
    path.write_text(json.dumps({**good, "objective": {"primary_metric": "loss", "goal": "upwards"}}))
    one_line(call(place, "run", str(path)), 2, "sweep.yml", "objective.goal")
    one_line(call(place, "validate", str(path)), 2, "sweep.yml", "objective.goal")
    path.write_text(json.dumps({**good, "trial": {**good["trial"], "code": "nowhere"}}))
    one_line(call(place, "run", str(path)), 2, "trial.code", "nowhere")
    path.write_text(json.dumps({**good, "hdcore": {"gpus_per_run": 100}}))
    one_line(call(place, "run", str(path)), 2, "sweep.yml", "hdcore.gpus_per_run", "may be used")
    path.write_text(json.dumps({**good, "trial": {**good["trial"], "code": "nowhere"}}))
    noted = call(place, "validate", str(path))
    assert noted.returncode == 0
    assert "note: " in noted.stdout
    one_line(call(place, "run", "nothing.yml"), 2, "nothing.yml")
    one_line(call(place, "run", str(path), "--param", "x=uniform:0:1"), 2, "--param")
    one_line(call(place, "run", "train.py"), 2, "--param")
    one_line(call(place, "run", "train.py", "--param", "x=beta:0:1", "--metric", "m"), 2, "x")
    one_line(call(place, "shwo", "s"), 2, "shwo", "show")
    one_line(call(place, "show"), 2, "show")
    one_line(call(place, "show", "s"), 2, "no sweeps")
    assert not (place / ".hdcore").exists()


def test_a_gpu_that_is_not_there_makes_nothing_also_where_no_run_asks_for_one(place: Path) -> None:
    one_line(call(place, "run", str(sweep_file(place)), "--gpus", "99"), 2, "--gpus: no GPU '99'")
    assert not (place / ".hdcore").exists()


def test_the_command_alone_prints_its_help(place: Path) -> None:
    done = call(place)
    assert done.returncode in (0, 2)
    told = done.stdout + done.stderr
    assert "Usage: hdcore" in told
    assert told.count("\n") > 10


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("sweep.ymll",), ("sweep.ymll: no such file",)),
        (("tain.py",), ("tain.py: no such file", "'train.py'")),
        (("/tmp",), ("/tmp: is a folder",)),
        (("train.py", "--epochs", "5"), ("--epochs", "arguments of the script go after --")),
        (("train.py", "--param", "x=unifrom:0:1", "--metric", "m"), ("did you mean 'uniform'?",)),
        (("train.py", "--param", "x=uniform:0", "--metric", "m"), ("has 1 number;",)),
        (("train.py", "--param", "x=uniform:0:1", "--metric", "m", "--policy", "median:dealy=5"), ("'delay'",)),
        (("train.py", "--param", "x=uniform:0:1", "--metric", "m", "--policy", "medain"), ("--policy: 'medain'",)),
        (("train.py", "--param", "x=uniform:0:1", "--metric", "m", "--name", "last"), ("'last'", "newest")),
    ],
)
def test_a_slip_on_the_command_line_is_told_with_a_remedy(
    place: Path, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    one_line(call(place, "run", *arguments), 2, *parts)
    assert not (place / ".hdcore").exists()


@pytest.mark.parametrize(
    ("metric", "is_told"), [("valLoss", True), ("val_mse", True), ("crossentropyloss", True), ("accuracy", False)]
)
def test_a_metric_that_sounds_like_less_is_better_is_told_to_be_maximized(
    place: Path, metric: str, is_told: bool
) -> None:
    arguments = ("run", "train.py", "--param", "x=uniform:0:1", "--metric", metric, "--max-runs", "1", "--name", "m")
    done = call(place, *arguments, "--", "--name", metric)
    assert done.returncode == 0
    assert ("--goal minimize" in done.stderr) is is_told
    done = call(place, "export", "m", "-o", "-")
    assert done.stdout.startswith("number,")
    one_line(call(place, "export", "m", "-o", "x.xlsx"), 2, ".xlsx", "csv, json, parquet or azure")
    one_line(call(place, "export", "m", "-o", "nodir/x.csv"), 4, "no folder 'nodir'")


def test_validate_notes_a_script_that_is_not_in_the_code_folder(place: Path) -> None:
    path = sweep_file(place)
    assert "note:" not in call(place, "validate", str(path)).stdout
    path.write_text(path.read_text().replace("train.py", "tain.py"))
    done = call(place, "validate", str(path))
    assert done.returncode == 0
    assert "note: trial.command: 'tain.py' is not in the code folder; did you mean 'train.py'?" in done.stdout


def test_run_warns_of_a_script_that_is_not_in_the_code_folder(place: Path) -> None:
    path = sweep_file(place, runs=1)
    path.write_text(path.read_text().replace("train.py", "tain.py"))
    done = call(place, "run", str(path))
    assert done.returncode == 1
    assert "warning: trial.command: 'tain.py' is not in the code folder" in done.stderr
    shown = call(place, "show", "s").stdout
    assert "\nfailed run 0: exit code 2: " in shown
    assert "tain.py" in shown


def test_a_name_in_use_is_refused_with_a_hint(place: Path) -> None:
    path = sweep_file(place, runs=1)
    assert call(place, "run", str(path)).returncode == 0
    one_line(call(place, "run", str(path)), 3, "hdcore resume s")
    one_line(call(place, "show", "t"), 2, "'s'")
    one_line(call(place, "best", "s", "--root", str(place / "other")), 2, "other")


def test_a_damaged_store_is_refused(place: Path) -> None:
    assert call(place, "run", str(sweep_file(place, runs=1))).returncode == 0
    database = place / ".hdcore/sweeps/s/sweep.db"
    database.write_bytes(b"hello" * 1000)
    for command in (("show", "s"), ("resume", "s"), ("best", "s"), ("export", "s", "--format", "csv")):
        one_line(call(place, *command), 3, "s")
    listed = call(place, "list")
    assert listed.returncode == 0
    assert "damaged" in listed.stdout


def test_a_full_disk_is_exit_code_4(place: Path) -> None:
    import resource

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    path = sweep_file(place, "--steps 6000", runs=3)
    done = call(place, "run", str(path), preexec_fn=small_files)
    one_line(done, 4, "s")
    assert call(place, "resume", "s").returncode == 0
    assert {run["status"] for run in show(place)["runs"]} == {"Completed"}
    assert {len(run["metrics"]["loss"]) for run in show(place)["runs"]} == {6000}


def test_a_reader_that_leaves_early_is_no_error(place: Path) -> None:
    assert call(place, "run", str(sweep_file(place, runs=1))).returncode == 0
    command = f"{sys.executable} -m hdcore show s --json | head -c 10"
    shell = ["bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(shell, cwd=place, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


# ---------------------------------------------------------------------- logs and export


def test_sweeps_started_at_once_take_names_of_their_own(place: Path) -> None:
    options = ["--param", "x=uniform:0:1", "--metric", "loss", "--max-runs", "1", "--no-live"]
    together = [start(place, "run", "train.py", *options) for _ in range(4)]
    said = [process.communicate(timeout=60) for process in together]
    assert [process.returncode for process in together] == [0] * 4, said
    names = {entry["name"] for entry in json.loads(call(place, "list", "--json").stdout)}
    assert names == {"train", "train-2", "train-3", "train-4"}


def test_logs_are_followed_through_all_attempts(place: Path) -> None:
    script = """
        while [ ! -e go-$HDCORE_ATTEMPT ]; do sleep 0.02; done
        echo attempt $HDCORE_ATTEMPT
        while [ ! -e end-$HDCORE_ATTEMPT ]; do sleep 0.02; done
        exit $((2 - HDCORE_ATTEMPT))
    """
    (place / "code").mkdir()
    (place / "code" / "twice.sh").write_text(script)
    sweep = {
        "type": "sweep",
        "trial": {"command": "sh twice.sh", "code": "code", "environment": "none"},
        "sampling_algorithm": "random",
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "objective": {"goal": "minimize", "primary_metric": "loss"},
        "limits": {"max_total_trials": 1},
        "hdcore": {"retries": 1},
    }
    (place / "s.yml").write_text(json.dumps(sweep))
    driver = start(place, "run", "s.yml")
    work = place / ".hdcore" / "sweeps" / "s" / "runs" / "0000" / "work"
    until(work.is_dir)
    follower = start(place, "logs", "s", "0", "--follow", "--stdout")
    assert follower.stdout is not None
    for attempt in "12":
        (work / f"go-{attempt}").touch()
        assert follower.stdout.readline() == f"attempt {attempt}\n"
        (work / f"end-{attempt}").touch()
    follower.communicate(timeout=60)
    driver.communicate(timeout=60)
    assert follower.returncode == 0


def test_logs_do_not_wait_for_a_fifo_in_the_place_of_a_log(place: Path) -> None:
    (place / "odd.sh").write_text('cd "$(dirname "$HDCORE_REPORT")" && rm stdout.log && mkfifo stdout.log')
    call(place, "run", "odd.sh", "--param", "x=uniform:0:1", "--metric", "loss", "--max-runs", "1", "--name", "s")
    one_line(call(place, "logs", "s", "0"), 2, "stdout.log")


def test_logs_are_printed_and_followed(place: Path) -> None:
    go = place / "go"
    driver = start(place, "run", str(sweep_file(place, f"--hold {go}", runs=1)))
    until(lambda: (place / ".hdcore/sweeps/s").exists() and processes_of(place / ".hdcore"))
    follower = start(place, "logs", "s", "0", "--follow")
    assert follower.stdout is not None
    assert follower.stdout.readline().startswith(("x is", "to stderr"))
    assert follower.poll() is None
    go.touch()
    driver.communicate(timeout=60)
    follower.communicate(timeout=60)
    assert follower.returncode == 0
    assert call(place, "logs", "s", "0", "--stderr").stdout == "to stderr\n"
    assert call(place, "logs", "s", "0").stdout.startswith("x is 0.")
    one_line(call(place, "logs", "s", "9"), 2, "9")


def test_an_export_goes_through_what_is_no_regular_file(place: Path) -> None:
    """A device, a pipe or a link stands for something else: replacing it by a file would destroy it."""
    call(place, "run", str(sweep_file(place, runs=2)))
    pipe, link, far = place / "pipe", place / "link.csv", place / "far"
    os.mkfifo(pipe)
    far.mkdir()
    link.symlink_to(far / "runs.csv")
    expected = call(place, "export", "s", "--format", "csv", "-o", "-").stdout
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True)
    try:
        assert call(place, "export", "s", "--format", "csv", "-o", str(pipe)).returncode == 0
        assert pipe.is_fifo()
        assert reader.communicate(timeout=60)[0] == expected
    finally:
        reader.kill()
    for _ in range(2):
        assert call(place, "export", "s", "-o", str(link)).returncode == 0
        assert link.is_symlink()
        assert (far / "runs.csv").read_text() == expected


def test_exports_hold_what_show_holds(place: Path) -> None:
    space = {
        "x": {"type": "uniform", "min_value": 0, "max_value": 1},
        "opt": {"type": "choice", "values": ["sgd", "=1+1"]},
    }
    assert call(place, "run", str(sweep_file(place, runs=5, search_space=space))).returncode == 0
    document = show(place)
    assert call(place, "export", "s", "-o", "out.json").returncode == 0
    assert strict((place / "out.json").read_text()) == document

    text = call(place, "export", "s", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    for row, run in zip(rows, document["runs"], strict=True):
        assert int(row["number"]) == run["number"]
        assert float(row["parameter.x"]) == run["configuration"]["x"]
        assert row["parameter.opt"].lstrip("'") == run["configuration"]["opt"]
        assert not row["parameter.opt"].startswith("=")
        assert float(row["metric.loss.best"]) == run["value"]
        assert float(row["metric.loss.last"]) == run["metrics"]["loss"][-1][1]

    import pyarrow.parquet as pq

    assert call(place, "export", "s", "-o", "out.parquet").returncode == 0
    table = pq.read_table(place / "out.parquet").to_pylist()
    assert [row["parameter.x"] for row in table] == [run["configuration"]["x"] for run in document["runs"]]
    one_line(call(place, "export", "s", "-o", "out.xyz"), 2, "format")
    one_line(call(place, "export", "s", "-o", "nowhere/out.csv"), 4, "nowhere")


def test_devices_are_listed(place: Path) -> None:
    found = strict(call(place, "devices", "--json").stdout)
    assert found["cpus"] >= 1
    assert call(place, "devices").stdout.startswith(f"{found['cpus']} CPU")


# ---------------------------------------------------------------------- a person at a terminal


def test_the_live_table_of_a_real_sweep_on_a_real_terminal(place: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    sys.path.insert(0, str(Path(__file__).parent))
    from vt import Screen

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    path = sweep_file(place, "--pause 0.2", runs=6)
    driver = subprocess.Popen(
        [sys.executable, "-m", "hdcore", "run", str(path)],
        cwd=place,
        env={**environment(TERM="xterm-256color"), "COLUMNS": ""},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    import codecs

    screen, decoder = Screen(100, 24), codecs.getincrementaldecoder("utf-8")()
    seen = []
    while True:
        try:
            data = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        screen.feed(decoder.decode(data))
        seen.append(screen.text())
    os.close(ours)
    assert driver.wait(60) == 0
    assert screen.unknown == []
    assert any("2 running" in text and "Running" in text for text in seen)
    final = screen.text()
    assert "6/6 runs" in final
    assert "best" in final
    assert final.count("Completed") >= 7
    assert "hdcore show s" in final
    assert screen.cursor_shown
