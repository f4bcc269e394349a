"""What the portal reads from a store, as plain data."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hdcore.document import (
    best_run,
    display_time,
    is_driven,
    list_entry,
    run_entry,
    so_far,
    sweep_head,
    sweep_origin,
)
from hdcore.errors import InputError
from hdcore.store import StoreReader, list_sweeps, run_folder
from hdcore.store.thin import extremes
from hdcore.ui.files import listing

MOST_POINTS = 2_000
"""Points of one metric of one run in an answer, unless a request wants fewer."""


def folder_of(root: Path, name: str) -> Path:
    """Return the folder of the sweep with exactly this name.

    Raises
    ------
    InputError
        If there is none.
    """
    folder = dict(list_sweeps(root)).get(name)
    if folder is None:
        raise InputError(f"no sweep is named {name[:80]!r}", field="name")
    return folder


def sweeps(root: Path) -> list[dict[str, Any]]:
    """Return all sweeps, the newest first."""
    return [list_entry(name, folder) for name, folder in list_sweeps(root)]


def head(reader: StoreReader) -> dict[str, Any]:
    """Return a sweep without its runs."""
    with reader.snapshot():
        sweep = reader.sweep()
        best, origin = best_run(reader, sweep), sweep_origin(reader, sweep)
    document = sweep_head(sweep, driven=is_driven(reader))
    document["counts"] = {status.value: count for status, count in sweep.counts.items()}
    document["started"] = display_time(sweep.started)
    document["best_run"] = None if best is None else best.number
    document["best_value"] = None if best is None else best.value
    document["space"] = sweep.spec.space
    document.update(origin)
    return document


def runs(reader: StoreReader) -> list[dict[str, Any]]:
    """Return all runs without their series; of those in flight the best value so far and the number of reports."""
    with reader.snapshot():
        sweep, stored = reader.sweep(), reader.runs()
    driven = is_driven(reader)
    entries = []
    for run in stored:
        entry = run_entry(so_far(run, sweep.spec.goal), sweep.sweep_id, driven=driven)
        entry["intervals"] = 0 if run.primary is None else run.primary.count
        entry["last"] = None if run.primary is None else run.primary.last
        entries.append(entry)
    return entries


def run_page(reader: StoreReader, number: int) -> dict[str, Any]:
    """Return one run: all that is known but for the series and the contents of its files."""
    with reader.snapshot():
        sweep, run = reader.sweep(), reader.run(number)
        summaries, notes = reader.summaries(number), reader.notes(number)
    entry = run_entry(so_far(run, sweep.spec.goal), sweep.sweep_id, driven=is_driven(reader))
    entry["exit_code"], entry["signal"] = run.exit_code, run.signal
    entry["metrics"] = {
        found.name: {"count": found.count, "last": found.last, "lowest": found.lowest, "highest": found.highest}
        for found in summaries
    }
    entry["notes"] = {name: [[step, text] for _, step, text in found] for name, found in notes.items()}
    folder = run_folder(reader.folder, number)
    entry["files"] = [{"name": name, "bytes": size} for name, size in listing(folder).items()]
    return entry


def curves(reader: StoreReader, most: int, numbers: Sequence[int] | None = None) -> bytes:
    """Return the curves of the primary metric of all runs, or of some, packed for a browser's typed arrays.

    Little-endian: the number of runs (int32), number and length of each (int32 pairs), all intervals, all values
    (float32; NaN: not finite). A longer curve is thinned: lowest and highest of each of equal pieces.
    """
    found = reader.curves(living=True, of=numbers)
    heads, xs, ys = array("i", [len(found)]), array("f"), array("f")
    counted = array("f", range(1, 1 + min(most, max(map(len, found.values()), default=0))))
    for number, values in found.items():
        if len(values) <= most:
            xs.extend(counted[: len(values)])
            ys.extend(array("f", values))
            heads.extend((number, len(values)))
        else:
            ends = {1, len(values)} | extremes(values, -(-len(values) // max(1, (most - 2) // 2)))
            kept = sorted(ends)
            xs.extend(kept)
            ys.extend(values[interval - 1] for interval in kept)
            heads.extend((number, len(kept)))
    return heads.tobytes() + xs.tobytes() + ys.tobytes()


def series(reader: StoreReader, number: int, most: int = MOST_POINTS) -> dict[str, list[list[Any]]]:
    """Return name -> [[interval, step or null, value or null], …]."""
    reader.run(number)
    found = reader.series(number, most=most)
    return {name: [[interval, step, value] for interval, step, value, _ in points] for name, points in found.items()}
