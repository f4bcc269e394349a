"""Words that every layer shares: array aliases, the goal, run states."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from hdcore.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatMatrix: TypeAlias = npt.NDArray[np.float64]
    """float64, two axes, C order unless said otherwise."""
    FloatVector: TypeAlias = npt.NDArray[np.float64]
    IntVector: TypeAlias = npt.NDArray[np.int64]
    BoolVector: TypeAlias = npt.NDArray[np.bool_]

Configuration: TypeAlias = dict[str, Any]
"""Parameter values of one run as a user sees them; nested choices hold dictionaries."""


class Goal(Enum):
    """Whether the primary metric is to grow or to shrink."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @classmethod
    def parse(cls, value: object) -> Goal:
        """Read a goal from a `Goal`, another enum with such a value (Azure's), or a word in any case."""
        if isinstance(value, cls):
            return value
        word = value.value if isinstance(value, Enum) else value
        if isinstance(word, str) and word.lower() in ("maximize", "minimize"):
            return cls(word.lower())
        raise InputError(f"goal is {value!r}; write 'maximize' or 'minimize'", field="goal")

    @property
    def sign(self) -> float:
        """Factor between a metric and its score: inside the engine, larger is better."""
        return 1.0 if self is Goal.MAXIMIZE else -1.0


class RunStatus(StrEnum):
    """Where a run stands; also the states of a whole sweep."""

    QUEUED = "Queued"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_terminal(self) -> bool:
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)

    @classmethod
    def parse(cls, value: object) -> RunStatus:
        """Read a status in any case; both spellings of canceled."""
        if isinstance(value, str):
            word = value.lower().replace("cancelled", "canceled").capitalize()
            if word in cls._value2member_map_:
                return cls(word)
        raise InputError(f"status is {value!r}; write one of {', '.join(s.value.lower() for s in cls)}", field="status")
