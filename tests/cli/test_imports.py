"""What each entry loads: a start that pulls in a heavy library is felt at every command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"numpy", "scipy", "numba", "sklearn", "rich", "yaml", "click", "pynvml", "sqlite3"}
JIT = {"scipy", "numba", "sklearn"}


def modules_after(program: str, *arguments: str, cwd: Path | None = None) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded at the end of a program."""
    ending = (
        "\nfinally:\n import sys, os\n"
        " os.write(int(os.environ['MODULES_FD']), ' '.join({name.split('.')[0] for name in sys.modules}).encode())\n"
    )
    text = "try:\n" + "\n".join(f" {line}" for line in program.splitlines()) + ending
    read, write = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", text, *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MODULES_FD": str(write)},
            pass_fds=[write],
            capture_output=True,
            text=True,
            timeout=60,
        )
        os.close(write)
        write = -1
        assert done.returncode == 0, done.stderr
        return set(os.read(read, 1 << 20).decode().split())
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)


CALL = "import sys\nfrom hdcore.cli.main import main\nmain(sys.argv[1:])"


def test_import_hdcore_loads_nothing_heavy() -> None:
    assert not modules_after("import hdcore") & HEAVY


def test_the_client_in_a_run_needs_the_standard_library_only() -> None:
    loaded = modules_after("from hdcore import get_run\nget_run()")
    assert not loaded & HEAVY
    assert loaded - {"hdcore"} <= set(sys.stdlib_module_names) | {"__main__", "sitecustomize", "usercustomize"} | {
        name for name in loaded if name.startswith(("_", "distutils"))
    }


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_click_alone(option: str) -> None:
    assert not modules_after(CALL, option) & (HEAVY - {"click"})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("imports")
    place.chmod(0o700)
    document = {
        "type": "sweep",
        "name": "s",
        "trial": {"command": "sh -c 'env > /dev/null' ${{search_space.x}}"},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "sampling_algorithm": "random",
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "early_termination": {"type": "median_stopping", "evaluation_interval": 1},
        "limits": {"max_total_trials": 2, "max_concurrent_trials": 2},
    }
    (place / "sweep.yml").write_text(json.dumps(document))
    (place / "loaded").write_text(" ".join(modules_after(CALL, "run", "sweep.yml", cwd=place)))
    return place


def test_a_random_sweep_starts_without_scipy_numba_and_sklearn(finished: Path) -> None:
    assert not set((finished / "loaded").read_text().split()) & (JIT | {"rich", "optuna", "pandas", "pyarrow"})


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("list", "--json"), ("show", "s"), ("show", "s", "--json"), ("export", "s", "--format", "csv")],
)
def test_looking_at_sweeps_needs_no_numpy(finished: Path, arguments: tuple[str, ...]) -> None:
    assert not modules_after(CALL, *arguments, cwd=finished) & (JIT | {"numpy", "yaml", "pynvml"})


@pytest.mark.parametrize("arguments", [("list", "--json"), ("show", "s", "--json")])
def test_json_needs_no_rich(finished: Path, arguments: tuple[str, ...]) -> None:
    assert "rich" not in modules_after(CALL, *arguments, cwd=finished)


def test_validating_a_file_needs_no_numpy(finished: Path) -> None:
    assert not modules_after(CALL, "validate", "sweep.yml", cwd=finished) & (JIT | {"numpy", "rich", "sqlite3"})
