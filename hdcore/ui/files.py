"""Files of a run: what there is by listing, never by a path that a request gives."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

MOST_FILES = 10_000
LARGEST_PART = 1 << 20
"""Bytes of a file in one answer; longer ones are read in parts."""

_LOGS = ("stdout.log", "stderr.log", "configuration.json")
_FOLDERS = ("outputs", "checkpoints")


def listing(run_folder: Path) -> dict[str, int]:
    """Return name -> bytes: the logs, and what the run left in its outputs and checkpoints.

    Links are left out, and names that are no UTF-8, which neither JSON nor an address can hold.
    """
    found: dict[str, int] = {}
    for name in _LOGS:
        size = _size(run_folder / name)
        if size is not None:
            found[name] = size
    for folder in _FOLDERS:
        for path in _walk(run_folder / folder):
            if len(found) >= MOST_FILES:
                return found
            name, size = path.relative_to(run_folder).as_posix(), _size(path)
            if size is not None and _is_text(name):
                found[name] = size
    return found


def read_part(run_folder: Path, name: str, offset: int, most: int) -> tuple[bytes, int] | None:
    """Return part of a listed file and its present size; None if `name` is not in the listing."""
    if name not in listing(run_folder):
        return None
    descriptor = _open_below(run_folder, name.split("/"))
    if descriptor is None:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        return os.pread(descriptor, min(most, LARGEST_PART), offset), status.st_size
    finally:
        os.close(descriptor)


def _open_below(folder: Path, parts: list[str]) -> int | None:
    """Open a file step by step, so that a link that takes the place of a folder in this moment leads nowhere."""
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    for i, part in enumerate(parts):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        if i < len(parts) - 1:
            flags |= os.O_DIRECTORY
        try:
            below = os.open(part, flags, dir_fd=at)
        except OSError:
            return None
        finally:
            os.close(at)
        at = below
    return at


def _walk(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _size(path: Path) -> int | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
