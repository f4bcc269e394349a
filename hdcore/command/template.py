"""The command template of a run: words with references, turned into an argument list.

The text is split once, by the rules of POSIX quoting, while its references are masked; each reference is then
replaced inside the word it stands in. A value therefore stays part of one argument whatever it holds, and is
never read as a reference, an option separator or shell syntax again.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NoReturn

from hdcore.command.shell import check_placement, join_lines, needs_shell
from hdcore.errors import InputError

FIELD = "trial.command"
KINDS = ("search_space", "inputs", "outputs")

_MARK = re.compile("\0([0-9]+)\0")  # NUL cannot stand in a command, so it can stand for a reference
_OLD_STYLE = re.compile(r"(?<![${])\{((?:search_space|inputs|outputs)\.[^{}\s]+)\}(?!\})")


@dataclass(frozen=True, slots=True)
class Reference:
    """One ``${{kind.name}}`` of a command."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}"


Piece = str | Reference


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed command template.

    Attributes
    ----------
    words : tuple of tuple of pieces
        One entry an argument; with a shell a single entry, the text of the script.
    uses_shell : bool
        Whether the command runs through ``/bin/sh -c``.
    """

    words: tuple[tuple[Piece, ...], ...]
    uses_shell: bool

    @classmethod
    def parse(cls, text: str, shell: bool | str = "auto") -> Command:
        """Read a command template.

        Parameters
        ----------
        text : str
            Command with ``${{search_space.x}}``, ``${{inputs.x}}`` and ``${{outputs.x}}``.
        shell : bool or "auto"
            True: through ``/bin/sh -c``; False: as an argument list; "auto": through a shell if the text itself
            (its values do not count) uses shell syntax.

        Raises
        ------
        InputError
            With field ``trial.command``: empty, NUL, an unclosed quote or reference, another kind of reference, a
            reference where a shell would not keep its value whole.
        """
        return _parse(text, shell)

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every reference in order of appearance, repeated ones included."""
        return tuple(piece for word in self.words for piece in word if isinstance(piece, Reference))

    def check(
        self, *, search_space: Collection[str], inputs: Collection[str] = (), outputs: Collection[str] = ()
    ) -> None:
        """Refuse a reference to something that the sweep does not have."""
        known = {"search_space": search_space, "inputs": inputs, "outputs": outputs}
        for reference in self.references:
            if reference.name in known[reference.kind]:
                continue
            elsewhere = [f"{kind}.{reference.name}" for kind in KINDS if reference.name in known[kind]]
            near = elsewhere or get_close_matches(
                str(reference), [f"{kind}.{name}" for kind in KINDS for name in known[kind]], n=1
            )
            remedy = f"did you mean ${{{{{near[0]}}}}}?" if near else f"declare it under {reference.kind}"
            _refuse(f"refers to {_short(str(reference))}, which the sweep does not have; {remedy}")

    def argv(
        self,
        values: Mapping[str, Any],
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        *,
        extra: Iterable[str] = (),
    ) -> tuple[str, ...]:
        """Fill in the values of one run.

        Parameters
        ----------
        values, inputs, outputs : mapping
            What the references of the three kinds stand for; formatted by `format_value`.
        extra : iterable of str
            Further arguments at the end (with a shell: at the end of the script's text, quoted).

        Returns
        -------
        tuple of str
            The argument list to execute.

        Raises
        ------
        InputError
            If a value is missing or cannot be an argument (NUL, not encodable as UTF-8).
        """
        known = {"search_space": values, "inputs": inputs or {}, "outputs": outputs or {}}
        filled = [
            "".join(
                piece if isinstance(piece, str) else _quoted(_look_up(piece, known), self.uses_shell) for piece in word
            )
            for word in self.words
        ]
        if self.uses_shell:
            return "/bin/sh", "-c", " ".join([filled[0], *map(shlex.quote, extra)])
        return *filled, *extra


def format_value(value: Any) -> str:
    """Write a value as the text that a script receives.

    Integers by `str`; floats by their shortest form that reads back equal, without a trailing ``.0``; text as it
    is; lists, tuples and dictionaries as compact JSON.

    Examples
    --------
    >>> format_value(65.0), format_value(0.1), format_value(True), format_value({"a": [1, 2.5]})
    ('65', '0.1', 'True', '{"a":[1,2.5]}')
    """
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return float.__repr__(value).removesuffix(".0")
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=plain)
    return format_value(plain(value))


