"""Files copied into a run's outputs, which may be where they are already."""

from __future__ import annotations

import os
import shutil


def copy_file(source: str, folder: str) -> None:
    """Copy a file into a folder under its own name, unless it is that very file."""
    os.makedirs(folder, exist_ok=True)
    try:
        shutil.copy2(source, os.path.join(folder, os.path.basename(source)))
    except shutil.SameFileError:
        pass


def copy_folder(source: str, target: str) -> None:
    """Copy the files of a folder into another, which may be the folder itself or lie in it."""
    if not os.path.isdir(source):
        raise NotADirectoryError(f"{source} is no folder; give the folder whose files are to be kept")
    source, target = os.path.realpath(source), os.path.realpath(target)
    os.makedirs(target, exist_ok=True)
    if source == target:
        return
    for place, folders, files in os.walk(source):
        folders[:] = [name for name in folders if os.path.join(place, name) != target]  # else it would never end
        inner = os.path.normpath(os.path.join(target, os.path.relpath(place, source)))
        os.makedirs(inner, exist_ok=True)
        for name in files:
            copy_file(os.path.join(place, name), inner)
