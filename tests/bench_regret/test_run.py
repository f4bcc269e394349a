"""The runner of the regret suite resumes, and the report's figures are what they say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from regret import report, run, warm
from regret.peers import PEERS, PeerMissingError, make_peer
from regret.problems import PROBLEMS

import hdcore as hd


def go(out: Path, *more: str) -> None:
    run.main(["--problems", "branin2,sgd_digits", "--peers", "random,sobol", "--out", str(out), "--quiet", *more])


def test_campaign_in_pieces_equals_one_in_a_piece(tmp_path: Path) -> None:
    whole, pieces = tmp_path / "whole.jsonl", tmp_path / "pieces.jsonl"
    go(whole, "--seeds", "3", "--budget", "30")
    go(pieces, "--seeds", "1", "--budget", "30")
    cut = pieces.read_text()[:-20]  # killed in the middle of a line
    pieces.write_text(cut)
    go(pieces, "--seeds", "3", "--budget", "30")

    def key(line: run.Line) -> tuple[object, ...]:
        return line["problem"], line["peer"], line["seed"]

    def without_time(path: Path) -> list[run.Line]:
        return sorted(({k: v for k, v in x.items() if k != "cpu"} for x in run.read_lines(path)), key=key)

    assert without_time(pieces) == without_time(whole)
    assert len(without_time(whole)) == 12


def test_finished_campaign_adds_nothing_and_a_larger_budget_runs_again(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert run.campaign(["random"], ["branin2"], [0, 1], 30, out, quiet=True) == 2
    assert run.campaign(["random"], ["branin2"], [0, 1], 25, out, quiet=True) == 0
    assert run.campaign(["random"], ["branin2"], [0, 1], 50, out, quiet=True) == 2
    of_seed = report.collect(run.read_lines(out))["branin2", "random"]
    assert [line["budget"] for line in of_seed.values()] == [50, 50]


def test_best_so_far_never_rises_without_noise(tmp_path: Path) -> None:
    line = run.run_one(PROBLEMS["branin2"], "random", 5, 100)
    values = [line["best"][str(budget)] for budget in (25, 50, 100)]
    assert values == sorted(values, reverse=True)
    assert values[-1] >= PROBLEMS["branin2"].optimum


def test_space_that_is_used_up_keeps_its_best_value() -> None:
    problem = PROBLEMS["branin2"]
    small = type(problem)(
        "branin2", "smooth", "fit", hd.SearchSpace({"x0": hd.choice(0.1, 0.6), "x1": hd.choice(0.2, 0.7)}),
        problem.function, problem.optimum, problem.best,
    )  # fmt: skip
    line = run.run_one(small, "random", 0, 25)
    assert line["best"]["25"] == pytest.approx(min(small.function(c) for c in hd.grid(small.space)), rel=1e-11)


def test_missing_library_leaves_its_peer_out_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(space: hd.SearchSpace, seed: int, budget: int) -> None:
        import no_such_library  # noqa: F401

    monkeypatch.setitem(PEERS, "absent", missing)
    with pytest.raises(PeerMissingError, match="no_such_library"):
        make_peer("absent", PROBLEMS["branin2"].space, 0, 25)
    assert run.campaign(["absent", "random"], ["branin2"], [0, 1], 25, tmp_path / "out.jsonl", quiet=True) == 2
    assert capsys.readouterr().out.count("absent is left out") == 1


def line(problem: str, peer: str, seed: int, share: float) -> run.Line:
    p = PROBLEMS[problem]
    best = {str(budget): p.optimum + share * p.scale for budget in (50, 100)}
    return {"problem": problem, "peer": peer, "seed": seed, "budget": 100, "best": best, "cpu": 1.0}


def test_report_counts_wins_ranks_ratio_and_family_loss_of_a_worked_example(tmp_path: Path) -> None:
    lines = [line("levy8", peer, seed, share * (1 + 0.1 * seed))
             for peer, share in (("bayesian", 1e-3), ("optuna-gp", 1e-2), ("random", 1e-1))
             for seed in range(3)]  # fmt: skip
    lines += [line("branin2", "bayesian", 0, 1e-2), line("branin2", "optuna-gp", 0, 1e-3)]
    lines += [line("branin2", "random", 0, 1e-1)]
    lines += [line("goldstein2", peer, 0, 1e-9) for peer in ("bayesian", "optuna-gp", "random")]  # all at the floor
    table = report.medians(report.collect(lines))
    assert table["levy8", 50]["bayesian"] == pytest.approx(math.log10(1.1e-3), abs=1e-6)
    assert report.wins(table, "bayesian", "optuna-gp") == (2, 2, 2)
    assert report.wins(table, "bayesian", "random") == (4, 2, 0)
    ranks, pairs = report.mean_ranks(table, ["bayesian", "optuna-gp", "random"])
    assert pairs == 6
    assert ranks == pytest.approx({"bayesian": 5 / 3, "optuna-gp": 5 / 3, "random": 8 / 3})
    assert report.ratio(table, "bayesian", 100) == (pytest.approx(1.0), 3)
    losses = report.family_losses(table, "bayesian", ["optuna-gp", "random"])
    assert losses["smooth", 50] == (pytest.approx(0.0, abs=1e-6), "optuna-gp")  # half a range lost, half won
    out, figures = tmp_path / "lines.jsonl", tmp_path / "figures.json"
    out.write_text("".join(json.dumps(x) + "\n" for x in lines))
    report.main([str(out), "--json", str(figures)])
    assert json.loads(figures.read_text())["figures"]["all problems"]["wins"]["random"]["share"] == pytest.approx(5 / 6, abs=1e-3)  # fmt: skip  # noqa: E501


def test_workers_are_told_late_and_their_lines_stand_beside_those_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    for workers in (1, 1, 4):
        run.main(["--problems", "branin2", "--peers", "random", "--out", str(out), "--quiet", "--seeds", "2",
                  "--budget", "50", "--workers", str(workers)])  # fmt: skip
    one, four = (report.collect(run.read_lines(out))["branin2", label] for label in ("random", "random@4-workers"))
    assert len(one) == len(four) == 2
    # random sampling proposes the same fifty configurations, so only their order differs
    assert [x["best"]["50"] for x in one.values()] == [x["best"]["50"] for x in four.values()]
    assert [x["best"]["10"] for x in one.values()] != [x["best"]["10"] for x in four.values()]
    report.main([str(out), "--subject", "random", "--budgets", "50"])
    text = capsys.readouterr().out
    assert "4 workers beside one" in text
    assert "loss   0.0 %" in text
    with pytest.raises(SystemExit):
        run.main(["--peers", "tpe", "--workers", "2", "--out", str(out)])


def test_earlier_sweeps_are_measured_in_pieces_and_a_copy_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "warm.jsonl"
    for cases in ("copy", "copy,negated"):
        warm.main(["--problems", "goldstein2", "--cases", cases, "--seeds", "1", "--out", str(out)])
    lines = run.read_lines(out)
    assert [(x["case"], x["seed"]) for x in lines] == [("copy", 0), ("negated", 0)]
    assert lines[0]["warm_runs"] < lines[0]["cold_runs"] <= 50
    assert lines[0]["cold"] == lines[1]["cold"]
    assert "goldstein2" in capsys.readouterr().out


def test_mirrored_position_is_the_other_end_of_every_parameter() -> None:
    problem = PROBLEMS["training4"]
    mirrored = warm.earlier(problem, "mirrored", 0)
    row = problem.space.encode([problem.best])
    assert mirrored(problem.space.decode_row(1 - row[0])) == pytest.approx(problem.optimum)
