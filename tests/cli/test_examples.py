"""The example sweeps that no block of the README runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def hdcore(place: Path, *arguments: str) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HDCORE")}
    environment = {**kept, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120"}
    # `python` in the example's command is the interpreter of the tests
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "hdcore", *arguments],
        cwd=place, env=environment, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stderr == ""
    return done.stdout


def test_the_bayesian_example_finds_a_good_model_and_says_what_the_sampler_cost(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    shutil.copytree(EXAMPLES / "bayesian", tmp_path / "bayesian")
    printed = hdcore(tmp_path, "run", "bayesian/sweep.yml", "--name", "b")
    assert re.search(r"^  sampler \S+ ms of CPU a run, \S+ ms at most$", printed, re.MULTILINE)
    document = json.loads(hdcore(tmp_path, "show", "b", "--json"))
    runs = document["runs"]
    assert [run["status"] for run in runs] == ["Completed"] * 30
    assert min(run["value"] for run in runs) < 1.5  # the noise alone is 1, the best that is known 1.27
    assert document["sampler_s_per_run"] > 0
    assert re.search(r"bayesian, \S+ ms of CPU a run", hdcore(tmp_path, "show", "b"))
    assert re.search(r"^  sampler  \S+ ms of CPU$", hdcore(tmp_path, "show", "b", "--run", "20"), re.MULTILINE)
