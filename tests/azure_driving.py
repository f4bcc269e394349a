"""Running the driver programs under `cases/` as a user would: `hdcore azure FILE` in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "tests" / "azure" / "cases"


def notebook_of(cells: str) -> str:
    """Return the text of a notebook with the cells of a ``# %%`` file."""
    found = []
    for mark, source in re.findall(r"^# %%([^\n]*)\n(.*?)(?=^# %%|\Z)", cells, re.DOTALL | re.MULTILINE):
        kind = "markdown" if "markdown" in mark else "code"
        more = {} if kind == "markdown" else {"outputs": [], "execution_count": None}
        lines = source.rstrip("\n").splitlines(keepends=True)
        found.append({"cell_type": kind, "metadata": {}, "source": lines, **more})
    kernel = {"display_name": "Python 3.8 - AzureML", "language": "python", "name": "python38-azureml"}
    return json.dumps({"cells": found, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 2})


def command_line(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return arguments and environment of `hdcore azure`, with its sweeps under ``root`` in the working directory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HDCORE", "MLFLOW"))}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    return [sys.executable, "-P", "-m", "hdcore", "azure", "--root", "root", *arguments], environment


def drive(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `hdcore azure` in a folder."""
    argv, environment = command_line(*arguments)
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


def copy_case(name: str, target: Path) -> Path:
    """Copy a case; its cells become a notebook."""
    folder = target / name
    shutil.copytree(CASES / name, folder)
    cells = folder / "notebook.py"
    if cells.exists():
        (folder / "notebook.ipynb").write_text(notebook_of(cells.read_text(encoding="utf-8")), encoding="utf-8")
        cells.unlink()
    return folder
