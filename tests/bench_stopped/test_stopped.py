"""The tasks of stopped runs are what they say, campaigns go on where they were cut, and hdcore's treatment pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hdcore as hd
from bench.regret.run import read_lines
from bench.stopped import report, run
from bench.stopped.tasks import NAMES, task

REAL = [name for name, family in NAMES.items() if family == "real"]
DRAWN = [name for name, family in NAMES.items() if family == "drawn"]


@pytest.mark.parametrize("name", REAL)
def test_every_configuration_of_a_real_task_has_its_own_curve_and_the_best_one_leaves_nothing(name: str) -> None:
    problem = task(name)
    assert problem.rows is not None
    assert len(np.unique(problem.rows, axis=0)) == len(problem.rows) >= 250
    np.testing.assert_array_equal(problem.rows, problem.space.snap(problem.rows))
    curves = np.array([problem.curve(row) for row in problem.rows])
    assert curves.shape == (len(problem.rows), problem.intervals)
    sign = 1.0 if problem.goal == "maximize" else -1.0
    finals = sign * np.where(np.isfinite(curves), sign * curves, -np.inf).max(axis=1)
    assert problem.regret(problem.optimum) == 0.0
    assert problem.regret(float(np.median(finals))) == pytest.approx(0.5, abs=0.2)
    assert float((sign * finals).max()) == sign * problem.optimum


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_run_ends_at_its_function_and_comes_down_to_it(name: str) -> None:
    problem = task(name)
    columns = {key: column.tolist() for key, column in hd.sample(problem.space, 50, seed=1).items()}
    drawn = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    rows = problem.space.encode(drawn)
    for row in rows:
        curve = problem.curve(row)
        assert len(curve) == problem.intervals
        assert curve[-1] >= problem.optimum
        assert curve.min() == curve[-1]
        assert curve[0] > curve[-1]
        np.testing.assert_array_equal(curve, problem.curve(row))


def without_time(path: Path) -> list[dict[str, Any]]:
    lines = [{key: value for key, value in line.items() if key != "cpu"} for line in read_lines(path)]
    return sorted(lines, key=lambda line: (line["task"], line["policy"], line["treatment"], line["seed"]))


def test_a_campaign_in_pieces_equals_one_in_a_piece_and_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def go(out: Path, seeds: int) -> None:
        run.main(["--tasks", "iris_ada.log_loss,power.branin2", "--policies", "none,median", "--treatments",
                  "hdcore,final", "--runs", "12", "--seeds", str(seeds), "--out", str(out), "--quiet"])  # fmt: skip

    whole, pieces = tmp_path / "whole.jsonl", tmp_path / "pieces.jsonl"
    go(whole, 2)
    go(pieces, 1)
    pieces.write_text(pieces.read_text()[:-20])  # killed in the middle of a line
    go(pieces, 2)
    assert without_time(pieces) == without_time(whole)
    assert len(without_time(whole)) == 2 * 2 * 3
    report.main([str(whole)])
    text = capsys.readouterr().out
    assert "iris_ada.log_loss" in text
    assert "power.branin2" in text


def test_a_sweep_is_looked_at_where_it_says() -> None:
    problem = task("digits_mlp.log_loss")
    assert problem.rows is not None
    assert problem.finals is not None
    order = np.argsort(problem.finals, kind="stable")
    line = run.run_one(problem, "none", "none", 0, 10)
    # without a policy and in random order, as the design is, ten runs of 50 intervals: seven are over after 70 %
    shuffled = np.random.default_rng(0).permutation(len(problem.rows))
    best = problem.finals[shuffled[:7]].min()
    assert line["best"]["70 %"] >= line["best"]["100 %"] == line["best"]["runs"]
    assert line["best"]["70 %"] == pytest.approx(best, rel=1e-6)
    at = float(problem.finals[order[40]])
    assert report.left(line | {"best": {"runs": at}}, "runs") == 10.0
    assert report.saved(line | {"intervals": 250}, line) == 50.0
    assert report.compare([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]) == "1/1/1"


def test_with_several_workers_a_sweep_spends_what_it_says() -> None:
    problem = task("wine_sgd.log_loss")
    one, four = (run.run_one(problem, "none", "none", 0, 8, workers) for workers in (1, 4))
    assert one["intervals"] == four["intervals"] == 8 * problem.intervals
    stopped = run.run_one(problem, "bandit", "hdcore", 0, 12, 4)
    assert 0 < stopped["stopped"] <= 12
    assert stopped["intervals"] < 12 * problem.intervals


def test_stopped_runs_are_worth_more_than_nothing_and_no_less_than_final_values() -> None:
    """The campaign in small: means over tasks and seeds of what is left after as many runs."""
    left: dict[str, list[float]] = {"none": [], "hdcore": [], "final": [], "ignored": []}
    saved = []
    for name in ("digits_mlp.accuracy", "mnist5k_mlp.log_loss", "bc_sgd.log_loss", "wine_sgd.log_loss"):
        for seed in range(3):
            plain = run.run_one(task(name), "none", "none", seed, 30)
            left["none"].append(report.left(plain, "runs"))
            for treatment in ("hdcore", "final", "ignored"):
                line = run.run_one(task(name), "bandit", treatment, seed, 30)
                left[treatment].append(report.left(line, "runs"))
                if treatment == "hdcore":
                    saved.append(report.saved(line, plain))
    mean = {treatment: float(np.mean(values)) for treatment, values in left.items()}
    assert mean["hdcore"] < mean["ignored"]
    assert mean["hdcore"] <= min(mean["final"], mean["none"]) + 0.5  # two of 400 configurations
    assert np.median(saved) > 20
