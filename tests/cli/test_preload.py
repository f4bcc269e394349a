"""`--preload` and `hdcore.preload` from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import gc, sys
from hdcore import get_run
get_run().log("warm", int(gc.get_freeze_count() > 0))
print(sys.argv[1:], flush=True)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(SCRIPT)
    return tmp_path


def sweep_file(place: Path, command: str, modules: list[str]) -> str:
    document = {
        "type": "sweep",
        "trial": {"command": f"{command} ${{{{search_space.x}}}}", "code": "code"},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "sampling_algorithm": "random",
        "objective": {"primary_metric": "warm", "goal": "maximize"},
        "limits": {"max_total_trials": 3, "max_concurrent_trials": 2},
        "hdcore": {"preload": modules},
    }
    (place / "sweep.yml").write_text(json.dumps(document))
    return "sweep.yml"


def hdcore(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HDCORE"))}
    environment["PYTHONPATH"] = str(ROOT)
    argv = [sys.executable, "-m", "hdcore", *arguments]
    return subprocess.run(argv, cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_runs_of_a_sweep_file_start_warm(place: Path) -> None:
    done = hdcore(place, "run", sweep_file(place, "python train.py", ["json", "hdcore.runtime"]), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [run["value"] for run in json.loads(done.stdout)["runs"]] == [1, 1, 1]


def test_a_bare_script_starts_warm(place: Path) -> None:
    words = ["run", "code/train.py", "--param", "x=uniform:0:1", "--metric", "warm", "--max-runs", "2"]
    done = hdcore(place, *words, "--preload", "json,decimal", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [run["value"] for run in json.loads(done.stdout)["runs"]] == [1, 1]


def test_a_command_that_cannot_be_warm_runs_and_is_told_once(place: Path) -> None:
    done = hdcore(place, "run", sweep_file(place, "python -B train.py", ["json"]), "--json")
    assert done.returncode == 0
    assert done.stderr.count("\n") == done.stderr.count("starts cold") == 1
    assert [run["value"] for run in json.loads(done.stdout)["runs"]] == [0, 0, 0]


def test_a_module_that_is_not_there_is_refused_before_anything_exists(place: Path) -> None:
    done = hdcore(place, "run", sweep_file(place, "python train.py", ["json", "no_such_module"]))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hdcore: hdcore.preload: 'no_such_module' cannot be imported")
    assert done.stderr.count("\n") == 1
    assert not (place / ".hdcore").exists()


def test_a_sweep_whose_module_has_gone_can_be_resumed_later(place: Path) -> None:
    """The refusal of `resume` leaves the sweep as it is."""
    library = place / "code" / "lib"
    library.mkdir()
    (library / "heavy.py").write_text("")
    text = f"import sys; sys.path.append({str(library)!r}); from hdcore.cli.main import main; main(sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(library)])}
    sweep_file(place, "python train.py", ["heavy"])
    words = [sys.executable, "-c", text, "run", "sweep.yml", "--name", "s", "--json"]
    subprocess.run(words, cwd=place, env=environment, capture_output=True, timeout=60, check=True)
    done = hdcore(place, "resume", "s")
    assert done.returncode == 2
    assert "'heavy' cannot be imported" in done.stderr
    shown = json.loads(hdcore(place, "show", "s", "--json").stdout)
    assert (shown["status"], len(shown["runs"])) == ("Completed", 3)
