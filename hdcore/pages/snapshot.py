"""A sweep at one moment, as a page of one file holds it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from hdcore.document import list_entry
from hdcore.explain import explain_all
from hdcore.sweep.importance import importance_of
from hdcore.typing import RunStatus
from hdcore.ui import queries

if TYPE_CHECKING:
    from hdcore.store import StoreReader

MOST_POINTS = 400_000
"""Of all curves of a report; 3 MB before compression."""

FEWEST_POINTS, LONGEST_CURVE = 20, 500
"""Of a curve: whatever the number of runs, and however few runs there are."""

MOST_EXPLAINED = 1_000
"""Runs."""


def take_snapshot(
    reader: StoreReader, *, most_points: int = MOST_POINTS, most_explained: int = MOST_EXPLAINED
) -> bytes:
    """Return head, runs, curves, importance, explanations and the page of the best run, packed for `transport.js`."""
    runs = queries.runs(reader)
    head = queries.head(reader)
    name = head["name"]
    points = max(FEWEST_POINTS, min(LONGEST_CURVE, most_points // max(1, len(runs))))
    found = importance_of(reader)
    path = f"api/sweeps/{_part(name)}"
    answers: dict[str, Any] = {
        "api/sweeps": [list_entry(name, reader.folder)],
        f"{path}/importance": {"runs": found.n_runs, "good_runs": found.n_good, "importance": found.shares},
    }
    best = head["best_run"]
    if best is not None:
        answers[f"{path}/runs/{best}"] = {**queries.run_page(reader, best), "files": []}
        answers[f"{path}/runs/{best}/metrics"] = queries.series(reader, best, LONGEST_CURVE)
    explained = _worth_explaining(runs, best, head["goal"])[:most_explained]
    for found_why in explain_all(reader, explained):
        answers[f"{path}/runs/{found_why['number']}/explain"] = {"lines": found_why["lines"]}
    text = msgspec.json.encode({"name": name, "head": head, "runs": runs, "answers": answers})
    text += b" " * (-len(text) % 4)  # the curves behind it are read as arrays of 4 bytes
    packed = len(text).to_bytes(4, "little") + text + queries.curves(reader, points)
    return gzip.compress(packed, 6, mtime=0)


def _worth_explaining(runs: list[dict[str, Any]], best: int | None, goal: str) -> list[int]:
    """Return numbers of runs in the order in which people ask why: the best, those that were ended, all others; the
    better ones first."""
    sign = 1.0 if goal == "minimize" else -1.0

    def key(run: dict[str, Any]) -> tuple[bool, bool, bool, float]:
        was_ended = run["status"] in (RunStatus.CANCELED.value, RunStatus.FAILED.value)
        value = run["value"]
        return run["number"] != best, not was_ended, value is None, sign * (value or 0.0)

    return [run["number"] for run in sorted(runs, key=key)]


def _part(name: str) -> str:
    """Return what JavaScript's encodeURIComponent returns."""
    return quote(name, safe="!'()*-._~")
