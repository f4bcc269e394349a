"""Run samplers on problems: `python -m bench.regret.run --peers bayesian,tpe --seeds 10 --budget 200 --out FILE.jsonl`.

One line of JSON for each (problem, peer, seed)::

    {"problem": "branin2", "peer": "tpe", "seed": 0, "budget": 200, "best": {"10": 8.2, "25": 3.1, ...}, "cpu": 0.42}

With `--workers 16` so many runs of one of hdcore's samplers are under way at any time; how long one takes is uniform in
[0.5, 1.5] by (problem, seed, run), and results count in the order in which they come in. Such lines are stored as the
peer ``bayesian@16-workers``.

`best` is the noise-free value of the configuration with the best observed value after that many runs, `cpu` the
seconds of processor time inside ask and tell. A line that is there with this budget or a larger one is not run again,
so a campaign can be stopped at any time. Seeds come first in the order of work: every peer has its first seed on every
problem before the second one starts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import warnings
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from pathlib import Path
from time import process_time
from typing import Any
from zlib import crc32

import numpy as np

import hdcore as hd

from .peers import OWN, PEERS, PeerMissingError, make_peer
from .problems import FAMILIES, HALVES, PROBLEMS, Problem

BUDGETS = (25, 50, 100, 200)
EARLY = 10
"""About the runs of our initial design: where progress begins, in the report's table of workers."""
Line = dict[str, Any]


def run_one(problem: Problem, peer: str, seed: int, budget: int) -> Line:
    """Run one sampler on one problem with one seed.

    Raises
    ------
    PeerMissingError
        If the peer's library does not import.
    """
    random.seed(seed)  # for libraries that look at global generators
    np.random.seed(seed)  # noqa: NPY002
    sampler = make_peer(peer, problem.space, seed, budget)
    results: list[tuple[float, float]] = []
    cpu = 0.0
    for k in range(budget):
        began = process_time()
        try:
            configuration = sampler.ask()
        except StopIteration:
            break
        cpu += process_time() - began
        results.append(problem.observe(configuration, seed, k))
        began = process_time()
        sampler.tell(results[-1][0])
        cpu += process_time() - began
    return _line(problem, peer, seed, budget, results, cpu)


def run_workers(problem: Problem, peer: str, seed: int, budget: int, workers: int) -> Line:
    """Run one of hdcore's samplers with `workers` runs under way at any time."""
    optimizer = hd.Optimizer(problem.space, sampler=peer, goal="minimize", seed=seed)
    under_way: list[tuple[float, int, tuple[float, float]]] = []  # when it ends, number, result
    results: list[tuple[float, float]] = []
    now = cpu = 0.0
    for _ in range(budget):
        began = process_time()
        runs = optimizer.ask(min(workers, budget - len(results)) - len(under_way))
        cpu += process_time() - began
        for run in runs:
            stream = np.random.default_rng([crc32(problem.name.encode()), seed, run.number, 1])
            result = problem.observe(run.configuration, seed, run.number)
            heappush(under_way, (now + stream.uniform(0.5, 1.5), run.number, result))
        if not under_way:
            break  # the space is used up
        now, number, result = heappop(under_way)
        results.append(result)
        began = process_time()
        optimizer.tell(number, result[0])
        cpu += process_time() - began
    return _line(problem, f"{peer}@{workers}-workers", seed, budget, results, cpu)


def _line(
    problem: Problem, peer: str, seed: int, budget: int, results: Sequence[tuple[float, float]], cpu: float
) -> Line:
    """One line from results (observed, noise-free) in their order; fewer than the budget if a space was used up."""
    lowest, value_there = math.inf, math.inf
    best: dict[str, float] = {}
    asked = sorted({b for b in (EARLY, *BUDGETS, budget) if b <= budget})
    for k, (observed, value) in enumerate(results, 1):
        if observed < lowest:
            lowest, value_there = observed, value
        if k in asked:
            best[str(k)] = float(f"{value_there:.12g}")
    for b in asked:
        best.setdefault(str(b), float(f"{value_there:.12g}"))
    return {
        "problem": problem.name, "peer": peer, "seed": seed, "budget": budget, "best": best, "cpu": round(cpu, 4),
    }  # fmt: skip


def read_lines(path: Path) -> list[Line]:
    """Read a campaign's file; a last line that was cut off by a kill does not count."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def append_line(path: Path, line: Line) -> None:
    """Append one line as one write; mends a file whose last line was cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


def campaign(
    peers: Iterable[str],
    problems: Iterable[str],
    seeds: Iterable[int],
    budget: int,
    out: Path,
    *,
    workers: int = 1,
    quiet: bool = False,
) -> int:
    """Run what is missing in `out`; return the number of lines that were added."""
    done = {(x["problem"], x["peer"], x["seed"]) for x in read_lines(out) if x["budget"] >= budget}
    peers, problems = list(peers), list(problems)
    added = 0
    for seed in seeds:
        for name in problems:
            for peer in list(peers):
                label = peer if workers == 1 else f"{peer}@{workers}-workers"
                if (name, label, seed) in done:
                    continue
                try:
                    if workers == 1:
                        line = run_one(PROBLEMS[name], peer, seed, budget)
                    else:
                        line = run_workers(PROBLEMS[name], peer, seed, budget, workers)
                except PeerMissingError as error:
                    print(error, flush=True)
                    peers.remove(peer)
                    continue
                except Exception as error:  # a peer's own error costs this run, not the campaign
                    if peer.partition("@")[0] in OWN:
                        raise
                    print(f"{name} {peer} {seed} failed: {type(error).__name__}: {error}".splitlines()[0], flush=True)
                    continue
                append_line(out, line)
                added += 1
                if not quiet:
                    last = line["best"][str(budget)]
                    regret = math.log10(PROBLEMS[name].regret(last))
                    print(f"{name:18s} {peer:12s} {seed:3d} {regret:7.2f} {line['cpu']:8.2f} s", flush=True)
    return added


def _names(text: str, known: Iterable[str], what: str, parser: argparse.ArgumentParser) -> list[str]:
    known = list(known)
    if text == "all":
        return known
    names = text.split(",")
    for name in names:
        if name.partition("@")[0] not in known:
            parser.error(f"there is no {what} {name!r}; there are {', '.join(known)}")
    return names


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.regret.run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", default="bayesian", help="comma-separated names, or all")
    parser.add_argument("--problems", default="all", help="comma-separated names, or all")
    parser.add_argument("--half", choices=HALVES, help="only this half of the problems")
    parser.add_argument("--family", choices=FAMILIES, help="only this family")
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1, help="runs under way at any time; hdcore's samplers only")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    peers = _names(options.peers, PEERS, "peer", parser)
    problems = [
        name
        for name in _names(options.problems, PROBLEMS, "problem", parser)
        if options.half in (None, PROBLEMS[name].half) and options.family in (None, PROBLEMS[name].family)
    ]
    if options.workers < 1 or (options.workers > 1 and not set(peers) <= {*OWN}):
        parser.error(f"--workers: a positive number, and above 1 for {', '.join(OWN)} only")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    campaign(peers, problems, seeds, options.budget, options.out, workers=options.workers, quiet=options.quiet)


if __name__ == "__main__":
    main()
