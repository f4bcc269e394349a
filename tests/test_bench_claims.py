"""`bench/ratios.py` and `bench/history.py`: what is claimed of speed, held against results."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CLAIMS = tomllib.loads((ROOT / "bench" / "claims.toml").read_text(encoding="utf-8"))["claim"]


def result(path: Path, factor: float = 1.0, leave_out: str = "") -> Path:
    """A result in which every claim holds exactly, or is missed by a factor."""
    figures: dict[str, dict[str, float]] = {}
    for claim in CLAIMS:
        value = claim["at_most"] * factor if "at_most" in claim else claim["at_least"] / factor
        if "per" in claim:
            figures.setdefault(claim["per"]["benchmark"], {})[claim["per"]["figure"]] = 2.0
            value *= 2.0
        figures.setdefault(claim["benchmark"], {})[claim["figure"]] = value
    document: dict[str, Any] = {
        "datetime": "2026-01-01T00:00:00",
        "machine_info": {"cpu": {"brand_raw": "<a CPU>", "count": 2}, "python_version": "3.11", "system": "Linux"},
        "commit_info": {"id": "0123456789abcdef", "dirty": True},
        "benchmarks": [
            {"name": name, "group": "a & b", "stats": {"min": 0.5}, "extra_info": extra}
            for name, extra in figures.items()
            if name != leave_out
        ],
    }
    path.write_text(json.dumps(document))
    return path


def ran(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_claims_that_hold_are_told_and_exit_with_0(tmp_path: Path) -> None:
    done = ran(ROOT / "bench" / "ratios.py", result(tmp_path / "r.json"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("holds ") == len(CLAIMS)


def test_a_claim_that_does_not_hold_exits_with_1(tmp_path: Path) -> None:
    done = ran(ROOT / "bench" / "ratios.py", result(tmp_path / "r.json", factor=1.01))
    assert done.returncode == 1
    assert "FAILS" in done.stdout


def test_what_was_not_run_is_told_and_fails_only_if_all_are_asked_for(tmp_path: Path) -> None:
    path = result(tmp_path / "r.json", leave_out=CLAIMS[0]["benchmark"])
    done = ran(ROOT / "bench" / "ratios.py", path)
    assert done.returncode == 0
    assert "not run" in done.stdout
    assert ran(ROOT / "bench" / "ratios.py", "--all", path).returncode == 1


@pytest.mark.parametrize("text", ["", "{}", "[]"])
def test_what_is_no_result_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    for script in ("ratios.py", "history.py"):
        done = ran(ROOT / "bench" / script, tmp_path / "r.json")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1


def test_what_readme_says_of_speed_is_claimed() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    phrases = [claim["readme"] for claim in CLAIMS if "readme" in claim]
    assert all(phrase in text for phrase in phrases)
    assert all(("at_most" in claim) != ("at_least" in claim) for claim in CLAIMS)


def test_claims_name_benchmarks_that_there_are() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "bench").glob("bench_*.py"))
    for claim in CLAIMS:
        for named in (claim, claim.get("per", claim)):
            assert f"def {named['benchmark'].partition('[')[0]}(" in source
            assert f'"{named["figure"]}"' in source


def test_the_history_grows_and_its_page_shows_every_run(tmp_path: Path) -> None:
    history, page = tmp_path / "h.jsonl", tmp_path / "t.html"
    for factor in (1.0, 2.0, 3.0):
        path = result(tmp_path / "r.json", factor)
        assert ran(ROOT / "bench" / "history.py", path, "--history", history, "--page", page).returncode == 0
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    assert [line["machine"]["cpu"] for line in lines] == ["<a CPU>"] * 3
    assert lines[0]["commit"] == "0123456789ab+"
    text = page.read_text()
    assert "&lt;a CPU&gt;" in text
    assert "<a CPU>" not in text
    assert "a &amp; b" in text
    assert text.count("<circle") == 3 * text.count("<polyline") > 0
