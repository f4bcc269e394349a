"""The live table in a terminal.

Frames are painted over the last one line by line, each line cleared behind its text, all in one write and between
the marks of a synchronised update: nothing flickers, and what stood above stays in the scroll-back.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from hdcore.observer import EndedRun
from hdcore.records import Parent, SweepSpec
from hdcore.typing import RunStatus
from hdcore.views.importance import LiveImportance
from hdcore.views.progress import Progress, Row, policy_line
from hdcore.views.table import STATUS_STYLE, run_table
from hdcore.views.text import configuration_line, printable, shown, span

if TYPE_CHECKING:
    from hdcore.store import StoredRun

FRAME_S = 0.25
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # synchronised update; terminals that do not know it ignore it
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_NOTICES_SHOWN = 2
_MOST_BAR, _LEAST_BAR = 40, 6
_BESIDE_BAR = 46  # columns for counts, times and words beside the bar
_MOST_BEST = 3
_PARAMETERS = 12
_SHORT = 14  # rows of a terminal


class LiveView(Progress):
    """Draws the sweep at most four times a second; when it ends, the last frame stays.

    Parameters
    ----------
    stream : text stream
        A terminal.
    clock : callable
        Monotonic seconds.
    share : float
        Of a CPU, for what is more than drawing.
    """

    def __init__(
        self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic, share: float = 0.02
    ) -> None:
        super().__init__()
        self._share = share
        self._importance: LiveImportance | None = None
        self._painter = Painter(stream or sys.stdout)
        self._clock = clock
        self._next = 0.0
        self._is_closed = False
        self._origins: list[Text] = []

    def sweep_started(
        self, spec: SweepSpec, folder: Path, earlier: Sequence[StoredRun], curves: Mapping[int, Sequence[float]]
    ) -> None:
        if spec.metric:
            self._importance = LiveImportance(spec.space, spec.goal.sign, self._share * FRAME_S)
        super().sweep_started(spec, folder, earlier, curves)

    def _finish(self, row: Row, run: EndedRun) -> None:
        super()._finish(row, run)
        if self._importance is not None and run.value is not None and run.status is not RunStatus.FAILED:
            self._importance.add(row.configuration, run.value)

    def started_from(self, parent: Parent) -> None:
        self._origins.append(Text(f"starts from {printable(parent.line)}", style="dim", no_wrap=True))

    def tick(self) -> None:
        now = self._clock()
        if now >= self._next:
            self._next = now + FRAME_S
            if self._importance is not None:
                self._importance.refresh(now)
            self._draw(now)

    def sweep_ended(self, status: RunStatus, reason: str) -> None:
        super().sweep_ended(status, reason)
        self.close()

    def close(self) -> None:
        """Draw a last time and give the terminal back. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._draw(self._clock())
            self._painter.close()

    def _draw(self, now: float) -> None:
        if self.spec is None:
            return
        width, height = self._painter.size()
        self._painter.paint(self.frame(width, height, now))

    def frame(self, width: int, height: int, now: float) -> list[Text]:
        """Return the lines of a frame, at most ``height - 1`` of them."""
        assert self.spec is not None
        spec = self.spec
        progress, best = self._progress_lines(width, now), self._best_lines(width, height)
        head = [self._title(), *self._origins, *progress, *best, *self._importance_lines()]
        if height < _SHORT:  # a few rows of the table say more
            head = [self._title(), *progress[:2], *best]
        foot = self._foot()
        room = height - 1 - len(head) - len(foot) - 2  # a blank line and the heading of the table
        leader = self.leader
        leading = None if leader is None else leader.number
        rows = self.rows(room) if room > 0 else []
        table = run_table(rows, spec.metric, self.scale, width, best=leading, now=now)
        lines = [*head, *([Text(""), *table] if table else []), *foot]
        return lines[: max(1, height - 1)]

    def _title(self) -> Text:
        assert self.spec is not None
        spec = self.spec
        line = Text(no_wrap=True)
        line.append(printable(spec.name), style="bold")
        if not spec.metric:
            line.append("  one run of a command", style="dim")
            return line
        sampler = printable(str(spec.sampler.get("type", "random")))
        line.append(
            f"  {spec.goal.value} {printable(spec.metric)} · {sampler} · {policy_line(spec.policy)}", style="dim"
        )
        return line

    def _progress_lines(self, width: int, now: float) -> list[Text]:
        total, ended = self.total or 0, self.ended
        told = Text(f"{ended}/{total} runs  {span(now - self.began)}", no_wrap=True)
        eta = self.eta_s(now)
        if self.status is RunStatus.QUEUED:
            told.append("  Stopped", style=STATUS_STYLE[self.status])
        elif self.status.is_terminal:
            told.append(f"  {self.status.value}", style=STATUS_STYLE[self.status])
        elif eta is not None:
            told.append(f"  {span(eta)} left", style="dim")
        bar_width = min(_MOST_BAR, width - _BESIDE_BAR)
        filled = round(bar_width * ended / total) if total else 0
        first = Text(no_wrap=True)
        if bar_width >= _LEAST_BAR:
            first.append("━" * filled, style="green")
            first.append("━" * (bar_width - filled) + "  ", style="bright_black")
        return [first + told, *_joined(self._counts(), width)]

    def _counts(self) -> list[tuple[str, str]]:
        counts = [(f"{len(self.running)} running", "cyan"), (f"{self.count[RunStatus.COMPLETED]} completed", "green")]
        if self.stopped_early:
            counts.append((f"{self.stopped_early} stopped early", "yellow"))
            if self.saved_share >= 0.005:
                counts.append((f"{self.saved_intervals} intervals saved, {self.saved_share:.0%}", "yellow"))
        canceled = self.count[RunStatus.CANCELED] - self.stopped_early
        if canceled:
            counts.append((f"{canceled} canceled", "yellow"))
        if self.count[RunStatus.FAILED]:
            counts.append((f"{self.count[RunStatus.FAILED]} failed", "red"))
        return counts

    def _best_lines(self, width: int, height: int) -> list[Text]:
        row = self.leader
        if row is None:
            return []
        line = Text(no_wrap=True)
        line.append("best ", style="dim")
        line.append(shown(row.value, 6), style="bold green")
        line.append(f" by run {row.number}" + ("" if row.status.is_terminal else f" ({row.status.lower()})"))
        words = configuration_line(row.configuration).split(" ")
        lines = [line]
        for word in words:  # on a tall terminal the configuration has room for three lines
            if lines[-1].cell_len + cell_len(word) + 2 >= width and len(lines) < min(_MOST_BEST, height // 10):
                lines.append(Text("    ", no_wrap=True))
            lines[-1].append(f"{'  ' if lines[-1] is line and word is words[0] else ' '}{word}")
        return lines

    def _importance_lines(self) -> list[Text]:
        shares = [] if self._importance is None else self._importance.shares
        if not shares:
            return []
        line = Text("importance ", style="dim", no_wrap=True)
        line.append(" · ".join(f"{printable(name)} {share:.0%}" for name, share in shares[:_PARAMETERS]), style="")
        return [line]

    def _foot(self) -> list[Text]:
        foot = []
        if self.last_failure is not None and self.spec is not None:
            failure = self.last_failure
            hint = f"; hdcore logs {self.spec.name} {failure.number}"
            reason = printable(failure.reason or "failed")
            foot.append(Text(f"run {failure.number} failed: {reason}{hint}", style="red", no_wrap=True))
        foot += [Text(printable(text), style="yellow", no_wrap=True) for text in self.notices[-_NOTICES_SHOWN:]]
        return foot


def _joined(parts: list[tuple[str, str]], width: int) -> list[Text]:
    """Join styled words into as many lines as they take."""
    lines = [Text(no_wrap=True)]
    for text, style in parts:
        if lines[-1] and lines[-1].cell_len + 3 + cell_len(text) >= width:
            lines.append(Text(no_wrap=True))
        if lines[-1]:
            lines[-1].append(" · ", style="dim")
        lines[-1].append(text, style=style)
    return lines


class Painter:
    """Paints frames over each other at the bottom of a terminal. What the terminal does to it ends it quietly."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._painted: list[int] = []  # cells in each line of the last frame
        self._last: list[str] = []
        self._last_size = (0, 0)
        self._is_open = False
        self._is_gone = False

    def size(self) -> tuple[int, int]:
        """Return columns and rows of the terminal."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return 80, 24
        return (columns or 80, rows or 24)

    def paint(self, lines: list[Text]) -> None:
        """Replace the last frame by `lines`; leave it where the terminal takes nothing, so that nobody waits for it."""
        if not self._is_listening():
            return
        size = self.size()
        width = size[0] - 1  # a full last column would make some terminals wrap
        cells, drawn = [], []
        for line in lines:
            line.truncate(width, overflow="ellipsis")
            cells.append(cell_len(line.plain))
            drawn.append(self._ansi(line))
        if drawn == self._last and size == self._last_size:
            return
        # A narrower terminal has folded the old lines; go up over as many rows as they take now.
        up = sum(max(1, -(-n // size[0])) for n in self._painted)
        out = [_BEGIN, "" if self._is_open else _HIDE, f"\x1b[{up}A" if up else "", "\r"]
        if size != self._last_size:
            out.append("\x1b[J")
        out += [f"{text}\x1b[K\n" for text in drawn]
        out += ["\x1b[J", _END]
        self._is_open = True
        self._write("".join(out))
        self._painted, self._last, self._last_size = cells, drawn, size

    def close(self) -> None:
        """Leave the last frame where it is and show the cursor."""
        if self._is_open:
            self._is_open = False
            self._write(_SHOW)
            self._painted, self._last = [], []

    def _ansi(self, line: Text) -> str:
        colours = self._console._color_system if self._console.is_terminal else None
        segments: Iterable[Segment] = line.render(self._console)
        if not line.spans:  # then rich leaves the style of the whole line out
            segments = Segment.apply_style(segments, self._console.get_style(line.style))
        if self._console.no_color:
            segments = Segment.remove_color(segments)
        return "".join(s.style.render(s.text, color_system=colours) if s.style else s.text for s in segments)

    def _is_listening(self) -> bool:
        """False after Ctrl-S, or where what was written has not been read: a write would hold up the sweep."""
        try:
            return bool(select.select([], [self._stream.fileno()], [], 0)[1])
        except (OSError, ValueError):
            return True

    def _write(self, text: str) -> None:
        if self._is_gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._is_gone = True  # the terminal was closed; SIGHUP tells the driver
