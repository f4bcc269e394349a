"""What benchmarks note beside their times (`extra_info`: ratios, shares, memory), printed as one table a group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
NOTED: dict[str, list[tuple[str, dict[str, Any]]]] = {}


def pytest_configure(config: pytest.Config) -> None:
    if QUICK:  # what is asserted counts, not the times
        config.option.benchmark_min_rounds = 2
        config.option.benchmark_max_time = 0.2


@pytest.fixture(autouse=True)
def _note(request: pytest.FixtureRequest) -> Iterator[None]:
    benchmark = request.getfixturevalue("benchmark") if "benchmark" in request.fixturenames else None
    before = _forget_peak() if benchmark is not None else None
    yield
    if benchmark is None or benchmark.stats is None:
        return
    if before is not None and (peak := _resident("VmHWM")) is not None:
        benchmark.extra_info["peak MB"] = max(peak - before, 0) / 2**20
    name = request.node.name.removeprefix("test_")
    NOTED.setdefault(benchmark.group or "", []).append((name, dict(benchmark.extra_info)))


def _forget_peak() -> int | None:
    """Let the kernel count the process's peak from now on; return what it holds now. None: it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _resident("VmRSS")


def _resident(what: str) -> int | None:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) << 10
    return None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for group, rows in NOTED.items():
        columns = list(dict.fromkeys(key for _, noted in rows for key in noted))
        cells = [["", *columns], *([name, *(_shown(noted.get(key)) for key in columns)] for name, noted in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        terminalreporter.section(group, sep="-")
        for first, *rest in cells:
            told = "  ".join(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
            terminalreporter.write_line(f"{first.ljust(widths[0])}  {told}".rstrip())


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
