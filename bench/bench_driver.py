"""What a sweep costs beside its runs, and how soon it hears and answers them.

    pytest bench/bench_driver.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

- No-op runs through `drive` against ``xargs -P`` and a bare subprocess loop, which keep nothing: no folder, no log, no
  store, no supervision. The ratio is the price of all that; the driver's own CPU a run and its memory must stay small
  and must not grow.
- Eight runs that report at a fixed rate: how old the newest row is that a reader finds, whether each report is there
  once, and what the driver's CPU a report is.
- From a report to the signal by which the policy ends its run.
- From `hdcore resume` to the first start, with 10,000 finished runs in the store.

Sweeps whose CPU or memory counts are driven in a process of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hdcore.observer import EndedRun, Observer
from hdcore.records import Limits, MetricRow, Reports, SweepSpec
from hdcore.store import StoreReader
from hdcore.sweep import create_sweep, run_sweep
from hdcore.typing import Goal, RunStatus

pytestmark = pytest.mark.timeout(3600)
QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
RUNS = 300
MANY = 400 if QUICK else 10_000
WINDOW = MANY // 10
SLOTS = 2
CHILDREN = 8
RATE = 500 if QUICK else 6_250
"""Reports a second of each child."""
SECONDS = 2 if QUICK else 10
STOPS = 5 if QUICK else 40


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    tmp_path.chmod(0o700)
    made = 0

    def folder() -> Path:
        nonlocal made
        made += 1
        return tmp_path / str(made)

    yield folder
    shutil.rmtree(tmp_path, ignore_errors=True)


def spec(runs: int, slots: int = SLOTS, **more: Any) -> SweepSpec:
    fields = {"space": {"x": ["uniform", [0, 1]]}, "metric": "loss", "goal": Goal.MINIMIZE, "command": "true"} | more
    limits = Limits(max_total_runs=runs, max_concurrent_runs=slots)
    return SweepSpec(name="bench", limits=limits, seed=1, **fields)


# ---------------------------------------------------------------------- no-op runs


class Cpu(Observer):
    """Notes the driver's own CPU seconds at the end of each run."""

    def __init__(self) -> None:
        self.at_end: list[float] = [time.process_time()]

    def run_ended(self, run: EndedRun) -> None:
        assert run.status is RunStatus.COMPLETED
        self.at_end.append(time.process_time())


def drive_noops(root: Path, runs: int) -> dict[str, float]:
    """Called in a process of its own."""
    cpu = Cpu()
    with create_sweep(root, spec(runs)) as store:
        assert run_sweep(store, observer=cpu) is RunStatus.COMPLETED
    assert len(cpu.at_end) == runs + 1
    window = runs // 10
    first, last = cpu.at_end[window] - cpu.at_end[0], cpu.at_end[-1] - cpu.at_end[-1 - window]
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {
        "driver_cpu_ms_per_run": round((cpu.at_end[-1] - cpu.at_end[0]) / runs * 1e3, 2),
        "last_tenth_to_first": round(last / first, 2),
        "driver_peak_mb": round(int(peak.split()[1]) / 1024),
    }


def apart(call: str) -> dict[str, Any]:
    """Evaluate a call of this module in a process of its own."""
    program = f"import json; from pathlib import Path; from bench_driver import *; print(json.dumps({call}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("runs", [RUNS, MANY], ids=["few", "many"])
def test_hdcore_drive(benchmark: Any, fresh: Callable[[], Path], runs: int) -> None:
    benchmark.group = f"{runs} no-op runs, {SLOTS} at a time"
    folder = fresh()
    found = benchmark.pedantic(lambda: apart(f"drive_noops(Path({str(folder)!r}), {runs})"), rounds=1)
    if runs == MANY:
        # The imports are of the first runs; both windows are beyond them.
        benchmark.extra_info.update(found)
    benchmark.extra_info["ms_per_run"] = round(benchmark.stats.stats.mean / runs * 1e3, 2)
    with sqlite3.connect(folder / "sweeps" / "bench" / "sweep.db") as connection:
        assert connection.execute("SELECT count(*), max(number) FROM run WHERE status = 'Completed'").fetchone() == (
            runs,
            runs - 1,
        )


