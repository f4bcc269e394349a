"""What a POSIX shell would do with the text of a command: just enough to decide how to run it safely.

`needs_shell` says whether the command's own text uses the shell; `check_placement` whether each reference (masked
as NUL, digits, NUL) stands where a single-quoted value remains one word. Both read the text once, character by
character; the second errs on the side of refusing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPERATORS = frozenset("&|;<>()`\n*?")  # * and ? are file name patterns
_EXPANSION = re.compile(r"\$[A-Za-z_0-9{(@*#?$!-]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z_0-9]*=")
_CONTINUED_OPTION = re.compile(r"\n[ \t]*(?=-)")
_BUILTINS = frozenset(
    (
        *("!", ".", ":", "{", "alias", "case", "cd", "eval", "exec", "exit", "export", "for", "if", "read", "set"),
        *("shift", "trap", "ulimit", "umask", "unset", "until", "wait", "while"),
    )
)


def join_lines(text: str) -> str:
    """Join what is one command written on several lines.

    A backslash at the end of a line continues it, as in a shell. So does a next line that starts with a dash: no
    command does, and YAML's folded blocks keep the line breaks of lines that are indented further.
    """
    parts: list[str] = []
    for kind, part in _scan(text):
        if kind == "continuation":
            continue
        parts.append(_CONTINUED_OPTION.sub(" ", part) if kind == "plain" else part)
    return "".join(parts)


def needs_shell(masked: str) -> bool:
    """Return whether a command's own text uses what only a shell understands."""
    first = masked.split(None, 1)[0]
    if first in _BUILTINS or _ASSIGNMENT.match(first):
        return True
    at_word_start = True
    for kind, part in _scan(masked):
        if kind == "plain":
            if _EXPANSION.search(part) or not _OPERATORS.isdisjoint(part) or _starts_special(part, at_word_start):
                return True
            at_word_start = part[-1].isspace()
            continue
        if kind == "double" and (_EXPANSION.search(part) or "`" in part or "\\$" in part or "\\\n" in part):
            return True
        at_word_start = False
    return False


def check_placement(masked: str) -> str | None:
    """Return why a shell could tear a reference's value apart, or None.

    Values are put in single quotes. That holds them together only in plain text: not within other quotes, after a
    backslash or a dollar sign, in back-quotes, ``${...}`` or ``$((...))``. What would make it hard to know where
    plain text is (comments, here-documents, ``$(...)`` in double quotes, ``$'...'``) may not stand in a command with
    references at all.
    """
    has_reference = "\0" in masked
    if has_reference and "<<" in masked:
        return "mixes references with a here-document; put the script into a file of the code folder"
    context = _Context()
    before = " "
    for kind, part in _scan(masked):
        if kind == "plain":
            trouble = context.read(part, before)
            if trouble == _COMMENT:
                return trouble if has_reference else None
            if trouble is not None:
                return trouble
        elif kind == "unclosed":
            return "has an unclosed quote; close it"
        elif part == "\\":
            return "ends in a backslash; remove it"
        elif "\0" in part:
            return f"has a reference {_INSIDE[kind]}, and a shell runs it; remove the {_REMOVE[kind]}"
        elif has_reference and kind == "double" and _NESTED.search(part):
            return (
                "mixes references with a substitution in double quotes; put the script into a file of the code folder"
            )
        elif has_reference and kind == "single" and before == "$":
            return "mixes references with $'...'; put the script into a file of the code folder"
        before = part[-1]
    return None


_COMMENT = "has a comment, references, and a shell that runs it; remove the comment"
_INSIDE = {"single": "inside quotes", "double": "inside quotes", "escape": "right after a backslash"}
_REMOVE = {"single": "quotes: values are quoted", "double": "quotes: values are quoted", "escape": "backslash"}
_NESTED = re.compile(r"`|\$\(|\$\{[^}]*$")


class _Context:
    """The expansions that are open while the plain parts of a command are read one after the other."""

    def __init__(self) -> None:
        self.braces = self.sums = 0
        self.in_backquotes = False

    def read(self, part: str, before: str) -> str | None:
        """Read one part that follows the character `before`; return what is wrong with it."""
        at = 0
        while at < len(part):
            if part[at] == "#" and before in " \t\n;&|()":
                return _COMMENT
            if part[at] == "`":
                self.in_backquotes = not self.in_backquotes
            elif part.startswith("$((", at):
                self.sums += 1
                at += 2
            elif self.sums and part.startswith("))", at):
                self.sums -= 1
                at += 1
            elif part.startswith("${", at):
                self.braces += 1
                at += 1
            elif self.braces and part[at] == "}":
                self.braces -= 1
            elif part[at] == "\0":
                if self.braces or self.sums or self.in_backquotes:
                    return "has a reference inside a shell expansion; make it an argument of its own"
                if before == "$":
                    return "has a reference right after a dollar sign, and a shell runs it; remove the sign"
                at = part.index("\0", at + 1)
            before = part[at]
            at += 1
        return None


def _starts_special(part: str, at_word_start: bool) -> bool:
    """Return whether a word of `part` starts as a comment or a home folder."""
    return re.search(r"(?:^|\s)[#~]" if at_word_start else r"\s[#~]", part) is not None


def _scan(text: str) -> Iterator[tuple[str, str]]:
    """Cut text into its quoted and unquoted parts.

    Yields
    ------
    kind : "plain", "single", "double", "escape", "continuation" or "unclosed"
        Quotes belong to their part; an escape is a backslash with the character after it, or with the reference.
    part : str
    """
    at, start, size = 0, 0, len(text)
    while at < size:
        character = text[at]
        if character not in "'\"\\":
            at += 1
            continue
        if start < at:
            yield "plain", text[start:at]
        if character == "\\":
            end = min(at + 2, size)
            if text[at + 1 : end] == "\0":
                end = text.index("\0", end) + 1
            yield ("continuation" if text[at + 1 : end] == "\n" else "escape"), text[at:end]
        elif character == "'":
            end = text.find("'", at + 1) + 1
        else:
            end = at + 1
            while end < size and text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            end = end + 1 if end < size else 0
        if character != "\\":
            if end == 0:
                yield "unclosed", text[at:]
                return
            yield ("single" if character == "'" else "double"), text[at:end]
        at = start = end
    if start < size:
        yield "plain", text[start:]
