"""What a warm start is worth: a script that imports scikit-learn, in a fork server and in interpreters of its own.

First the time from the slot being free to the script's first line after its imports, then whole sets of runs against
``xargs -P`` over the same script, which keeps no log, no report and no store.
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
RUNS = 100
COLD_RUNS = 10
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
    def run_ended(self, run: EndedRun) -> None:
        assert run.status is RunStatus.COMPLETED


@pytest.mark.benchmark(group="the whole time a run")
def test_warm_sweep(benchmark, folder) -> None:  # type: ignore[no-untyped-def]
    """A sweep with its store, logs and supervision; the import in the server is part of the time."""
    spec = SweepSpec(
        name="warm",
        space={"x": ["uniform", [0, 1]]},
        metric="accuracy",
        goal=Goal.MAXIMIZE,
        limits=Limits(max_total_runs=RUNS, max_concurrent_runs=SLOTS),
        command="python train.py",
        code=str(folder / "code"),
        preload=MODULES,
        seed=1,
    )

    def run() -> None:
        with create_sweep(folder / "root", spec) as store:
            assert run_sweep(store, observer=Ends()) is RunStatus.COMPLETED

    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["ms_per_run"] = round(benchmark.stats.stats.mean / RUNS * 1e3, 1)


@pytest.mark.benchmark(group="the whole time a run")
def test_xargs(benchmark, folder) -> None:  # type: ignore[no-untyped-def]
    numbers = "\n".join(map(str, range(COLD_RUNS)))
    argv = ["xargs", "-P", str(SLOTS), "-n", "1", sys.executable, str(folder / "code" / "train.py")]
    environment = {**os.environ, **thread_variables(1, os.environ)}

    def run() -> None:
        subprocess.run(argv, input=numbers, text=True, check=True, env=environment, stdout=subprocess.DEVNULL)

    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["ms_per_run"] = round(benchmark.stats.stats.mean / COLD_RUNS * 1e3, 1)
