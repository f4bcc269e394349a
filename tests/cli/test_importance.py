"""`hdcore importance` and `Sweep.importance`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hdcore as hd
from hdcore.cli.main import run_command_line


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("importance") / "root"

    def train(configuration: dict[str, Any], run: Any) -> float:
        return float(configuration["x"] - 0.01 * configuration["y"])

    space = {"x": hd.uniform(0, 1), "y": hd.uniform(0, 1), "kind": hd.choice("a", "b"), "fixed": hd.choice(3)}
    hd.tune(train, space, metric="value", goal="maximize", max_runs=60, seed=1, root=root, name="one")
    return root


def test_the_parameter_that_decides_stands_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["importance", "one", "--root", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "one: what tells the best 6 runs from all 60"
    assert lines[1].split()[0] == "x"
    assert len(lines) == 4
    found = hd.open_sweep("one", root).importance()
    assert next(iter(found.shares)) == "x"
    assert found.shares["x"] > 0.5
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert "fixed" not in found.shares


def test_json_has_all_digits(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["importance", "one", "--top", "0.25", "--json", "--root", str(root)]) == 0
    document = json.loads(capsys.readouterr().out)
    found = hd.open_sweep("one", root).importance(target_quantile=0.25)
    assert document == {
        "method": "ped-anova", "runs": 60, "good_runs": 15, "target_quantile": 0.25, "importance": found.shares,
    }  # fmt: skip


def test_a_sweep_of_few_runs_says_that_it_is_mostly_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "root"

    def train(configuration: dict[str, Any], run: Any) -> float:
        return float(configuration["x"])

    hd.tune(train, {"x": hd.uniform(0, 1)}, metric="value", max_runs=4, root=root, name="few")
    assert run_command_line(["importance", "few", "--root", str(root)]) == 0
    assert "mostly chance" in capsys.readouterr().out


def test_a_sweep_without_values_has_no_importance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "root"

    def train(configuration: dict[str, Any], run: Any) -> None:
        pass

    hd.tune(train, {"x": hd.uniform(0, 1)}, metric="value", max_runs=1, root=root, name="none")
    assert run_command_line(["importance", "none", "--root", str(root)]) == 2
    assert "no run has a finite value" in capsys.readouterr().err


def test_a_share_that_cannot_be_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["importance", "one", "--top", "1.5", "--root", str(root)]) == 2
    assert "--top" in capsys.readouterr().err
