"""A sweep at one moment, as a page of one file holds it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from hdcore.document import list_entry
from hdcore.sweep.importance import importance_of
from hdcore.ui import queries

if TYPE_CHECKING:
    from hdcore.store import StoreReader

MOST_POINTS = 400_000
"""Of all curves of a report; 3 MB before compression."""

FEWEST_POINTS, LONGEST_CURVE = 20, 500
"""Of a curve: whatever the number of runs, and however few runs there are."""


def take_snapshot(reader: StoreReader, *, most_points: int = MOST_POINTS) -> bytes:
    """Return head, runs, curves, importance and the page of the best run, packed for `transport.js`."""
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
    text = msgspec.json.encode({"name": name, "head": head, "runs": runs, "answers": answers})
    text += b" " * (-len(text) % 4)  # the curves behind it are read as arrays of 4 bytes
    packed = len(text).to_bytes(4, "little") + text + queries.curves(reader, points)
    return gzip.compress(packed, 6, mtime=0)


def _part(name: str) -> str:
    """Return what JavaScript's encodeURIComponent returns."""
    return quote(name, safe="!'()*-._~")
