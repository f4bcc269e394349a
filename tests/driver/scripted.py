"""An executor without processes: each run plays a script, one report a poll."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hdcore.records import Event, Launch, MetricRow, Reports, RunEnd, RunStarted
from hdcore.typing import RunStatus

Script = Callable[[int, int], "Play"]


class Play:
    """What a run does: reports of the primary metric, one each poll, then its end."""

    def __init__(
        self,
        reports: Sequence[float | tuple[str, float]] = (1.0,),
        status: RunStatus = RunStatus.COMPLETED,
        reason: str | None = None,
        *,
        endless: bool = False,
        are_reports_lost: bool = False,
    ) -> None:
        self.reports, self.status, self.reason, self.endless = list(reports), status, reason, endless
        self.are_reports_lost = are_reports_lost
        self.is_excused = False


class ScriptedExecutor:
    """The `Executor` protocol; `script(number, attempt)` says what a run does."""

    def __init__(self, script: Script, slots: int = 2, metric: str = "loss") -> None:
        self.script, self.slots, self.metric = script, slots, metric
        self.live: dict[int, tuple[Launch, Play, list[int]]] = {}
        self.events: list[Event] = []
        self.started: list[tuple[int, int]] = []
        self.canceled: dict[int, str] = {}
        self.most_at_once = 0
        self.is_closed = False
        self.why_blocked: str | None = None
        self.too_big: set[int] = set()
        self.polls = 0
        self.dropped = 0  # lines refused, with each report
        self.on_poll: Callable[[int], None] = lambda polls: None

    def capacity(self) -> int:
        return 0 if self.why_blocked else self.slots - len(self.live)

    def has_room(self, number: int, configuration: dict[str, Any]) -> bool:
        return number not in self.too_big

    def blocked(self) -> str | None:
        return self.why_blocked

    def start(self, launch: Launch) -> tuple[str, ...]:
        assert self.capacity() > 0
        assert launch.number not in self.live
        self.live[launch.number] = (launch, self.script(launch.number, launch.attempt), [0])
        self.started.append((launch.number, launch.attempt))
        self.most_at_once = max(self.most_at_once, len(self.live))
        self.events.append(RunStarted(launch.number, launch.attempt, 1))
        return ()

    def cancel(self, number: int, reason: str, *, grace_s: float = 5.0) -> None:
        if number in self.live:
            self.canceled.setdefault(number, reason)

    def poll(self, timeout_s: float) -> list[Event]:
        self.polls += 1
        self.on_poll(self.polls)
        events, self.events = self.events, []
        for number, (launch, play, at) in list(self.live.items()):
            if number in self.canceled:
                reason = self.canceled.pop(number)
                self._end(events, launch, RunStatus.CANCELED, reason)
            elif at[0] < len(play.reports):
                report = play.reports[at[0]]
                name, value = report if isinstance(report, tuple) else (self.metric, report)
                at[0] += 1
                row = MetricRow(name, value, at=1.0)
                events.append(Reports(number, launch.attempt, (row,), at[0] * 10, self.dropped))
            elif not play.endless:
                self._end(events, launch, play.status, play.reason, play.are_reports_lost, play.is_excused)
        return events

    def wake_on(self, fd: int) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True
        self.live.clear()

    def _end(
        self,
        events: list[Event],
        launch: Launch,
        status: RunStatus,
        reason: str | None,
        are_reports_lost: bool = False,
        is_excused: bool = False,
    ) -> None:
        del self.live[launch.number]
        events.append(
            RunEnd(
                number=launch.number,
                attempt=launch.attempt,
                status=status,
                reason=reason,
                duration_s=0.5,
                are_reports_lost=are_reports_lost,
                is_excused=is_excused,
            )
        )


def bare_launch(number: int, attempt: int, configuration: dict[str, Any]) -> Launch:
    """Make a run ready without touching the disk."""
    return Launch(
        number=number, attempt=attempt, argv=("true",), cwd="/", folder="/nowhere", report="/nowhere/r", environment={}
    )
