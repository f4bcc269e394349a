"""Tables from a campaign: `python -m bench.stopped.report FILE.jsonl ...`.

What is left to gain is compared, in percent: for real tasks the share of the configurations that are better than the
best one found, for drawn ones the distance from the optimum in shares of that of the median configuration. A sweep is
looked at

- after as many runs as the sweep without a policy had ("runs"), which then took so many intervals less ("saved"),
- after 70 % of the intervals that the sweep without a policy took ("70 %"), however many runs that were,
- after as many intervals ("100 %").

Wins, ties and losses are counted sweep by sweep: same task, same seed.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..regret.report import grid
from ..regret.run import Line, read_lines
from .run import LOOKS
from .tasks import FAMILIES, NAMES, task

Sweeps = dict[tuple[str, str, str], dict[int, Line]]


def collect(lines: Iterable[Line]) -> Sweeps:
    """(task, policy, treatment) -> seed -> line; of two lines the later one."""
    found: Sweeps = defaultdict(dict)
    for line in lines:
        if line["task"] in NAMES:
            found[line["task"], line["policy"], line["treatment"]][line["seed"]] = line
    return found


def left(line: Line, look: str) -> float:
    """Percent that are left to gain."""
    return 100 * task(line["task"]).regret(line["best"][look])


def paired(
    found: Sweeps, names: Iterable[str], one: tuple[str, str], other: tuple[str, str]
) -> list[tuple[Line, Line]]:
    """Lines of two (policy, treatment) with the same task and seed."""
    pairs = []
    for name in names:
        a, b = found.get((name, *one), {}), found.get((name, *other), {})
        pairs += [(a[seed], b[seed]) for seed in sorted(a.keys() & b.keys())]
    return pairs


def saved(line: Line, plain: Line) -> float:
    """Percent of the intervals that a policy saved in as many runs."""
    return 100 * (1 - line["intervals"] / plain["intervals"])


def compare(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Wins, ties, losses; less is better."""
    difference = np.subtract(ours, theirs)
    return "/".join(
        str(int(count)) for count in ((difference < 0).sum(), (difference == 0).sum(), (difference > 0).sum())
    )


def by_task(found: Sweeps, names: Sequence[str], policies: Sequence[str]) -> str:
    """Medians over seeds: without a policy, and with each one as hdcore treats what it stops."""
    header = ["task", "none"]
    for policy in policies:
        header += [f"{policy}: saved", *LOOKS]
    rows = []
    for name in names:
        plain = found.get((name, "none", "none"), {})
        if not plain:
            continue
        row = [name, f"{np.median([left(line, 'runs') for line in plain.values()]):.2f}"]
        for policy in policies:
            pairs = paired(found, [name], (policy, "hdcore"), ("none", "none"))
            row.append(f"{np.median([saved(*pair) for pair in pairs]):.0f} %" if pairs else "")
            row += [f"{np.median([left(x, look) for x, _ in pairs]):.2f}" if pairs else "" for look in LOOKS]
        rows.append(row)
    return grid(header, rows)


def by_treatment(found: Sweeps, names: Sequence[str], policies: Sequence[str]) -> str:
    """Means over sweeps; against no policy, and of hdcore's treatment against this one."""
    treatments = list(dict.fromkeys(key[2] for key in found if key[2] != "none"))
    header = ["policy", "treatment", "saved"]
    for look in LOOKS:
        header += [look, "vs none", "hdcore vs it"]
    header.append("ms/ask")
    rows = []
    for policy in policies:
        for treatment in treatments:
            pairs = paired(found, names, (policy, treatment), ("none", "none"))
            if not pairs:
                continue
            against = paired(found, names, (policy, "hdcore"), (policy, treatment))
            row = [policy, treatment, f"{np.median([saved(*pair) for pair in pairs]):.0f} %"]
            for look in LOOKS:
                ours = [left(line, look) for line, _ in pairs]
                row += [f"{np.mean(ours):.2f}", compare(ours, [left(line, "runs") for _, line in pairs])]
                both = ([left(line, look) for line in side] for side in zip(*against, strict=True))
                row.append("" if treatment == "hdcore" or not against else compare(*both))
            rows.append([*row, f"{1e3 * np.mean([a['cpu'] for a, _ in pairs]):.2f}"])
    plain = [line for name in names for line in found.get((name, "none", "none"), {}).values()]
    if plain:
        looks = [x for look in LOOKS for x in (f"{np.mean([left(line, look) for line in plain]):.2f}", "", "")]
        rows.insert(0, ["none", "", "", *looks, f"{1e3 * np.mean([line['cpu'] for line in plain]):.2f}"])
    return grid(header, rows)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.stopped.report", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    found = collect(line for path in options.files for line in read_lines(path))
    policies = list(dict.fromkeys(key[1] for key in found if key[1] != "none"))
    for family in FAMILIES:
        names = [name for name in NAMES if NAMES[name] == family]
        print(f"{family}: percent left to gain, medians over seeds\n\n{by_task(found, names, policies)}\n")
        print(f"{family}: all sweeps, means, and wins/ties/losses\n\n{by_treatment(found, names, policies)}\n")


if __name__ == "__main__":
    main()
