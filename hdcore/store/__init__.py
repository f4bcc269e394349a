"""The store: one SQLite file a sweep, written by its driver, read by everybody.

The folder of a sweep is ``ROOT/sweeps/NAME``: ``sweep.db``, ``driver.lock``, ``control.jsonl`` (wishes to the driver),
``ballast`` (room for the last words on a full disk) and ``runs/``.
"""

from __future__ import annotations

from hdcore.store.catalog import find_root, list_sweeps, resolve
from hdcore.store.control import ControlReader, request_cancel
from hdcore.store.reader import StoreReader
from hdcore.store.records import (
    CancelRequest,
    DriverInfo,
    Flag,
    MetricSummary,
    Note,
    PastAttempt,
    Point,
    StoredRun,
    StoredSweep,
)
from hdcore.store.sqlite import Store, run_folder
from hdcore.store.wire import is_incomplete, parse_lines

__all__ = [
    "CancelRequest",
    "ControlReader",
    "DriverInfo",
    "Flag",
    "MetricSummary",
    "Note",
    "PastAttempt",
    "Point",
    "Store",
    "StoreReader",
    "StoredRun",
    "StoredSweep",
    "find_root",
    "is_incomplete",
    "list_sweeps",
    "parse_lines",
    "request_cancel",
    "resolve",
    "run_folder",
]
