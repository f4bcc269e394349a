"""The table of runs as rich draws it: the live view and `hdcore show` share it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from hdcore.typing import RunStatus
from hdcore.views.progress import Row
from hdcore.views.sparkline import Scale, sparkline
from hdcore.views.text import printable, shown, span

STATUS_STYLE = {
    RunStatus.QUEUED: "dim",
    RunStatus.RUNNING: "cyan",
    RunStatus.COMPLETED: "green",
    RunStatus.FAILED: "red",
    RunStatus.CANCELED: "yellow",
}
_GAP = 2
_WIDEST_PARAMETER = 14
_LEAST_CURVE, _MOST_CURVE = 8, 24
_NARROW = 56
_SHORT_STATUS = {
    RunStatus.QUEUED: "wait",
    RunStatus.RUNNING: "run",
    RunStatus.COMPLETED: "done",
    RunStatus.FAILED: "fail",
    RunStatus.CANCELED: "cut",
}
"""On a narrow terminal, so that there is room for curves."""


class _Column:
    def __init__(self, title: str, cells: list[str], *, right: bool = False, most: int = 99) -> None:
        self.title, self.cells, self.right = title, cells, right
        self.width = min(most, max(cell_len(title), *(cell_len(cell) for cell in cells), 1))

    def cell(self, text: str) -> str:
        if cell_len(text) > self.width:
            return set_cell_size(text, self.width - 1) + "…"
        room = " " * (self.width - cell_len(text))
        return room + text if self.right else text + room


def run_table(
    rows: Sequence[Row], metric: str, scale: Scale, width: int, *, best: int | None = None, now: float | None = None
) -> list[Text]:
    """Draw runs as lines that fit `width`: fixed columns, a sparkline, then as many parameters as there is room for.

    Parameters
    ----------
    best : int, optional
        Number of the run to mark.
    now : float, optional
        Monotonic time, for the duration of runs that are under way.

    Returns
    -------
    list of Text
        The heading and one line for each row.
    """
    if not rows:
        return []
    now = time.monotonic() if now is None else now
    took = [span(now - row.began if row.status is RunStatus.RUNNING and row.began else row.took_s) for row in rows]
    number = _Column("run", [str(row.number) for row in rows], right=True)
    value = _Column(printable(metric), [shown(row.value) for row in rows], right=True, most=12)
    words = _SHORT_STATUS if width < _NARROW else {status: status.value for status in RunStatus}
    status = _Column("status" if width >= _NARROW else "", [words[row.status] for row in rows])
    duration = _Column("time", took, right=True, most=8)
    has_devices = width >= _NARROW and any(row.devices for row in rows)
    devices = [_Column("GPU", [_devices(row.devices) for row in rows])] if has_devices else []
    parameters = _parameter_columns(rows)

    fixed = [number, value, status, duration, *devices]
    free = width - 2 - sum(column.width + _GAP for column in fixed)
    wanted = sum(column.width + _GAP for column in parameters)
    longest = max(row.curve.count for row in rows)
    curve_width = 0
    if longest > 1 and free > _LEAST_CURVE:
        curve_width = min(_MOST_CURVE, max(_LEAST_CURVE, free - wanted - _GAP), max(_LEAST_CURVE, longest))
        curve_width = min(curve_width, free - _GAP)
    free -= curve_width + _GAP if curve_width else 0
    fitting: list[_Column] = []
    for column in parameters:
        left_out = len(parameters) - len(fitting) - 1
        if column.width + _GAP + (4 if left_out else 0) > free:
            break
        fitting.append(column)
        free -= column.width + _GAP
    hidden = len(parameters) - len(fitting)

    heading = [number.cell("run"), value.cell(value.title)]
    if curve_width:
        heading.append(" " * curve_width)
    heading += [column.cell(column.title) for column in (status, duration, *devices, *fitting)]
    if hidden and free >= _GAP + len(str(hidden)) + 1:
        heading.append(f"+{hidden}")
    lines = [Text("  " + (" " * _GAP).join(heading).rstrip(), style="bold dim", no_wrap=True)]
    gap = " " * _GAP
    for index, row in enumerate(rows):
        is_best = best == row.number
        line = Text("* " if is_best else "  ", style="bold" if is_best else "", no_wrap=True)
        line.append(number.cell(number.cells[index]) + gap)
        line.append(value.cell(value.cells[index]) + gap, style="bold green" if is_best else "")
        if curve_width:
            drawn = sparkline(row.curve.points(), scale, curve_width)
            line.append(drawn.ljust(curve_width) + gap, style=STATUS_STYLE[row.status])
        line.append(status.cell(status.cells[index]) + gap, style=STATUS_STYLE[row.status])
        line.append(gap.join(column.cell(column.cells[index]) for column in (duration, *devices, *fitting)))
        lines.append(line)
    return lines


def listing(
    titles: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, status: int | None = None
) -> list[Text]:
    """Draw a plain table, left-aligned, cut to `width`; column `status` takes the colour of its words."""
    columns = [_Column(title, [row[i] for row in rows]) for i, title in enumerate(titles)]
    gap = " " * _GAP
    heading = gap.join(column.cell(column.title) for column in columns).rstrip()
    lines = [Text(heading, style="bold dim", no_wrap=True)]
    for row in rows:
        line = Text(no_wrap=True)
        for i, (column, cell) in enumerate(zip(columns, row, strict=True)):
            style = STATUS_STYLE.get(cell, "") if i == status else ""  # type: ignore[call-overload]
            line.append(column.cell(cell) + (gap if i < len(columns) - 1 else ""), style=style)
        lines.append(line)
    for line in lines:
        line.rstrip()
        line.truncate(width, overflow="ellipsis")
    return lines


def _parameter_columns(rows: Sequence[Row]) -> list[_Column]:
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row.configuration))
    columns = []
    for name in names:
        values = [row.configuration.get(name) for row in rows]
        numeric = all(isinstance(value, int | float) for value in values)
        cells = ["" if name not in row.configuration else shown(row.configuration[name], 3) for row in rows]
        columns.append(_Column(printable(name), cells, right=numeric, most=_WIDEST_PARAMETER))
    return columns


def _devices(devices: Sequence[str]) -> str:
    """Return devices in short: UUIDs are long, and their first digits differ."""
    return ",".join(printable(device.removeprefix("GPU-"))[:8] for device in devices)
