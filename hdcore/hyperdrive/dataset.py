"""Datasets: named sets of local paths."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from hdcore.hyperdrive.consumption import DatasetConsumptionConfig, MountContext
from hdcore.hyperdrive.exceptions import DatasetExecutionError, DatasetValidationError, UserErrorException
from hdcore.hyperdrive.journal import make_private_folder, write_private
from hdcore.hyperdrive.unserved import Served, refuse_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.workspace import Workspace


class Dataset(Served):
    """A set of local paths. Made by `Dataset.File` and `Dataset.Tabular`, found by `get_by_name`.

    Attributes
    ----------
    name, version, id : str, int, str
        Name and version are None until `register`.
    """

    File: ClassVar[type[_FileFactory]]
    Tabular: ClassVar[type[_TabularFactory]]
    _kind = "file"

    def __init__(self, paths: Sequence[str], reader: Mapping[str, Any] | None = None) -> None:
        self._paths = list(paths)
        self._reader = dict(reader or {})
        self.name: str | None = None
        self.version: int | None = None
        self.description: str | None = None
        self.tags: dict[str, str] = {}
        self._workspace: Workspace | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, version={self.version!r}, paths={self._paths!r})"

    @property
    def id(self) -> str:
        """The same for the same paths."""
        text = json.dumps([self._kind, self._paths, self._reader], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    # ------------------------------------------------------------------ registered ones

    @staticmethod
    def get_by_name(workspace: Workspace, name: str, version: int | str | None = None) -> Any:
        """Return a registered dataset.

        Raises
        ------
        DatasetValidationError
            If there is none of this name or version.
        """
        found = dict(workspace._kept("datasets")).get(name)
        versions = (found or {}).get("versions") or []
        from hdcore.azure.settings import given_path

        given = None if versions else given_path(name)
        if given is not None:
            is_table = given.lower().endswith((".csv", ".tsv", ".parquet", ".jsonl"))
            form = "parquet" if given.lower().endswith(".parquet") else "json" if given.endswith("l") else "delimited"
            made = TabularDataset([given], {"form": form}) if is_table else FileDataset([given])
            made.name, made._workspace = name, workspace
            return made
        if not versions:
            names = ", ".join(repr(other) for other, _ in workspace._kept("datasets"))
            raise DatasetValidationError(
                f"Dataset.get_by_name: no dataset is named {name!r}; "
                + (f"there is {names}" if names else "register one with dataset.register(workspace, name)")
            )
        number = len(versions) if version in (None, "latest") else int(str(version))
        if not 1 <= number <= len(versions):
            raise DatasetValidationError(f"Dataset.get_by_name: {name!r} has versions 1 to {len(versions)}")
        return from_document(versions[number - 1], workspace)

    @staticmethod
    def get_by_id(workspace: Workspace, id: str, **_: Any) -> Any:
        """Return a dataset by its id: a registered one, or one that was an argument of a run."""
        path = id_file(workspace, id)
        try:
            return from_document(json.loads(path.read_text(encoding="utf-8")), workspace)
        except (OSError, ValueError):
            raise DatasetValidationError(f"Dataset.get_by_id: no dataset has the id {id!r}") from None

    @staticmethod
    def get_all(workspace: Workspace) -> dict[str, Any]:
        """Return the newest version of each registered dataset."""
        return {
            name: from_document(document["versions"][-1], workspace)
            for name, document in workspace._kept("datasets")
            if document.get("versions")
        }

    def register(
        self,
        workspace: Workspace,
        name: str,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        create_new_version: bool = False,
    ) -> Any:
        """Keep the dataset under a name. The files stay where they are.

        Raises
        ------
        DatasetValidationError
            If another dataset has the name and `create_new_version` is not set.
        """
        versions = list((dict(workspace._kept("datasets")).get(name) or {}).get("versions") or [])
        same = next((at for at, document in enumerate(versions) if document.get("id") == self.id), None)
        if same is None:
            if versions and not create_new_version:
                raise DatasetValidationError(
                    f"Dataset.register: another dataset is named {name!r}; set create_new_version=True"
                )
            made = from_document(self._document(), workspace)
            made.name, made.version = name, len(versions) + 1
            made.description, made.tags = description, dict(tags or {})
            versions.append(made._document())
            workspace._keep("datasets", name, {"name": name, "versions": versions})
            same = len(versions) - 1
        found = from_document(versions[same], workspace)
        found._remember(workspace)
        return found

    def unregister_all_versions(self) -> None:
        """Forget the name; the files stay."""
        from hdcore.shelf import file_name

        if self._workspace is not None and self.name is not None:
            (self._workspace._place / "datasets" / f"{file_name(self.name)}.json").unlink(missing_ok=True)

    # ------------------------------------------------------------------ as an input of a run

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """Return the dataset as an input that the script finds in ``run.input_datasets[name]``."""
        return DatasetConsumptionConfig(name, self)

    def _document(self) -> dict[str, Any]:
        return {
            "kind": self._kind,
            "paths": self._paths,
            "reader": self._reader,
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "tags": self.tags,
        }

    def _remember(self, workspace: Workspace) -> str:
        """Make the dataset known by its id, which is then what a script gets."""
        write_private(id_file(workspace, self.id), json.dumps(self._document()))
        return self.id

    def _files(self) -> list[str]:
        """Return all files, those of folders and patterns too.

        Raises
        ------
        DatasetExecutionError
            If a path does not exist.
        """
        found: list[str] = []
        for path in self._paths:
            if os.path.isdir(path):
                found += sorted(os.fspath(file) for file in Path(path).rglob("*") if file.is_file())
            elif os.path.isfile(path):
                found.append(path)
            elif glob.has_magic(path) and (matches := glob.glob(path, recursive=True)):
                found += sorted(match for match in matches if os.path.isfile(match))
            else:
                raise DatasetExecutionError(
                    f"{path}: no such file or folder on this machine; copy the data there, give a local path,"
                    f" or hdcore azure --input {os.path.basename(path) or 'NAME'}=PATH"
                )
        return found


class FileDataset(Dataset):
    """Files, which a script gets as a path: of the file if there is one, else of the folder that holds them."""

    def to_path(self) -> list[str]:
        """Return the paths of the files under the dataset's folder, each with a leading slash."""
        files = self._files()
        root = _common_folder(files)
        return [f"/{os.path.relpath(file, root)}" for file in files]

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """Return the dataset as an input that is a path."""
        return DatasetConsumptionConfig(self.name or f"input_{self.id[:8]}", self, "mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """Return the dataset as an input that is a path; nothing is copied."""
        return DatasetConsumptionConfig(self.name or f"input_{self.id[:8]}", self, "download", path_on_compute)

    def download(
        self, target_path: str | None = None, overwrite: bool = False, ignore_not_found: bool = False
    ) -> list[str]:
        """Copy the files into a folder; return the paths of the copies."""
        folder = Path(target_path or ".")
        files = self._files()
        root = _common_folder(files)
        found = []
        for file in files:
            target = folder / os.path.relpath(file, root)
            if target.exists() and not overwrite:
                raise DatasetExecutionError(f"{target} exists; set overwrite=True")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            found.append(os.fspath(target))
        return found

    def mount(self, mount_point: str | None = None, **_: Any) -> MountContext:
        """Return a context whose `mount_point` is where the files are."""
        return MountContext(self._local_path())

    def _local_path(self) -> str:
        """Return the file, the folder, or a folder of links to exactly these files."""
        if len(self._paths) == 1 and os.path.exists(self._paths[0]):
            return self._paths[0]
        files = self._files()
        if self._workspace is None:
            return _common_folder(files)
        view = make_private_folder(self._workspace._place / "dataset-views" / self.id)
        root = _common_folder(files)
        for file in files:
            link = view / os.path.relpath(file, root)
            make_private_folder(link.parent)
            if not link.is_symlink():
                link.symlink_to(file)
        return os.fspath(view)

    def take(self, count: int) -> FileDataset:
        """Return the first files."""
        return FileDataset(self._files()[:count])

    def skip(self, count: int) -> FileDataset:
        """Return all but the first files."""
        return FileDataset(self._files()[count:])

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[FileDataset, FileDataset]:
        """Return about this share of the files, and the others; the same for the same seed."""
        chance = random.Random(seed)
        taken = {file: chance.random() < percentage for file in self._files()}
        return tuple(FileDataset([file for file in taken if taken[file] is word]) for word in (True, False))  # type: ignore[return-value]

    def take_sample(self, probability: float, seed: int | None = None) -> FileDataset:
        """Return about this share of the files."""
        return self.random_split(probability, seed)[0]


class TabularDataset(Dataset):
    """A table in delimited, JSON-lines or Parquet files; read by pandas."""

    _kind = "tabular"

    def to_pandas_dataframe(self, on_error: str = "null", out_of_range_datetime: str = "null") -> Any:
        """Return the table.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            pd = import_module("pandas")
        except ImportError:
            raise ImportError("TabularDataset.to_pandas_dataframe needs pandas; install it") from None
        form = self._reader.get("form")
        files = self._files()
        if form == "parquet":
            frames = [pd.read_parquet(file) for file in files]
        elif form == "json":
            frames = [pd.read_json(file, lines=True) for file in files]
        else:
            header = 0 if self._reader.get("header", True) else None
            frames = [pd.read_csv(file, sep=self._reader.get("separator") or ",", header=header) for file in files]
        frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        for step, *arguments in self._reader.get("steps", ()):
            frame = _STEPS[step](frame, *arguments)
        return frame

    def take(self, count: int) -> TabularDataset:
        """Return the first rows."""
        return self._then("take", count)

    def skip(self, count: int) -> TabularDataset:
        """Return all but the first rows."""
        return self._then("skip", count)

    def keep_columns(self, columns: Any, validate: bool = False) -> TabularDataset:
        """Return some columns."""
        return self._then("keep", [columns] if isinstance(columns, str) else list(columns))

    def drop_columns(self, columns: Any) -> TabularDataset:
        """Return all but some columns."""
        return self._then("drop", [columns] if isinstance(columns, str) else list(columns))

    def take_sample(self, probability: float, seed: int | None = None) -> TabularDataset:
        """Return about this share of the rows."""
        return self.random_split(probability, seed)[0]

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[TabularDataset, TabularDataset]:
        """Return two tables with about this share of the rows, and the others; the same for the same seed."""
        number = int.from_bytes(os.urandom(4), "big") if seed is None else seed
        return self._then("part", percentage, number, True), self._then("part", percentage, number, False)

    def __getattr__(self, name: str) -> Any:
        if name in _NOT_SERVED:
            raise UserErrorException(
                f"TabularDataset.{name} has no local meaning; use to_pandas_dataframe() and pandas"
            )
        return refuse_name(type(self), name)

    def _then(self, step: str, *arguments: Any) -> TabularDataset:
        made = TabularDataset(
            self._paths, {**self._reader, "steps": [*self._reader.get("steps", ()), [step, *arguments]]}
        )
        made._workspace = self._workspace
        return made


def _part(frame: Any, share: float, seed: int, is_first: bool) -> Any:
    first = frame.sample(frac=share, random_state=seed).index
    return frame[frame.index.isin(first)] if is_first else frame[~frame.index.isin(first)]


_STEPS: dict[str, Callable[..., Any]] = {
    "take": lambda frame, count: frame.head(count),
    "skip": lambda frame, count: frame.iloc[count:],
    "keep": lambda frame, columns: frame[columns],
    "drop": lambda frame, columns: frame.drop(columns=columns),
    "part": _part,
}
_NOT_SERVED = frozenset(
    (
        *("filter", "partition_by", "time_after", "time_before", "time_between", "time_recent", "take_sample"),
        *("to_csv_files", "to_dask_dataframe", "to_parquet_files", "to_spark_dataframe", "get_profile"),
        *("with_timestamp_columns", "submit_profile_run", "get_partition_key_values"),
    )
)


class _FileFactory(Served):
    @staticmethod
    def from_files(path: Any, validate: bool = True, partition_format: str | None = None, **_: Any) -> FileDataset:
        """Return a dataset of files: paths, patterns, ``(datastore, path)`` pairs, data paths, or a list of them."""
        paths, workspace = _paths(path)
        made = FileDataset(paths)
        made._workspace = workspace
        if validate:
            made._files()
        return made

    @staticmethod
    def upload_directory(src_dir: str, target: Any, **more: Any) -> FileDataset:
        """Copy a folder into a datastore; return a dataset of the copy."""
        datastore, path = target if isinstance(target, tuple) else (target.datastore, target.path_on_datastore)
        datastore.upload(src_dir, path, overwrite=bool(more.get("overwrite")), show_progress=False)
        return _FileFactory.from_files((datastore, path))


class _TabularFactory(Served):
    @staticmethod
    def from_delimited_files(
        path: Any, validate: bool = True, separator: str = ",", header: Any = True, **_: Any
    ) -> TabularDataset:
        """Return a table of CSV files."""
        has_header = header is not False and "NO_HEADERS" not in str(header).upper()
        return _table(path, validate, {"form": "delimited", "separator": separator, "header": has_header})

    @staticmethod
    def from_parquet_files(path: Any, validate: bool = True, **_: Any) -> TabularDataset:
        """Return a table of Parquet files."""
        return _table(path, validate, {"form": "parquet"})

    @staticmethod
    def from_json_lines_files(path: Any, validate: bool = True, **_: Any) -> TabularDataset:
        """Return a table of JSON-lines files."""
        return _table(path, validate, {"form": "json"})

    @staticmethod
    def register_pandas_dataframe(dataframe: Any, target: Any, name: str, **_: Any) -> TabularDataset:
        """Write a data frame into a datastore as CSV; return it as a registered dataset."""
        datastore, path = target if isinstance(target, tuple) else (target, None)
        file = datastore.locate(f"{path or 'managed-dataset'}/{name}.csv")
        file.parent.mkdir(parents=True, exist_ok=True)
        dataframe.to_csv(file, index=False)
        made = _TabularFactory.from_delimited_files(os.fspath(file))
        registered: TabularDataset = made.register(datastore.workspace, name, create_new_version=True)
        return registered


Dataset.File = _FileFactory
Dataset.Tabular = _TabularFactory


def id_file(workspace: Workspace, dataset_id: str) -> Path:
    return workspace._place / "dataset-ids" / f"{os.path.basename(dataset_id)}.json"


def _table(path: Any, validate: bool, reader: Mapping[str, Any]) -> TabularDataset:
    paths, workspace = _paths(path)
    made = TabularDataset(paths, reader)
    made._workspace = workspace
    if validate:
        made._files()
    return made


def _paths(path: Any) -> tuple[list[str], Any]:
    """Return local paths, and the workspace of a datastore among them."""
    if isinstance(path, list):
        pairs = [_paths(item) for item in path]
        return [one for paths, _ in pairs for one in paths], next((w for _, w in pairs if w is not None), None)
    if isinstance(path, tuple) and len(path) == 2 and hasattr(path[0], "locate"):
        return [_here_or_given(os.fspath(path[0].locate(path[1])), path[1])], path[0].workspace
    if hasattr(path, "_local_path"):
        datastore = getattr(path, "datastore", None)
        name = getattr(path, "path_on_datastore", None)
        return [_here_or_given(path._local_path(), name)], getattr(datastore, "workspace", None)
    if isinstance(path, (str, os.PathLike)):
        text = os.fspath(path)
        if "://" in text and not text.startswith("file://"):
            from hdcore.azure.settings import given_path, input_name

            given = given_path(text)
            if given is None:
                raise DatasetValidationError(
                    f"{text} is not on this machine; give a local copy, a path here or"
                    f" hdcore azure --input {input_name(text)}=PATH"
                )
            text = given
        return [os.path.abspath(os.path.expanduser(text.removeprefix("file://")))], None
    raise DatasetValidationError(f"a dataset of {path!r} cannot be made; give a path, or (datastore, path)")


class Datasets(dict[str, Any]):
    """The newest version of each registered dataset, and what the user gave under the name of one.

    Parameters
    ----------
    workspace : Workspace
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(Dataset.get_all(workspace))
        self._workspace = workspace

    def __missing__(self, name: str) -> Any:
        return Dataset.get_by_name(self._workspace, name)

    def __contains__(self, name: object) -> bool:
        from hdcore.azure.settings import given_path

        return super().__contains__(name) or (isinstance(name, str) and given_path(name) is not None)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a dataset; where there is none the default, and a word on what to do about it."""
        if name in self:
            return self[name]
        if default is None:
            print(
                f"hdcore: note: no dataset {name!r} is registered here; give it with hdcore azure --input {name}=PATH",
                file=sys.stderr,
                flush=True,
            )
        return default


def _here_or_given(path: str, name: str | None) -> str:
    """Return a path in a datastore, or the local copy that the user gave of what is not in it."""
    from hdcore.azure.settings import given_path

    if not name or os.path.exists(path):
        return path
    return given_path(name) or path


def _common_folder(files: Sequence[str]) -> str:
    return os.path.commonpath([os.path.dirname(file) for file in files]) if files else os.getcwd()


def from_document(document: Mapping[str, Any], workspace: Any) -> Any:
    kind = TabularDataset if document.get("kind") == "tabular" else FileDataset
    made = kind(document.get("paths") or [], document.get("reader"))
    made.name, made.version = document.get("name"), document.get("version")
    made.description, made.tags = document.get("description"), dict(document.get("tags") or {})
    made._workspace = workspace
    return made
