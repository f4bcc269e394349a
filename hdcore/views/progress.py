"""What a person wants to know of a sweep under way; views draw it."""

from __future__ import annotations

import math
import time
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hdcore.observer import EndedRun, Observer
from hdcore.records import SweepSpec
from hdcore.typing import Configuration, RunStatus
from hdcore.views.sparkline import Curve, Scale

if TYPE_CHECKING:
    from hdcore.store import StoredRun

ROWS_KEPT = 100
"""Finished runs kept with configuration and curve: a value never changes once a run has ended, so a run that has
dropped out of the best hundred never comes back, and a sweep of any length fits."""


@dataclass(slots=True)
class Row:
    """A run as a view shows it."""

    number: int
    configuration: Configuration
    status: RunStatus = RunStatus.RUNNING
    reason: str | None = None
    value: float | None = None
    interval: int | None = None
    curve: Curve = field(default_factory=Curve)
    devices: tuple[str, ...] = ()
    attempt: int = 1
    began: float = 0.0
    took_s: float = 0.0


class Progress(Observer):
    """The model behind all views: counts, best run, the rows worth showing. Memory does not grow with the runs."""

    def __init__(self) -> None:
        self.spec: SweepSpec | None = None
        self.folder = Path()
        self.total: int | None = None
        self.count = dict.fromkeys(RunStatus, 0)
        self.running: dict[int, Row] = {}
        self.waiting: dict[int, Row] = {}  # that were in flight and start again
        self.top: list[tuple[float, int, Row]] = []  # (-score, number, row), best first
        self.without_value: list[Row] = []  # the last few that ended without any value
        self.scale = Scale()
        self.best: Row | None = None
        self.latest: Row | None = None  # the last that ended
        self.last_failure: Row | None = None
        self.notices: list[str] = []
        self.status = RunStatus.RUNNING
        self.reason = ""
        self.began = time.monotonic()
        self.ended_here = 0  # since this driver started
        self.stopped_early = 0
        self.proposed = 0  # runs of which the sampler's time is known
        self.sampler_s = 0.0  # CPU seconds for all of them, and for the longest
        self.longest_sampler_s = 0.0
        self._stopped_intervals = 0
        self._intervals_run = 0
        self._longest = 0  # intervals of a run that completed
        self._sign = 1.0

    # ------------------------------------------------------------------ hearing

    def sweep_started(
        self, spec: SweepSpec, folder: Path, earlier: Sequence[StoredRun], curves: Mapping[int, Sequence[float]]
    ) -> None:
        self.spec, self.folder, self._sign = spec, folder, spec.goal.sign
        self.total = _total_runs(spec)
        self.began = time.monotonic()
        for run in earlier:
            if run.sampler_s is not None:
                self.runs_proposed(1, run.sampler_s)
            row = Row(run.number, run.configuration, took_s=run.duration_s or 0.0)
            if not run.status.is_terminal:
                if run.attempt:
                    row.status = RunStatus.QUEUED
                    if run.primary is not None:
                        row.value = run.primary.best(spec.goal)
                        row.interval = run.primary.best_interval(spec.goal)
                    self.waiting[run.number] = row
                continue
            row.devices, row.attempt = tuple(run.devices), run.attempt
            row.curve.extend(curves.get(run.number, ()))
            if run.primary is not None:
                for extreme in (run.primary.lowest, run.primary.highest):
                    if extreme is not None:
                        self.scale.add(extreme)
            self._finish(row, EndedRun(run.number, run.status, run.reason, run.value, run.interval, row.took_s))

    def runs_proposed(self, count: int, sampler_s: float) -> None:
        self.proposed += count
        self.sampler_s += count * sampler_s
        self.longest_sampler_s = max(self.longest_sampler_s, sampler_s)

    def run_started(self, number: int, configuration: Configuration, attempt: int, devices: tuple[str, ...]) -> None:
        self.waiting.pop(number, None)
        self.running[number] = Row(number, configuration, devices=devices, attempt=attempt, began=time.monotonic())

    def joined(self, driver_age_s: float, ended: int) -> None:
        """Say that the view came later than the driver, which has seen `ended` runs end."""
        self.began -= driver_age_s
        self.ended_here += ended

    def run_age(self, number: int, age_s: float) -> None:
        """Say how long a run has been running."""
        self.running[number].began -= age_s

    def run_reported(self, number: int, interval: int, value: float) -> None:
        row = self.running[number]
        row.curve.add(value)
        if math.isfinite(value):
            self.scale.add(value)
            if row.value is None or value * self._sign > row.value * self._sign:
                row.value, row.interval = value, interval

    def run_ended(self, run: EndedRun) -> None:
        waiting = self.waiting.pop(run.number, None)
        row = self.running.pop(run.number, None) or waiting or Row(run.number, {})
        row.took_s = run.took_s
        self.ended_here += 1
        self._finish(row, run)

    def run_requeued(self, number: int, reason: str | None) -> None:
        row = self.running.pop(number, None)
        if row is not None:
            row.status = RunStatus.QUEUED
            self.waiting[number] = row

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def sweep_ended(self, status: RunStatus, reason: str) -> None:
        self.status, self.reason = status, reason

    def _finish(self, row: Row, run: EndedRun) -> None:
        status, reason, value = run.status, run.reason, run.value
        row.status, row.reason, row.value, row.interval = status, reason, value, run.interval
        self.count[status] += 1
        self.latest = row
        intervals = row.curve.count
        self._intervals_run += intervals
        if status is RunStatus.COMPLETED:
            self._longest = max(self._longest, intervals)
        elif status is RunStatus.FAILED:
            self.last_failure = row
        elif reason is not None and " at interval " in reason:
            self.stopped_early += 1
            self._stopped_intervals += intervals
        if value is None:
            self.without_value = [*self.without_value[-9:], row]
            return
        insort(self.top, (-value * self._sign, row.number, row))  # of equal runs the lower number is the better
        del self.top[ROWS_KEPT:]
        self.best = self.top[0][2]

    # ------------------------------------------------------------------ answers

    @property
    def ended(self) -> int:
        """Runs that ended for good."""
        return self.count[RunStatus.COMPLETED] + self.count[RunStatus.FAILED] + self.count[RunStatus.CANCELED]

    @property
    def leader(self) -> Row | None:
        """The row with the best value, ended, running or waiting to start again."""
        rows = (self.best, *self.running.values(), *self.waiting.values())
        return max(
            (row for row in rows if row is not None and row.value is not None),
            key=lambda row: ((row.value or 0.0) * self._sign, -row.number),
            default=None,
        )

    @property
    def saved_intervals(self) -> int:
        """Intervals that the policy saved, taking the longest completed run as the length of all."""
        return max(0, self.stopped_early * self._longest - self._stopped_intervals)

    @property
    def saved_share(self) -> float:
        """Share of these in all intervals."""
        saved = self.saved_intervals
        return saved / (saved + self._intervals_run) if saved else 0.0

    def eta_s(self, now: float) -> float | None:
        """Return the seconds that are left, from the pace since this driver started; None before the first end."""
        if not self.ended_here or self.total is None:
            return None
        left = (self.total - self.ended) * (now - self.began) / self.ended_here
        timeout_s = None if self.spec is None else self.spec.limits.timeout_s
        return left if not timeout_s else min(left, max(0.0, timeout_s - (now - self.began)))

    def rows(self, most: int) -> list[Row]:
        """Return the rows to show, best value first, those without a value last; all running ones if they fit."""
        running = list(self.running.values())
        running.sort(key=self._rank)
        running = running[: max(most // 2, most - len(self.top) - len(self.without_value))]
        chosen = running + [row for _, _, row in self.top[: most - len(running)]]
        if len(chosen) < most:
            chosen += self.without_value[len(chosen) - most :]
        chosen.sort(key=self._rank)
        return chosen

    def _rank(self, row: Row) -> tuple[int, float, int]:
        if row.value is None:
            return (1, 0.0, row.number)
        return (0, -row.value * self._sign, row.number)


def _total_runs(spec: SweepSpec) -> int:
    from hdcore.space import SearchSpace

    size = SearchSpace(spec.space).size
    return spec.limits.max_total_runs if size is None else min(size, spec.limits.max_total_runs)


def policy_line(policy: dict[str, object] | None) -> str:
    """Return a policy in a few words: ``median stopping (interval 1, delay 5)``."""
    if not policy or policy.get("name") == "Default":
        return "no policy"
    names = {"Bandit": "bandit", "MedianStopping": "median stopping", "TruncationSelection": "truncation"}
    name = str(policy.get("name"))
    properties = policy.get("properties")
    short = {
        "evaluation_interval": "interval",
        "delay_evaluation": "delay",
        "slack_factor": "slack factor",
        "slack_amount": "slack",
        "truncation_percentage": "percentage",
    }
    told = []
    for key, value in (properties if isinstance(properties, dict) else {}).items():
        if key in short and isinstance(value, int | float):
            told.append(f"{short[key]} {value:g}")
    return names.get(name, name) + (f" ({', '.join(told)})" if told else "")
