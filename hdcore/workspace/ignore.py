"""Patterns of ``.amlignore`` and ``.gitignore``: what of a code folder is not source."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_FILES = (".amlignore", ".gitignore")
_MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Rule:
    expression: re.Pattern[str]
    ignores: bool
    folders_only: bool


class IgnoreRules:
    """The rules of one ignore file; the last one that matches a path decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for line in lines if (rule := _parse(line)) is not None]

    @classmethod
    def of_folder(cls, folder: str | os.PathLike[str]) -> IgnoreRules:
        """Read the folder's ``.amlignore``, else its ``.gitignore``, else no rules."""
        for name in _FILES:
            path = Path(folder, name)
            try:
                if not path.is_file():
                    continue
                with path.open("rb") as file:
                    return cls(file.read(_MOST_BYTES).decode("utf-8", "replace").splitlines())
            except OSError:
                continue
        return cls(())

    def ignore(self, path: str, *, is_folder: bool) -> bool:
        """Return whether a path, relative to the folder and with ``/``, is ignored; its parents are asked before."""
        for rule in reversed(self._rules):
            if (is_folder or not rule.folders_only) and rule.expression.fullmatch(path):
                return rule.ignores
        return False


def _parse(line: str) -> _Rule | None:
    line = line.rstrip("\n")
    if not line.endswith("\\ "):
        line = line.rstrip(" ")
    if not line or line.startswith("#"):
        return None
    ignores = not line.startswith("!")
    if not ignores or line.startswith(("\\#", "\\!")):
        line = line[1:]
    folders_only = line.endswith("/")
    line = line.rstrip("/")
    if not line:
        return None
    prefix = "" if "/" in line else "(?:.*/)?"  # a pattern without a slash holds at any depth
    try:
        return _Rule(re.compile(prefix + _translate(line.lstrip("/")), re.DOTALL), ignores, folders_only)
    except re.error:
        return None


def _translate(pattern: str) -> str:
    """Return the regular expression of one pattern: ``*`` and ``?`` stop at a slash, ``**`` does not."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            parts.append("(?:.*/)?")
            at += 3
            continue
        if pattern.startswith("**", at):
            parts.append(".*")
            at += 2
            continue
        character = pattern[at]
        close = pattern.find("]", at + 2) if character == "[" else -1
        if character == "*":
            parts.append("[^/]*")
        elif character == "?":
            parts.append("[^/]")
        elif close > 0:
            inside = pattern[at + 1 : close].replace("\\", "\\\\").replace("[", "\\[")
            parts.append(f"[{'^' + inside[1:] if inside[0] in '!^' else inside}]")
            at = close
        elif character == "\\" and at + 1 < len(pattern):
            at += 1
            parts.append(re.escape(pattern[at]))
        else:
            parts.append(re.escape(character))
        at += 1
    return "".join(parts)
