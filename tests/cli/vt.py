"""A small terminal: enough of VT100 to see what a person would see."""

from __future__ import annotations

import codecs
import fcntl
import io
import os
import pty
import re
import struct
import termios

_ESCAPE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


class Screen:
    """Characters on a grid with a cursor; lines that scroll out go to `scrollback`."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.height = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.scrollback: list[str] = []
        self.row = self.column = 0
        self.cursor_shown = True
        self.unknown: list[str] = []
        self._rest = ""

    def feed(self, text: str) -> None:
        text = self._rest + text
        self._rest = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = _ESCAPE.match(text, at)
                if match is None:
                    self._rest = text[at:]
                    return
                self._escape(match[1], match[2])
                at = match.end()
                continue
            self._character(text[at])
            at += 1

    def lines(self) -> list[str]:
        return ["".join(line).rstrip() for line in self.cells]

    def text(self) -> str:
        return "\n".join(self.lines()).rstrip()

    def _character(self, c: str) -> None:
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self._line_feed()
        elif c >= " ":
            if self.column == self.columns:
                self.column = 0
                self._line_feed()
            self.cells[self.row][self.column] = c
            self.column += 1
        else:
            self.unknown.append(repr(c))

    def _line_feed(self) -> None:
        if self.row == self.height - 1:
            self.scrollback.append("".join(self.cells.pop(0)).rstrip())
            self.cells.append([" "] * self.columns)
        else:
            self.row += 1

    def _escape(self, arguments: str, final: str) -> None:
        if final == "A":
            self.row = max(0, self.row - int(arguments or 1))
        elif final == "K" and arguments in ("", "0"):
            self.cells[self.row][self.column :] = [" "] * (self.columns - self.column)
        elif final == "J" and arguments in ("", "0"):
            self.cells[self.row][self.column :] = [" "] * (self.columns - self.column)
            for row in range(self.row + 1, self.height):
                self.cells[row] = [" "] * self.columns
        elif (arguments, final) in (("?25", "l"), ("?25", "h")):
            self.cursor_shown = final == "h"
        elif final == "m" or (arguments == "?2026" and final in "hl"):
            pass
        else:
            self.unknown.append(arguments + final)


class Terminal(io.TextIOWrapper):
    """A stream on a real pseudo-terminal, whose other end is drawn on a `Screen`."""

    def __init__(self, columns: int, rows: int) -> None:
        self.ours, theirs = pty.openpty()
        self.resize(columns, rows)
        super().__init__(os.fdopen(theirs, "wb", buffering=1 << 16), encoding="utf-8", newline="")
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.screen = Screen(columns, rows)
        self.bytes = 0

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def flush(self) -> None:
        super().flush()
        if hasattr(self, "screen"):
            os.set_blocking(self.ours, False)
            while True:
                try:
                    data = os.read(self.ours, 1 << 16)
                except BlockingIOError:
                    break
                self.bytes += len(data)
                self.screen.feed(self.decoder.decode(data))
