"""Installations that a command begins with are left out and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hdcore.azure import load_sweep
from hdcore.command import without_installs


@pytest.mark.parametrize(
    ("command", "left", "found"),
    [
        ("pip install 'mlflow<2.19' -q && python t.py --x 1", "python t.py --x 1", ["pip install 'mlflow<2.19' -q"]),
        (
            "python -m pip install -r r.txt; apt-get -y install x &&\n python t.py && pip install y",
            "python t.py && pip install y",
            ["python -m pip install -r r.txt", "apt-get -y install x"],
        ),
        ("python t.py --pip install", "python t.py --pip install", []),
        ("pip install x | tee log && python t.py", "pip install x | tee log && python t.py", []),
        ("pip install x", "pip install x", []),
        ("pipeline install x && a", "pipeline install x && a", []),
    ],
)
def test_only_what_stands_first_is_left_out(command: str, left: str, found: list[str]) -> None:
    assert without_installs(command) == (left, found)


def test_a_sweep_file_says_what_is_not_run(tmp_path: Path) -> None:
    document = {
        "type": "sweep",
        "trial": {"command": "pip install x && python t.py ${{search_space.a}}", "environment": "e@latest"},
        "sampling_algorithm": "random",
        "search_space": {"a": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "objective": {"goal": "minimize", "primary_metric": "m"},
        "limits": {"max_total_trials": 1},
    }
    (tmp_path / "s.yml").write_text(json.dumps(document))
    spec = load_sweep(tmp_path / "s.yml")
    assert spec.command == "python t.py ${{search_space.a}}"
    assert spec.warnings == ("trial.command: 'pip install x' is not run; install what the script needs",)
