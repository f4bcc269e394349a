"""Text for terminals: stored strings made harmless, numbers, times and spans made short."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from typing import Any, TextIO

_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Unicode categories that steer a terminal or the order of letters instead of showing something."""


def can_draw(stream: TextIO) -> bool:
    """Return True if a stream is a terminal that knows how to move its cursor and the characters of a table."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and "utf" in (stream.encoding or "").lower()


def printable(text: str) -> str:
    """Replace what is not a visible character: escape sequences, line breaks, direction marks."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _HIDDEN else c for c in text)


def shown(value: Any, digits: int = 4) -> str:
    """Return a parameter or metric value in few characters.

    Examples
    --------
    >>> shown(0.00012345), shown(13760.4), shown(3), shown(None), shown("a\\nb")
    ('0.0001234', '13760', '3', '-', 'a�b')
    """
    if value is None:
        return "-"
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        if 10**digits <= abs(value) < 1e6:
            return f"{value:.0f}"  # 1376, not 1.38e+03
        return f"{value:.{digits}g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{printable(str(k))}: {shown(v, digits)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(v, digits) for v in value) + "]"
    return printable(str(value))


def exact(value: Any) -> str:
    """Return a value with all its digits, to be copied."""
    return repr(value) if isinstance(value, float) else shown(value, 17)


def configuration_line(configuration: Mapping[str, Any]) -> str:
    """Return ``lr=0.01 units=64``."""
    return " ".join(f"{printable(str(name))}={shown(value)}" for name, value in configuration.items())


def span(seconds: float | None) -> str:
    """Return a span of time in at most six characters: ``4.2 s``, ``3:07``, ``2:03:07``."""
    if seconds is None or seconds != seconds or seconds < 0:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def milliseconds(seconds: float) -> str:
    """Return a short span in two digits: ``3.1 ms``, ``0.012 ms``, ``130 ms``."""
    return f"{shown(float(f'{1e3 * seconds:.2g}'), 6)} ms"


def plural(n: int, word: str) -> str:
    """Return ``1 run``, ``2 runs``."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def printable_text(text: str) -> str:
    """Make text of many lines harmless: as `printable`, but line ends and tabs stay."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.replace("\r\n", "\n").split("\n"))
