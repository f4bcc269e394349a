"""Leases of devices and CPUs between all sweeps of one user, kept by the kernel.

Each device has a file of `UNITS` imaginary bytes in a folder of the user; whoever uses a share of the device holds
locks on as many bytes, wherever they are free. A whole device is the whole range, so it excludes every share, and
shares of different sizes fit together without any bookkeeping. The locks belong to the open file (OFD locks): they
are freed when it is closed, and so at any death of the process; nothing is stored and nothing can be stale.

The file's text says who holds what, for `hdcore devices`; it is read only where a lock stands.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import time
from pathlib import Path

from hdcore.errors import ExecutorError

UNITS = 5040
"""Divisible by 1 to 10: 1/3 and 1/7 of a device are whole numbers of units."""

FOLDER_VARIABLE = "HDCORE_LEASE_DIR"
"""Another folder for the leases; all sweeps that share devices need the same one."""

_FLOCK = struct.Struct("@hhqqi4x")  # struct flock: type, whence, start, length, pid
_LABEL_BYTES = 96
_TURN = UNITS  # the byte behind the range: held while somebody picks free units, so that two do not pick the same
_MOST_WAITS = 50


def lease_folder() -> Path:
    """Return the folder of this user's leases on this machine, made if need be.

    Not in XDG_RUNTIME_DIR: that is removed at logout, while a sweep under ``nohup`` goes on, and a sweep that is
    started after the next login would find all devices free.

    Raises
    ------
    ExecutorError
        If the place is taken by something that others could write to.
    """
    return make_private(Path(os.environ.get(FOLDER_VARIABLE) or f"/tmp/hdcore-{os.geteuid()}"))


def make_private(folder: Path) -> Path:
    """Make a folder that only this user can write to, or refuse what stands in its place."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError as error:
        raise ExecutorError(f"no folder for device leases: {error}") from error
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
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


def unlock(fd: int, start: int, length: int) -> None:
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, start, length, 0))


class Share:
    """Units of one device that are held through an open file; `close` gives them back. Idempotent.

    Attributes
    ----------
    fd : int
        Whoever inherits it holds the lease too.
    """

    def __init__(self, file: ShareFile, fd: int, label: str) -> None:
        self.fd = fd
        self._file = file
        self._label = label
        self._pieces: list[tuple[int, int]] = []  # start, length

    @property
    def units(self) -> int:
        return sum(length for _, length in self._pieces)

    def resize(self, units: int) -> None:
        """Hold so many units: fewer at once, more as far as there are free ones."""
        if units > self.units:
            self._file.lock_more(self, units - self.units)
        while (surplus := self.units - max(units, 1)) > 0:
            start, length = self._pieces.pop()
            kept = max(0, length - surplus)
            unlock(self.fd, start + kept, length - kept)
            if kept:
                self._pieces.append((start, kept))

    def add(self, start: int, length: int) -> None:
        """Note a piece that was locked, and write who holds it."""
        self._pieces.append((start, length))
        try:
            os.pwrite(self.fd, self._label.encode()[:_LABEL_BYTES].ljust(_LABEL_BYTES, b"\0"), start * _LABEL_BYTES)
        except OSError:  # a full disk: the lock is what counts
            pass

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class ShareFile:
    """The lease file of one device."""

    def __init__(self, folder: Path, uuid: str) -> None:
        self._path = folder / f"gpu-{uuid.replace('/', '_')}"
        # Never hold a lock themselves, so they see those of this process too. The last one is the file of this name.
        self._probes = [open_lock(self._path)]

    def free_units(self) -> int:
        return UNITS - sum(length for _, length in self._locked())

    def used(self) -> float:
        """Return the leased share of the device, of all sweeps of this user."""
        return 1.0 - self.free_units() / UNITS

    def holders(self) -> list[tuple[str, float]]:
        """Return who holds which share, as they call themselves."""
        shares: dict[str, float] = {}
        for probe in self._files():
            for start, length in _locked(probe):
                text = os.pread(probe, _LABEL_BYTES, start * _LABEL_BYTES).rstrip(b"\0").decode(errors="replace")
                shares[text] = shares.get(text, 0.0) + length / UNITS
        return list(shares.items())

    def take(self, units: int, label: str = "") -> Share | None:
        """Lock so many units, all or none; None if there are too few, or another was faster."""
        self._files()
        share = Share(self, open_lock(self._path), label)
        self.lock_more(share, units)
        if share.units == units:
            return share
        share.close()
        return None

    def lock_more(self, share: Share, units: int) -> None:
        """Lock up to `units` free units for a share that exists."""
        for _ in range(_MOST_WAITS):
            if try_lock(share.fd, _TURN, 1):
                break
            time.sleep(0.001)  # another one picks, which takes microseconds unless it was stopped in the middle
        else:
            return
        try:
            at = 0
            for start, length in [*self._locked(), (UNITS, 0)]:
                room = min(start - at, units)
                if room > 0 and try_lock(share.fd, at, room):
                    share.add(at, room)
                    units -= room
                at = start + length
        finally:
            unlock(share.fd, _TURN, 1)

    def _locked(self) -> list[tuple[int, int]]:
        """Return the ranges that are locked in any of the files, ascending and apart from each other."""
        found: list[tuple[int, int]] = []
        for start, length in sorted(piece for probe in self._files() for piece in _locked(probe)):
            if found and start < sum(found[-1]):
                length = max(start + length, sum(found[-1])) - found[-1][0]
                found[-1] = (found[-1][0], length)
            else:
                found.append((start, length))
        return found

    def _files(self) -> list[int]:
        """Return the descriptors to ask.

        Who tidies up /tmp may remove the file; it is made anew then, and what is held through the old one still counts
        for this process.
        """
        try:
            is_same = os.path.samestat(os.stat(self._path), os.fstat(self._probes[-1]))
        except OSError:
            is_same = False
        if not is_same:
            make_private(self._path.parent)
            self._probes.append(open_lock(self._path))
        for probe in self._probes[:-1]:
            if not _locked(probe):
                os.close(probe)
                self._probes.remove(probe)
        return self._probes

    def close(self) -> None:
        for probe in self._probes:
            os.close(probe)
        self._probes = []


def _locked(probe: int) -> list[tuple[int, int]]:
    """Locked ranges, ascending. The kernel answers with any lock in a range, so the rest is asked on both sides."""
    found: list[tuple[int, int]] = []
    asked = [(0, UNITS)]
    while asked:
        start, end = asked.pop()
        query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0)
        kind, _, first, length, _ = _FLOCK.unpack(fcntl.fcntl(probe, fcntl.F_OFD_GETLK, query))
        if kind == fcntl.F_UNLCK:
            continue
        last = end if length == 0 else min(first + length, end)
        first = max(first, start)
        found.append((first, last - first))
        asked += [piece for piece in ((start, first), (last, end)) if piece[0] < piece[1]]
    return sorted(found)
