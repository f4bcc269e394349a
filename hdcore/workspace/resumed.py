"""The private copy that a run gets of what an earlier run has left, so that it can go on where that one stopped.

::

    runs/0000/
        resumed-from/    copy of the earlier run's outputs/; the command gets ``--resume-from`` with this folder
        checkpoints/     begins as a copy of the earlier run's

Nothing in it leads back into the earlier sweep, which may be deleted: blocks are shared where the file system can do
that, and copied elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from hdcore.workspace.runs import run_folder

RESUMED_NAME = "resumed-from"

_FICLONE = 0x40049409  # ioctl: let a file share the blocks of another one (btrfs, XFS)
_CHUNK = 1 << 24


def resumed_folder(sweep_folder: str | os.PathLike[str], number: int) -> Path:
    """Return the folder that a resumed run reads what the earlier one left from."""
    return run_folder(sweep_folder, number) / RESUMED_NAME


def copy_run(earlier: Path, sweep_folder: Path, number: int) -> None:
    """Copy outputs and checkpoints of an earlier run for a run of a new sweep.

    Parameters
    ----------
    earlier : Path
        Folder of the earlier run, ``…/sweeps/NAME/runs/0012``. What is missing there counts as empty.
    sweep_folder : Path
        Of the new sweep, where that run has no folder yet.
    """
    runs = run_folder(sweep_folder, number).parent
    for folder in (runs, run_folder(sweep_folder, number)):
        if not folder.is_dir():
            _make_folder(folder)
    for source, target in (
        (earlier / "outputs", resumed_folder(sweep_folder, number)),
        (earlier / "checkpoints", run_folder(sweep_folder, number) / "checkpoints"),
    ):
        _make_folder(target)
        if source.is_dir() and not source.is_symlink():
            _Copy(source, target, earlier.parent.parent).all()


class _Copy:
    """One tree on its way.

    Links that stay inside the tree are made anew. Of what links to other places of the earlier sweep its content is
    copied; links out of that sweep, to data for instance, stay links. Links that lead nowhere, FIFOs, sockets and
    devices are left out.
    """

    def __init__(self, source: Path, target: Path, sweep_folder: Path) -> None:
        self._source = os.path.realpath(source)
        self._sweep = os.path.realpath(sweep_folder)
        self._target = os.fspath(target)

    def all(self) -> None:
        self._folder(self._source, "")

    def _folder(self, source: str, path: str) -> None:
        """Copy what is in a folder into one that exists."""
        with os.scandir(source) as entries:
            for entry in entries:
                self._entry(entry.path, os.path.join(path, entry.name))

    def _entry(self, source: str, path: str) -> None:
        target = os.path.join(self._target, path)
        mode = os.lstat(source).st_mode
        if stat.S_ISLNK(mode):
            self._link(os.path.realpath(source), path)
        elif stat.S_ISDIR(mode):
            _make_folder(target)
            self._folder(source, path)
        elif stat.S_ISREG(mode):
            copy_file(source, target)

    def _link(self, goal: str, path: str) -> None:
        target = os.path.join(self._target, path)
        if not os.path.exists(goal):
            return
        if _is_inside(goal, self._source):
            inside = os.path.relpath(goal, self._source)
            os.symlink(os.path.relpath(inside, os.path.dirname(path) or "."), target)
        elif not _is_inside(goal, self._sweep):
            os.symlink(goal, target)
        elif not _is_inside(self._source, goal):  # a folder that holds the tree itself has no end
            self._entry(goal, path)


def copy_file(source: str, target: str) -> None:
    """Copy a regular file, synced, with its times and whether it is executable; readable to the user alone."""
    reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(reader)
        mode = 0o700 if status.st_mode & stat.S_IXUSR else 0o600
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            os.fchmod(writer, mode)
            try:
                fcntl.ioctl(writer, _FICLONE, reader)
            except OSError:
                _copy_bytes(reader, writer)
            os.utime(writer, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(writer)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _copy_bytes(reader: int, writer: int) -> None:
    try:
        while os.copy_file_range(reader, writer, _CHUNK):
            pass
    except OSError:  # not between these file systems, or a full disk: then the next write says so
        pass
    # what is left; all of it where nothing could be copied so, and nothing otherwise
    while data := os.read(reader, 1 << 20):
        while data:
            data = data[os.write(writer, data) :]


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _make_folder(path: str | os.PathLike[str]) -> None:
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)  # the umask may have taken bits away
