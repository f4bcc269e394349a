"""What earlier sweeps are worth and what they cost: `python -m bench.regret.warm --seeds 10 --out FILE.jsonl`.

A sweep of 50 runs starts cold, and again with one earlier sweep of 50 runs over the same space whose metric is

========= =============================================================
copy      7 f + 100, the same objective on another scale
negated   -f: it wants the opposite
mirrored  f at the mirrored position of every parameter
other     another function: a bowl with ripples, by problem and seed
noise     numbers that do not depend on the configuration
========= =============================================================

One line of JSON for each (problem, case, seed)::

    {"problem": "levy8", "case": "negated", "seed": 0, "cold": 3.1, "warm": 2.8, "cold_runs": 44, "warm_runs": 51}

`cold` and `warm` are the best values of 50 runs, `cold_runs` and `warm_runs` how many runs it took to get to the cold
sweep's best one (51: not reached). The earlier sweep of `copy` is a cold start with another seed, and its best value
stands there as `other`: cold starts that end in one basin or the other differ more than earlier sweeps can change.

The loss is the share of the cold starts' progress that is missing after 50 runs. Progress is the fall of log10 regret
from 0, the median regret of one random configuration, to its mean over seeds.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from zlib import crc32

import numpy as np

import hdcore as hd

from .problems import PROBLEMS, Configuration, Problem
from .report import grid
from .run import Line, append_line, read_lines

SAMPLE = ("rosenbrock5", "levy8", "styblinski8", "goldstein2", "mlp_cancer",
          "hartmann6", "michalewicz5", "training4", "boost_diabetes")  # fmt: skip
"""Problems of both halves and all families; none with conditional parameters, which have no mirrored position."""

CASES = ("copy", "negated", "mirrored", "other", "noise")
RUNS = 50
History = list[tuple[Configuration, float]]


def earlier(problem: Problem, case: str, seed: int) -> Callable[[Configuration], float]:
    """Return the objective of the earlier sweep."""
    f, space = problem.function, problem.space
    rng = np.random.default_rng([crc32(problem.name.encode()), CASES.index(case), seed])
    if case == "copy":
        return lambda c: 7 * f(c) + 100
    if case == "negated":
        return lambda c: -f(c)
    if case == "mirrored":
        return lambda c: f(space.decode_row(space.snap(1 - space.encode([c]))[0]))
    if case == "other":
        d = len(space.columns)
        centre, phase = rng.uniform(0.1, 0.9, d), rng.uniform(0, 6, d)

        def ripples(c: Configuration) -> float:
            u = space.encode([c])[0]
            return float(((u - centre) ** 2).sum() + 0.1 * np.sin(9 * u + phase).sum())

        return ripples
    return lambda c: float(rng.standard_normal())


def sweep(problem: Problem, f: Callable[[Configuration], float], seed: int, parent: History) -> History:
    """Run one sweep."""
    optimizer = hd.Optimizer(problem.space, sampler="bayesian", goal="minimize", seed=seed)
    for configuration, value in parent:
        optimizer.add(configuration, value, source="earlier")
    history: History = []
    for _ in range(RUNS):
        run = optimizer.ask()
        history.append((dict(run.configuration), f(run.configuration)))
        optimizer.tell(run.number, history[-1][1])
    return history


def campaign(problems: Iterable[str], cases: Iterable[str], seeds: Iterable[int], out: Path) -> None:
    """Run what is missing in `out`."""
    done = {(x["problem"], x["case"], x["seed"]) for x in read_lines(out)}
    problems, cases = list(problems), list(cases)
    for seed in seeds:
        for name in problems:
            missing = [case for case in cases if (name, case, seed) not in done]
            problem = PROBLEMS[name]
            cold = [y for _, y in sweep(problem, problem.function, seed, [])] if missing else []
            for case in missing:
                parent = sweep(problem, earlier(problem, case, seed), 100 + seed, [])
                more = {"other": _short(min(problem.function(c) for c, _ in parent))} if case == "copy" else {}
                warm = [y for _, y in sweep(problem, problem.function, seed, parent)]
                goal = max(min(cold), problem.optimum + problem.floor * problem.scale)
                append_line(out, {
                    "problem": name, "case": case, "seed": seed,
                    "cold": _short(min(cold)), "warm": _short(min(warm)),
                    "cold_runs": _runs_to(cold, goal), "warm_runs": _runs_to(warm, goal), **more,
                })  # fmt: skip


def _short(value: float) -> float:
    return float(f"{value:.12g}")


def _runs_to(values: list[float], goal: float) -> int:
    return next((k for k, value in enumerate(values, 1) if value <= goal), len(values) + 1)


def table(lines: Iterable[Line]) -> str:
    """Return the table of a campaign."""
    lines = list(lines)
    names = [name for name in PROBLEMS if any(line["problem"] == name for line in lines)]
    cases = [case for case in CASES if any(line["case"] == case for line in lines)]
    cold: dict[str, list[float]] = {name: [] for name in names}
    warm: dict[tuple[str, str], list[float]] = {(name, case): [] for name in names for case in cases}
    shares: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        problem = PROBLEMS[name]
        of_problem = [line for line in lines if line["problem"] == name]
        starts = {line["seed"]: line["cold"] for line in of_problem}
        starts |= {100 + line["seed"]: line["other"] for line in of_problem if "other" in line}
        cold[name] = [math.log10(problem.regret(value)) for value in starts.values()]
        for line in of_problem:
            warm[name, line["case"]].append(math.log10(problem.regret(line["warm"])))
            if line["case"] == "copy":
                shares[name].append(line["warm_runs"] / line["cold_runs"])
    misleading = [case for case in cases if case != "copy"]
    rows = [["", "cold", *cases, "misled", "+-", "runs, copy"]]
    for name in names:
        pooled = [value for case in misleading for value in warm[name, case]]
        cells = [_percent(_loss(cold[name], warm[name, case])) for case in cases]
        runs = f"{np.median(shares[name]):.2f}" if shares[name] else "-"
        rows.append([name, f"{np.mean(cold[name]):.2f}", *cells, _percent(_loss(cold[name], pooled)),
                     _percent(_error(cold[name], pooled)), runs])  # fmt: skip
    mean = [_percent(float(np.mean([_loss(cold[name], warm[name, case]) for name in names]))) for case in cases]
    pooled_mean = np.mean([_loss(cold[name], warm[name, case]) for name in names for case in misleading])
    rows.append(["mean", "", *mean, _percent(float(pooled_mean)) if misleading else "-", "", ""])
    note = """
{0} seeds. cold: mean log10 regret after 50 runs, of {1} cold starts; then the loss of progress with an earlier
sweep of each kind; misled: with all kinds but the copy, and its standard error; runs, copy: median share of a cold
start's runs after which the warm one is as good as the best of its 50"""
    seeds = len({line["seed"] for line in lines})
    return grid(rows[0], rows[1:]) + note.format(seeds, 2 * seeds)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _loss(cold: list[float], warm: list[float]) -> float:
    return 1 - float(np.mean(warm) / np.mean(cold)) if cold and warm else math.nan


def _error(cold: list[float], warm: list[float]) -> float:
    """Standard error of the loss."""
    spread = np.hypot(np.std(cold) / math.sqrt(len(cold)), np.std(warm) / math.sqrt(max(len(warm), 1)))
    return float(spread / abs(np.mean(cold)))


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.regret.warm", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", default=",".join(SAMPLE), help="comma-separated names")
    parser.add_argument("--cases", default=",".join(CASES), help="comma-separated names")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    for given, known in ((options.problems, PROBLEMS), (options.cases, CASES)):
        for name in given.split(","):
            if name not in known:
                parser.error(f"there is no {name!r}; there are {', '.join(known)}")
    campaign(options.problems.split(","), options.cases.split(","), range(options.seeds), options.out)
    print(table(read_lines(options.out)))


if __name__ == "__main__":
    main()
