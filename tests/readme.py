"""The commands and snippets of README.md, so that what it says is what is run.

``python tests/readme.py command test`` prints the command under ``<!-- command: test -->``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

README = Path(__file__).resolve().parent.parent / "README.md"
FENCE = re.compile(
    r"(?:<!-- *(?P<mark>[^>]*?) *-->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """One fenced block; `mark` is the comment on the line before it."""

    mark: str
    language: str
    text: str
    line: int


def blocks() -> list[Block]:
    """Return the fenced blocks of the README in order."""
    text = README.read_text(encoding="utf-8")
    return [
        Block(found["mark"] or "", found["language"], found["text"], text.count("\n", 0, found.start("text")))
        for found in FENCE.finditer(text)
    ]


def command(name: str) -> str:
    """Return the text of the block marked ``command: NAME``."""
    (found,) = (block for block in blocks() if block.mark == f"command: {name}")
    return found.text.strip()


if __name__ == "__main__":
    _, kind, name = sys.argv
    assert kind == "command"
    print(command(name))
