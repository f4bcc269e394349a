"""Sweeps to be looked at: one that has ended, with names that would be markup, and one that goes on when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hdcore.records import Limits, MetricRow, Reports, SweepSpec
from hdcore.store import Store
from hdcore.typing import Goal, RunStatus

HOSTILE = "<img src=x onerror=window.hacked=1>"
METRIC = "accuracy<script>window.hacked=1</script>"
NOTE = "</pre><svg onload=window.hacked=1>\x1b[31m"
OPTIONS = ["adam", '"><script>window.hacked=1</script>', "sgd"]
RUNS = 60
INTERVALS = 20
STOPPED_AT = 7
CROWD = 900

LIVE = """
import os, sys, time
from pathlib import Path
import hdcore as hd

control = Path(sys.argv[2])

def train(configuration, run):
    number, k = int(os.environ["HDCORE_RUN_ID"].rsplit("_", 1)[1]), 0
    while True:
        words = (control / "steps").read_text().split()
        if words[0] == "end":
            break
        while k < int(words[0]):
            k += 1
            run.log("score", configuration["x"] + k)
            print(f"run {number} said {k}", flush=True)
        time.sleep(0.02)

hd.tune(train, {"x": hd.uniform(0, 1)}, metric="score", max_runs=6, max_concurrent=2, seed=3, root=sys.argv[1],
        name="live", progress=False)
"""


def configuration(number: int) -> dict[str, Any]:
    """Return a configuration whose values are known: rates 1e-4 ... 1e-1 on a grid of logarithms, options in turn."""
    return {
        "rate": 10 ** (-4 + 3 * ((number * 7) % RUNS) / (RUNS - 1)),
        "option": OPTIONS[number % 3],
        HOSTILE: number / RUNS,
        "layers": 1 + number % 4,
    }


def final(number: int) -> float:
    return 0.5 + ((number * 13) % RUNS) / (2 * RUNS)


def is_stopped(number: int) -> bool:
    return final(number) < 0.6


def make_ended(root: Path) -> None:
    """Write the sweep named ended: `RUNS` runs, the worse ones stopped at interval `STOPPED_AT`, run 5 failed."""
    space = {
        "rate": ["loguniform", [-9.3, -2.2]],
        "option": ["choice", [OPTIONS]],
        HOSTILE: ["uniform", [0, 1]],
        "layers": ["choice", [[1, 2, 3, 4]]],
    }
    policy = {"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 5}}
    limits = Limits(max_total_runs=RUNS, max_concurrent_runs=4)
    spec = SweepSpec(name="ended", space=space, metric=METRIC, goal=Goal.MAXIMIZE, policy=policy, seed=1, limits=limits)
    with Store.create(root, spec, sweep_id="HD_ended") as store:
        store.set_sweep(RunStatus.RUNNING, None, 1.7e9)
        store.add_runs([(number, configuration(number)) for number in range(RUNS)])
        for number in range(RUNS):
            _fill(store, number)
        store.set_sweep(RunStatus.COMPLETED, "all runs done", 1.7e9 + 999)
        folder = store.folder / "runs" / "0000"
    (folder / "outputs").mkdir(parents=True)
    (folder / "stdout.log").write_text(f"first line\n{HOSTILE}{NOTE}\n")
    (folder / "outputs" / f"{HOSTILE}.txt".replace("/", "")).write_text("weights")


def _fill(store: Store, number: int) -> None:
    at = 1.7e9 + 10 * number
    count = STOPPED_AT if is_stopped(number) else INTERVALS
    values = [final(number) * k / count for k in range(1, count + 1)]
    store.start_run(number, 1, ("GPU-0",) if number == 0 else (), at)
    rows = [MetricRow(METRIC, value, at=at + k) for k, value in enumerate(values)]
    if number == 0:
        rows += [MetricRow(HOSTILE, 1.5, at=at), MetricRow("note", None, at=at, text=NOTE)]
    store.add_reports(Reports(number, 1, tuple(rows), 0))
    status, reason = RunStatus.COMPLETED, None
    if is_stopped(number):
        status, reason = RunStatus.CANCELED, f"median stopping at interval {STOPPED_AT}"
    if number == 5:
        status, reason = RunStatus.FAILED, f"exit code 3: {HOSTILE}"
    store.finish_run(
        number, status, reason=reason, value=values[-1], interval=count, duration_s=1.0 + number, at=at + count
    )


def make_crowd(root: Path) -> None:
    """Write the sweep named crowd, with more runs than are drawn one by one; its even ones reach 1, the others 0.5."""
    limits = Limits(max_total_runs=CROWD)
    spec = SweepSpec(
        name="crowd", space={"x": ["uniform", [0, 1]], "y": ["uniform", [0, 1]]}, metric="score", goal=Goal.MAXIMIZE,
        limits=limits,
    )  # fmt: skip
    with Store.create(root, spec, sweep_id="HD_crowd") as store:
        store.set_sweep(RunStatus.RUNNING, None, 1.7e9)
        with store.turn():
            store.add_runs([(n, {"x": n / CROWD, "y": (n * 7 % CROWD) / CROWD}) for n in range(CROWD)])
            for n in range(CROWD):
                end = 1.0 if n % 2 == 0 else 0.5
                store.start_run(n, 1, (), 1.7e9)
                store.add_reports(Reports(n, 1, tuple(MetricRow("score", end * k / 5) for k in range(1, 6)), 0))
                store.finish_run(n, RunStatus.COMPLETED, value=end, interval=5, duration_s=1.0, at=1.7e9 + n)
        store.set_sweep(RunStatus.COMPLETED, "all runs done", 1.7e9 + 999)


class Live:
    """A sweep of six runs, two at a time, that report as often as they are told."""

    def __init__(self, control: Path, driver: subprocess.Popen[bytes]) -> None:
        self._control, self.driver = control, driver

    def report(self, up_to: int) -> None:
        """Let all runs in flight report until they have `up_to` reports."""
        _replace(self._control / "steps", str(up_to))


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


@contextmanager
def live(root: Path, control: Path) -> Iterator[Live]:
    control.mkdir()
    _replace(control / "steps", "1")
    (control / "drive.py").write_text(LIVE)
    driver = subprocess.Popen(
        [sys.executable, str(control / "drive.py"), str(root), str(control)],
        stdout=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        yield Live(control, driver)
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
