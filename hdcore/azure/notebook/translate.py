"""A cell as Python: its ``%magics`` and ``!commands`` become calls, every line keeps its number.

Only lines that Python itself cannot read are looked at, so a ``%`` in a string or an expression is never taken for a
magic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE_CALL = "__hdcore_line__"
SHELL_CALL = "__hdcore_shell__"

_CELL_MAGIC = re.compile(r"%%(?P<name>\w+)[ \t]*(?P<rest>[^\n]*)(?:\n(?P<body>.*))?\Z", re.DOTALL)
_SPECIAL = re.compile(
    r"(?P<indent>\s*)(?:(?P<target>[A-Za-z_][\w.,\s\[\]'\"]*?)\s*=\s*)?(?P<mark>!!?|%|\?\??)(?P<text>.*)\Z", re.DOTALL
)
_BARE = re.compile(r"(?P<indent>\s*)(?P<text>(?:pip3?|conda|mamba|ls|cat|cp|mv|rm|mkdir|cd|pwd)(?:[ \t]+[^=\s].*)?)\Z")
_HELP = re.compile(r"(?P<indent>\s*)(?P<text>[\w.\[\]'\"()%]+)\?\??\s*\Z")
_INSTALL = re.compile(
    r"\s*[!%]\s*(?:sudo\s+)?(?:\S*python[\w.]*\s+-m\s+|\{sys\.executable\}\s+-m\s+|\$sys\.executable\s+-m\s+)?"
    r"(?P<tool>pip3?|conda|mamba|apt-get|apt|az)\b"
)


@dataclass(frozen=True, slots=True)
class CellMagic:
    """A cell that is an argument: ``%%writefile train.py`` and the lines below."""

    name: str
    rest: str
    body: str


def cell_magic(source: str) -> CellMagic | None:
    """Return the magic of a whole cell, None if it has none."""
    match = _CELL_MAGIC.match(source.lstrip("\n"))
    return None if match is None else CellMagic(match["name"], match["rest"].strip(), match["body"] or "")


def to_python(source: str) -> str:
    """Return the Python of a cell.

    Raises
    ------
    SyntaxError
        If a line is neither Python nor a magic.
    """
    lines = source.split("\n")
    for _ in range(len(lines) + 1):
        text = "\n".join(lines)
        try:
            compile(text, "cell", "exec", dont_inherit=True)
        except SyntaxError as error:
            at = _special_line(lines, int(error.lineno or 1) - 1)
            if at is None:
                raise
            _translate(lines, at)
        else:
            return text
    return "\n".join(lines)


def installs(line: str) -> str | None:
    """Return the tool with which a line would install something or sign in, None of other lines."""
    match = _INSTALL.match(line)
    return None if match is None else match["tool"]


def _special_line(lines: list[str], at: int) -> int | None:
    """Return the line that is no Python: where the error is, or the first one above that looks like a magic."""
    at = min(at, len(lines) - 1)
    looked_at: list[int] = [at, *range(at)]
    for index in looked_at:
        if _SPECIAL.match(lines[index]) or _HELP.match(lines[index]) or _BARE.match(lines[index]):
            return index
    return None


def _translate(lines: list[str], at: int) -> None:
    line, last = lines[at], at
    while line.endswith("\\") and last + 1 < len(lines):
        last += 1
        line = line[:-1] + " " + lines[last].strip()
    match = _SPECIAL.match(line)
    if match is None:
        bare = _BARE.match(line)  # IPython takes `pip install x` for `%pip install x`
        if bare is not None:
            lines[at] = f"{bare['indent']}{LINE_CALL}({bare['text']!r})"
            return
        helped = _HELP.match(line)
        assert helped is not None
        lines[at] = f"{helped['indent']}{LINE_CALL}({'?' + helped['text']!r})"
        return
    call = SHELL_CALL if match["mark"].startswith("!") else LINE_CALL
    text = match["text"] if match["mark"] != "?" else f"?{match['text']}"
    if match["target"] is None:
        lines[at] = f"{match['indent']}{call}({text!r})"
    else:
        lines[at] = f"{match['indent']}{match['target']} = {call}({text!r}, True)"
    lines[at + 1 : last + 1] = [""] * (last - at)
