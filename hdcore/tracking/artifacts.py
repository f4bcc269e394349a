"""Artifacts of a trial: plain files in its outputs folder."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote, urlparse

from mlflow.store.artifact.artifact_repo import verify_artifact_path
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from hdcore.tracking.copying import copy_folder


def uri_of(folder: str) -> str:
    """Return the artifact URI of a folder."""
    return f"hdcore://{quote(folder)}"


class OutputsRepository(LocalArtifactRepository):  # type: ignore[misc]
    """A local folder as artifact repository.

    MLflow's own fails when a script logs what lies in the outputs folder already, which is where scripts written for
    Azure and MLflow's first example put their files.
    """

    def __init__(self, artifact_uri: str, *arguments: Any, **more: Any) -> None:
        super().__init__(f"file://{urlparse(artifact_uri).path}", *arguments, **more)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Copy the files of a folder, but for those that are there already."""
        verify_artifact_path(artifact_path)
        copy_folder(os.fspath(local_dir), os.path.join(self.artifact_dir, artifact_path or ""))
