"""Registered models of a root: ``ROOT/azure/models/NAME/VERSION/model.json``, and the files beside it.

One shelf for all who register: both versions of Azure's SDK, and MLflow in scripts and in programs. Standard library
only, since training scripts put models here too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ABOUT = "model.json"
_FILES = "files"


class ShelvedModel:
    """One version of a model.

    Attributes
    ----------
    name, version : str
    folder : Path
    about : dict
        What was said of it; JSON.
    """

    def __init__(self, name: str, version: str, folder: Path, about: dict[str, Any]) -> None:
        self.name, self.version, self.folder, self.about = name, version, folder, about

    @property
    def content(self) -> Path:
        """Path of its file or folder, which may be gone: what a run registered stays in the folder of the run."""
        linked = self.about.get("path")
        return Path(linked) if linked else self.folder / _FILES / str(self.about.get("file", ""))

    @property
    def number(self) -> int:
        """The version as a number, 0 if it is a word."""
        return int(self.version) if self.version.isdigit() else 0

    def update(self, **changes: Any) -> None:
        """Say other things of it."""
        self.about.update(changes)
        _write(self.folder / _ABOUT, self.about)

    def remove(self) -> None:
        """Take it from the shelf, with its files."""
        shutil.rmtree(self.folder)


class Shelf:
    """The registered models of a root.

    Parameters
    ----------
    root : Path
    """

    def __init__(self, root: Path) -> None:
        self._place = root / "azure" / "models"

    def put(
        self, source: Path, name: str, *, version: str | None = None, is_linked: bool = False, **about: Any
    ) -> ShelvedModel:
        """Put a file or folder on the shelf as a version of a model; safe against others who do the same.

        Parameters
        ----------
        version : str, optional
            The next number by default.
        is_linked : bool
            The files stay where they are, instead of being copied. A copy of a folder leaves out a root in it.
        **about
            What to say of it; texts, numbers, lists, dictionaries.

        Raises
        ------
        FileNotFoundError
            If there is nothing at `source`.
        FileExistsError
            If the version is there already.
        """
        source = Path(os.path.abspath(source))
        if not source.exists():
            raise FileNotFoundError(os.fspath(source))
        place = self.begin(name)
        number = max((one for one in _numbers(place)), default=0) + 1
        while True:
            folder = place / (str(number) if version is None else version)
            try:
                folder.mkdir(mode=0o700)
                break
            except FileExistsError:  # somebody else registers at this moment
                if version is not None:
                    raise
                number += 1
        document: dict[str, Any] = {"name": name, "created": round(time.time(), 3), **about}
        try:
            if is_linked:
                document["path"] = os.fspath(source)
            else:
                (folder / _FILES).mkdir(mode=0o700)
                document["file"] = source.name
                if source.is_dir():
                    shutil.copytree(source, folder / _FILES / source.name, ignore=self._own)
                else:
                    shutil.copy2(source, folder / _FILES / source.name)
            _write(folder / _ABOUT, document)  # last: a version without it is not on the shelf yet
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return ShelvedModel(name, folder.name, folder, document)

    def _own(self, folder: str, names: list[str]) -> list[str]:
        """Return what is no part of a model: the root, which often is in its folder, or the shelf."""
        own = {os.path.realpath(self._place), os.path.realpath(self._place.parent.parent)}
        return [name for name in names if os.path.realpath(os.path.join(folder, name)) in own]

    def begin(self, name: str) -> Path:
        """Make the folder of a model that may have no version yet."""
        place = self._place / file_name(name)
        for folder in (self._place.parent, self._place, place):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place

    def has(self, name: str) -> bool:
        """Return whether a model of this name was begun, if without a version."""
        return (self._place / file_name(name)).is_dir()

    def get(self, name: str, version: str | None = None) -> ShelvedModel | None:
        """Return a version of a model, by default the newest; None if there is none."""
        found = self.versions(name)
        if version is None:
            return found[0] if found else None
        return next((model for model in found if model.version == str(version)), None)

    def versions(self, name: str) -> list[ShelvedModel]:
        """Return the versions of a model, the highest number first; words come behind, the newest first."""
        found = [model for model in self._in(self._place / file_name(name)) if model.name == name]
        return sorted(found, key=lambda model: (model.number, model.about.get("created") or 0), reverse=True)

    def all(self) -> list[ShelvedModel]:
        """Return all versions of all models, the newest first."""
        folders = sorted(self._place.iterdir()) if self._place.is_dir() else []
        found = [model for folder in folders for model in self._in(folder)]
        return sorted(found, key=lambda model: (model.about.get("created") or 0, model.number), reverse=True)

    def _in(self, folder: Path) -> Iterator[ShelvedModel]:
        try:
            names = os.listdir(folder)
        except OSError:
            return
        for name in names:
            try:
                about = json.loads((folder / name / _ABOUT).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(about, dict):
                yield ShelvedModel(str(about.get("name")), name, folder / name, about)


def file_name(text: str) -> str:
    """Return a file name that stands for any text; different texts give different names."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:60] or "x"
    return f"{kept}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _numbers(folder: Path) -> Iterator[int]:
    """Yield the numbers of the versions in a folder, those being made too."""
    return (int(name) for name in os.listdir(folder) if name.isdigit())


def _write(path: Path, document: dict[str, Any]) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, default=str)
    os.replace(draft, path)
