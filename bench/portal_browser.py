"""How fast the portal is, measured by the browser itself, and what an open page costs a running sweep.

    python bench/portal_browser.py [--root FOLDER] [--runs 10000] [--intervals 100] [--rounds 5] [--only PART]
                                   [--json RESULT.json]

Needs ``hdcore[ui]``, ``hdcore[browser]`` and chromium. Three parts, each told as one line of JSON, and with ``--json`` written as `ratios.py` reads it:

- ``view``: from the start of the navigation until the runs, and until their curves, are on the screen.
- ``brush``: frames while a brush is dragged along an axis of parallel coordinates, and how many of them showed a new
  choice; the brush filters table, curves and scatter at the same time.
- ``driver``: CPU seconds of the driver of a sweep with that many runs behind it and 40 before it, with a page open on
  it and without, alternating; the ratios of the medians and of the least.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from make_sweep import make
from ui.chromium import Page, chromium
from ui.portal import Portal, portal

MORE = 40
DRAG_STEPS = 240
_COUNT_PICTURES = """
window.pictures = 0;
const send = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, transfer) {
  if (!this.isCounted) {
    this.isCounted = true;
    this.addEventListener("message", () => { window.pictures += 1; });
  }
  return send.call(this, message, transfer);
};
"""
_RECORD_FRAMES = """
window.frames_ = [];
window.choices = new Set();
window.pictures = 0;
const look = (at) => {
  window.frames_.push(at);
  window.choices.add(document.querySelector("section[aria-label='Parallel coordinates'] .bar .quiet").textContent);
  if (window.frames_ !== null) window.going = requestAnimationFrame(look);
};
window.going = requestAnimationFrame(look);
"""


def measure_view(page: Page, site: Portal, rounds: int) -> dict[str, Any]:
    shown: dict[str, list[float]] = {"runs": [], "curves": []}
    for _ in range(rounds):
        page.open(f"http://{site.host}/?token={site.token}")
        page.until("document.querySelector('a[href=\"#/large\"]') !== null")
        page.open("about:blank")
        page.open(f"http://{site.host}/#/large")
        for what, found in shown.items():
            found.append(page.until("performance.getEntriesByName(arguments[0])[0]?.startTime", f"hdcore-{what}-shown"))
    return {
        "runs_shown_ms": round(statistics.median(shown["runs"])),
        "curves_shown_ms": round(statistics.median(shown["curves"])),
        "all": {what: [round(value) for value in found] for what, found in shown.items()},
    }


def measure_brush(page: Page, site: Portal) -> dict[str, Any]:
    page.command("Page.addScriptToEvaluateOnNewDocument", source=_COUNT_PICTURES)
    page.open("about:blank")
    page.open(f"http://{site.host}/#/large")
    page.until("performance.getEntriesByName('hdcore-curves-shown').length")
    page.until("document.querySelector('.bars dt')")
    page.drag(".strip:nth-child(1)", (0.5, 0.9), (0.5, 0.6))  # the code is compiled
    page.until("document.querySelector('.runs').getAttribute('aria-rowcount') < 9000")
    page.js(_RECORD_FRAMES)
    began = time.monotonic()
    page.drag(".strip:nth-child(4)", (0.5, 0.9), (0.5, 0.1), steps=DRAG_STEPS)
    took_s = time.monotonic() - began
    page.js("cancelAnimationFrame(window.going)")
    stamps = page.js("return window.frames_")
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(stamps))
    return {
        "drag_s": round(took_s, 2),
        "frames": len(gaps),
        "frames_per_s": round(1000 * len(gaps) / sum(gaps), 1),
        "frame_ms": {
            "median": round(statistics.median(gaps), 1),
            "p95": round(gaps[int(0.95 * len(gaps))], 1),
            "longest": round(gaps[-1], 1),
        },
        "frames_over_33_ms": sum(gap > 34 for gap in gaps),
        "choices_shown_per_s": round(page.js("return window.choices.size") / took_s, 1),
        "pictures_of_crowds_per_s": round(page.js("return window.pictures") / took_s, 1),
    }


def driver_cpu(root: Path, template: Path, page: Page | None) -> float:
    """CPU seconds of a driver that goes on with a copy of the sweep."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(template, root)
    with portal(root) as site, running(root) as driver:
        process = psutil.Process(driver.pid)
        if page is not None:
            page.open(f"http://{site.host}/?token={site.token}")
            page.until("document.querySelector('a[href=\"#/large\"]') !== null")
            page.open(f"http://{site.host}/#/large")
        used = 0.0
        while driver.poll() is None:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                break
            if times.user + times.system > 0:
                used = times.user + times.system
            time.sleep(0.02)
        if page is not None:
            page.until("document.querySelector('.badge').textContent === 'Completed'")
            page.open("about:blank")
    return used


@contextmanager
def running(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    driver = subprocess.Popen(
        [sys.executable, "-m", "hdcore", "resume", "large", "--root", str(root), "--no-live"],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        yield driver
        driver.wait(60)
    finally:
        if driver.poll() is None:
            driver.terminate()
            driver.wait()


def measure_driver(page: Page, folder: Path, runs: int, intervals: int, rounds: int) -> dict[str, Any]:
    template = folder / "template"
    make(template, "large", runs, intervals, MORE)
    alone, watched = [], []
    for _ in range(rounds):
        alone.append(driver_cpu(folder / "copy", template, None))
        watched.append(driver_cpu(folder / "copy", template, page))
    return {
        "alone_cpu_s": [round(value, 2) for value in alone],
        "watched_cpu_s": [round(value, 2) for value in watched],
        "ratio_of_medians": round(statistics.median(watched) / statistics.median(alone), 3),
        "ratio_of_least": round(min(watched) / min(alone), 3),  # of a machine that is busy with other things
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, help="where a sweep named large is already")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--intervals", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["view", "brush", "driver"])
    parser.add_argument("--json", type=Path, help="write the figures for ratios.py")
    arguments = parser.parse_args()
    told: list[dict[str, Any]] = []

    def tell(part: str, found: dict[str, Any]) -> None:
        print(json.dumps({part: found}), flush=True)
        told.append({"name": f"measure_{part}", "extra_info": found})

    with tempfile.TemporaryDirectory() as name, chromium(Path(name) / "browser") as page:
        folder = Path(name)
        root = arguments.root
        if root is None and arguments.only != "driver":
            root = folder / "root"
            make(root, "large", arguments.runs, arguments.intervals)
        if arguments.only != "driver":
            with portal(root) as site:
                if arguments.only != "brush":
                    tell("view", measure_view(page, site, arguments.rounds))
                else:
                    page.open(f"http://{site.host}/?token={site.token}")
                if arguments.only != "view":
                    tell("brush", measure_brush(page, site))
        if arguments.only in (None, "driver"):
            tell("driver", measure_driver(page, folder, arguments.runs, arguments.intervals, arguments.rounds))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"benchmarks": told}), encoding="utf-8")


if __name__ == "__main__":
    main()
