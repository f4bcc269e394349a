"""The code of a sweep, copied once, so that editing a script while the sweep runs changes nothing.

What is small and source-like is copied; what is large, ignored or a tool's is linked to where it is. The copy is
planned first and never holds more than `MOST_FILES` files or `MOST_BYTES` bytes: a folder that would not fit becomes a
link, the heaviest one first.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from hdcore.errors import InputError, StoreError
from hdcore.records import SweepSpec
from hdcore.workspace.ignore import IgnoreRules

MOST_FILES = 1_000
MOST_BYTES = 50 << 20
MOST_BYTES_A_FILE = 20 << 20
MOST_LEVELS = 40
MOST_ENTRIES = 100_000  # looked at in all; folders beyond are linked unseen

_LEFT_OUT = frozenset((".git", ".hg", ".svn", "__pycache__", ".hdcore", ".ipynb_checkpoints"))
_LINKED = frozenset(("node_modules", ".venv", ".tox", ".nox", ".conda"))
_SOURCE = frozenset((".py", ".sh", ".r", ".jl", ".json", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".txt", ".md"))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `snapshot_code` made.

    Attributes
    ----------
    folder : Path
        The snapshot, ``code`` in the sweep's folder.
    files, size_bytes : int
        What was copied; 0 when the snapshot was there before.
    linked : tuple of str
        Paths, relative to the code folder, that are links to the original and follow its changes.
    """

    folder: Path
    files: int = 0
    size_bytes: int = 0
    linked: tuple[str, ...] = ()


def snapshot_code(spec: SweepSpec, sweep_folder: str | os.PathLike[str]) -> Snapshot:
    """Copy the code of a sweep into its folder; nothing happens if that was done before.

    Only names in `sweep_folder` are made or removed. Folders are 0700 and files 0600 (0700 if the owner may execute
    them), whatever the umask.

    Raises
    ------
    InputError
        Field ``trial.code``: the folder is not there.
    StoreError
        The disk is full or fails.
    """
    target = Path(sweep_folder, "code")
    if target.is_dir():
        return Snapshot(target)
    partial = Path(sweep_folder, "code.partial")
    try:
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial)  # left by a driver that was killed; links in it are not followed
        if spec.code is None:
            _make_folder(partial)
            os.rename(partial, target)
            return Snapshot(target)
        if not os.path.isdir(spec.code):
            raise InputError(
                f"{spec.code} is not a folder on this machine; give the folder of the script", field="trial.code"
            )
        root = os.path.realpath(spec.code)
        plan = _Planner(root, Path(sweep_folder)).plan()
        linked: list[str] = []
        _write(plan, str(partial), root, plan, linked)
        os.rename(partial, target)
    except OSError as error:
        raise StoreError(f"{sweep_folder}: the code cannot be copied ({error.strerror}); free some space") from error
    return Snapshot(target, plan.count, plan.size_bytes, tuple(sorted(linked)))


@dataclass(slots=True)
class _Folder:
    """A folder that is to be copied: what becomes of each of its entries."""

    path: str  # relative to the code folder, "" for itself
    files: dict[str, int] = field(default_factory=dict)  # name -> bytes
    folders: dict[str, _Folder] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)  # linked to the original
    symlinks: set[str] = field(default_factory=set)  # links of the user
    count: int = 0
    size_bytes: int = 0

    def sum_up(self) -> None:
        inner = self.folders.values()
        self.count = len(self.files) + len(self.links) + len(self.symlinks) + sum(f.count for f in inner)
        self.size_bytes = sum(self.files.values()) + sum(f.size_bytes for f in inner)

    @property
    def weight(self) -> float:
        return max(self.count / MOST_FILES, self.size_bytes / MOST_BYTES)

    @property
    def fits(self) -> bool:
        return self.count <= MOST_FILES and self.size_bytes <= MOST_BYTES

    def holds(self, path: str) -> bool:
        """Return whether a path, relative to this folder, will be there in the copy, perhaps through a link."""
        first, _, rest = path.partition("/")
        if first in self.folders:
            return not rest or self.folders[first].holds(rest)
        return first in self.links or first in self.files or first in self.symlinks


