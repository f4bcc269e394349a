"""Tables from campaigns: `python -m bench.regret.report FILE.jsonl ... --subject bayesian [--json OUT]`.

All figures compare medians over seeds of the regret, which is the distance from the optimum in shares of the problem's
scale (the median regret of one random configuration), not below the problem's floor. Two medians that are equal, as two
at the floor are, are a tie and count as half a win. A peer is compared on the pairs (problem, budget) that it has.

Lines of the subject with several workers (``bayesian@16-workers``) go into a table of their own. Progress is the fall
of the log of the median regret from 1, the median regret of one random configuration, as those of the initial design
are, to that after so many results; the loss is what several workers lack of it, in shares of the progress of one. A
second figure counts from the best of the first ten runs of one worker, which are about the initial design.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .problems import FAMILIES, HALVES, PROBLEMS
from .run import BUDGETS, EARLY, Line, read_lines

REFERENCE = "optuna-gp"
Pair = tuple[str, int]
Medians = dict[Pair, dict[str, float]]
"""(problem, budget) -> peer -> log10 of the median regret."""


def collect(lines: Iterable[Line], seeds: int | None = None) -> dict[tuple[str, str], dict[int, Line]]:
    """(problem, peer) -> seed -> line; of two lines for one seed the one with the larger budget, then the later one."""
    found: dict[tuple[str, str], dict[int, Line]] = defaultdict(dict)
    for line in lines:
        if line["problem"] not in PROBLEMS or (seeds is not None and line["seed"] >= seeds):
            continue
        of_seed = found[line["problem"], line["peer"]]
        before = of_seed.get(line["seed"])
        if before is None or line["budget"] >= before["budget"]:
            of_seed[line["seed"]] = line
    return found


def medians(found: dict[tuple[str, str], dict[int, Line]], least: int = 1) -> Medians:
    """Median log10 regret where a peer has at least `least` seeds at that budget."""
    table: Medians = defaultdict(dict)
    for (name, peer), of_seed in found.items():
        for budget in BUDGETS:
            values = [line["best"][str(budget)] for line in of_seed.values() if str(budget) in line["best"]]
            if len(values) >= least:
                regrets = [PROBLEMS[name].regret(value) for value in values]
                table[name, budget][peer] = math.log10(float(np.median(regrets)))
    return table


def wins(table: Medians, subject: str, peer: str) -> tuple[int, int, int]:
    """Pairs that `subject` wins, ties and loses."""
    won = tied = lost = 0
    for row in table.values():
        if subject in row and peer in row:
            difference = row[subject] - row[peer]
            if abs(difference) < 1e-9:
                tied += 1
            elif difference < 0:
                won += 1
            else:
                lost += 1
    return won, tied, lost


def mean_ranks(table: Medians, peers: Sequence[str]) -> tuple[dict[str, float], int]:
    """Mean rank of each peer over the pairs that all have, equal medians sharing their ranks; and the pairs."""
    total = dict.fromkeys(peers, 0.0)
    pairs = 0
    for row in table.values():
        if not all(peer in row for peer in peers):
            continue
        pairs += 1
        for peer in peers:
            below = sum(row[other] < row[peer] - 1e-9 for other in peers)
            equal = sum(abs(row[other] - row[peer]) <= 1e-9 for other in peers)
            total[peer] += below + (equal + 1) / 2
    return {peer: total[peer] / pairs if pairs else math.nan for peer in peers}, pairs


def ratio(table: Medians, subject: str, budget: int, reference: str = REFERENCE) -> tuple[float, int]:
    """Geometric mean over problems of the subject's median regret over the reference's; and the problems."""
    logs = [
        row[subject] - row[reference]
        for (_, at), row in table.items()
        if at == budget and subject in row and reference in row
    ]
    return (10 ** float(np.mean(logs)) if logs else math.nan), len(logs)


def family_losses(table: Medians, subject: str, peers: Sequence[str]) -> dict[tuple[str, int], tuple[float, str]]:
    """(family, budget) -> what the subject loses against the family's best peer, in shares of the log-regret range.

    On each problem the best of all medians is 0 and the worst is 1; a family's score is the mean over its problems.
    Peers that lack a problem of the family at that budget are not its best peer.
    """
    losses = {}
    for family in FAMILIES:
        for budget in BUDGETS:
            rows = [row for (name, at), row in table.items() if at == budget and PROBLEMS[name].family == family]
            rows = [row for row in rows if subject in row]
            full = [peer for peer in peers if rows and all(peer in row for row in rows)]
            if not full:
                continue
            scores = dict.fromkeys([subject, *full], 0.0)
            for row in rows:
                low, high = min(row.values()), max(row.values())
                span = max(high - low, 0.05)  # less than a twentieth of a decade is no difference
                for peer in scores:
                    scores[peer] += (row[peer] - low) / span / len(rows)
            best = min(full, key=scores.__getitem__)
            losses[family, budget] = (scores[subject] - scores[best], best)
    return losses


def worker_losses(
    found: dict[tuple[str, str], dict[int, Line]], subject: str, label: str
) -> dict[Pair, tuple[float, float, float]]:
    """(problem, budget) -> log10 of the median regret at the start, of one worker and of several, on equal seeds."""
    losses = {}
    for name in PROBLEMS:
        one, many = found.get((name, subject), {}), found.get((name, label), {})
        for budget in BUDGETS:
            at = str(budget)
            seeds = [
                s
                for s in one
                if s in many and at in one[s]["best"] and at in many[s]["best"] and str(EARLY) in one[s]["best"]
            ]
            if seeds:
                start, single, several = (
                    math.log10(float(np.median([PROBLEMS[name].regret(side[s]["best"][key]) for s in seeds])))
                    for side, key in ((one, str(EARLY)), (one, at), (many, at))
                )
                losses[name, budget] = (start, single, several)
    return losses


def _print_workers(losses: dict[Pair, tuple[float, float, float]], label: str, budgets: Sequence[int]) -> None:
    print(f"\n== {label.partition('@')[2].replace('-', ' ')} beside one: loss of progress at an equal number of runs")
    rows = []
    for name, problem in PROBLEMS.items():
        cells = []
        for budget in budgets:
            if (name, budget) in losses:
                _, one, many = losses[name, budget]
                cells += [f"{one:.2f}", f"{many:.2f}", f"{100 * (1 - many / one):.0f} %" if one < 0 else "-"]
            else:
                cells += ["-"] * 3
        if set(cells) != {"-"}:
            rows.append([name, problem.half, *cells])
    print(grid(["", "half", *(text for b in budgets for text in (f"1 at {b}", "several", "loss"))], rows))
    for title, names in (("all problems", set(PROBLEMS)), *((f"half {h}", _half(h)) for h in HALVES)):
        for budget in budgets:
            part = [v for (name, at), v in losses.items() if at == budget and name in names]
            if part:
                start, one, many = np.array(part).sum(axis=0)
                whole, later = 100 * (1 - many / one), 100 * (1 - (start - many) / (start - one))
                print(
                    f"{title:13s} after {budget:3d} runs: loss {whole:5.1f} % of the progress from a random "
                    f"configuration, {later:5.1f} % of that from the best of {EARLY} runs"
                )


def interval(
    found: dict[tuple[str, str], dict[int, Line]], names: set[str], subject: str, budget: int, resamples: int = 200
) -> tuple[float, float]:
    """Nine tenths of the ratios that come out when the seeds of both sides are drawn again with replacement."""
    at = str(budget)
    pairs = []
    for name in sorted(names):
        sides = []
        for peer in (subject, REFERENCE):
            of_seed = found.get((name, peer), {}).values()
            sides.append(np.array([PROBLEMS[name].regret(line["best"][at]) for line in of_seed if at in line["best"]]))
        if all(map(len, sides)):
            pairs.append(sides)
    rng = np.random.default_rng(1)
    logs = np.zeros(resamples)
    for sides in pairs:
        ours, theirs = (np.log(np.median(rng.choice(side, (resamples, len(side))), axis=1)) for side in sides)
        logs += (ours - theirs) / len(pairs)
    low, high = np.exp(np.quantile(logs, [0.05, 0.95]))
    return float(low), float(high)


def merge(found: dict[tuple[str, str], dict[int, Line]], path: Path) -> None:
    """Write the lines that count, one for each (problem, peer, seed), in a fixed order."""
    lines = [line for _, of_seed in sorted(found.items()) for _, line in sorted(of_seed.items())]
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return lines of text with aligned columns, the first to the left."""
    rows = [list(head), *map(list, rows)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def summarise(table: Medians, subject: str, peers: Sequence[str]) -> dict[str, Any]:
    """Return the figures that are gated, for one set of problems."""
    others = [peer for peer in peers if peer != subject]
    figures: dict[str, Any] = {"wins": {}, "ranks": {}, "ratio": {}, "family": {}}
    for peer in others:
        won, tied, lost = wins(table, subject, peer)
        if pairs := won + tied + lost:
            share = (won + tied / 2) / pairs
            figures["wins"][peer] = {"won": won, "tied": tied, "lost": lost, "share": round(share, 3)}
    present = {peer: sum(peer in row for row in table.values()) for peer in peers}
    ranked = [peer for peer in peers if 2 * present[peer] > len(table)]  # one with a few pairs would leave only these
    ranks, pairs = mean_ranks(table, ranked)
    figures["unranked"] = [peer for peer in peers if peer not in ranked and present[peer]]
    figures["ranks"] = {"pairs": pairs, **{peer: round(rank, 2) for peer, rank in ranks.items()}} if pairs else {}
    for budget in BUDGETS:
        value, problems = ratio(table, subject, budget)
        if problems:
            figures["ratio"][str(budget)] = {"value": round(value, 3), "problems": problems}
    for (family, budget), (loss, best) in family_losses(table, subject, others).items():
        figures["family"][f"{family}@{budget}"] = {"loss": round(loss, 3), "best": best}
    return figures


def _print_figures(title: str, figures: dict[str, Any], subject: str) -> None:
    print(f"\n== {title}")
    rows = [
        [peer, str(w["won"]), str(w["tied"]), str(w["lost"]), f"{100 * w['share']:.0f} %"]
        for peer, w in figures["wins"].items()
    ]
    if rows:
        print(grid([f"{subject} against", "won", "tied", "lost", "share"], rows))
    if figures["ranks"]:
        ranks = sorted(((p, r) for p, r in figures["ranks"].items() if p != "pairs"), key=lambda item: item[1])
        print(f"mean rank over {figures['ranks']['pairs']} pairs: " + ", ".join(f"{p} {r:.2f}" for p, r in ranks))
        if figures["unranked"]:
            print(f"not ranked, on half of the pairs or fewer: {', '.join(figures['unranked'])}")
    for budget, r in figures["ratio"].items():
        print(
            f"regret over {REFERENCE}'s at {budget}: {r['value']:.2f}, geometric mean of {r['problems']} problems "
            f"(drawing seeds again: {r['low']:.2f} to {r['high']:.2f})"
        )
    for place, f in figures["family"].items():
        print(f"family {place:15s} loss {100 * f['loss']:6.1f} % of the range, best peer {f['best']}")


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.regret.report", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--subject", default="bayesian")
    parser.add_argument("--peers", help="comma-separated names; all that are in the files otherwise")
    parser.add_argument("--half", choices=HALVES, help="only this half in the tables by problem")
    parser.add_argument("--seeds", type=int, help="only seeds below this number")
    parser.add_argument("--least", type=int, default=1, help="seeds that a peer needs on a pair to count there")
    parser.add_argument("--budgets", default="50,100,200", help="budgets of the table by problem and of the figures")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--merge", type=Path, help="write the lines that count to this file and print nothing")
    options = parser.parse_args(arguments)

    found = collect((line for path in options.files for line in read_lines(path)), options.seeds)
    if options.merge:
        merge(found, options.merge)
        return
    budgets = [int(text) for text in options.budgets.split(",")]
    several = sorted(
        {p for _, p in found if p.startswith(f"{options.subject}@") and p.endswith("-workers")},
        key=lambda p: (len(p), p),
    )
    workers = {label: worker_losses(found, options.subject, label) for label in several}
    found = {key: of_seed for key, of_seed in found.items() if not key[1].endswith("-workers")}
    table = {pair: row for pair, row in medians(found, options.least).items() if pair[1] in budgets}
    present = {peer for row in table.values() for peer in row}
    order = [options.subject, REFERENCE]
    peers = [peer for peer in order if peer in present] + sorted(present - set(order))
    if options.peers:
        peers = [peer for peer in peers if peer in options.peers.split(",") or peer == options.subject]
        table = {pair: {p: v for p, v in row.items() if p in peers} for pair, row in table.items()}
    halves = [options.half] if options.half else [*HALVES]

    counts = {peer: sorted(len(s) for (_, p), s in found.items() if p == peer) for peer in peers}
    print("log10 of the median regret in shares of the problem's scale; * marks the best of the row")
    print("seeds a problem: " + ", ".join(f"{p} {c[0]}-{c[-1]} on {len(c)} problems" for p, c in counts.items()))
    for budget in budgets:
        rows = []
        for name, problem in PROBLEMS.items():
            row = table.get((name, budget), {})
            if row and problem.half in halves:
                low = min(row.values())
                cells = [f"{row[p]:.2f}{'*' if row[p] <= low + 1e-9 else ' '}" if p in row else "- " for p in peers]
                rows.append([name, problem.family, problem.half, *cells])
        if rows:
            print(f"\n{grid([f'after {budget} runs', 'family', 'half', *(p + ' ' for p in peers)], rows)}")
    cpu = []
    for peer in peers:
        for budget in (100, 200):
            seconds = [line["cpu"] / budget for (_, p), s in found.items() if p == peer for line in s.values()
                       if line["budget"] == budget]  # fmt: skip
            if seconds:
                cpu.append([peer, str(budget), f"{1e3 * float(np.mean(seconds)):.2f}"])
    print(f"\n{grid(['processor time', 'runs', 'ms/ask '], cpu)}")

    figures = {}
    for title, names in (("all problems", set(PROBLEMS)), *((f"half {h}", _half(h)) for h in HALVES)):
        part = {pair: row for pair, row in table.items() if pair[0] in names}
        figures[title] = summarise(part, options.subject, peers)
        for budget, entry in figures[title]["ratio"].items():
            low, high = interval(found, names, options.subject, int(budget))
            entry.update(low=round(low, 3), high=round(high, 3))
        if any(options.subject in row for row in part.values()):
            _print_figures(title, figures[title], options.subject)
        elif figures[title]["ranks"]:
            _print_figures(title, figures[title] | {"wins": {}, "ratio": {}, "family": {}}, options.subject)
    for label, losses in workers.items():
        _print_workers(losses, label, budgets)
    if options.json:
        medians_out = {f"{name}@{budget}": row for (name, budget), row in table.items()}
        options.json.write_text(json.dumps({"medians": medians_out, "figures": figures}, indent=1) + "\n")


def _half(half: str) -> set[str]:
    return {name for name, problem in PROBLEMS.items() if problem.half == half}


if __name__ == "__main__":
    main()
