"""What a tracker has to do, and what all of them say about a run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from hdcore.errors import InputError
from hdcore.store.records import Flag
from hdcore.tracking import URI

if TYPE_CHECKING:
    from pathlib import Path

    from hdcore.store import StoredRun, StoreReader


class Target(Protocol):
    """Where a sweep is copied to. Any method may raise anything; `begin` is called again before the next try."""

    def begin(self, reader: StoreReader) -> set[int]:
        """Find or make the sweep there; return the numbers of the runs that are there whole already."""

    def export(self, reader: StoreReader, run: StoredRun) -> None:
        """Copy an ended run."""

    def finish(self, reader: StoreReader) -> None:
        """Bring what concerns the sweep as a whole up to date, after its runs."""


_PACKAGES = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX"}


def check_tracker(kind: str) -> None:
    """Refuse a tracker that cannot be used; imports nothing.

    Raises
    ------
    ImportError
        If its package is not installed.
    InputError
        If the environment does not say where to.
    """
    if find_spec(_PACKAGES[kind]) is None:
        raise ImportError(f"--track {kind} needs {_PACKAGES[kind]}; install hdcore[{kind}]")
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if kind == "mlflow" and (not uri or uri.startswith(URI)):
        raise InputError("needs the address of a server in MLFLOW_TRACKING_URI", source="--track mlflow")


def make_target(kind: str, folder: Path) -> Target:
    """Return the target of this kind for the sweep in `folder`; nothing is sent yet. Raises as `check_tracker`."""
    check_tracker(kind)
    if kind == "mlflow":
        from hdcore.tracking.export.mlflow import MlflowTarget

        return MlflowTarget()
    if kind == "wandb":
        from hdcore.tracking.export.wandb import WandbTarget

        return WandbTarget(folder)
    from hdcore.tracking.export.tensorboard import TensorBoardTarget

    return TensorBoardTarget(folder)


def parameters(configuration: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a configuration with dotted names for nested choices; lists become text."""
    found: dict[str, Any] = {}
    for name, value in configuration.items():
        if isinstance(value, Mapping):
            found.update(parameters(value, f"{prefix}{name}."))
        else:
            found[prefix + name] = json.dumps(value) if isinstance(value, list | tuple) else value
    return found


def points(reader: StoreReader, run: StoredRun) -> Iterator[tuple[str, int, float, float]]:
    """Yield name, step, value and wall-clock time of every report of a run; the times lie evenly between its ends."""
    start = run.started or run.created
    span = max(0.0, (run.ended or start) - start)
    for name, rows in reader.series(run.number).items():
        for interval, step, value, flag in rows:
            at = start + span * interval / len(rows)
            yield name, interval if step is None else step, Flag(flag).restore(value), at
