"""Datasets as inputs and outputs of runs. Standard library only."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.dataset import Dataset

INPUTS_VARIABLE = "HDCORE_INPUT_DATASETS"
"""Environment variable of a run: JSON, name of an input -> its path, or the file that a dataset is kept in."""


class DatasetConsumptionConfig(Served):
    """A dataset as an input of a run.

    Parameters
    ----------
    name : str
    dataset : Dataset
    mode : str
        ``direct``: the script gets the dataset; ``mount``, ``download``: a path.
    """

    def __init__(self, name: str, dataset: Dataset, mode: str = "direct", path_on_compute: str | None = None) -> None:
        self.name = name
        self.dataset = dataset
        self.mode = mode
        self.path_on_compute = path_on_compute

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    def as_hdfs(self) -> DatasetConsumptionConfig:
        return self.as_mount()


class OutputFileDatasetConfig(Served):
    """A folder that a script writes to: each run has its own, ``outputs/NAME``.

    Parameters
    ----------
    name : str, optional
    destination : optional
        Not used: the folder stays with the run.
    """

    def __init__(self, name: str | None = None, destination: Any = None, source: str | None = None, **_: Any) -> None:
        self.name = name or f"output_{hashlib.sha256(repr(destination).encode()).hexdigest()[:8]}"
        self.destination = destination

    def as_upload(self, overwrite: bool = False, source_globs: Any = None) -> OutputFileDatasetConfig:
        return self

    def as_mount(self, **_: Any) -> OutputFileDatasetConfig:
        return self

    def register_on_complete(
        self, name: str, description: str | None = None, tags: Any = None
    ) -> OutputFileDatasetConfig:
        return self

    def as_input(self, name: str | None = None) -> OutputFileDatasetConfig:
        return self


class MountContext(Served):
    """Where the files of a dataset are."""

    def __init__(self, mount_point: str) -> None:
        self.mount_point = mount_point

    def start(self) -> None:
        """Do nothing: the files are there."""

    def stop(self) -> None:
        """Do nothing: the files stay."""

    def __enter__(self) -> MountContext:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Inputs(dict[str, Any]):
    """Inputs of a run by name: paths, and datasets that are kept in files.

    Parameters
    ----------
    text : str, optional
        Of the environment variable.
    """

    def __init__(self, text: str | None) -> None:
        super().__init__()
        try:
            declared = json.loads(text or "{}")
        except ValueError:
            declared = {}
        for name, document in declared.items():
            self[name] = document["path"] if "path" in document else _kept(Path(document["file"]))

    def __missing__(self, name: str) -> Any:
        names = ", ".join(repr(known) for known in self) or "none"
        raise KeyError(f"the run has no input {name!r}; it has {names}: pass dataset.as_named_input({name!r})")


def _kept(path: Path) -> Any:
    from hdcore.hyperdrive.dataset import from_document

    return from_document(json.loads(path.read_text(encoding="utf-8")), None)
