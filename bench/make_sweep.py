"""Make a stored sweep of any size, for looking at it in the portal and for timing what reads it.

python bench/make_sweep.py ROOT [--runs 10000] [--intervals 100] [--name large] [--more 0]

With ``--more N`` it has not ended: `hdcore resume` goes on with N runs that report at a steady pace.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import sqlite3
from pathlib import Path
from typing import Any

from hdcore.records import Limits, MetricRow, Reports, SweepSpec
from hdcore.space import SearchSpace
from hdcore.store import Store
from hdcore.store.catalog import DATABASE_NAME
from hdcore.typing import Goal, RunStatus

SPACE: dict[str, Any] = {
    "lr": ["loguniform", [-11.5, -2.3]],
    "units": ["quniform", [16, 512, 16]],
    "optimizer": ["choice", [["sgd", "adam", "lamb"]]],
    "dropout": ["uniform", [0, 0.6]],
    "layers": ["choice", [[1, 2, 3, 4]]],
    "batch_size": ["choice", [[32, 64, 128, 256]]],
    "decay": ["loguniform", [-14, -3]],
    "warmup": ["randint", [20]],
}
SCRIPT = """import os, time
with open(os.environ["HDCORE_REPORT"], "a", buffering=1) as reports:
    for k in range(100):
        reports.write('{"name": "accuracy", "value": %f}\\n' % (0.9 - 0.8 * 0.93**k))
        time.sleep(0.02)
"""
BEGAN_AT = 1_789_992_000.0  # 21 September 2026, 12:00 UTC: in the past, and the same for all who make one
INTERVAL_S = 0.7
AT_A_TIME = 8
POLICY = {"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 5}}


def quality(configuration: dict[str, Any]) -> float:
    bonus = {"sgd": -0.06, "adam": 0.0, "lamb": -0.02}[configuration["optimizer"]]
    lr = (math.log10(configuration["lr"]) + 2.7) ** 2 * 0.05
    return 0.95 + bonus - lr - abs(configuration["units"] - 200) / 4000 - (configuration["dropout"] - 0.3) ** 2


def make(root: Path, name: str, n_runs: int, n_intervals: int, more: int = 0) -> Path:
    """Write the sweep and return its folder."""
    from hdcore.sampling import sample

    rng = random.Random(0)
    space = SearchSpace(SPACE)
    columns = sample(space, n_runs, seed=7)
    code = root / "code"
    code.mkdir(parents=True, exist_ok=True, mode=0o700)
    (code / "report.py").write_text(SCRIPT)
    spec = SweepSpec(
        name=name, space=SPACE, metric="accuracy", goal=Goal.MAXIMIZE, policy=None if more else POLICY, seed=7,
        limits=Limits(max_total_runs=n_runs + more, max_concurrent_runs=AT_A_TIME), command="python -S report.py",
        code=str(code),
    )  # fmt: skip
    with Store.create(root, spec, sweep_id="HD_made") as store:
        store.set_sweep(RunStatus.RUNNING, None, BEGAN_AT)
        free_at = [BEGAN_AT] * AT_A_TIME
        for start in range(0, n_runs, 100):
            with store.turn():
                batch = range(start, min(start + 100, n_runs))
                rows = [{key: column[i].item() for key, column in columns.items()} for i in batch]
                store.add_runs(list(zip(batch, rows, strict=True)))
                for number, row in zip(batch, rows, strict=True):
                    ended = _fill(store, number, quality(row), n_intervals, rng, heapq.heappop(free_at))
                    heapq.heappush(free_at, ended)
        if not more:
            store.set_sweep(RunStatus.COMPLETED, "all runs done", max(free_at))
    folder = root / "sweeps" / name
    _backdate(folder)
    return folder


def _backdate(folder: Path) -> None:
    """The store writes down when it was made, which was after the made runs ended."""
    connection = sqlite3.connect(folder / DATABASE_NAME)
    with connection:
        connection.execute("UPDATE sweep SET created = ?", (BEGAN_AT,))
        connection.execute("UPDATE run SET created = coalesce(started, created)")
    connection.close()


def _fill(store: Store, number: int, final: float, n_intervals: int, rng: random.Random, at: float) -> float:
    """Write a run that starts at a time; return when it ends."""
    is_stopped = final < 0.8 and rng.random() < 0.8
    count = rng.randint(5, max(5, n_intervals // 3)) if is_stopped else n_intervals
    duration_s = count * INTERVAL_S
    values = [final * (1 - 0.8 * 0.93**k) + rng.gauss(0, 0.004) for k in range(1, count + 1)]
    store.start_run(number, 1, (), at)
    rows = tuple(MetricRow("accuracy", value, at=at + k * INTERVAL_S) for k, value in enumerate(values))
    store.add_reports(Reports(number, 1, rows, 0))
    best = max(values)
    store.finish_run(
        number,
        RunStatus.CANCELED if is_stopped else RunStatus.COMPLETED,
        reason=f"median stopping at interval {count}" if is_stopped else None,
        value=best,
        interval=values.index(best) + 1,
        duration_s=duration_s,
        at=at + duration_s,
    )
    return at + duration_s


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--intervals", type=int, default=100)
    parser.add_argument("--name", default="large")
    parser.add_argument("--more", type=int, default=0)
    arguments = parser.parse_args()
    print(make(arguments.root, arguments.name, arguments.runs, arguments.intervals, arguments.more))
