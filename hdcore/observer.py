"""What a view hears from the driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hdcore.records import Parent, SweepSpec
from hdcore.typing import Configuration, RunStatus

if TYPE_CHECKING:
    from hdcore.store import StoredRun


class EndedRun(msgspec.Struct, frozen=True):
    """How a run ended for good.

    Attributes
    ----------
    value, interval : float, int or None
        Best finite value it reported, in the user's sign, and the interval that had it.
    """

    number: int
    status: RunStatus
    reason: str | None
    value: float | None
    interval: int | None
    took_s: float


class Observer:
    """Base of views: every method does nothing.

    All calls come from the driver's thread, between two looks at the executor: they have to be short. A view that
    fails must not end a sweep; it catches what its terminal does to it.
    """

    def sweep_started(
        self, spec: SweepSpec, folder: Path, earlier: Sequence[StoredRun], curves: Mapping[int, Sequence[float]]
    ) -> None:
        """Say that a sweep starts or goes on.

        Parameters
        ----------
        earlier : sequence of StoredRun
            The runs of the store, finished and queued ones.
        curves : mapping
            Number of a finished run -> its reports of the primary metric.
        """

    def runs_proposed(self, count: int, sampler_s: float) -> None:
        """Say that the sampler proposed runs, and the CPU seconds that each of them took it."""

    def started_from(self, parent: Parent) -> None:
        """Say that a new sweep has taken over runs of an earlier one."""

    def run_started(self, number: int, configuration: Configuration, attempt: int, devices: tuple[str, ...]) -> None:
        """Say that the process of a run exists."""

    def run_reported(self, number: int, interval: int, value: float) -> None:
        """Say that a run reported the primary metric; the value may be not finite."""

    def run_ended(self, run: EndedRun) -> None:
        """Say that a run ended for good."""

    def run_requeued(self, number: int, reason: str | None) -> None:
        """Say that a run ended and will be started again."""

    def notice(self, text: str) -> None:
        """Tell the user something that is no error."""

    def tick(self) -> None:
        """Take the chance to draw; called at least ten times a second."""

    def close(self) -> None:
        """Give back what the view holds, also after an error. Idempotent."""

    def sweep_ended(self, status: RunStatus, reason: str) -> None:
        """Say that the driver is done: terminal, or Queued when it was stopped."""
