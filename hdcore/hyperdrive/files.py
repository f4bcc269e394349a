"""The files of a run by Azure's names: ``outputs/model.pkl``, ``logs/…``, ``user_logs/std_log.txt``, uploaded ones.

Standard library only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.journal import make_private_folder

_LOGS = {"user_logs/std_log.txt": "stdout.log", "user_logs/std_err.txt": "stderr.log"}
_OLD_LOGS = {  # names of before 2021, which are found and not listed
    "azureml-logs/70_driver_log.txt": "stdout.log",
    "azureml-logs/80_driver_log.txt": "stdout.log",
    "driver_log": "stdout.log",
}
_WATCHED = ("logs",)  # folders of the working directory that are kept, as ./outputs is


class RunFiles:
    """Files under the folder of a run.

    ``outputs/`` is where the script's ``./outputs`` leads; what was uploaded under other names is in ``files/``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return all names, sorted."""
        found = set(_walk(self.folder / "files"))
        found.update(f"outputs/{name}" for name in _walk(self.folder / "outputs"))
        for watched in _WATCHED:
            found.update(f"{watched}/{name}" for name in _walk(self.folder / "work" / watched))
        found.update(name for name, path in _LOGS.items() if (self.folder / path).is_file())
        return sorted(found)

    def find(self, name: str) -> Path:
        """Return the path of a file.

        Raises
        ------
        UserErrorException
            If there is none of this name.
        """
        path = self._locate(_clean(name))
        if path is None:
            near = [other for other in self.names() if other.rpartition("/")[2] == name.rpartition("/")[2]]
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self.names()[:8]) or 'no files'}"
            raise UserErrorException(f"File with path {name} was not found; {hint}")
        return path

    def find_folder(self, name: str) -> Path | None:
        """Return the path of a folder of files, None if there is none."""
        name = _clean(name)
        for path in self._places(name):
            if path.is_dir():
                return path
        return None

    def put(self, name: str, source: str | os.PathLike[str] | IO[Any]) -> Path:
        """Copy a file, or what a stream has to give, under a name."""
        target = self._target(_clean(name))
        make_private_folder(target.parent)
        if hasattr(source, "read"):
            data = source.read()
            target.write_bytes(data.encode() if isinstance(data, str) else data)
            return target
        path = Path(os.fspath(source))
        if not path.is_file():
            raise UserErrorException(f"UserError: upload of {os.fspath(source)}: there is no such file")
        if not (target.exists() and target.samefile(path)):
            shutil.copy2(path, target)
        return target

    def put_folder(self, name: str, source: str | os.PathLike[str]) -> Path:
        """Copy a folder under a name."""
        path = Path(os.fspath(source))
        if not path.is_dir():
            raise UserErrorException(f"UserError: upload of {os.fspath(source)}: there is no such folder")
        target = self._target(_clean(name))
        make_private_folder(target)
        if not target.samefile(path):
            shutil.copytree(path, target, dirs_exist_ok=True)
        return target

    def fetch(self, name: str, target: str | os.PathLike[str] | None = None) -> str:
        """Copy a file out; a folder as the target, or one that ends in ``/``, takes it under its last name."""
        source = self.find(name)
        last = PurePosixPath(name).name
        path = Path(last) if target is None else Path(os.fspath(target))
        if target is not None and (path.is_dir() or os.fspath(target).endswith(("/", os.sep))):
            path = path / last
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.exists() and path.samefile(source)):
            shutil.copy2(source, path)
        return os.fspath(path)

    def fetch_many(self, prefix: str | None, target: str | os.PathLike[str] | None, *, append_prefix: bool) -> None:
        """Copy all files whose names begin with `prefix` into a folder."""
        folder = Path(os.fspath(target)) if target is not None else Path()
        start = (prefix or "").lstrip("/")
        for name in self.names():
            if not name.startswith(start):
                continue
            kept = name if append_prefix else name[len(start) :].lstrip("/") or PurePosixPath(name).name
            path = folder / kept
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.find(name), path)

    def _target(self, name: str) -> Path:
        first, _, rest = name.partition("/")
        if first == "outputs":
            return self.folder / "outputs" / rest
        return self.folder / "files" / name

    def _places(self, name: str) -> Iterator[Path]:
        yield self._target(name)
        if name in _LOGS or name in _OLD_LOGS:
            yield self.folder / (_LOGS.get(name) or _OLD_LOGS[name])
        if name.partition("/")[0] in _WATCHED:
            yield self.folder / "work" / name

    def _locate(self, name: str) -> Path | None:
        return next((path for path in self._places(name) if path.is_file()), None)


def _clean(name: str) -> str:
    """Return a name without ``./`` and double slashes; one that leads out of the run is refused."""
    if not isinstance(name, str) or not name:
        raise UserErrorException(f"the name of a file is {name!r}; give a name such as outputs/model.pkl")
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part != "/"]
    if ".." in parts or not parts:
        raise UserErrorException(f"the name of a file is {name!r}; leave out '..'")
    return "/".join(parts)


def _walk(folder: Path) -> Iterator[str]:
    if folder.is_symlink():  # the code's own folder, shared by all runs
        return
    for path, _, files in os.walk(folder):
        inside = os.path.relpath(path, folder)
        for name in files:
            yield name if inside == "." else f"{inside}/{name}".replace(os.sep, "/")
