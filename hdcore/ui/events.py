"""Server-sent events of a sweep: its head and the runs that changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from hdcore.errors import HdcoreError
from hdcore.store import StoreReader
from hdcore.ui import queries

LOOK_S = 0.5
"""Between two looks at the store."""

_RUNS_PER_SECOND = 5_000
"""A sweep with more runs is read less often, so that looking at it never costs more than a small share of a core."""

_KEEP_ALIVE_S = 15.0

_encode = msgspec.json.Encoder().encode


async def events(folder: Path) -> AsyncIterator[bytes]:
    """Yield the events of one sweep until the client goes away.

    First a ``head`` and a ``runs`` with all runs, then each again when something changed, ``runs`` with the changed
    ones. ``gone`` is the last one, when the sweep cannot be read any more.
    """
    watch = _Watch(folder)
    silent_s = 0.0
    while True:
        try:
            found = await anyio.to_thread.run_sync(watch.changes)
        except HdcoreError as error:
            yield _event("gone", {"error": str(error)})
            return
        for name, document in found:
            yield _event(name, document)
        silent_s = 0.0 if found else silent_s + watch.patience_s
        if silent_s >= _KEEP_ALIVE_S:
            silent_s = 0.0
            yield b": still here\n\n"
        await anyio.sleep(watch.patience_s)


class _Watch:
    """What one client has seen of a sweep."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._head = b""
        self._runs: dict[int, bytes] = {}
        self._mark: tuple[Any, ...] | None = None
        self.patience_s = LOOK_S

    def changes(self) -> list[tuple[str, Any]]:
        with StoreReader.open(self._folder) as reader:
            driver = reader.driver()
            mark = (driver is not None and driver.alive, *reader.marks())
            if mark == self._mark:
                return []
            head, runs = queries.head(reader), queries.runs(reader)
        is_first, self._mark = self._mark is None, mark
        self.patience_s = max(LOOK_S, len(runs) / _RUNS_PER_SECOND)
        found: list[tuple[str, Any]] = []
        encoded = _encode(head)
        if encoded != self._head:
            self._head = encoded
            found.append(("head", head))
        changed = []
        for run in runs:
            encoded = _encode(run)
            if self._runs.get(run["number"]) != encoded:
                self._runs[run["number"]] = encoded
                changed.append(run)
        if changed or is_first:
            found.append(("runs", changed))
        return found


def _event(name: str, document: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _encode(document) + b"\n\n"