@pytest.mark.parametrize("runs", [RUNS, MANY], ids=["few", "many"])
def test_xargs(benchmark: Any, runs: int) -> None:
    benchmark.group = f"{runs} no-op runs, {SLOTS} at a time"
    numbers = "\n".join(map(str, range(runs)))

    def run() -> None:
        subprocess.run(["xargs", "-P", str(SLOTS), "-n", "1", "true"], input=numbers, text=True, check=True)

    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["ms_per_run"] = round(benchmark.stats.stats.mean / runs * 1e3, 2)


@pytest.mark.benchmark(group=f"{RUNS} no-op runs, {SLOTS} at a time")
def test_bare_subprocess(benchmark: Any) -> None:
    def run() -> None:
        with ThreadPoolExecutor(SLOTS) as pool:
            done = pool.map(lambda i: subprocess.run(["true", str(i)]).returncode, range(RUNS))
            assert not any(done)

    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["ms_per_run"] = round(benchmark.stats.stats.mean / RUNS * 1e3, 2)


# ---------------------------------------------------------------------- reports

REPORTER = f"""
import time
from hdcore import get_run
run, rate, total = get_run(), {RATE}, {RATE * SECONDS}
spent, begin, k = 0.0, time.perf_counter(), 0
while k < total:
    due = min(total, int((time.perf_counter() - begin) * rate) + 1)
    before = time.perf_counter()
    for k in range(k, due):
        run.log("loss", float(k), step=k)
    k = due
    spent += time.perf_counter() - before
    time.sleep(0.002)
print(spent / total * 1e6)
"""


def drive_reporters(root: Path) -> dict[str, Any]:
    """Called in a process of its own."""
    code = root / "code"
    code.mkdir(parents=True)
    (code / "report.py").write_text(REPORTER)
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    with create_sweep(root / "root", spec(CHILDREN, CHILDREN, command="python report.py", code=str(code))) as store:
        before = time.process_time()
        assert run_sweep(store) is RunStatus.COMPLETED
        return {"cpu_s": time.process_time() - before}


def watch(folder: Path, until: Callable[[], bool]) -> list[float]:
    """Return, for each look, the age of the newest row that a reader finds of the run that is furthest behind."""
    ages = []
    while not until():
        time.sleep(0.05)
        if not (folder / "sweep.db").exists():
            continue
        with StoreReader.open(folder) as reader, reader.snapshot():
            running = [run for run in reader.runs() if run.status is RunStatus.RUNNING and run.primary is not None]
            counts = [run.primary.count for run in running if run.primary is not None]
            if len(running) < CHILDREN or max(counts) >= RATE * SECONDS - RATE // 2:
                continue  # not all have begun, or one is about to end
            now = time.time()
            newest = [
                reader._connection.execute(
                    "SELECT at FROM metric WHERE name = 1 AND run = ? ORDER BY interval DESC LIMIT 1", (run.number,)
                ).fetchone()[0]
                for run in running
            ]
        ages.append(now - min(newest))
    return ages


