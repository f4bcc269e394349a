"""What a warm start is worth: a script that imports scikit-learn, in a fork server and in interpreters of its own.

    pytest bench/bench_preload.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

- From the slot being free to the script's first line after its imports: in the executor alone, and in a sweep, where
  the slot is free when the run before has ended and its end has been taken note of.
- Whole sets of runs against ``xargs -P`` over the same script, which keeps no log, no report and no store.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hdcore.executors.cpus import thread_variables
from hdcore.executors.local import LocalExecutor
from hdcore.executors.preload import Preload
from hdcore.observer import EndedRun, Observer
from hdcore.records import Launch, Limits, RunEnd, SweepSpec
from hdcore.sweep import create_sweep, run_sweep
from hdcore.typing import Goal, RunStatus

MODULES = ("sklearn.linear_model",)
SCRIPT = """
import sys, time
from sklearn.linear_model import LogisticRegression
print(time.monotonic())
"""
pytestmark = pytest.mark.timeout(3600)
QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
RUNS = 10 if QUICK else 100
SWEEP_RUNS = 10 if QUICK else 1_000
COLD_RUNS = 2 if QUICK else 20
SLOTS = 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(SCRIPT)
    return tmp_path


@pytest.fixture(params=["cold", "warm"])
def executor(request: pytest.FixtureRequest) -> Iterator[LocalExecutor]:
    environment = {**os.environ, **thread_variables(1, os.environ)}
    with LocalExecutor(1, preload=Preload(MODULES, environment) if request.param == "warm" else None) as it:
        yield it


@pytest.mark.benchmark(group="from a free slot to the first line after the imports")
def test_first_line(benchmark, executor, folder) -> None:  # type: ignore[no-untyped-def]
    waits: list[float] = []

    def launch() -> tuple[tuple[Launch], dict[str, object]]:
        number = len(waits)
        run = folder / f"{number}"
        run.mkdir()
        argv = (sys.executable, str(folder / "code" / "train.py"))
        report = str(run / "report.jsonl")
        environment = {**os.environ, "HDCORE_REPORT": report}
        made = Launch(
            number=number, attempt=1, argv=argv, cwd=str(run), folder=str(run), report=report, environment=environment
        )
        return (made,), {}

    def one(made: Launch) -> None:
        free = time.monotonic()
        executor.start(made)
        while not any(isinstance(event, RunEnd) for event in executor.poll(30.0)):
            pass
        waits.append(float(Path(made.folder, "stdout.log").read_text()) - free)

    benchmark.pedantic(one, setup=launch, rounds=COLD_RUNS if executor._preload is None else RUNS, warmup_rounds=1)
    waits = sorted(waits[1:])
    benchmark.extra_info["first_line_ms_least"] = round(waits[0] * 1e3, 1)
    benchmark.extra_info["first_line_ms_median"] = round(waits[len(waits) // 2] * 1e3, 1)


class Ends(Observer):
    """Notes when slots became free."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def run_ended(self, run: EndedRun) -> None:
        assert run.status is RunStatus.COMPLETED
        self.at.append(time.monotonic())


def warm_spec(folder: Path, runs: int, slots: int) -> SweepSpec:
    return SweepSpec(
        name="warm",
        space={"x": ["uniform", [0, 1]]},
        metric="accuracy",
        goal=Goal.MAXIMIZE,
        limits=Limits(max_total_runs=runs, max_concurrent_runs=slots),
        command="python train.py",
        code=str(folder / "code"),
        preload=MODULES,
        seed=1,
    )


@pytest.mark.benchmark(group="from a free slot to the first line after the imports")
def test_first_line_in_a_sweep(benchmark, folder) -> None:  # type: ignore[no-untyped-def]
    """One slot; what is between the end of a run and the start of the next one counts."""

    def run() -> list[float]:
        ends = Ends()
        with create_sweep(folder / "root", warm_spec(folder, RUNS, 1)) as store:
            assert run_sweep(store, observer=ends) is RunStatus.COMPLETED
            lines = [float((store.run_folder(n) / "stdout.log").read_text()) for n in range(RUNS)]
        return sorted(line - free for free, line in zip(ends.at, lines[1:], strict=False))

    waits = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["first_line_ms_least"] = round(waits[0] * 1e3, 1)
    benchmark.extra_info["first_line_ms_median"] = round(waits[len(waits) // 2] * 1e3, 1)


@pytest.mark.benchmark(group="the whole time a run")
def test_warm_sweep(benchmark, folder) -> None:  # type: ignore[no-untyped-def]
    """A sweep with its store, logs and supervision; the import in the server is part of the time."""

    def run() -> None:
        with create_sweep(folder / "root", warm_spec(folder, SWEEP_RUNS, SLOTS)) as store:
            assert run_sweep(store, observer=Ends()) is RunStatus.COMPLETED

    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["ms_per_run"] = round(benchmark.stats.stats.mean / SWEEP_RUNS * 1e3, 1)


@pytest.mark.benchmark(group="the whole time a run")
def test_xargs(benchmark, folder) -> None:  # type: ignore[no-untyped-def]
    numbers = "\n".join(map(str, range(COLD_RUNS)))
    argv = ["xargs", "-P", str(SLOTS), "-n", "1", sys.executable, str(folder / "code" / "train.py")]
    environment = {**os.environ, **thread_variables(1, os.environ)}

    def run() -> None:
        subprocess.run(argv, input=numbers, text=True, check=True, env=environment, stdout=subprocess.DEVNULL)

    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["ms_per_run"] = round(benchmark.stats.stats.mean / COLD_RUNS * 1e3, 1)
