"""Assets of a workspace: JSON files under ``ROOT/azure/assets``, one a version; a model's files beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hdcore.azure.v2.entities import Asset, Data, Environment, Model
from hdcore.azure.v2.exceptions import ResourceNotFoundError, ValidationException

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_REFERENCE = re.compile(r"azureml:(?P<name>[A-Za-z0-9_.-]+)(?:(?::(?P<version>[A-Za-z0-9_.-]+))|(?:@(?P<label>\w+)))?")
_CLASSES: dict[str, type[Asset]] = {"data": Data, "environments": Environment, "models": Model}


class Shelf:
    """The assets of one kind.

    Parameters
    ----------
    root : Path
        Root of the sweeps.
    kind : str
        ``"data"``, ``"environments"`` or ``"models"``.
    """

    def __init__(self, root: Path, kind: str) -> None:
        self._folder = root / "azure" / "assets" / kind
        self._kind = kind
        self._class = _CLASSES[kind]

    def put(self, asset: Any, files: Path | None = None) -> Any:
        """Keep an asset under its name and version, the next number by default; `files` are copied beside it."""
        name = asset.name
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValidationException(f"is {name!r}; use letters, digits, '_', '.' and '-'", field=f"{self._kind}.name")
        version = str(asset.version) if asset.version is not None else self._next(name)
        if not _NAME.fullmatch(version):
            raise ValidationException(f"is {version!r}; write a number or a word", field=f"{self._kind}.version")
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        document = {
            key: os.fspath(value) if isinstance(value, os.PathLike) else value
            for key, value in vars(asset).items()
            if isinstance(value, os.PathLike) or _is_plain(value)
        }
        document |= {"name": name, "version": version}
        if files is not None:
            target = folder / version
            if target.exists():
                raise ValidationException(
                    f"{name} has a version {version} already; leave the version out for the next one",
                    field=f"{self._kind}.version",
                )
            target.mkdir(mode=0o700)
            if files.is_dir():
                shutil.copytree(files, target / files.name)
            else:
                shutil.copy2(files, target / files.name)
            document["path"] = os.fspath(target / files.name)
        elif document.get("path"):
            document["path"] = local_or_same(str(document["path"]))
        partial = folder / f".{version}.partial"
        partial.write_text(json.dumps(document), encoding="utf-8")
        os.replace(partial, folder / f"{version}.json")
        return self._made(document)

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Any:
        """Return an asset; without a version, or with the label ``latest``, the newest.

        Raises
        ------
        ResourceNotFoundError
            If there is none.
        """
        if version is None:
            versions = self._versions(name)
            version = versions[-1] if versions else None
        path = self._folder / str(name) / f"{version}.json"
        if version is None or not _NAME.fullmatch(str(name)) or not path.is_file():
            what = f"{name}:{version}" if version is not None else str(name)
            known = ", ".join(sorted(self._names())[:8]) or "none"
            raise ResourceNotFoundError(f"{self._kind}: {what} is not registered here; registered are: {known}")
        return self._made(json.loads(path.read_text(encoding="utf-8")))

    def all(self, name: str | None = None) -> Iterator[Any]:
        """Yield the versions of one name, newest first, or the newest version of each."""
        if name is None:
            for other in sorted(self._names()):
                yield self.get(other)
            return
        for version in reversed(self._versions(name)):
            yield self.get(name, version)

    def _made(self, document: dict[str, Any]) -> Any:
        return self._class(**document)

    def _names(self) -> list[str]:
        return [entry.name for entry in os.scandir(self._folder)] if self._folder.is_dir() else []

    def _versions(self, name: str) -> list[str]:
        folder = self._folder / str(name)
        if not _NAME.fullmatch(str(name)) or not folder.is_dir():
            return []
        paths = sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [path.stem for path in paths]

    def _next(self, name: str) -> str:
        numbers = [int(version) for version in self._versions(name) if version.isdigit()]
        return str(max(numbers, default=0) + 1)


def registered_path(root: Path, reference: str) -> str | None:
    """Return the local path of a data asset or model that ``azureml:NAME:VERSION`` names, None if there is none."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return None
    for kind in ("data", "models"):
        try:
            path = Shelf(root, kind).get(match["name"], match["version"]).path
        except ResourceNotFoundError:
            continue
        return None if path is None else str(path)
    return None


def local_or_same(path: str) -> str:
    """Return a local path absolute, a cloud path as it is."""
    from hdcore.azure.load import is_remote

    return path if is_remote(path) else os.path.abspath(os.path.expanduser(path.removeprefix("file://")))


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
