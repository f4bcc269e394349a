"""Leases of devices and CPUs between all sweeps of one user, kept by the kernel.

Each device has a file of `UNITS` imaginary bytes in a folder of the user; whoever uses a share of the device holds a
lock on as many bytes. A whole device is the whole range, so it excludes every share, and shares of different sizes
fit together without any bookkeeping. The locks belong to the open file (OFD locks): they are freed when it is closed,
and so at any death of the process; nothing is stored and nothing can be stale.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from pathlib import Path

from hdcore.errors import ExecutorError

UNITS = 5040
"""Divisible by 1 to 10: 1/3 and 1/7 of a device are whole numbers of units."""

_FLOCK = struct.Struct("@hhqqi4x")  # struct flock: type, whence, start, length, pid


def lease_folder() -> Path:
    """Return the folder of this user's leases, made if need be.

    Raises
    ------
    ExecutorError
        If the place is taken by something that others could write to.
    """
    uid = os.geteuid()
    base = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    folder = Path(base, "hdcore") if os.path.isdir(base) else Path("/tmp", f"hdcore-{uid}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError as error:
        raise ExecutorError(f"no folder for device leases: {error}") from error
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != uid or state.st_mode & 0o022:
        raise ExecutorError(
            f"{folder} is not a folder that only you can write to; remove it, device leases are kept there"
        )
    return folder


def open_lock(path: Path) -> int:
    """Open a lock file, made if need be; return its descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def try_lock(fd: int, start: int, length: int) -> bool:
    """Lock a range of the open file; False: another open file has some of it."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0))
    except BlockingIOError:
        return False
    return True


class ShareFile:
    """The lease file of one device."""

    def __init__(self, folder: Path, uuid: str) -> None:
        self._path = folder / f"gpu-{uuid.replace('/', '_')}"
        self._probe = open_lock(self._path)  # never holds a lock itself, so it sees those of this process too

    def is_free(self, start: int, units: int) -> bool:
        return self._first_lock(start, units) is None

    def free_starts(self, units: int) -> list[int]:
        """Return where shares of this size could begin, without overlap."""
        return [start for start in range(0, UNITS - units + 1, units) if self.is_free(start, units)]

    def used(self) -> float:
        """Return the leased share of the device, of all sweeps of this user."""
        at, used = 0, 0
        while at < UNITS and (lock := self._first_lock(at, UNITS - at)) is not None:
            start, length = lock
            end = UNITS if length == 0 else min(UNITS, start + length)
            used += end - max(at, start)
            at = end
        return used / UNITS

    def take(self, start: int, units: int) -> int | None:
        """Lease a range; return the descriptor that holds it, None if another was faster."""
        fd = open_lock(self._path)
        if try_lock(fd, start, units):
            return fd
        os.close(fd)
        return None

    def _first_lock(self, start: int, units: int) -> tuple[int, int] | None:
        query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, units, 0)
        kind, _, at, length, _ = _FLOCK.unpack(fcntl.fcntl(self._probe, fcntl.F_OFD_GETLK, query))
        return None if kind == fcntl.F_UNLCK else (at, length)

    def close(self) -> None:
        if self._probe >= 0:
            os.close(self._probe)
            self._probe = -1