@pytest.mark.benchmark(group=f"{CHILDREN} runs of {RATE} reports a second each")
def test_reports_of_many_runs(benchmark: Any, fresh: Callable[[], Path]) -> None:
    root = fresh()
    folder = root / "root" / "sweeps" / "bench"

    def run() -> tuple[dict[str, Any], list[float]]:
        with ThreadPoolExecutor(1) as pool:
            driven = pool.submit(apart, f"drive_reporters(Path({str(root)!r}))")
            ages = watch(folder, driven.done)
            return driven.result(), ages

    found, ages = benchmark.pedantic(run, rounds=1)
    total = CHILDREN * RATE * SECONDS
    with sqlite3.connect(folder / "sweep.db") as connection:
        for number in range(CHILDREN):  # each exactly once and in order
            rows = connection.execute(
                "SELECT value FROM metric WHERE name = 1 AND run = ? ORDER BY interval", (number,)
            )
            assert [value for (value,) in rows] == [float(k) for k in range(RATE * SECONDS)]
    spent = [float((folder / "runs" / f"{n:04d}" / "stdout.log").read_text()) for n in range(CHILDREN)]
    ages.sort()
    benchmark.extra_info.update(
        driver_cpu_us_per_report=round(found["cpu_s"] / total * 1e6, 2),
        child_us_per_report=round(sum(spent) / len(spent), 2),
        visible_after_s_median=round(ages[len(ages) // 2], 3) if ages else None,
        visible_after_s_longest=round(ages[-1], 3) if ages else None,
    )


# ---------------------------------------------------------------------- the policy's word

OBEDIENT = """
import json, os, signal, sys, time
from hdcore import get_run
def obey(*_):
    print(time.monotonic() - reported, flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, obey)
run = get_run()
if run.number == 0:
    run.log("loss", 0.5)
    sys.exit()
time.sleep(0.05)
reported = time.monotonic()
run.log("loss", 100.0)
for _ in range(60_000):  # a signal that comes just before one long sleep would be heard only after it
    time.sleep(0.001)
"""


@pytest.mark.benchmark(group="from a report to the policy's signal")
def test_the_policy_answers(benchmark: Any, fresh: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = fresh()
    code = root / "code"
    code.mkdir(parents=True)
    (code / "obey.py").write_text(OBEDIENT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    policy = {"name": "Bandit", "properties": {"evaluation_interval": 1, "delay_evaluation": 0, "slack_factor": 0.1}}

    def run() -> list[float]:
        what = spec(STOPS + 1, 1, command="python obey.py", code=str(code), policy=policy)
        with create_sweep(root / "root", what) as store:
            assert run_sweep(store) is RunStatus.COMPLETED
            runs = store.runs()
            assert [run.status for run in runs[1:]] == ["Canceled"] * STOPS
            return sorted(float((store.run_folder(n) / "stdout.log").read_text()) for n in range(1, STOPS + 1))

    waits = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["answer_ms_median"] = round(waits[len(waits) // 2] * 1e3, 2)
    benchmark.extra_info["answer_ms_longest"] = round(waits[-1] * 1e3, 2)


# ---------------------------------------------------------------------- resume


@pytest.mark.benchmark(group=f"resume of {MANY} finished runs")
def test_from_resume_to_the_first_start(benchmark: Any, fresh: Callable[[], Path]) -> None:
    root = fresh()
    policy = {"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 5}}
    with create_sweep(root, spec(MANY + 1, command="date +%s.%N", policy=policy)) as store:
        for first in range(0, MANY, 200):
            with store.turn():
                numbers = range(first, min(first + 200, MANY))
                store.add_runs([(n, {"x": n / MANY}) for n in numbers])
                for n in numbers:
                    store.start_run(n, 1, (), 1.0)
                    rows = tuple(MetricRow("loss", n + k * 0.1, at=1.0) for k in range(10))
                    store.add_reports(Reports(n, 1, rows, 9))
                    store.finish_run(n, RunStatus.COMPLETED, value=float(n), interval=1, at=2.0)
        store.set_sweep(RunStatus.QUEUED, "stopped", 2.0)
    begun: list[float] = []

    def run() -> None:
        begun.append(time.time())
        argv = [sys.executable, "-m", "hdcore", "resume", "bench", "--root", str(root)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run(argv, check=True, env=environment, stdout=subprocess.DEVNULL)

    benchmark.pedantic(run, rounds=1)
    started = float((root / "sweeps" / "bench" / "runs" / f"{MANY:04d}" / "stdout.log").read_text())
    benchmark.extra_info["first_start_s"] = round(started - begun[0], 2)
