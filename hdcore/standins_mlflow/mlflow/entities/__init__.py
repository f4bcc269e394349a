"""``mlflow.entities``: what `MlflowClient.log_batch` takes."""

from __future__ import annotations

from typing import Any


class Metric:
    """A value of a metric."""

    def __init__(self, key: str, value: float, timestamp: int = 0, step: int = 0, **unused: Any) -> None:
        self.key, self.value, self.timestamp, self.step = key, value, timestamp, step


class Param:
    """A parameter."""

    def __init__(self, key: str, value: Any) -> None:
        self.key, self.value = key, value


class RunTag(Param):
    """A tag."""


class RunStatus:
    """Words for where a run stands."""

    RUNNING, SCHEDULED, FINISHED, FAILED, KILLED = "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"


class ViewType:
    """Which runs a search looks at."""

    ACTIVE_ONLY, DELETED_ONLY, ALL = 1, 2, 3
