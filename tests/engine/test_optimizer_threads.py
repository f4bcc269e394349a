"""Many optimizers in one process, and one optimizer under many threads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import hdcore as hd

SPACE = {
    "lr": hd.loguniform(-9, -2),
    "units": hd.quniform(16, 512, 16),
    "net": hd.choice({"kind": "mlp", "layers": hd.randint(4)}, {"kind": "linear"}),
}


def sweep(seed: int) -> Callable[[], list[Any] | None]:
    """A sweep of 16 runs in steps; each step gives None, the last one all that was proposed and decided."""
    sampler = ("bayesian", "random", "sobol", "bayesian")[seed % 4]
    optimizer = hd.Optimizer(SPACE, sampler=sampler, policy="median:delay=1", seed=seed)
    noise = np.random.default_rng(seed)
    stops: list[bool] = []

    def step() -> list[Any] | None:
        for run in optimizer.ask(2):
            quality = -run.configuration["lr"] * 100 + noise.normal()
            stops.extend(optimizer.report(run.number, quality + k) for k in range(3))
            optimizer.tell(run.number, status="canceled" if stops[-1] else "completed")
        return [optimizer.runs, stops, optimizer.best, optimizer.to_json()] if len(optimizer.runs) == 16 else None

    return step


def test_64_optimizers_over_threads_answer_as_each_of_them_alone() -> None:
    def alone(seed: int) -> list[Any]:
        step = sweep(seed)
        while (found := step()) is None:
            pass
        return found

    expected = [alone(seed) for seed in range(64)]
    steps, found = [sweep(seed) for seed in range(64)], [None] * 64

    def turn(seed: int) -> None:
        found[seed] = steps[seed]()  # type: ignore[call-overload]

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as threads:
            for _ in range(8):  # every optimizer is under way all the time, each in whichever thread is free
                list(threads.map(turn, range(64)))
    finally:
        sys.setswitchinterval(before)
    assert found == expected


@pytest.mark.parametrize("sampler", ["random", "bayesian"])
def test_every_call_may_come_from_any_thread_at_any_time(sampler: str) -> None:
    optimizer = hd.Optimizer(SPACE, sampler=sampler, policy="median", seed=1)
    numbers: list[int] = []
    is_over = threading.Event()

    def worker() -> None:
        for _ in range(6):
            run = optimizer.ask()
            numbers.append(run.number)
            for k in range(4):
                optimizer.report(run.number, run.configuration["lr"] + k)
            optimizer.tell(run.number)

    def reader() -> None:
        while not is_over.is_set():
            best, runs, text = optimizer.best, optimizer.runs, optimizer.to_json()
            assert best is None or best.number in [run.number for run in optimizer.runs]
            assert all(len(run.reports) <= 4 for run in runs)
            again = hd.Optimizer.from_json(text)
            assert len(again.runs) >= len(runs)

    with ThreadPoolExecutor(5) as threads:
        reading = threads.submit(reader)
        try:
            for working in [threads.submit(worker) for _ in range(4)]:
                working.result()
        finally:
            is_over.set()
        reading.result()
    assert sorted(numbers) == list(range(24))
    assert all(run.status is hd.RunStatus.COMPLETED and len(run.reports) == 4 for run in optimizer.runs)


def test_other_threads_run_while_an_optimizer_proposes() -> None:
    optimizer = hd.Optimizer({f"x{i}": hd.uniform(0, 1) for i in range(6)}, sampler="bayesian", seed=1)
    points = hd.sample(optimizer.space, 400, seed=2)
    optimizer.add_many(points, np.sin(sum(points.values())))
    optimizer.ask()
    is_asking = threading.Event()
    asked = 0

    def ask() -> None:
        nonlocal asked
        is_asking.set()
        for _ in range(30):
            optimizer.ask()
            asked += 1

    # With turns this long a thread gets the interpreter only when another one gives it away.
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        thread = threading.Thread(target=ask)
        thread.start()
        is_asking.wait()
        seen = asked
        thread.join()
    finally:
        sys.setswitchinterval(before)
    assert seen < 30
