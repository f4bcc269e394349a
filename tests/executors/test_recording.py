"""The recording of a packed sweep that the README shows is what comes out today."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def substance(recording: str) -> list[str]:
    """What does not depend on the moment: not the order of runs, their times, or which run has which device."""
    text = re.sub(r"tonight/\d+", "tonight/N", recording)
    text = re.sub(r"\b[\d.:]+ m?s\b", "T", text)
    text = re.sub(r"\d+ CPUs?", "N CPUs", text.replace("  * best so far", ""))
    return sorted(text.split("\n"))


@pytest.mark.slow
def test_the_recording_of_a_packed_sweep_is_what_comes_out_today() -> None:
    shown = (ROOT / "examples" / "gpus" / "recording.txt").read_text(encoding="utf-8")
    tool = ROOT / "tools" / "record_gpus.py"
    done = subprocess.run([sys.executable, str(tool)], capture_output=True, text=True, timeout=100, check=True)
    assert substance(done.stdout) == substance(shown)
    held = [len(re.findall(r"tonight/\d+ 24%", line)) for line in done.stdout.splitlines() if " GiB " in line]
    assert held == [4] * 8  # 5.0 GiB each: a fifth one would be beyond the device


def test_the_readme_shows_lines_of_the_recording() -> None:
    shown = (ROOT / "examples" / "gpus" / "recording.txt").read_text(encoding="utf-8").splitlines()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [part] = re.findall(
        r"^```text\n(\$ hdcore run sweep\.yml --name tonight\n.*?)^```", readme, re.MULTILINE | re.DOTALL
    )
    assert {line for line in part.splitlines() if line.strip() not in ("", "…")} <= set(shown)
