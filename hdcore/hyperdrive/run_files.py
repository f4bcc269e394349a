"""The files of a run: names, upload, download, models made of them. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.files import RunFiles
from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.experiment import Experiment
    from hdcore.hyperdrive.model import Model


class Artifacts(Served):
    """What a run leaves behind. Where that is, the class that mixes this in says."""

    def _run_files(self) -> RunFiles:
        raise NotImplementedError

    @property
    def id(self) -> str:
        raise NotImplementedError

    @property
    def experiment(self) -> Experiment:
        raise NotImplementedError

    def get_file_names(self) -> Sequence[str]:
        """Return the names of the run's files: ``outputs/…``, ``logs/…``, ``user_logs/…``, and uploaded ones."""
        return self._run_files().names()

    def upload_file(
        self, name: str, path_or_stream: str | os.PathLike[str] | IO[Any], datastore_name: str | None = None
    ) -> str:
        """Copy a file, or a stream, to the run's files; return its path."""
        return os.fspath(self._run_files().put(name, path_or_stream))

    def upload_files(
        self,
        names: Sequence[str],
        paths: Sequence[str | os.PathLike[str]],
        return_artifacts: bool = False,
        timeout_seconds: float | None = None,
        datastore_name: str | None = None,
    ) -> Sequence[str]:
        """Copy files to the run's files; return their paths."""
        if len(names) != len(paths):
            raise UserErrorException(f"upload_files: {len(names)} names and {len(paths)} paths; give as many")
        return [self.upload_file(name, path) for name, path in zip(names, paths, strict=True)]

    def upload_folder(self, name: str, path: str | os.PathLike[str], datastore_name: str | None = None) -> str:
        """Copy a folder to the run's files; return its path."""
        return os.fspath(self._run_files().put_folder(name, path))

    def download_file(
        self, name: str, output_file_path: str | os.PathLike[str] | None = None, _validate_checksum: bool = False
    ) -> str:
        """Copy a file of the run out, by default into the working directory under its last name; return the path."""
        return self._run_files().fetch(name, output_file_path)

    def download_files(
        self,
        prefix: str | None = None,
        output_directory: str | os.PathLike[str] | None = None,
        output_paths: Sequence[str] | None = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: float | None = None,
    ) -> None:
        """Copy all files whose names begin with `prefix` into a folder, under their names."""
        self._run_files().fetch_many(prefix, output_directory, append_prefix=append_prefix)

    def get_all_logs(self, destination: str | None = None) -> Sequence[str]:
        """Copy the logs into a folder; return the paths."""
        folder = Path(destination or f"logs_{self.id}")
        names = [name for name in self.get_file_names() if name.startswith(("user_logs/", "azureml-logs/", "logs/"))]
        return [self.download_file(name, folder / name) for name in names]

    def register_model(
        self,
        model_name: str,
        model_path: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        description: str | None = None,
        datasets: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
        **kwargs: Any,
    ) -> Model:
        """Copy a file or folder of the run as the next version of a model.

        Parameters
        ----------
        model_path : str, optional
            Name of the file or folder among the run's files; by default the model's name.
        """
        from hdcore.hyperdrive.model import register

        files = self._run_files()
        name = model_path or model_name
        source = files.find_folder(name) or files.find(name)
        return register(
            self.experiment.workspace,
            source,
            model_name,
            tags=dict(tags or {}),
            properties=dict(properties or {}),
            description=description,
            model_framework=model_framework,
            model_framework_version=model_framework_version,
            run_id=self.id,
            experiment_name=self.experiment.name,
        )