def as_argument(value: Any, field: str) -> str:
    """Format a value and check that an argument or a variable can carry it; errors name `field`."""
    text = format_value(value)
    if "\0" in text:
        raise InputError("holds a NUL character, which no argument can carry", field=field)
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InputError("holds half a surrogate pair, which is no text", field=field) from None
    return text


def plain(value: Any) -> Any:
    """Turn a NumPy scalar or array, or a range or set, into plain Python; anything else into text."""
    for name in ("item", "tolist"):
        method = getattr(value, name, None)
        if callable(method):
            try:
                return method()
            except (TypeError, ValueError):
                continue
    return str(value)


def modernise(text: str) -> tuple[str, tuple[str, ...]]:
    """Rewrite the old single-brace references, ``{search_space.x}``; return the text and what was rewritten."""
    found = tuple(dict.fromkeys(match[1] for match in _OLD_STYLE.finditer(text)))
    return _OLD_STYLE.sub(r"${{\1}}", text), found


@lru_cache(maxsize=64)
def _parse(text: str, shell: bool | str) -> Command:
    if not text.strip():
        _refuse("is empty; write the command that trains once")
    if "\0" in text:
        _refuse("holds a NUL character; remove it")
    if "$[[" in text:
        _refuse("has optional arguments in $[[ ]], which are not known here; write them out or leave them out")
    masked, references = _mask(join_lines(text.strip()))
    if shell == "auto":
        shell = needs_shell(masked)
    if shell:
        trouble = check_placement(masked)
        if trouble is not None:
            _refuse(trouble)
        return Command((_pieces(masked, references),), uses_shell=True)
    try:
        words = shlex.split(masked)
    except ValueError:
        _refuse("has an unclosed quote or ends in a backslash; close it")
    if not words or not words[0]:
        _refuse("names no program to start")
    return Command(tuple(_pieces(word, references) for word in words), uses_shell=False)


def _mask(text: str) -> tuple[str, list[Reference]]:
    """Replace each reference by a mark that no command can hold."""
    parts: list[str] = []
    references: list[Reference] = []
    at = 0
    while (start := text.find("${{", at)) >= 0:
        end = text.find("}}", start)
        if end < 0 or "{" in text[start + 3 : end]:
            _refuse(f"has an unclosed reference '{_short(text[start:])}'; end it with }}}}")
        parts += text[at:start], f"\0{len(references)}\0"
        references.append(_reference(text[start + 3 : end].strip()))
        at = end + 2
    return "".join([*parts, text[at:]]), references


def _reference(path: str) -> Reference:
    kind, _, name = path.partition(".")
    if kind not in KINDS or not name:
        what = f"refers to '{_short(path)}'" if path else "has an empty reference ${{}}"
        _refuse(f"{what}; only search_space.NAME, inputs.NAME and outputs.NAME can be referred to")
    return Reference(kind, name)


def _pieces(masked: str, references: list[Reference]) -> tuple[Piece, ...]:
    parts: list[Piece] = list(_MARK.split(masked))
    parts[1::2] = [references[int(str(number))] for number in parts[1::2]]
    return tuple(part for part in parts if part != "")


def _look_up(reference: Reference, known: Mapping[str, Mapping[str, Any]]) -> str:
    try:
        value = known[reference.kind][reference.name]
    except KeyError:
        _refuse(f"needs a value for {reference}, which this run does not have")
    return as_argument(value, str(reference))


def _quoted(text: str, uses_shell: bool) -> str:
    if not uses_shell:
        return text
    quoted = shlex.quote(text)
    # always in quotes, plain words too: after $HOME, a bare word would become part of the variable's name
    return quoted if quoted.startswith("'") else f"'{quoted}'"


def _short(text: str) -> str:
    """Make text fit for one line of a message."""
    text = text if len(text) <= 60 else text[:57] + "..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _refuse(why: str) -> NoReturn:
    raise InputError(why, field=FIELD)
