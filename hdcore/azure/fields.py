"""Checks of single values: each returns the value or raises an error that names the field, the value and the remedy."""

from __future__ import annotations

import math
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, NoReturn

from hdcore.azure.reader import clean
from hdcore.errors import InputError

MOST_RUNS = 1_000_000
MOST_SECONDS = 10 * 366 * 24 * 3600


def refuse(field: str, why: str) -> NoReturn:
    """Raise the error of a field."""
    raise InputError(why, field=field)


def shown(value: Any) -> str:
    """Write a value for a message: its kind for containers, itself, shortened, for scalars."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"'{clean(value, 40)}'"
    return clean(str(value), 40)


def mapping(value: Any, field: str, known: Collection[str] | None = None) -> dict[str, Any]:
    """Check a mapping, and that it has no key but the known ones (None: any)."""
    if not isinstance(value, dict):
        refuse(field, f"is {shown(value)}; write a mapping of keys to values")
    if known is not None:
        for key in value:
            if key not in known:
                refuse(inner(field, key), unknown(key, known))
    return value


def unknown(key: str, known: Collection[str]) -> str:
    """Say that a key is unknown, with the nearest known one or all of them."""
    near = get_close_matches(key, list(known), n=1)
    return f"is an unknown key; did you mean '{near[0]}'?" if near else f"is an unknown key; known: {', '.join(known)}"


def inner(field: str, key: str) -> str:
    """Return the dotted path of a key."""
    return f"{field}.{clean(key)}" if field else clean(key)


def required(data: dict[str, Any], key: str, field: str, why: str) -> Any:
    """Return the value of a key that has to be there."""
    if key not in data:
        refuse(inner(field, key), f"is missing; {why}")
    return data[key]


def text(value: Any, field: str, *, may_be_empty: bool = True) -> str:
    """Check a text without NUL."""
    if not isinstance(value, str):
        refuse(field, f"is {shown(value)}; write text{'' if isinstance(value, (dict, list)) else ', in quotes'}")
    if "\0" in value:
        refuse(field, "holds a NUL character; remove it")
    if not may_be_empty and not value.strip():
        refuse(field, "is empty; write a text")
    return value


def optional_text(data: dict[str, Any], key: str, field: str = "") -> str:
    """Return a text that may be absent or null: then empty."""
    value = data.get(key)
    return "" if value is None else text(value, inner(field, key))


def integer(value: Any, field: str, low: int, high: int) -> int:
    """Check a whole number in low..high; a bool is none, nor is 2.0."""
    if not isinstance(value, int) or isinstance(value, bool):
        refuse(field, f"is {shown(value)}; write a whole number")
    if not low <= value <= high:
        refuse(field, f"is {shown(value)}; write a whole number from {low} to {high}")
    return value


def number(value: Any, field: str) -> float:
    """Check a finite number; an int stays an int."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        refuse(field, f"is {shown(value)}; write a number")
    if not math.isfinite(value) if isinstance(value, float) else abs(value) > 1 << 1000:
        refuse(field, f"is {shown(value)}; write a finite number")
    return value


def seconds(data: dict[str, Any], key: str, field: str) -> float | None:
    """Return a duration that may be absent, null or 0: then None."""
    value = data.get(key)
    if value is None:
        return None
    path = inner(field, key)
    if not 0 <= number(value, path) <= MOST_SECONDS:
        refuse(path, f"is {shown(value)}; write seconds from 0 (no limit) to {MOST_SECONDS}")
    return float(value) or None


def one_of(value: Any, field: str, words: Collection[str]) -> str:
    """Check a word of a closed set, in any case."""
    if isinstance(value, str) and value.lower() in words:
        return value.lower()
    near = get_close_matches(value.lower(), list(words), n=1, cutoff=0.75) if isinstance(value, str) else []
    remedy = f"did you mean '{near[0]}'?" if near else f"write one of {', '.join(words)}"
    refuse(field, f"is {shown(value)}; {remedy}")


def texts(value: Any, field: str) -> tuple[str, ...]:
    """Check a list of texts; a single text counts as a list of one."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        refuse(field, f"is {shown(value)}; write a list of names")
    for item in value:
        text(item, field, may_be_empty=False)
    if len(set(value)) < len(value):
        refuse(field, "names something twice; keep one")
    return tuple(value)
