"""Proposals a second of 1, 8 and 64 optimizers in one process, over 1 and 2 threads.

    pytest bench/bench_optimizers.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

Each optimizer asks and tells in turn until it has as many runs as all others; a thread takes whichever is next. One
optimizer has one lock, so a second thread can only help where there are several.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, process_time
from typing import Any

import pytest

import hdcore as hd

QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
ASKS = {
    "random": 2_000 if QUICK else 50_000,
    "bayesian": 128 if QUICK else 2_560,
    "bayesian later": 64 if QUICK else 256,
}
SPACE = {
    "lr": hd.loguniform(-9, -2),
    "momentum": hd.uniform(0.5, 0.99),
    "units": hd.quniform(16, 512, 16),
    "net": hd.choice({"kind": "mlp", "layers": hd.randint(4)}, {"kind": "linear"}),
}
RUNS = 40
"""Each Bayesian optimizer is one of a sweep of so many runs; made anew when it has them."""
KNOWN = 40 if QUICK else 400
"""Results with which one of ``bayesian later`` begins; it is kept."""


def value_of(run: hd.Run) -> float:
    return float(run.configuration["momentum"] - run.configuration["lr"])


class Asker:
    """One optimizer; a turn asks and tells once."""

    def __init__(self, sampler: str, seed: int) -> None:
        self.sampler, self.seed = sampler, seed
        self.make()

    def make(self) -> None:
        self.optimizer = hd.Optimizer(SPACE, sampler=self.sampler.removesuffix(" later"), seed=self.seed)
        self.told = 0
        if self.sampler == "bayesian later":
            known = hd.Optimizer(SPACE, seed=self.seed).ask(KNOWN)
            self.optimizer.add_many([run.configuration for run in known], [value_of(run) for run in known])
            self.optimizer.ask()

    def turn(self) -> None:
        optimizer = self.optimizer  # another thread may put a new one in its place meanwhile
        run = optimizer.ask()
        optimizer.tell(run.number, value_of(run))
        self.told += 1
        if self.sampler == "bayesian" and self.told >= RUNS:
            self.make()


@pytest.mark.benchmark(group="proposals a second of several optimizers over threads")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimizers", [1, 8, 64])
@pytest.mark.parametrize("sampler", ASKS)
def test_asks(benchmark: Any, sampler: str, optimizers: int, threads: int) -> None:
    askers = [Asker(sampler, seed) for seed in range(optimizers)]
    turns = max(threads, ASKS[sampler] // optimizers)

    def part(mine: list[Asker]) -> None:
        for _ in range(turns):
            for asker in mine:
                asker.turn()

    def whole() -> tuple[float, float]:
        start, cpu = perf_counter(), process_time()
        if threads == 1 or optimizers == 1:
            with ThreadPoolExecutor(threads) as pool:  # one optimizer: both threads ask it
                share = turns // threads
                list(
                    pool.map(
                        lambda _: [askers[k].turn() for _ in range(share) for k in range(optimizers)], range(threads)
                    )
                )
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(part, [askers[k::threads] for k in range(threads)]))
        return perf_counter() - start, process_time() - cpu

    wall, cpu = benchmark.pedantic(whole, rounds=1)
    asks = turns * optimizers
    benchmark.extra_info |= {
        "asks/s": round(asks / wall),
        "asks per CPU s": round(asks / cpu),
        "CPUs used": round(cpu / wall, 2),
    }
