"""``hydra/sweeper=hdcore`` in programs of Hydra's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
APP = """
import hydra

@hydra.main(version_base=None, config_path=".", config_name="config")
def app(config):
    if config.x > config.bound:
        raise RuntimeError("x is too large")
    assert isinstance(config.units, int) and 1 <= config.units <= 64, config.units
    return (config.x - 0.3) ** 2 + (config.kind == "the b") + (config.lr - 0.01) ** 2 + abs(config.depth - 2)

if __name__ == "__main__":
    app()
"""
CONFIG = """
defaults: [_self_, {override hydra/sweeper: hdcore}]
x: 0.0
lr: 0.1
units: 3
depth: 1
kind: a
bound: 9
hydra:
  sweep: {dir: multirun}
  sweeper:
    seed: 7
    max_runs: 24
    max_concurrent: 2
    params: {x: "interval(-1, 1)", "+extra": 5, lr: 0.5}
"""
ARGUMENTS = [
    "lr=tag(log, interval(1e-4, 1e-1))",
    "units=int(interval(1, 64))",
    "kind=choice(a, 'the b')",
    "depth=range(1, 4)",
]


def run(folder: Path, *arguments: str, config: str = CONFIG) -> subprocess.CompletedProcess[str]:
    (folder / "app.py").write_text(APP, encoding="utf-8")
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        [sys.executable, "app.py", "--multirun", *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


def test_a_multirun_finds_the_optimum_and_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, *ARGUMENTS)
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load((tmp_path / "multirun" / "optimization_results.yaml").read_text(encoding="utf-8"))
    assert found["name"] == "hdcore"
    assert found["best_evaluated_result"] < 0.05
    best = found["best_evaluated_params"]
    assert best["x"] == pytest.approx(0.3, abs=0.25)
    assert (best["kind"], best["depth"]) == ("a", 2)
    assert 1 <= best["units"] <= 64
    jobs = sorted(path.name for path in (tmp_path / "multirun").iterdir() if path.is_dir())
    assert jobs == sorted(map(str, range(24)))
    overrides = yaml.safe_load((tmp_path / "multirun" / "0" / ".hydra" / "overrides.yaml").read_text(encoding="utf-8"))
    assert "+extra=5" in overrides
    assert len(overrides) == 6


def test_failures_end_the_multirun_unless_they_are_allowed(tmp_path: Path) -> None:
    done = run(tmp_path, "bound=0.5")
    assert done.returncode == 1
    assert "RuntimeError: x is too large" in done.stderr
    (tmp_path / "allowed").mkdir()
    done = run(tmp_path / "allowed", "bound=0.5", "hydra.sweeper.max_failure_rate=0.9", "hydra.sweeper.max_runs=6")
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load((tmp_path / "allowed/multirun/optimization_results.yaml").read_text(encoding="utf-8"))
    assert found["best_evaluated_params"]["x"] <= 0.5


def test_what_cannot_be_meant_is_said(tmp_path: Path) -> None:
    done = run(tmp_path, "lr=tag(logit, interval(0, 1))")
    assert done.returncode == 1
    assert "lr has the tag 'logit'; the only tag of hdcore is log" in done.stderr
