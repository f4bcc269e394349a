"""The environment by which MLflow, in whichever interpreter a run starts, finds its way into the sweep."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hdcore.tracking import URI

_FOLDER = str(Path(__file__).resolve().parent.parent / "standins_mlflow")


def lead_mlflow_here(environment: dict[str, str], chosen: Mapping[str, str]) -> None:
    """Set MLflow's variables in what the environments of a sweep's runs have in common.

    A tracking URI among the sweep's own variables stands, and everything of MLflow is left to the user then. One that
    the shell has is for other work: the sweep would not see its runs' metrics.

    Parameters
    ----------
    environment : dict
        Changed in place.
    chosen : mapping
        The sweep's ``environment_variables``.
    """
    environment.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if "MLFLOW_RUN_ID" not in chosen:
        environment.pop("MLFLOW_RUN_ID", None)  # of a run around this process
    if "MLFLOW_TRACKING_URI" in chosen:
        return
    environment["MLFLOW_TRACKING_URI"] = URI
    # The folder has a stand-in that gives way to an installed mlflow, and the plugin for interpreters without hdcore.
    path = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{_FOLDER}{os.pathsep}{path}" if path else _FOLDER


def name_mlflow_run(environment: dict[str, str], run_id: str) -> None:
    """Tell MLflow which run this is, if its data are to land here."""
    if environment.get("MLFLOW_TRACKING_URI") == URI:
        environment.setdefault("MLFLOW_RUN_ID", run_id)
