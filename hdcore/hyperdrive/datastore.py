"""Datastores: folders. The default one is under the root, others are where they were registered."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.journal import make_private_folder
from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.workspace import Workspace

DEFAULT_NAME = "workspaceblobstore"


class Datastore(Served):
    """A folder under a name.

    Parameters
    ----------
    workspace : Workspace
    name : str, optional
        By default the workspace's default datastore.
    """

    datastore_type = "AzureBlob"

    def __init__(self, workspace: Workspace, name: str | None = None, *, _folder: str | None = None) -> None:
        from hdcore.shelf import file_name

        self.workspace = workspace
        self.name = name or _default_name(workspace)
        if _folder is None:
            _folder = dict(workspace._kept("datastores")).get(self.name, {}).get("folder")
        place = workspace._place / "datastores" / file_name(self.name)
        self._folder = place if _folder is None else Path(_folder)
        self.container_name = self.account_name = self.share_name = self.name
        self.is_default = self.name == _default_name(workspace)

    def __repr__(self) -> str:
        return f"Datastore(name={self.name!r}, folder={os.fspath(self._folder)!r})"

    @staticmethod
    def get(workspace: Workspace, datastore_name: str) -> Datastore:
        """Return the datastore of a name; a new name is an empty folder under the root."""
        return Datastore(workspace, datastore_name)

    @staticmethod
    def get_default(workspace: Workspace) -> Datastore:
        """Return the default datastore."""
        return Datastore(workspace)

    @staticmethod
    def register_folder(workspace: Workspace, datastore_name: str, folder: str | os.PathLike[str]) -> Datastore:
        """Give a folder of this machine a name as a datastore; Azure has no such function."""
        path = os.path.abspath(folder)
        workspace._keep("datastores", datastore_name, {"name": datastore_name, "folder": path})
        return Datastore(workspace, datastore_name, _folder=path)

    @staticmethod
    def register_azure_blob_container(workspace: Workspace, datastore_name: str, *_: Any, **__: Any) -> Datastore:
        """Return a folder of this name; what is in the container has to be copied into it."""
        return Datastore(workspace, datastore_name)

    register_azure_file_share = register_azure_blob_container
    register_azure_data_lake = register_azure_blob_container
    register_azure_data_lake_gen2 = register_azure_blob_container

    @property
    def _path(self) -> Path:
        return make_private_folder(self._folder)

    def set_as_default(self) -> None:
        """Make it the default datastore of the workspace."""
        self.workspace.set_default_datastore(self.name)
        self.is_default = True

    def unregister(self) -> None:
        """Do nothing: the folder stays."""

    def upload(
        self,
        src_dir: str | os.PathLike[str],
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Copy the files of a folder into the datastore; existing files stay unless `overwrite`."""
        source = Path(os.fspath(src_dir))
        if not source.is_dir():
            raise UserErrorException(f"Datastore.upload: {source} is no folder; give the folder of the data")
        files = sorted(_files_under(source, self.workspace._root))
        return self._take(files, source, target_path, overwrite, show_progress)

    def upload_files(
        self,
        files: Sequence[str | os.PathLike[str]],
        relative_root: str | os.PathLike[str] | None = None,
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Copy files into the datastore, by their paths under `relative_root` if that is given, else by their names."""
        paths = [Path(os.fspath(file)) for file in files]
        for path in paths:
            if not path.is_file():
                raise UserErrorException(f"Datastore.upload_files: {path} does not exist; give the path of a file")
        root = None if relative_root is None else Path(os.fspath(relative_root))
        return self._take(paths, root, target_path, overwrite, show_progress)

    def _take(
        self, files: list[Path], root: Path | None, target_path: str | None, overwrite: bool, show_progress: bool
    ) -> DataReference:
        folder = self.locate(target_path or "")
        copied = 0
        for path in files:
            target = folder / (path.name if root is None else os.path.relpath(path, root))
            if target.exists() and not overwrite:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            copied += 1
        if show_progress:
            print(f"Uploaded {copied} files to {folder}")
        return self.path(target_path)

    def download(
        self, target_path: str, prefix: str | None = None, overwrite: bool = False, show_progress: bool = True
    ) -> int:
        """Copy files whose paths begin with `prefix` into a folder; return their number."""
        count = 0
        for path in sorted(self._path.rglob("*")):
            name = os.path.relpath(path, self._path)
            target = Path(target_path, name)
            if path.is_file() and name.startswith(prefix or "") and (overwrite or not target.exists()):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                count += 1
        return count

    def locate(self, path: str) -> Path:
        """Return the local path of a path in the datastore; one that leads out of it is refused."""
        parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
        if ".." in parts:
            raise UserErrorException(f"{path!r} leads out of datastore {self.name!r}; leave out '..'")
        return self._path.joinpath(*parts)

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> DataReference:
        """Return a reference to a path in the datastore."""
        return DataReference(self, data_reference_name, path)

    def as_mount(self) -> DataReference:
        return self.path().as_mount()

    def as_download(self, path_on_compute: str | None = None) -> DataReference:
        return self.path().as_download(path_on_compute)

    def as_upload(self, path_on_compute: str | None = None) -> DataReference:
        return self.path().as_upload(path_on_compute)


AzureBlobDatastore = Datastore


class DataReference(Served):
    """A path in a datastore; as an argument of a script it is the local path.

    Parameters
    ----------
    datastore : Datastore
    data_reference_name : str, optional
    path_on_datastore : str, optional
    mode : str
        mount, download or upload: all of them are the path itself.
    """

    def __init__(
        self,
        datastore: Datastore,
        data_reference_name: str | None = None,
        path_on_datastore: str | None = None,
        mode: str = "mount",
        path_on_compute: str | None = None,
        overwrite: bool = False,
    ) -> None:
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore
        self.data_reference_name = data_reference_name or datastore.name
        self.mode = mode
        self.path_on_compute = path_on_compute

    def __repr__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.data_reference_name}"

    __str__ = __repr__

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> DataReference:
        """Return a reference to a path under this one."""
        joined = "/".join(part for part in (self.path_on_datastore, path) if part)
        return DataReference(self.datastore, data_reference_name or self.data_reference_name, joined or None, self.mode)

    def as_mount(self) -> DataReference:
        return self._in_mode("mount", None)

    def as_download(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        return self._in_mode("download", path_on_compute)

    def as_upload(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        return self._in_mode("upload", path_on_compute)

    def to_config(self) -> DataReference:
        """Return what `RunConfiguration.data_references` takes."""
        return self

    def _in_mode(self, mode: str, path_on_compute: str | None) -> DataReference:
        where = path_on_compute or self.path_on_compute
        return DataReference(self.datastore, self.data_reference_name, self.path_on_datastore, mode, where)

    def _local_path(self) -> str:
        path = self.datastore.locate(self.path_on_datastore or "")
        if self.mode == "upload" and not path.exists():
            path.mkdir(parents=True)
        return os.fspath(path)


class DataPath(Served):
    """A path in a datastore, without a name.

    Parameters
    ----------
    datastore : Datastore, optional
    path_on_datastore : str, optional
    name : str, optional
    """

    def __init__(
        self, datastore: Datastore | None = None, path_on_datastore: str | None = None, name: str | None = None
    ) -> None:
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore
        self._name = name

    def create_data_reference(
        self, data_reference_name: str | None = None, mode: str = "mount", path_on_compute: str | None = None, **_: Any
    ) -> DataReference:
        """Return a reference to the path."""
        if self.datastore is None:
            raise UserErrorException("DataPath: it has no datastore; give DataPath(datastore, path)")
        return DataReference(self.datastore, data_reference_name, self.path_on_datastore, mode, path_on_compute)

    def _local_path(self) -> str:
        if self.datastore is None:
            return os.path.abspath(self.path_on_datastore or "")
        return os.fspath(self.datastore.locate(self.path_on_datastore or ""))


class DataPathComputeBinding(Served):
    """How a `DataPath` reaches a step: here always as a local path."""

    def __init__(
        self, mode: str = "mount", path_on_compute: str | None = None, overwrite: bool = False, is_directory: Any = None
    ) -> None:
        self.mode = mode
        self.path_on_compute = path_on_compute


def list_datastores(workspace: Workspace) -> dict[str, Datastore]:
    """Return all datastores of a workspace by name."""
    folder = workspace._place / "datastores"
    names = {path.name for path in folder.glob("*") if path.is_dir()}
    found = {name: Datastore(workspace, name) for name in sorted({_default_name(workspace), *names})}
    for name, document in workspace._kept("datastores"):
        found[name] = Datastore(workspace, name, _folder=document.get("folder"))
    return found


def _files_under(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the files of a folder, but for hdcore's root in it, which the datastore itself is part of."""
    for path, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if (Path(path) / name).absolute() != root]
        yield from (Path(path) / name for name in names)


def _default_name(workspace: Workspace) -> str:
    try:
        return (workspace._place / "default-datastore").read_text(encoding="utf-8").strip() or DEFAULT_NAME
    except OSError:
        return DEFAULT_NAME