class _Planner:
    """Decides what becomes of each entry of a code folder. Nothing is written."""

    def __init__(self, root: str, sweep_folder: Path) -> None:
        self._root = root
        self._rules = IgnoreRules.of_folder(root)
        self._entries = 0
        # the root of all sweeps, unless that is the code folder itself: then what hdcore keeps in it
        self._own = {_identity(sweep_folder.parent), _identity(sweep_folder.parent.parent)} - {_identity(root)}

    def plan(self) -> _Folder:
        folder = self._folder("", 1)
        assert folder is not None, "the top is always copied"
        return folder

    def _folder(self, path: str, level: int) -> _Folder | None:
        """Plan one folder; None if it is to be linked as a whole."""
        found = _Folder(path)
        is_top = not path
        inner: list[str] = []
        try:
            with os.scandir(os.path.join(self._root, path)) as entries:
                for entry in entries:
                    self._entries += 1
                    if self._look_at(entry, found, is_top):
                        inner.append(entry.name)
                    if not is_top and (len(found.files) > MOST_FILES or self._entries > MOST_ENTRIES):
                        return None
        except OSError:
            if is_top:
                raise
            return None  # not ours to read: whoever may follow the link can
        for name in sorted(inner):
            relative = f"{path}/{name}" if path else name
            folder = self._folder(relative, level + 1) if level < MOST_LEVELS else None
            if folder is None:
                found.links.add(name)
            else:
                found.folders[name] = folder
        found.sum_up()
        while not found.fits and found.folders:
            heaviest = max(found.folders, key=lambda name: found.folders[name].weight)
            del found.folders[heaviest]
            found.links.add(heaviest)
            found.sum_up()
        if not found.fits:
            if not is_top:
                return None
            self._thin_out(found)
        return found

    def _look_at(self, entry: os.DirEntry[str], found: _Folder, is_top: bool) -> bool:
        """Sort one entry in; return whether it is a folder to look into."""
        name = entry.name
        relative = f"{found.path}/{name}" if found.path else name
        if name in _LEFT_OUT or (is_top and name == "outputs"):  # each run has outputs of its own
            return False
        try:
            if entry.is_symlink():
                found.symlinks.add(name)
                return False
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return False
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder:
            if (status.st_dev, status.st_ino) in self._own or _is_store_root(entry.path):
                return False
        elif not stat.S_ISREG(status.st_mode):
            return False  # FIFOs, sockets and devices are no code
        if name in _LINKED or self._rules.ignore(relative, is_folder=is_folder):
            found.links.add(name)
        elif is_folder:
            if not _is_virtual_environment(entry.path):
                return True
            found.links.add(name)
        elif status.st_size > MOST_BYTES_A_FILE or not os.access(entry.path, os.R_OK):
            found.links.add(name)
        else:
            found.files[name] = status.st_size
        return False

    @staticmethod
    def _thin_out(top: _Folder) -> None:
        """Link loose files of the top folder until the rest fits: large ones first, source files last."""
        order = sorted(top.files, key=lambda name: (os.path.splitext(name)[1].lower() in _SOURCE, -top.files[name]))
        files, size = len(top.files), top.size_bytes
        for name in order:
            if files <= MOST_FILES and size <= MOST_BYTES:
                break
            files, size = files - 1, size - top.files[name]
            del top.files[name]
            top.links.add(name)
        top.sum_up()


def _write(folder: _Folder, target: str, root: str, top: _Folder, linked: list[str]) -> None:
    """Make the planned copy of one folder."""
    _make_folder(target)
    source = os.path.join(root, folder.path)
    for name in folder.files:
        _copy(os.path.join(source, name), os.path.join(target, name))
    for name in folder.links:
        os.symlink(os.path.join(source, name), os.path.join(target, name))
        linked.append(os.path.join(folder.path, name))
    for name in folder.symlinks:
        goal = os.path.realpath(os.path.join(source, name))
        inside = os.path.relpath(goal, root)
        if inside == "." or (not inside.startswith("../") and inside != ".." and top.holds(inside)):
            goal = os.path.relpath(inside, folder.path or ".")
        os.symlink(goal, os.path.join(target, name))
    for name, inner in folder.folders.items():
        _write(inner, os.path.join(target, name), root, top, linked)


def _copy(source: str, target: str) -> None:
    """Copy a file as it is now; one that grows meanwhile is cut at the size it had, one that has gone is left out."""
    try:
        reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        status = os.fstat(reader)
        if not stat.S_ISREG(status.st_mode):
            return
        mode = 0o700 if status.st_mode & stat.S_IXUSR else 0o600
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            os.fchmod(writer, mode)
            left = min(status.st_size, MOST_BYTES_A_FILE)
            while left > 0 and (data := os.read(reader, min(left, 1 << 20))):
                left -= len(data)
                while data:
                    data = data[os.write(writer, data) :]
            os.utime(writer, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(writer)  # a resume after a power cut must not run empty scripts
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _make_folder(path: str | os.PathLike[str]) -> None:
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)  # the umask may have taken bits away


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_virtual_environment(path: str) -> bool:
    return os.path.exists(os.path.join(path, "pyvenv.cfg")) or os.path.isdir(os.path.join(path, "conda-meta"))


def _is_store_root(path: str) -> bool:
    """Return whether a folder keeps sweeps: another root of hdcore under the code."""
    try:
        with os.scandir(os.path.join(path, "sweeps")) as sweeps:
            return any(os.path.exists(os.path.join(sweep.path, "sweep.db")) for sweep in sweeps)
    except OSError:
        return False
