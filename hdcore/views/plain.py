"""The view where no terminal listens: one line a finished run, and the summary at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hdcore.observer import EndedRun
from hdcore.records import Parent, SweepSpec
from hdcore.typing import RunStatus
from hdcore.views.progress import Progress, policy_line
from hdcore.views.text import configuration_line, milliseconds, plural, printable, shown, span

if TYPE_CHECKING:
    from hdcore.store import StoredRun


class PlainView(Progress):
    """Prints a line for each run that ends.

    Parameters
    ----------
    say, warn : callable
        Take a line for stdout and one for stderr. When `say` raises OSError (nobody reads any more) the view falls
        silent and the sweep goes on.
    """

    def __init__(self, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
        super().__init__()
        self._say: Callable[[str], None] | None = say
        self._warn = warn

    def sweep_started(
        self, spec: SweepSpec, folder: Path, earlier: Sequence[StoredRun], curves: Mapping[int, Sequence[float]]
    ) -> None:
        super().sweep_started(spec, folder, earlier, curves)
        going_on = f", {self.ended} of them done" if self.ended else ""
        if not spec.metric:
            self.say(f"{spec.name}: one run of a command")
            return
        self.say(
            f"{spec.name}: {spec.goal.value} {printable(spec.metric)}, {spec.sampler.get('type', 'random')} sampler, "
            f"{policy_line(spec.policy)}, at most {plural(self.total or 0, 'run')}{going_on}"
        )

    def started_from(self, parent: Parent) -> None:
        self.say(f"starts from {printable(parent.line)}")

    def run_ended(self, run: EndedRun) -> None:
        before = self.best
        super().run_ended(run)
        metric = printable(self.spec.metric) if self.spec else "value"
        configuration = {} if self.latest is None else self.latest.configuration
        parts = [
            f"run {run.number:>4}",
            f"{run.status.value:<9}",
            f"{metric} {shown(run.value, 6)}" if metric else "",
            f"in {span(run.took_s)}",
            configuration_line(configuration),
        ]
        if run.reason is not None:
            parts.append(f"({printable(run.reason)})")
        if self.best is not before:
            parts.append("* best so far")
        self.say("  ".join(part for part in parts if part))

    def run_requeued(self, number: int, reason: str | None) -> None:
        super().run_requeued(number, reason)
        self.say(f"run {number:>4}  Queued     again: {printable(reason or 'ended')}")

    def notice(self, text: str) -> None:
        super().notice(text)
        self._warn(text)

    def say(self, line: str) -> None:
        """Print a line, unless the reader has gone."""
        if self._say is not None:
            try:
                self._say(line)
            except OSError:
                self._say = None


def summary(progress: Progress, *, root: Path | None = None) -> list[str]:
    """Return the closing lines: what came of it, the best run, where to look further."""
    spec = progress.spec
    if spec is None:
        return []
    took = span(time.monotonic() - progress.began)
    completed = progress.count[RunStatus.COMPLETED]
    counts = [f"{completed} completed"]
    if progress.stopped_early:
        saved = f", about {progress.saved_share:.0%} of intervals saved" if progress.saved_share >= 0.005 else ""
        counts.append(f"{progress.stopped_early} stopped early by the policy{saved}")
    canceled = progress.count[RunStatus.CANCELED] - progress.stopped_early
    if canceled:
        counts.append(f"{canceled} canceled")
    if progress.count[RunStatus.FAILED]:
        counts.append(f"{progress.count[RunStatus.FAILED]} failed")
    option = "" if root is None else f" --root {short_path(root)}"
    again = len(progress.waiting)
    if progress.status is RunStatus.QUEUED:
        reason = progress.reason[:1].upper() + progress.reason[1:]
        going_on = f"{plural(again, 'run')} in flight will start again" if again else "go on with"
        how = "run the program again" if spec.function else f"hdcore resume {spec.name}{option}"
        headline = f"{reason} after {took}; {going_on}: {how}"
        counts += [f"{again} in flight"] if again else []
    else:
        headline = f"{progress.status.value}, {progress.reason}, {took}"
    lines = [
        f"{spec.name}: {headline}",
        f"  runs    {progress.ended + again}: {'; '.join(counts)}",
    ]
    if progress.proposed:
        mean, longest = milliseconds(progress.sampler_s / progress.proposed), milliseconds(progress.longest_sampler_s)
        lines.append(f"  sampler {mean} of CPU a run, {longest} at most")
    best = progress.leader
    if best is not None:
        at = f" at interval {best.interval}" if best.interval else ""
        lines += [
            f"  best    run {best.number}, {printable(spec.metric)} {shown(best.value, 6)}{at}",
            f"          {configuration_line(best.configuration)}",
            f"  folder  {short_path(progress.folder / 'runs' / f'{best.number:04d}')}",
        ]
    elif completed and spec.metric:
        lines.append(f"  best    none: no run reported a finite {printable(spec.metric)!r}")
    failure = progress.last_failure
    if failure is not None:
        lines.append(f"  failed  run {failure.number}: {printable(failure.reason or '')}")
    look_at = best if best is not None else failure
    more = [f"hdcore show {spec.name}{option}"]
    if look_at is not None:
        more.append(f"hdcore logs {spec.name} {look_at.number}{option}")
    lines.append(f"  more    {'; '.join(more)}")
    return lines


def short_path(path: Path) -> str:
    """Return a path relative to the working directory where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
