"""The code that a run was started with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hdcore.hyperdrive.exceptions import SnapshotException
from hdcore.hyperdrive.homes import Home
from hdcore.hyperdrive.stored import StoredHome, SweepHome


def restore(home: Home, path: str | os.PathLike[str] | None) -> str:
    """Copy the snapshot of a run's code into a folder; return its path.

    Raises
    ------
    SnapshotException
        If the run has none, or the folder exists.
    """
    sweep = home.sweep if isinstance(home, StoredHome) else home
    if not isinstance(sweep, SweepHome) or not (sweep.sweep_folder / "code").is_dir():
        raise SnapshotException(f"run {home.id} has no snapshot of code; only submitted runs have one")
    target = Path(path or f"snapshot_{home.id}")
    try:
        shutil.copytree(sweep.sweep_folder / "code", target, symlinks=True)
    except FileExistsError:
        raise SnapshotException(f"{target} exists; give another path") from None
    return os.fspath(target)
