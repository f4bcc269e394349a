"""The report of a large sweep: how long it takes to write, and how large it is.

    pytest bench/bench_pages.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from hdcore.pages.snapshot import take_snapshot
from hdcore.store import StoreReader
from hdcore.sweep import open_sweep

sys.path.insert(0, str(Path(__file__).parent))
from make_sweep import make

QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
RUNS, INTERVALS = (300, 20) if QUICK else (10_000, 100)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pages") / "root"
    root.mkdir(mode=0o700)
    return make(root, "large", RUNS, INTERVALS)
