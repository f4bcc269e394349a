"""What the store asks of the file system: local, some room, and a reserve for the last words."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from hdcore.errors import RefusedError, StoreError

MIN_FREE_BYTES = 1 << 20
BALLAST_BYTES = 256 << 10
BALLAST_NAME = "ballast"
ALLOW_NETWORK = "HDCORE_ALLOW_NETWORK_FS"

# Where SQLite's locks or the shared memory of its WAL cannot be relied on.
_NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "9p", "ceph", "lustre"),
        *("gpfs", "beegfs", "orangefs", "ocfs2", "gfs2", "glusterfs", "davfs", "fuse.sshfs", "fuse.glusterfs"),
        *("fuse.ceph", "fuse.cephfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.davfs2", "fuse.juicefs"),
        *("fuse.goofys", "fuse.blobfuse", "fuse.blobfuse2", "fuse.hdfs"),
    }
)
_MOUNTS = "/proc/self/mountinfo"


def file_system_of(folder: Path, mounts: str = _MOUNTS) -> str:
    """Return the type of the file system that holds `folder` (``ext4``, ``nfs4``); empty if it cannot be known."""
    path = os.path.realpath(folder)
    longest, kind = -1, ""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.readlines()
    except OSError:
        return ""
    for line in lines:
        before, found, after = line.partition(" - ")
        fields = before.split(" ")
        if not found or len(fields) < 5:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        holds = point == "/" or path == point or path.startswith(point + "/")
        if holds and len(point) >= longest:  # of two mounts on one point the later hides the earlier
            longest, kind = len(point), after.split(" ")[0]
    return kind


def is_network(folder: Path) -> bool:
    """True if `folder` is on a network file system and the user insists on it.

    Raises
    ------
    RefusedError
        If it is on one and the user does not insist.
    """
    kind = file_system_of(folder)
    if kind not in _NETWORK:
        return False
    if os.environ.get(ALLOW_NETWORK) == "1":
        return True
    raise RefusedError(
        f"{folder} is on a network file system ({kind}), where a store can be damaged; choose a local root with "
        f"--root, or set {ALLOW_NETWORK}=1"
    )


def check_room(folder: Path) -> None:
    """Raise StoreError if there is hardly any room left where `folder` is, or will be."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    if free < MIN_FREE_BYTES:
        raise StoreError(
            f"{place} has {free >> 10} KiB left, at least {MIN_FREE_BYTES >> 10} KiB are needed; make room"
        )


def make_ballast(folder: Path) -> None:
    """Take room that can be given back when the disk is full.

    Raises
    ------
    OSError
        If there is no room for it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(folder / BALLAST_NAME, flags, 0o600)
    try:
        os.fchmod(fd, 0o600)
        if os.fstat(fd).st_blocks * 512 < BALLAST_BYTES:
            try:
                os.posix_fallocate(fd, 0, BALLAST_BYTES)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                    raise
                os.pwrite(fd, os.urandom(BALLAST_BYTES), 0)
    finally:
        os.close(fd)


def drop_ballast(folder: Path) -> bool:
    """Give the room back; False if there was none to give."""
    try:
        os.unlink(folder / BALLAST_NAME)
    except OSError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
