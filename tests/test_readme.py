"""What README.md says is what happens: each of its blocks is run, in order, in one folder as a reader would.

Marks (an HTML comment on the line before a block): ``command: NAME`` is one of the two install commands (the test
command is what runs this, the run command has a test of its own), ``file: NAME`` is written to that file, ``output`` is
what the block before printed, shown for the reader. Where a comment says ``exit code N``, a command ends with it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import readme

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.timeout(300)
def test_every_block_of_the_readme_works(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HDCORE")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    ran = 0
    for block in readme.blocks():
        if block.mark.startswith("command:") or block.language in ("text", "json") or block.mark == "output":
            continue
        if block.mark.startswith("file:"):
            (tmp_path / block.mark.removeprefix("file:").strip()).write_text(block.text, encoding="utf-8")
            continue
        assert block.language in ("bash", "python"), f"README.md:{block.line}: unknown language {block.language}"
        argv = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-W", "error", "-c"]
        done = subprocess.run(
            [*argv, block.text], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, f"README.md:{block.line}\n{block.text}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        told = re.findall(r"^exit code (\d+)$", done.stdout, re.MULTILINE)
        assert told == re.findall(r"# exit code (\d+)", block.text), (
            f"README.md:{block.line}\n{done.stdout}{done.stderr}"
        )
        ran += 1
    assert ran > 5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_command_runs_a_sweep_in_a_fresh_clone(tmp_path: Path) -> None:
    clone = tmp_path / "hdcore"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "HDCORE_ROOT")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", readme.command("run")],
        cwd=clone, env=environment, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "best" in done.stdout.lower()
    assert "accuracy" in done.stdout
