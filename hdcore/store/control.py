"""Wishes from other processes to the driver of a sweep: one JSON line each, appended to a file."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from hdcore.store.records import CancelRequest

CONTROL_NAME = "control.jsonl"

_MOST_BYTES = 1 << 20  # read at a time; a wish has some 40 bytes


def request_cancel(folder: Path, run: int | None = None) -> None:
    """Ask the driver of a sweep to cancel a run, or the whole sweep.

    Whether a driver lives is the caller's question (`StoreReader.driver`): nobody else reads the file, and the next
    driver starts with an empty one.
    """
    line = json.dumps({"cancel": "sweep" if run is None else run, "at": round(time.time(), 3)}) + "\n"
    fd = os.open(folder / CONTROL_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(fd, 0o600)
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def forget_requests(folder: Path) -> None:
    """Empty the file: wishes to an earlier driver. For a driver that has just taken the lock."""
    try:
        os.truncate(folder / CONTROL_NAME, 0)
    except FileNotFoundError:
        pass


class ControlReader:
    """The driver's side: hands out each request once, in order. Cheap enough to be asked in each turn of the loop."""

    def __init__(self, folder: Path) -> None:
        self._path = os.fspath(folder / CONTROL_NAME)
        self._fd = -1
        self._offset = 0

    def poll(self) -> list[CancelRequest]:
        """Return the requests that have come since the last call; lines that are none are passed over."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                return []
        data = os.pread(self._fd, _MOST_BYTES, self._offset)
        end = data.rfind(b"\n") + 1
        if not end:
            return []
        self._offset += end
        return [request for line in data[:end].splitlines() if (request := _read(line)) is not None]

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _read(line: bytes) -> CancelRequest | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    wish = fields.get("cancel") if isinstance(fields, dict) else None
    if wish == "sweep":
        return CancelRequest(None)
    return CancelRequest(wish) if type(wish) is int and wish >= 0 else None
