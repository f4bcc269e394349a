"""What ``begin_…`` calls return: here, what they began is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Poller(Generic[T]):
    """A finished operation, as Azure's long running ones look."""

    def __init__(self, result: T) -> None:
        self._result = result

    def result(self, timeout: float | None = None) -> T:
        """Return what came of it."""
        return self._result

    def wait(self, timeout: float | None = None) -> None:
        """Return at once."""

    def done(self) -> bool:
        """Return True."""
        return True

    def status(self) -> str:
        """Return ``Succeeded``."""
        return "Succeeded"

    def add_done_callback(self, func: Callable[[Any], Any]) -> None:
        """Call it at once."""
        func(self)

    def remove_done_callback(self, func: Callable[[Any], Any]) -> None:
        """Do nothing: it was called."""
