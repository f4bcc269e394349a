"""What a sweep costs beside its runs: no-op runs through `drive` against ``xargs -P`` and a bare subprocess loop.

The baselines keep nothing: no folder, no log, no store, no supervision. The ratio is the price of all that; the
driver's own CPU a run is the figure that must stay small and must not grow.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hdcore.observer import EndedRun, Observer
from hdcore.records import Limits, SweepSpec
from hdcore.sweep import create_sweep, run_sweep
from hdcore.typing import Goal, RunStatus

RUNS = 300
SLOTS = 2


class Cpu(Observer):
    """Notes the driver's own CPU seconds at the end of each run."""

    def __init__(self) -> None:
        self.at_end: list[float] = [time.process_time()]

    def run_ended(self, run: EndedRun) -> None:
        assert run.status is RunStatus.COMPLETED
        self.at_end.append(time.process_time())


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


def sweep(root: Path, runs: int = RUNS) -> Cpu:
    spec = SweepSpec(
        name="noop",
        space={"x": ["uniform", [0, 1]]},
        metric="loss",
        goal=Goal.MINIMIZE,
        limits=Limits(max_total_runs=runs, max_concurrent_runs=SLOTS),
        command="true",
        seed=1,
    )
    cpu = Cpu()
    with create_sweep(root, spec) as store:
        assert run_sweep(store, observer=cpu) is RunStatus.COMPLETED
    assert len(cpu.at_end) == runs + 1
    return cpu


@pytest.mark.benchmark(group=f"{RUNS} no-op runs, {SLOTS} at a time")
def test_hdcore_drive(benchmark, fresh) -> None:  # type: ignore[no-untyped-def]
    cpu: Cpu = benchmark.pedantic(lambda root: sweep(root), setup=lambda: ((fresh(),), {}), rounds=3)
    benchmark.extra_info["driver_cpu_ms_per_run"] = round((cpu.at_end[-1] - cpu.at_end[0]) / RUNS * 1e3, 2)


@pytest.mark.benchmark(group=f"{RUNS} no-op runs, {SLOTS} at a time")
def test_xargs(benchmark) -> None:  # type: ignore[no-untyped-def]
    numbers = "\n".join(map(str, range(RUNS)))

    def run() -> None:
        subprocess.run(["xargs", "-P", str(SLOTS), "-n", "1", "true"], input=numbers, text=True, check=True)

    benchmark.pedantic(run, rounds=3)


@pytest.mark.benchmark(group=f"{RUNS} no-op runs, {SLOTS} at a time")
def test_bare_subprocess(benchmark) -> None:  # type: ignore[no-untyped-def]
    def run() -> None:
        with ThreadPoolExecutor(SLOTS) as pool:
            done = pool.map(lambda i: subprocess.run(["true", str(i)]).returncode, range(RUNS))
            assert not any(done)

    benchmark.pedantic(run, rounds=3)


@pytest.mark.benchmark(group="driver's CPU a run: 2,000 runs")
def test_the_last_runs_cost_what_the_first_cost(benchmark, fresh) -> None:  # type: ignore[no-untyped-def]
    cpu: Cpu = benchmark.pedantic(lambda root: sweep(root, 2000), setup=lambda: ((fresh(),), {}), rounds=1)
    first, last = cpu.at_end[210] - cpu.at_end[10], cpu.at_end[-1] - cpu.at_end[-201]
    benchmark.extra_info["first_200_ms_per_run"] = round(first / 200 * 1e3, 2)
    benchmark.extra_info["last_200_ms_per_run"] = round(last / 200 * 1e3, 2)
    benchmark.extra_info["last_to_first"] = round(last / first, 2)
