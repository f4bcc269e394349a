"""Artifacts of a trial: plain files in its outputs folder."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote, unquote, urlparse

from mlflow.store.artifact.artifact_repo import verify_artifact_path
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from hdcore.tracking.copying import copy_folder


def uri_of(folder: str) -> str:
    """Return the artifact URI of a folder."""
    return f"hdcore://{quote(folder)}"


def stored_path(path: str) -> str:
    """Return a quoted path without the ``outputs/`` that Azure has before the names of artifacts, if it is not there.

    >>> stored_path("/root/sweeps/s/runs/0000/outputs/outputs/model")
    '/root/sweeps/s/runs/0000/outputs/model'
    """
    if os.path.exists(unquote(path)):
        return path
    before, found, after = path.partition("/outputs/outputs")
    return f"{before}/outputs{after}" if found and after[:1] in ("", "/") else path


class OutputsRepository(LocalArtifactRepository):  # type: ignore[misc]
    """A local folder as artifact repository.

    MLflow's own fails when a script logs what lies in the outputs folder already, which is where scripts written for
    Azure and MLflow's first example put their files.
    """

    def __init__(self, artifact_uri: str, *arguments: Any, **more: Any) -> None:
        path = urlparse(artifact_uri).path
        if not os.environ.get("HDCORE_REPORT"):  # where runs are read, MLflow asks for a folder in the artifacts by URI
            path = stored_path(path)
        super().__init__(f"file://{path}", *arguments, **more)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Copy the files of a folder, but for those that are there already."""
        verify_artifact_path(artifact_path)
        copy_folder(os.fspath(local_dir), os.path.join(self.artifact_dir, artifact_path or ""))

    def list_artifacts(self, path: str | None = None) -> Any:
        """Return what is in the folder; it may be called ``outputs``, as in Azure."""
        return super().list_artifacts(self._inner(path))

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> Any:
        """Return the local path of an artifact, copied if a target is given; ``outputs/`` may stand before it."""
        return super().download_artifacts(self._inner(artifact_path), dst_path)

    def _inner(self, path: Any) -> Any:
        first, _, rest = (path or "").partition("/")
        return rest if first == "outputs" and not os.path.exists(os.path.join(self.artifact_dir, path)) else path
