"""``mlflow.artifacts``: files of the trial."""

from __future__ import annotations

import json
import os
from typing import Any

from mlflow import _calls, _models


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | None = None,
    tracking_uri: str | None = None,
) -> str:
    """Return the local path of an artifact; with `dst_path` that of a copy."""
    given = _models.local_folder(artifact_uri) if artifact_uri else _calls._place(artifact_path or "", run_id)
    source: str = given
    if not os.path.exists(source):
        raise _calls.MlflowException(f"{artifact_uri or artifact_path} is no artifact of the trial")
    if dst_path is None:
        return source
    target = os.path.join(dst_path, os.path.basename(source))
    if os.path.isdir(source):
        _calls.copy_folder(source, target)
    else:
        _calls.copy_file(source, dst_path)
    return target


def load_text(artifact_uri: str) -> str:
    """Return the text of an artifact."""
    with open(download_artifacts(artifact_uri), encoding="utf-8") as file:
        return file.read()


def load_dict(artifact_uri: str) -> Any:
    """Return the dictionary of a JSON artifact."""
    return json.loads(load_text(artifact_uri))


def list_artifacts(artifact_uri: str | None = None, run_id: str | None = None, artifact_path: str = "") -> list[Any]:
    """Return the artifacts in a folder."""
    folder = _models.local_folder(artifact_uri) if artifact_uri else None
    found: list[Any] = _calls.list_artifacts(folder, run_id, artifact_path)
    return found
