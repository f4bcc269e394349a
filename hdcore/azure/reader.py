"""Strict YAML: one document of plain data, every error with the place it is about.

PyYAML's C parser delivers events; this module alone decides what they mean. No anchors, aliases or tags; keys are
text and stand once; numbers, booleans and null are those of YAML 1.2, so that ``NO``, ``010``, ``1:30`` and
``2020-01-01`` are text and ``1e-3`` is a number.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from typing import Any

import yaml

from hdcore.errors import InputError

MOST_BYTES = 1 << 20
MOST_LEVELS = 50
MOST_DIGITS = 300

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_LOADER: Any = getattr(yaml, "CLoader", yaml.Loader)  # only its parser is used; PyYAML can be built without libyaml


def read_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a YAML file whose document is a mapping.

    Raises
    ------
    InputError
        Field ``file``, or the dotted key that is wrong.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not make us wait
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); check the path", field="file") from None
    except ValueError:
        raise InputError("is no file name; check the path", field="file") from None
    try:
        kind = os.fstat(handle)
        if not stat.S_ISREG(kind.st_mode):
            raise InputError("is not a regular file; give the path of a YAML file", field="file")
        data = b""
        while len(data) <= MOST_BYTES and (more := os.read(handle, MOST_BYTES + 1)):
            data += more
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); check the disk", field="file") from None
    finally:
        os.close(handle)
    return read_mapping(data)


def read_mapping(data: bytes) -> dict[str, Any]:
    """Read YAML text whose document is a mapping; errors as in `read_file`."""
    if len(data) > MOST_BYTES:
        raise _file_error("is larger than 1 MiB; a sweep file holds no data, give data as an input")
    if b"\0" in data:
        raise _file_error("holds NUL bytes; it is not a text file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _file_error(f"is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    try:
        document = _Reader(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise _file_error(f"is not YAML: {error.problem or error.context}{place}; correct it there") from None
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", None) or "it cannot be parsed"
        raise _file_error(f"is not YAML: {reason}; correct it") from None
    if not isinstance(document, dict):
        raise _file_error("is empty" if document is None else "is no mapping of keys to values")
    return document


def clean(text: str, most: int = 60) -> str:
    """Make text fit for one line of a message: control characters escaped, long text cut."""
    if len(text) > most:
        text = text[: most - 3] + "..."
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class _Reader:
    """Builds plain data from parse events. Recursion is bounded by `MOST_LEVELS`."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)

    def document(self) -> Any:
        next(self._events)  # start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        document = self._value(next(self._events), (), 1)
        next(self._events)  # end of the document
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise _file_error("holds more than one document; keep one sweep a file")
        return document

    def _value(self, event: Any, path: tuple[str, ...], level: int) -> Any:
        if getattr(event, "anchor", None) is not None:  # aliases have it too
            raise _file_error(f"uses an anchor or alias{_line(event)}; write the value out")
        if event.tag is not None:
            raise _file_error(f"uses the tag {clean(event.tag)}{_line(event)}; tags are not allowed")
        if isinstance(event, yaml.ScalarEvent):
            return _resolve(event.value, path) if event.implicit[0] and not event.style else event.value
        if level > MOST_LEVELS:
            raise _file_error(f"is nested deeper than {MOST_LEVELS} levels{_line(event)}; flatten it")
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._value(event, path, level + 1))
            return items
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                raise _file_error(f"has a list or mapping as a key{_line(event)}; keys are text")
            key = self._value(event, path, level)
            if not isinstance(key, str):
                raise _file_error(f"has the key {clean(event.value)!r}{_line(event)}, which is not text; quote it")
            inner = (*path, clean(key))
            if key in found:
                raise InputError(f"stands twice{_line(event)}; keep one", field=".".join(inner))
            found[key] = self._value(next(self._events), inner, level + 1)
        return found


def _resolve(text: str, path: tuple[str, ...]) -> Any:
    """Return what a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if len(text) > MOST_DIGITS and not set(text) - set("+-.0123456789eE"):
        raise InputError(f"is a number of {len(text)} characters; shorten it", field=".".join(path) or "file")
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _BASED.fullmatch(text) and len(text) <= MOST_DIGITS:
        return int(text, 0)
    return text


def _line(event: Any) -> str:
    return f" (line {event.start_mark.line + 1})"


def _file_error(message: str) -> InputError:
    return InputError(message, field="file")
