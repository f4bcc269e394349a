"""What an executor is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from hdcore.records import Event, Launch
    from hdcore.typing import Configuration


@runtime_checkable
class Executor(Protocol):
    """Starts and ends the processes of runs. All calls come from the driver's thread.

    The order of events of one run is RunStarted, Reports…, RunEnd; nothing of the run lives after its RunEnd, and
    every line it wrote to its report file has been delivered before.
    """

    def capacity(self) -> int:
        """Return how many more runs could start now."""

    def blocked(self) -> str | None:
        """Return why no run can ever start again, though none is running; None: one can, now or later."""

    def has_room(self, number: int, configuration: Configuration) -> bool:
        """Return whether this run could start now; `capacity` counts runs without looking at them."""

    def start(self, launch: Launch) -> tuple[str, ...]:
        """Start a run and return its devices. A command that cannot be started yields a RunEnd, not an error.

        Raises
        ------
        NoRoomError
            If another sweep was faster: the run can start later.
        ExecutorError
            If there is no free slot.
        """

    def cancel(self, number: int, reason: str, *, grace_s: float = 5.0) -> None:
        """End a run: SIGTERM, `grace_s` seconds, then SIGKILL to its whole tree. Its RunEnd is CANCELED with `reason`.

        Unknown and ended numbers are ignored: the run may have ended on its own in the same moment.
        """

    def poll(self, timeout_s: float) -> list[Event]:
        """Return the events that have come, waiting at most `timeout_s` for the first one."""

    def wake_on(self, fd: int) -> None:
        """Let `poll` return early when `fd` becomes readable (signals)."""

    def close(self) -> None:
        """End all runs and free everything. Idempotent."""
