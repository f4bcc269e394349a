"""Stand-ins for Azure's packages, found through ``PYTHONPATH``.

``trial/`` holds ``azureml`` and is on the path of every run; ``driver/`` holds ``azure`` and is beside it for a driver
script that `hdcore azure` runs. Their modules are made from the tables here when they are imported, and hand out names
of `hdcore.hyperdrive` and `hdcore.azure.v2`. A folder on the path costs a program that imports neither nothing but a
look at its listing.
"""

from __future__ import annotations

import os

TRIAL_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trial")
DRIVER_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "driver")
MLFLOW_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "standins_mlflow")


def with_standins(path: str | None, *, is_driver: bool = False) -> str:
    """Return a ``PYTHONPATH`` with the stand-ins at its front: those of a run, or of a driver script.

    Stand-ins that are on it already are taken out first: a run started by a driver script gets those of a run.
    """
    others = [part for part in (path or "").split(os.pathsep) if part and part not in (TRIAL_FOLDER, DRIVER_FOLDER)]
    front = [TRIAL_FOLDER, DRIVER_FOLDER] if is_driver else [TRIAL_FOLDER]
    return os.pathsep.join([*front, *others])
