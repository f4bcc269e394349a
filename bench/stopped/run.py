"""Bayesian sweeps with policies, stopped runs treated in several ways: `python -m bench.stopped.run --out FILE.jsonl`.

One line of JSON for each (task, policy, treatment, seed)::

    {"task": "digits_mlp.accuracy", "policy": "median", "treatment": "hdcore", "seed": 0, "runs": 50,
     "intervals": 1613, "stopped": 23, "best": {"runs": 0.97, "70 %": 0.97, "100 %": 0.98}, "cpu": 0.002}

A sweep goes on until it has spent the intervals of 50 whole runs. `best` is its best report after the first 50 runs and
after shares of these intervals, `intervals` and `stopped` are of the first 50 runs, `cpu` is seconds an ask.

============== ======================================================================================================
treatment      what the sampler knows of a stopped run
============== ======================================================================================================
hdcore         what hdcore does
final          its best report as if it were a final value
ignored        nothing; its configuration is not proposed again
place          its place, as of a pending run
known          its true final value: what nobody can know, the mark for all others
============== ======================================================================================================

A line that is there is not run again, so a campaign can be stopped at any time.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import numpy as np

import hdcore as hd
from hdcore.history import RowState
from hdcore.sampling.bayesian import BayesianSampler

from ..regret.run import Line, append_line, read_lines
from .tasks import NAMES, Task, task

if TYPE_CHECKING:
    from hdcore.history import RunTable

POLICIES = {
    "bandit": "bandit:slack_iqr=0.5,delay=5",
    "median": "median:delay=5",
    "median-reached": "median:delay=5,population=reached",
    "truncation": "truncation:percentage=50,delay=5",
}
TREATMENTS = ("hdcore", "final", "ignored", "known")
RUNS = 50
LOOKS: dict[str, float | None] = {"runs": None, "70 %": 0.7, "100 %": 1.0}
"""When a sweep is looked at: after so many runs, or a share of the intervals that so many whole runs take."""


class TableSampler(BayesianSampler):
    """The Bayesian sampler with some configurations to choose from, and no others."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows

    def bind(self, space: hd.SearchSpace, seed: int) -> None:
        super().bind(space, seed)
        self._all = self._rows
        self._order = np.random.default_rng(seed).permutation(len(self._rows))

    def _spare(self, table: RunTable, number: int, chosen: list[np.ndarray]) -> np.ndarray | None:
        """The design: rows in random order."""
        used = self._seen | {row.tobytes() for row in chosen}
        return next((self._rows[i] for i in self._order if self._rows[i].tobytes() not in used), None)


def run_one(problem: Task, policy: str, treatment: str, seed: int, runs: int = RUNS, workers: int = 1) -> Line:
    """Run one sweep; policy ``none`` stops nobody.

    It goes on until it has spent the intervals of `runs` whole runs, or has had twice as many runs.
    """
    optimizer = hd.Optimizer(
        problem.space,
        sampler="bayesian" if problem.rows is None else TableSampler(problem.rows),
        goal=problem.goal,
        policy=POLICIES.get(policy),
        seed=seed,
    )
    sign, most = optimizer.goal.sign, runs * problem.intervals
    live: list[tuple[int, np.ndarray]] = []
    found: dict[str, float] = {}
    best, spent, asked, cpu = -np.inf, 0, 0, 0.0
    stopped, ended, at_runs = 0, 0, most
    while spent < most:
        while len(live) < workers and asked < 2 * runs:
            began = process_time()
            run = optimizer.ask()
            cpu += process_time() - began
            asked += 1
            live.append((run.number, problem.curve(optimizer.table.encoded[run.number])))
        if not live:
            break
        for number, curve in list(live):
            k = int(optimizer.table.intervals[number])
            spent += 1
            is_stopped = optimizer.report(number, curve[k]) and k + 1 < len(curve)
            if sign * curve[k] > best:
                best = sign * float(curve[k])
                for look, share in LOOKS.items():
                    if ended < runs if share is None else spent <= share * most:
                        found[look] = float(f"{sign * best:.9g}")
            if is_stopped:
                _end(optimizer, number, treatment, curve)
            elif k + 1 == len(curve):
                optimizer.tell(number)
            else:
                continue
            live = [entry for entry in live if entry[0] != number]
            ended += 1
            if ended <= runs:
                stopped += is_stopped
                at_runs = spent
    return {
        "task": problem.name, "policy": policy, "treatment": treatment, "seed": seed, "runs": runs,
        "intervals": at_runs, "stopped": stopped, "best": found, "cpu": round(cpu / asked, 6),
    }  # fmt: skip


def _end(optimizer: hd.Optimizer, number: int, treatment: str, curve: np.ndarray) -> None:
    if treatment == "final":
        optimizer.tell(number)
    elif treatment == "known":
        sign = optimizer.goal.sign
        finite = curve[np.isfinite(curve)]
        optimizer.tell(number, sign * (sign * finite).max() if len(finite) else np.nan)
    else:
        optimizer.tell(number, status="canceled")
        if treatment == "ignored":
            optimizer.table.finish(number, RowState.WITHDRAWN, optimizer.table.value[number])


def campaign(
    tasks: Iterable[str],
    policies: Iterable[str],
    treatments: Iterable[str],
    seeds: Iterable[int],
    runs: int,
    out: Path,
    *,
    workers: int = 1,
    label: str = "",
    quiet: bool = False,
) -> int:
    """Run what is missing in `out`; return the number of lines that were added."""
    done = {(x["task"], x["policy"], x["treatment"], x["seed"]) for x in read_lines(out)}
    tasks, policies, treatments = list(tasks), list(policies), list(treatments)
    cases = [(p, t) for p in policies for t in (treatments if p != "none" else ["none"])]
    added = 0
    for seed in seeds:
        for name in tasks:
            for policy, treatment in cases:
                shown = treatment + label
                if (name, policy, shown, seed) in done:
                    continue
                line = run_one(task(name), policy, treatment, seed, runs, workers) | {"treatment": shown}
                append_line(out, line)
                added += 1
                if not quiet:
                    regret = task(name).regret(line["best"]["runs"])
                    print(
                        f"{name:24s}{policy:11s}{shown:12s}{seed:3d}{line['intervals']:6d}{line['stopped']:4d}"
                        f"{100 * regret:8.2f}{1e3 * line['cpu']:7.2f} ms",
                        flush=True,
                    )
    return added


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.stopped.run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", default=",".join(NAMES))
    parser.add_argument("--policies", default=",".join(["none", *POLICIES]))
    parser.add_argument("--treatments", default=",".join(TREATMENTS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--label", default="", help="appended to the treatment's name, to compare ideas")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    campaign(
        options.tasks.split(","), options.policies.split(","), options.treatments.split(","), seeds, options.runs,
        options.out, workers=options.workers, label=options.label, quiet=options.quiet,
    )  # fmt: skip


if __name__ == "__main__":
    main()
