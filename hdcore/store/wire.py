"""The lines that runs write into their report files.

One line is one JSON object: ``{"name": "loss", "value": 0.25}`` and, if wanted, ``"step"`` (an integer), ``"at"``
(seconds since the epoch) and ``"text"`` (a string, where `value` is absent or null). A value that is not finite is
written as ``"nan"``, ``"inf"``, ``"-inf"`` or as the literals that Python's json writes; null is NaN. Booleans and
other strings count as texts. Unknown keys are ignored.
"""

from __future__ import annotations

import json
import math
import os
import stat
from typing import Any

import msgspec

from hdcore.records import MetricRow

MAX_LINE_BYTES = 4096
"""Of a line without its newline."""

MAX_NAME_BYTES = 256

_INT64 = range(-(2**63), 2**63)
_NUMBERS = {
    "nan": math.nan,
    "inf": math.inf,
    "+inf": math.inf,
    "-inf": -math.inf,
    "infinity": math.inf,
    "+infinity": math.inf,
    "-infinity": -math.inf,
}


class _Line(msgspec.Struct, gc=False):
    name: str
    value: float | str | bool | msgspec.UnsetType | None = msgspec.UNSET
    step: int | None = None
    text: str | None = None
    at: float | None = None


_decode = msgspec.json.Decoder(_Line).decode


def parse_lines(data: bytes, now: float) -> tuple[list[MetricRow], int, int]:
    """Read the whole lines of a piece of a report file.

    Never raises, whatever the bytes. Splitting the data at any place gives the same rows, if the second call starts
    at what the first one consumed.

    Parameters
    ----------
    data : bytes
        From the offset that is consumed so far.
    now : float
        Wall-clock seconds for rows that do not say when they were written.

    Returns
    -------
    rows : list of MetricRow
        In the order of the lines.
    consumed : int
        Bytes up to and including the last newline; a line without its newline is left for the next call. A piece
        that is longer than `MAX_LINE_BYTES` and has no newline consumes nothing: the caller skips to the next one.
    dropped : int
        Lines that are no report: not JSON, too long, no name, a value or step out of range. Blank lines do not count.
    """
    consumed = data.rfind(b"\n") + 1
    if not consumed:
        return [], 0, 0
    rows: list[MetricRow] = []
    dropped = 0
    lines = data.split(b"\n")
    lines.pop()
    for line in lines:
        try:
            parsed = _decode(line)
            value, step = parsed.value, parsed.step
            # The common line: a number. All else goes through the slow reader, which knows every form.
            if type(value) is float and len(line) <= MAX_LINE_BYTES and 0 < len(parsed.name) <= 64:
                name = parsed.name
                if "\0" not in name and (step is None or step in _INT64):
                    at = parsed.at
                    rows.append(MetricRow(name, value, step, None, now if at is None else at))
                    continue
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
        row = _read(line, now)
        if row is not None:
            rows.append(row)
        elif line and not line.isspace():
            dropped += 1
    return rows, consumed, dropped


def _read(line: bytes, now: float) -> MetricRow | None:
    """Read one line of any form; None if it is no report."""
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        fields = json.loads(line.decode())
        if not isinstance(fields, dict):
            return None
        name = fields.get("name")
        if not isinstance(name, str) or not 0 < len(name.encode()) <= MAX_NAME_BYTES or "\0" in name:
            return None
        step = fields.get("step")
        if isinstance(step, float) and step.is_integer():
            step = int(step)
        if step is not None and (type(step) is not int or step not in _INT64):
            return None
        value, text = _read_value(fields)
        if value is None and text is None:
            return None
        return MetricRow(name, value, step, text, _read_time(fields.get("at"), now))
    except (ValueError, OverflowError, RecursionError):  # also UnicodeError: lone surrogates, bytes that are no UTF-8
        return None


def _read_value(fields: dict[str, Any]) -> tuple[float | None, str | None]:
    value, text = fields.get("value"), fields.get("text")
    if isinstance(value, bool):
        return None, "true" if value else "false"
    if isinstance(value, int | float):
        return float(value), None
    if value is None and isinstance(text, str):
        value = text
    elif isinstance(value, str):
        number = _NUMBERS.get(value.lower())
        if number is not None:
            return number, None
    elif value is None and "value" in fields and text is None:
        return math.nan, None  # how JSON writers without NaN write it
    if isinstance(value, str):
        value.encode()  # a lone surrogate cannot be stored
        return None, value
    return None, None


def _read_time(at: object, now: float) -> float:
    if isinstance(at, int | float) and not isinstance(at, bool):
        seconds = float(at)
        if math.isfinite(seconds):
            return seconds
    return now


def is_incomplete(report: str | os.PathLike[str] | int) -> bool:
    """Tell whether the run that writes this report file has reports that it could not write (disk full).

    The in-run client sets the sticky bit of the file while it holds such reports, because that needs no room, and
    clears it when all of them are written. To be asked when the run has ended: its history is not whole then.

    Parameters
    ----------
    report : path or open file descriptor
    """
    try:
        return bool(os.stat(report).st_mode & stat.S_ISVTX)
    except OSError:
        return False
