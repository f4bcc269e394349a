"""A notebook through nbclient and a Jupyter kernel, in an environment that has them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from azure_driving import ROOT, command_line, copy_case, notebook_of


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter with nbclient and a kernel beside all that this one has."""
    environment = tmp_path_factory.mktemp("kernel") / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    found = environment / "bin" / "python"
    subprocess.run([found, "-m", "pip", "install", "-q", "nbclient", "ipykernel"], check=True, capture_output=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "beside.pth").write_text(f"{ROOT}\n{sysconfig.get_paths()['purelib']}\n")
    return found


def drive(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv, environment = command_line(*arguments)
    environment["PATH"] = os.pathsep.join([str(python.parent), environment["PATH"]])
    return subprocess.run(
        [str(python), *argv[1:]], cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_notebook_runs_in_a_kernel_where_there_is_one(python: Path, tmp_path: Path) -> None:
    folder = copy_case("course", tmp_path)
    done = drive(python, folder, "notebook.ipynb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cell 1: !pip install azure-ai-ml mlflow: not run" in done.stderr
    assert "3 of 3 runs completed, best run 0" in done.stderr  # the kernel had ended before the sweep
    assert "Monitor your job at file:" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cell_that_fails_in_a_kernel_is_named(python: Path, tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text(notebook_of("# %%\nimport IPython\nx = 1\n# %% [markdown]\n# %%\nx\nx / 0\n"))
    done = drive(python, tmp_path, "a.ipynb")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "hdcore: a.ipynb: cell 3, line 2: ZeroDivisionError: division by zero"
    (tmp_path / "b.ipynb").write_text(
        notebook_of("# %%\nfrom azureml.core.model import InferenceConfig\nInferenceConfig(entry_script='score.py')\n")
    )
    done = drive(python, tmp_path, "b.ipynb")
    assert done.returncode == 2
    assert done.stderr == (
        "hdcore: b.ipynb: cell 1, line 2: azureml.core.model.InferenceConfig: deployment is out of scope; what the"
        " sweep left behind is in its folder\n"
    )
