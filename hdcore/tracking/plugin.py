"""What MLflow finds through entry points. Loaded by each ``import mlflow``, in trials and elsewhere: light, and without
any effect outside of trials.
"""

from __future__ import annotations

import functools
import os
import sys

from hdcore.tracking import URI
from hdcore.tracking.trial import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def tracking_store(store_uri: str | None = None, artifact_uri: str | None = None) -> Any:
    """Return the tracking store: of the trial, elsewhere of stored sweeps (entry point ``mlflow.tracking_store``)."""
    if not _is_trial():
        from hdcore.tracking.reading import SweepsStore

        return SweepsStore(store_uri or URI)
    from hdcore.tracking.store import TrialStore

    return TrialStore()


def registry_store(store_uri: str | None = None, tracking_uri: str | None = None) -> Any:
    """Return the trial's registry; elsewhere that of the root (entry point ``mlflow.model_registry_store``)."""
    if not _is_trial():
        from hdcore.tracking.reading import root_of
        from hdcore.tracking.shelved import ShelfRegistry

        return ShelfRegistry(root_of(store_uri or tracking_uri or URI))
    from hdcore.tracking.registry import TrialRegistry

    return TrialRegistry()


def artifact_repository(artifact_uri: str, *arguments: Any, **more: Any) -> Any:
    """Return what keeps artifacts in the run's outputs folder (entry point ``mlflow.artifact_repository``)."""
    from hdcore.tracking.artifacts import OutputsRepository

    return OutputsRepository(artifact_uri, *arguments, **more)


def _is_trial() -> bool:
    return bool(os.environ.get("HDCORE_REPORT"))


def is_ours() -> bool:
    """Return whether this process belongs to a trial whose MLflow data are to land in its sweep."""
    return _is_trial() and os.environ.get("MLFLOW_TRACKING_URI") == URI


def _keep_to_the_sweep() -> None:
    """Let `mlflow.set_tracking_uri` of a script change nothing in a trial.

    Scripts name their server, a file or ``azureml:``. The sweep would see no metric of theirs, and MLflow would look
    for the trial's run over there. Who wants that sets MLFLOW_TRACKING_URI for the trials.
    """
    utils = sys.modules.get("mlflow.tracking._tracking_service.utils")
    original = getattr(utils, "set_tracking_uri", None)
    if original is None or getattr(original, "is_kept_to_the_sweep", False):
        return

    @functools.wraps(original)
    def set_tracking_uri(uri: Any) -> None:
        if not uri or not is_ours():
            original(uri)
            return
        is_here = str(uri).startswith(URI)  # the sweep's root, as a workspace names it
        if not is_here and not set_tracking_uri.is_told:  # type: ignore[attr-defined]
            set_tracking_uri.is_told = True  # type: ignore[attr-defined]
            warn(
                "mlflow.set_tracking_uri changes nothing here: what a run logs lands in its sweep; "
                "to send it elsewhere set MLFLOW_TRACKING_URI in the sweep's environment_variables"
            )

    set_tracking_uri.is_kept_to_the_sweep = True  # type: ignore[attr-defined]
    set_tracking_uri.is_told = False  # type: ignore[attr-defined]
    utils.set_tracking_uri = set_tracking_uri  # type: ignore[union-attr]


_keep_to_the_sweep()
