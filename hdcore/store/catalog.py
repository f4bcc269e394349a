"""Where sweeps are: the root, its folders, names that users shorten."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from pathlib import Path

from hdcore.errors import InputError, RefusedError
from hdcore.store.lock import read_driver

DATABASE_NAME = "sweep.db"
SWEEPS_NAME = "sweeps"
NEWEST = "last"
"""What stands for the newest sweep where a name is asked for."""

_ORDER_NAME = ".order"  # names in the order of their making: clocks jump, this does not
_DRAFT = re.compile(r"\.[0-9a-f]{12}\.new")
_DRAFT_S = 60.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


def find_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the root of all sweeps, absolute: the argument, else $HDCORE_ROOT, else ``.hdcore`` here."""
    return Path(root or os.environ.get("HDCORE_ROOT") or ".hdcore").expanduser().absolute()


def sweeps_folder(root: Path) -> Path:
    return root / SWEEPS_NAME


def check_name(name: str) -> None:
    """Raise InputError if `name` cannot name a sweep."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"sweep name {name[:80]!r} is not allowed; use at most 255 letters, digits, '_', '.', '-', "
            "and begin with a letter or digit",
            field="name",
        )


def check_new_name(name: str) -> None:
    """Raise InputError if `name` cannot name a new sweep."""
    check_name(name)
    if name == NEWEST:
        raise InputError(f"sweep name {name!r} means the newest sweep in every command; give another", field="name")


def check_root(root: Path) -> None:
    """Refuse a root, or a folder in it, that belongs to somebody else or that others may write.

    A folder that anybody may write but that protects what is there (sticky, as /tmp is) is taken as a root, not as
    the folder of sweeps. What does not exist is fine.

    Raises
    ------
    RefusedError
    InputError
        If the root is no folder.
    """
    _check_folder(root, may_be_sticky=True)
    _check_folder(sweeps_folder(root), may_be_sticky=False)


def check_sweep_folder(folder: Path) -> None:
    """Refuse a sweep's folder that belongs to somebody else or that others may write."""
    _check_folder(folder, may_be_sticky=False)


def _check_folder(folder: Path, *, may_be_sticky: bool) -> None:
    try:
        found = os.stat(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RefusedError(f"{folder}: {error.strerror}; choose another root with --root") from None
    if not stat.S_ISDIR(found.st_mode):
        raise InputError(f"{folder} is no folder; choose another root with --root", field="root")
    if found.st_uid != os.geteuid():
        raise RefusedError(f"{folder} belongs to user {found.st_uid}, not to you; choose another root with --root")
    if found.st_mode & 0o022 and not (may_be_sticky and found.st_mode & stat.S_ISVTX):
        raise RefusedError(f"{folder} can be written by others; run `chmod go-w {folder}`, or choose another root")


def make_root(root: Path) -> Path:
    """Make root and folder of sweeps, private to the user whatever the umask; return the folder of sweeps."""
    check_root(root)
    folder = sweeps_folder(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    make_private(root, exist_ok=True)
    make_private(folder, exist_ok=True)
    return folder


def make_private(folder: Path, *, exist_ok: bool = False) -> None:
    """Make one folder with mode 0700 whatever the umask."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not exist_ok:
            raise
        return
    folder.chmod(0o700)


def draft_folder(sweeps: Path) -> Path:
    """Return a name for the folder of a sweep that is being made."""
    return sweeps / f".{os.urandom(6).hex()}.new"


def remove_drafts(sweeps: Path) -> None:
    """Remove what processes have left that died while they made a sweep.

    A draft lives for milliseconds and is locked; one that is older, and whose lock is free, is nobody's. What cannot be
    removed stays: it disturbs nobody.
    """
    try:
        with os.scandir(sweeps) as entries:
            drafts = [Path(entry.path) for entry in entries if _DRAFT.fullmatch(entry.name)]
        for draft in drafts:
            if abs(time.time() - draft.stat(follow_symlinks=False).st_mtime) < _DRAFT_S:
                continue
            driver = read_driver(draft)
            if driver is None or not driver.alive:
                shutil.rmtree(draft, ignore_errors=True)
    except OSError:
        pass


def note_order(root: Path, name: str) -> None:
    """Remember that a sweep of this name is made now."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(sweeps_folder(root) / _ORDER_NAME, flags, 0o600)
    try:
        os.fchmod(fd, 0o600)
        os.write(fd, f"{name}\n".encode())
    finally:
        os.close(fd)


def list_sweeps(root: Path) -> list[tuple[str, Path]]:
    """Return names and folders of all sweeps of a root, the newest first; an empty list if there is no root.

    Raises
    ------
    RefusedError
        If the root belongs to somebody else or can be written by others.
    """
    check_root(root)
    folder = sweeps_folder(root)
    try:
        remove_drafts(folder)
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if _NAME.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RefusedError(f"{folder}: {error.strerror}; choose another root with --root") from None
    try:
        order = (folder / _ORDER_NAME).read_bytes().decode(errors="replace").split("\n")
    except OSError:
        order = []
    place = {name: at for at, name in enumerate(order)}  # a name that was used again counts by its last use
    names.sort(key=lambda name: (place.get(name, -1), name), reverse=True)
    return [(name, folder / name) for name in names]


def resolve(root: Path, name: str) -> Path:
    """Return the folder of the sweep that a user means: its name, a unique prefix of it, or ``last``.

    Raises
    ------
    InputError
        If no sweep or several fit; the message says what is near.
    """
    sweeps = list_sweeps(root)
    by_name = dict(sweeps)
    if name in by_name:
        return by_name[name]
    if name == NEWEST and sweeps:
        return sweeps[0][1]
    if not sweeps:
        raise InputError(f"there are no sweeps in {root}; is --root right?", field="name")
    fits = [found for found, _ in sweeps if name and found.startswith(name)]
    if len(fits) == 1:
        return by_name[fits[0]]
    if fits:
        raise InputError(f"{name!r} fits {_listing(fits)}; write more of the name", field="name")
    from difflib import get_close_matches

    near = get_close_matches(name, list(by_name), 3, 0.5) or [found for found, _ in sweeps[:3]]
    raise InputError(f"no sweep is named {name[:80]!r} in {root}; there is {_listing(near)}", field="name")


def _listing(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
