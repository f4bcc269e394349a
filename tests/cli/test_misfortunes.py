"""What becomes of a whole sweep when something goes wrong around it: real drivers, real runs, real signals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cli.commands import call, environment, processes_of, show, start, sweep_file, until

COUNT = """
import json, os, pathlib, sys, time
x, n, place = float(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
fd = os.open(place / "starts", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(fd, (os.environ["HDCORE_RUN_ID"].rpartition("_")[2] + "\\n").encode())
fd = os.open(os.environ["HDCORE_REPORT"], os.O_WRONLY | os.O_APPEND)
for k in range(n):
    if k == n // 2:
        while not (place / "go").exists():
            time.sleep(0.02)
    os.write(fd, (json.dumps({"name": "loss", "value": x + k, "step": k}) + "\\n").encode())
"""


def in_flight(place: Path, count: int = 2) -> list[int]:
    """Processes of runs, as soon as there are `count` of them."""
    return until(lambda: len(found := processes_of(place / ".hdcore")) >= count and found)


def run_number(pid: int) -> int:
    environ = Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
    return next(int(pair.rpartition(b"_")[2]) for pair in environ if pair.startswith(b"HDCORE_RUN_ID="))


def on_a_terminal(place: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start hdcore at a terminal of its own; return it and our end of the terminal."""
    ours, theirs = pty.openpty()
    code = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, sys.executable, "-m", "hdcore", *arguments],
        cwd=place,
        env=environment(TERM="xterm-256color"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    return process, ours


@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize(("how", "code"), [("closed", 129), ("ctrl-c", 130)])
def test_what_a_person_does_to_the_terminal_leaves_a_sweep_that_goes_on(
    place: Path, how: str, code: int, is_live: bool
) -> None:
    path = sweep_file(place, f"--hold {place / 'go'}")
    driver, terminal = on_a_terminal(place, "run", str(path), *([] if is_live else ["--no-live"]))
    in_flight(place)
    if how == "ctrl-c":
        os.write(terminal, b"\x03")
        while True:
            try:
                if not os.read(terminal, 1 << 16):
                    break
            except OSError:  # the driver has closed its end
                break
    os.close(terminal)
    assert driver.wait(60) == code
    assert processes_of(place / ".hdcore") == []
    assert {run["status"] for run in show(place)["runs"]} == {"Queued"}
    assert "hdcore resume s" in call(place, "show", "s").stdout
    for log in place.glob(".hdcore/sweeps/s/runs/*/stderr.log"):
        assert "Interrupt" not in log.read_text()  # runs hear of it from the driver, not from the terminal
    (place / "go").touch()
    assert call(place, "resume", "s").returncode == 0
    assert [run["status"] for run in show(place)["runs"]] == ["Completed"] * 4


def test_a_sweep_under_nohup_does_not_hear_that_its_terminal_is_closed(place: Path) -> None:
    command = [sys.executable, "-m", "hdcore", "run", str(sweep_file(place, f"--hold {place / 'go'}"))]
    driver = subprocess.Popen(
        ["nohup", *command], cwd=place, env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    in_flight(place)
    os.kill(driver.pid, signal.SIGHUP)
    (place / "go").touch()
    assert driver.wait(60) == 0
    assert [run["attempt"] for run in show(place)["runs"]] == [1] * 4


def test_the_exit_code_tells_how_it_went_though_nobody_reads_the_output(place: Path) -> None:
    driver = start(place, "run", str(sweep_file(place, "--fail 0,1,2,3")))
    assert driver.stdout is not None
    driver.stdout.close()
    assert driver.wait(60) == 1
    assert driver.stderr is not None
    assert driver.stderr.read() == "hdcore: warning: all 4 runs failed: exit code 3: to stderr\n"
    driver.stderr.close()


def test_each_report_is_stored_once_and_in_order_through_kills_of_runs_and_drivers(place: Path) -> None:
    (place / "count.py").write_text(COUNT)
    runs, reports = 8, 3000
    path = sweep_file(place, runs=runs, concurrent=runs)
    document = json.loads(path.read_text())
    document["trial"]["command"] = f"python count.py ${{{{search_space.x}}}} {reports} {place}"
    path.write_text(json.dumps(document))

    def reported(attempt: int) -> list[int]:
        files = [place / f".hdcore/sweeps/s/runs/{number:04d}/report-{attempt}.jsonl" for number in range(runs)]
        return [file.read_bytes().count(b"\n") if file.exists() else 0 for file in files]

    driver = start(place, "run", str(path))
    until(lambda: reported(1) == [reports // 2] * runs)
    of_number = {run_number(pid): pid for pid in processes_of(place / ".hdcore")}
    assert sorted(of_number) == list(range(runs))
    for number in (1, 4, 6):
        os.kill(of_number[number], signal.SIGKILL)
    until(lambda: [run["status"] for run in show(place)["runs"]].count("Failed") == 3)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    (place / "go").touch()
    driver = start(place, "resume", "s")
    until(lambda: max(reported(2)) > 0)  # somewhere in their reports
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    assert call(place, "resume", "s").returncode == 0

    for run in show(place)["runs"]:
        killed = run["number"] in (1, 4, 6)
        count, x = reports // 2 if killed else reports, run["configuration"]["x"]
        assert run["metrics"]["loss"] == [[k, x + k] for k in range(count)]
        assert (run["status"], run["reason"]) == (("Failed", "signal SIGKILL") if killed else ("Completed", None))
    starts = [int(line) for line in (place / "starts").read_text().split()]
    assert [starts.count(number) for number in (1, 4, 6)] == [1, 1, 1]
    assert len(starts) <= runs + 2 * (runs - 3)


def test_nothing_of_a_sweep_can_be_read_by_others_and_no_secret_is_in_it(place: Path) -> None:
    root = place / "root"
    done = subprocess.run(
        [sys.executable, "-m", "hdcore", "run", str(sweep_file(place)), "--root", str(root)],
        cwd=place, env=environment(MY_API_TOKEN="sekret-0123456789"), capture_output=True, text=True,
        umask=0, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [root, *root.rglob("*")]
    assert len(found) > 30
    assert not [path for path in found if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert not [path for path in found if path.is_file() and b"sekret" in path.read_bytes()]


HOSTILE = "\x1b[31m<b onload=alert(1)>\u202e\x07\r"


def test_no_stored_text_steers_the_terminal(place: Path) -> None:
    path = sweep_file(place, "--fail 0", runs=2)
    document = json.loads(path.read_text())
    document["objective"]["primary_metric"] = f"loss{HOSTILE}"
    document["search_space"]["word"] = {"type": "choice", "values": [HOSTILE, f"{HOSTILE}!"]}
    document["trial"]["command"] += " --name ${{search_space.word}}"
    path.write_text(json.dumps(document))
    script = (place / "train.py").read_text()
    (place / "train.py").write_text(
        script.replace('"to stderr"', repr(HOSTILE)).replace('"name": o.name', f'"name": {f"loss{HOSTILE}"!r}')
    )
    told = [call(place, "run", str(path))]
    assert told[0].returncode == 0, told[0].stderr
    told += [call(place, *words.split()) for words in ("show s", "show s --run 1", "list", "best s", "resume s")]
    for done in told:
        assert done.returncode == 0, done.stderr
        text = done.stdout + done.stderr
        assert not [c for c in text if c != "\n" and not c.isprintable()], text
    assert "loss\ufffd[31m<b" in told[1].stdout
    runs = show(place)["runs"]  # strict JSON holds what there was
    assert [set(run["metrics"]) for run in runs] == [{f"loss{HOSTILE}"}] * 2
    assert {run["configuration"]["word"][: len(HOSTILE)] for run in runs} == {HOSTILE}


def test_what_was_dropped_is_counted_and_shown(place: Path) -> None:
    (place / "train.py").write_text(
        "import json, os\n"
        "with open(os.environ['HDCORE_REPORT'], 'a') as file:\n"
        "    file.write('no json\\n' + 'x' * 5000 + '\\n')\n"
        "    for k in range(1200):\n"
        "        file.write(json.dumps({'name': f'name{k}', 'value': k}) + '\\n')\n"
        "    file.write(json.dumps({'name': 'loss', 'value': 1}) + '\\n')\n"
    )
    done = call(place, "run", str(sweep_file(place, runs=1)))
    assert done.returncode == 0
    assert "2 report lines were refused" in done.stderr
    run: dict[str, Any] = show(place)["runs"][0]
    assert (run["dropped_reports"], run["dropped_log_bytes"]) == (202, 0)
    assert len(run["metrics"]) == 1001
    assert run["metrics"]["loss"] == [[1, 1.0]]
    assert "\n  dropped  202 reports\n" in call(place, "show", "s", "--run", "0").stdout


def children_of(pid: int) -> list[int]:
    found = []
    for tasks in Path("/proc", str(pid), "task").glob("*/children"):
        for child in map(int, tasks.read_text().split()):
            found += [child, *children_of(child)]
    return found


@pytest.mark.parametrize("preload", [[], ["csv"]])
@pytest.mark.parametrize("is_driver_last", [False, True])
def test_a_shutdown_that_signals_all_processes_fails_no_run(
    place: Path, preload: list[str], is_driver_last: bool
) -> None:
    path = sweep_file(place, f"--hold {place / 'go'}", hdcore={"preload": preload, "cpus_per_run": 1})
    driver = start(place, "run", str(path))
    until(lambda: (place / ".hdcore/sweeps/s/sweep.db").exists())
    until(lambda: [len(run["metrics"].get("loss", ())) for run in show(place)["runs"]] == [3, 3])
    everything = [driver.pid, *children_of(driver.pid)]
    assert len(everything) >= 6  # driver, spawner, two shims, two runs
    for pid in reversed(everything) if is_driver_last else everything:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    out, err = driver.communicate(timeout=60)
    assert driver.returncode == 143, out + err
    assert {(run["status"], run["reason"]) for run in show(place)["runs"]} == {("Queued", "driver stopped")}
    (place / "go").touch()
    assert call(place, "resume", "s").returncode == 0
    assert [run["status"] for run in show(place)["runs"]] == ["Completed"] * 4
