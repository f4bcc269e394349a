"""One driver a sweep: a lock that the kernel frees at any death of its holder.

The text in the lock file (pid, host, since) is for messages only. Nothing is ever decided by it, and no process that
it names is ever signalled: the number may belong to somebody else by now.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

from hdcore.errors import RefusedError
from hdcore.store.records import DriverInfo

LOCK_NAME = "driver.lock"

_WAIT_S = 0.3  # somebody who only asks whether a driver lives holds the lock for microseconds
_held: set[int] = set()


class DriverLock:
    """The exclusive lock of a sweep's folder, held until `release` or the end of the process."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        _held.add(fd)

    @classmethod
    def acquire(cls, folder: Path) -> DriverLock:
        """Take the lock.

        Raises
        ------
        RefusedError
            If a living driver holds it; the message names it.
        """
        path = folder / LOCK_NAME
        give_up = time.monotonic() + _WAIT_S
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_same(fd, path):
                    break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    text = _read_text(fd)
                    os.close(fd)
                    raise RefusedError(
                        f"sweep {folder.name!r} is driven by {_who(text)}; wait for it, or end it with "
                        f"`hdcore cancel {folder.name}`"
                    ) from None
            os.close(fd)
            time.sleep(0.01)
        os.fchmod(fd, 0o600)
        _write_text(fd)
        return cls(fd)

    def release(self) -> None:
        """Free the lock. Idempotent."""
        if self._fd in _held:
            _held.discard(self._fd)
            os.close(self._fd)
        self._fd = -1


def read_driver(folder: Path) -> DriverInfo | None:
    """Return who holds or last held the lock; None if the sweep never had a driver."""
    try:
        fd = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            is_alive = False
        except BlockingIOError:
            is_alive = True
        text = _read_text(fd)
    finally:
        os.close(fd)
    return DriverInfo(text.pid, text.host, text.since, is_alive)


def _is_same(fd: int, path: Path) -> bool:
    """False if the file was replaced or removed between opening and locking."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _write_text(fd: int) -> None:
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}) + "\n"
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, text.encode(), 0)
    except OSError:
        pass  # a full disk: the lock holds without its text


def _read_text(fd: int) -> DriverInfo:
    """Read what the lock file says, whatever that is."""
    found: object = None
    try:
        found = json.loads(os.pread(fd, 4096, 0))
    except (OSError, ValueError, RecursionError):
        pass
    fields = found if isinstance(found, dict) else {}
    pid, host, since = fields.get("pid"), fields.get("host"), fields.get("since")
    return DriverInfo(
        pid if type(pid) is int else None,
        _printable(host),
        _printable(since),
        True,
    )


def _printable(text: object) -> str | None:
    return text[:80] if isinstance(text, str) and text.isprintable() else None


def _who(text: DriverInfo) -> str:
    words = ["another driver" if text.pid is None else f"pid {text.pid}"]
    if text.host:
        words.append(f"on {text.host}")
    if text.since:
        words.append(f"since {text.since}")
    return " ".join(words)


def _forget_in_child() -> None:
    """A fork shares the lock; without this a child that outlives its driver would keep the sweep locked."""
    for fd in _held:
        try:
            os.close(fd)
        except OSError:
            pass
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
