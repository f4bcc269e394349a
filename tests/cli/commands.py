"""Sweeps over a small script from the command line, as a user has it: processes, their output, their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPORT = """
import argparse, json, os, sys, time
a = argparse.ArgumentParser()
a.add_argument("--x", type=float)
a.add_argument("--steps", type=int, default=3)
a.add_argument("--pause", type=float, default=0)
a.add_argument("--fail", default="")
a.add_argument("--name", default="loss")
a.add_argument("--hold", default="")
o = a.parse_args()
print("x is", o.x)
print("to stderr", file=sys.stderr)
with open(os.environ["HDCORE_REPORT"], "a") as file:
    for k in range(1, o.steps + 1):
        file.write(json.dumps({"name": o.name, "value": o.x + 1 / k, "step": 10 * k}) + "\\n")
        file.flush()
        time.sleep(o.pause)
while o.hold and not os.path.exists(o.hold):
    time.sleep(0.02)
number = os.environ["HDCORE_RUN_ID"].rsplit("_", 1)[1]
if number in o.fail.split(","):
    sys.exit(3)
"""


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HDCORE")}
    return {**kept, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120", **more}


def call(place: Path, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hdcore", *arguments],
        cwd=place,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=90,
        stdin=subprocess.DEVNULL,
        **more,
    )


def start(place: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hdcore", *arguments],
        cwd=place,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def until(condition: Callable[[], Any], limit_s: float = 60.0) -> Any:
    """Wait for something that has to happen; the limit only keeps a broken program from hanging the tests."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found


def sweep_file(place: Path, arguments: str = "", runs: int = 4, concurrent: int = 2, **more: Any) -> Path:
    limits = {"max_total_trials": runs, "max_concurrent_trials": concurrent, **more.pop("limits", {})}
    document = {
        "type": "sweep",
        "name": "s",
        "trial": {"command": f"python train.py --x ${{{{search_space.x}}}} {arguments}", "code": "."},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "sampling_algorithm": "random",
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "limits": limits,
        "hdcore": {"seed": 11, **more.pop("hdcore", {})},
        **more,
    }
    path = place / "sweep.yml"
    path.write_text(json.dumps(document))
    return path


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not strict JSON")

    return json.loads(text, parse_constant=refuse)


def show(place: Path, name: str = "s") -> Any:
    done = call(place, "show", name, "--json")
    assert done.returncode == 0, done.stderr
    return strict(done.stdout)


def one_line(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("hdcore: ")
    for part in parts:
        assert part in done.stderr


def processes_of(folder: Path) -> list[int]:
    """Living processes that carry a path below `folder` in their environment."""
    wanted = os.fsencode(str(folder))
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                environ = Path("/proc", entry, "environ").read_bytes()
                state = Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if b"HDCORE_REPORT=" + wanted in environ and state not in "ZX":
                found.append(int(entry))
    return found
