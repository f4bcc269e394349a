"""Assets of a workspace: JSON files under ``ROOT/azure/assets``, one a version; models are on the shelf of all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hdcore import shelf
from hdcore.azure.settings import given_path
from hdcore.azure.v2.entities import Asset, Data, Environment, Model
from hdcore.azure.v2.exceptions import ResourceNotFoundError, ValidationException

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_REFERENCE = re.compile(r"azureml:(?P<name>[A-Za-z0-9_.-]+)(?:(?::(?P<version>[A-Za-z0-9_.-]+))|(?:@(?P<label>\w+)))?")
_CLASSES: dict[str, type[Asset]] = {"data": Data, "environments": Environment}


class Shelf:
    """The assets of one kind.

    Parameters
    ----------
    root : Path
        Root of the sweeps.
    kind : str
        ``"data"`` or ``"environments"``.
    """

    def __init__(self, root: Path, kind: str) -> None:
        self._folder = root / "azure" / "assets" / kind
        self._kind = kind
        self._class = _CLASSES[kind]

    def put(self, asset: Any) -> Any:
        """Keep an asset under its name and version, the next number by default."""
        _check(asset, self._kind)
        name = asset.name
        version = str(asset.version) if asset.version is not None else self._next(name)
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        document = {
            key: os.fspath(value) if isinstance(value, os.PathLike) else value
            for key, value in vars(asset).items()
            if isinstance(value, os.PathLike) or _is_plain(value)
        }
        document |= {"name": name, "version": version}
        if document.get("path"):
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
        given = given_path(str(name)) if self._kind == "data" and version not in self._versions(name) else None
        if given is not None:
            kind = "uri_folder" if os.path.isdir(given) else "uri_file"
            return self._made({"name": str(name), "version": str(version or 1), "path": given, "type": kind})
        if version is None or not _NAME.fullmatch(str(name)) or not path.is_file():
            what = f"{name}:{version}" if version is not None else str(name)
            known = ", ".join(sorted(self._names())[:8]) or "none"
            how = f"; or give it with hdcore azure --input {name}=PATH" if self._kind == "data" else ""
            raise ResourceNotFoundError(f"{self._kind}: {what} is not registered here; registered are: {known}{how}")
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


class ModelShelf:
    """The registered models, as version 2 of the SDK shows them.

    Parameters
    ----------
    root : Path
        Root of the sweeps.
    """

    def __init__(self, root: Path) -> None:
        self._shelf = shelf.Shelf(root)

    def put(self, model: Any, files: Path) -> Model:
        """Copy a file or folder as a version of a model, the next number by default."""
        _check(model, "models")
        about = {key: value for key, value in vars(model).items() if key not in ("name", "version", "path")}
        version = None if model.version is None else str(model.version)
        try:
            return _model(self._shelf.put(files, model.name, version=version, **about))
        except FileExistsError:
            raise ValidationException(
                f"{model.name} has a version {version} already; leave the version out for the next one",
                field="models.version",
            ) from None

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Model:
        """Return a model; without a version, or with the label ``latest``, the newest.

        Raises
        ------
        ResourceNotFoundError
            If there is none.
        """
        found = self._shelf.get(str(name), version)
        if found is None:
            what = f"{name}:{version}" if version is not None else str(name)
            known = ", ".join(dict.fromkeys(model.name for model in self._shelf.all()[:8])) or "none"
            raise ResourceNotFoundError(f"models: {what} is not registered here; registered are: {known}")
        return _model(found)

    def all(self, name: str | None = None) -> Iterator[Model]:
        """Yield the versions of one name, newest first, or the newest version of each."""
        if name is not None:
            yield from map(_model, self._shelf.versions(name))
            return
        for other in sorted({model.name for model in self._shelf.all()}):
            yield self.get(other)


def _model(found: shelf.ShelvedModel) -> Model:
    about = found.about
    return Model(
        name=found.name,
        version=found.version,
        description=about.get("description"),
        tags=about.get("tags"),
        properties=about.get("properties"),
        path=os.fspath(found.content),
        type=about.get("type"),
        flavors=about.get("flavors"),
        stage=about.get("stage"),
    )


def _check(asset: Any, kind: str) -> None:
    if not isinstance(asset.name, str) or not _NAME.fullmatch(asset.name):
        raise ValidationException(f"is {asset.name!r}; use letters, digits, '_', '.' and '-'", field=f"{kind}.name")
    if asset.version is not None and not _NAME.fullmatch(str(asset.version)):
        raise ValidationException(f"is {asset.version!r}; write a number or a word", field=f"{kind}.version")


def registered_path(root: Path, reference: str) -> str | None:
    """Return the local path of a data asset or model that ``azureml:NAME:VERSION`` names, None if there is none."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return None
    shelves: tuple[Any, ...] = (Shelf(root, "data"), ModelShelf(root))
    for one in shelves:
        try:
            path = one.get(match["name"], match["version"]).path
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
