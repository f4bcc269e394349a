"""Policies as plain data and as a word on the command line."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from hdcore.errors import PolicyError
from hdcore.policies import _checks
from hdcore.policies.bandit import BanditPolicy
from hdcore.policies.median import MedianStoppingPolicy
from hdcore.policies.none import NoTerminationPolicy
from hdcore.policies.truncation import TruncationSelectionPolicy

if TYPE_CHECKING:
    from hdcore.policies.base import Policy

_Description: TypeAlias = type[BanditPolicy | MedianStoppingPolicy | TruncationSelectionPolicy | NoTerminationPolicy]

# Names are compared without case, underscores and dashes: MedianStopping, median_stopping, MEDIANSTOPPINGPOLICY.
_KINDS: dict[str, _Description] = {
    "bandit": BanditPolicy,
    "median": MedianStoppingPolicy,
    "medianstopping": MedianStoppingPolicy,
    "truncation": TruncationSelectionPolicy,
    "truncationselection": TruncationSelectionPolicy,
    "default": NoTerminationPolicy,
    "none": NoTerminationPolicy,
    "notermination": NoTerminationPolicy,
}
_WORDS = "bandit, median, truncation, none"
_SHORT = {"interval": "evaluation_interval", "delay": "delay_evaluation", "percentage": "truncation_percentage"}
_COMMON = ("evaluation_interval", "delay_evaluation", "population")
_FIELDS: dict[_Description, tuple[str, ...]] = {
    BanditPolicy: ("slack_factor", "slack_amount", "slack_iqr", *_COMMON),
    MedianStoppingPolicy: _COMMON,
    TruncationSelectionPolicy: ("truncation_percentage", "exclude_finished_jobs", *_COMMON),
    NoTerminationPolicy: (),
}


def from_json(data: Mapping[str, Any] | None) -> Policy | None:
    """Make a policy from its serialised form.

    Takes Azure's v1 form ``{"name": "Bandit", "properties": {…}}``, the keys of a v2 sweep file
    ``{"type": "median_stopping", "delay_evaluation": 5}``, and the flat form with ``name``; names in any case. What
    these forms allow and the constructors refuse is read as a user of them expects, with a warning: a bandit with two
    positive slacks uses the factor, one with none has the slack 0. A property that is None is one that is not given.

    Parameters
    ----------
    data : mapping or None
        None gives None; ``{"name": "Default"}`` gives `NoTerminationPolicy`.

    Raises
    ------
    PolicyError
        `field` names the key that is unknown, missing or cannot be meant.
    """
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise PolicyError(f"policy is {data!r}; give a mapping with a name")
    values = dict(data)
    if "name" in values and "type" in values:
        raise PolicyError("policy has both name and type; keep one of them", field="type")
    key = "type" if "type" in values else "name"
    if key not in values:
        raise PolicyError("policy has no name; write one of Bandit, MedianStopping, TruncationSelection", field="name")
    kind = _kind(values.pop(key), key)
    properties = values.pop("properties", None)
    if properties is not None:
        if not isinstance(properties, Mapping):
            raise PolicyError(f"properties is {properties!r}; give a mapping", field="properties")
        for name in properties:
            if name in values:
                raise PolicyError(f"{name} is given twice, beside properties and in it; keep one", field=str(name))
        values.update(properties)
    return _build(kind, {name: value for name, value in values.items() if value is not None})


def parse(text: str) -> Policy:
    """Make a policy from a word such as ``median:delay=5``.

    Parameters
    ----------
    text : str
        ``none``, ``median``, ``bandit`` or ``truncation``, then, after a colon, ``argument=value`` pairs with commas
        between them. ``delay``, ``interval`` and ``percentage`` are short for the long names.

    Raises
    ------
    PolicyError
        Says which part cannot be read; `field` names the argument.

    Examples
    --------
    >>> parse("median:delay=5,interval=2")
    MedianStoppingPolicy(evaluation_interval=2, delay_evaluation=5, population='all')
    """
    word, _, rest = text.strip().partition(":")
    kind = _kind(word, "policy")
    values: dict[str, Any] = {}
    for part in rest.split(",") if rest.strip() else ():
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (equals and name and value):
            found = part.strip()
            raise PolicyError(f"policy {text!r}: {found!r} is not of the form argument=value", field=name or None)
        name = _SHORT.get(name, name)
        if name in values:
            raise PolicyError(f"policy {text!r}: {name} is given twice; keep one", field=name)
        _known(kind, name)
        values[name] = _READERS[name](name, value)
    return _strict(kind, values)


def to_text(policy: Policy) -> str:
    """Return the word that `parse` reads as this policy; what is as by default is left out.

    Raises
    ------
    PolicyError
        If it is none of the built-in policies.

    Examples
    --------
    >>> to_text(MedianStoppingPolicy(delay_evaluation=5))
    'median:delay=5'
    """
    word = next((word for word, kind in _KINDS.items() if type(policy) is kind), None)
    if word is None:
        raise PolicyError(f"{policy!r} is no built-in policy and has no word")
    long = {name: short for short, name in _SHORT.items()}
    parts = []
    for name in _FIELDS[type(policy)]:  # type: ignore[index]
        value = getattr(policy, name)
        if value is not None and value != _PLAIN.get(name):
            parts.append(f"{long.get(name, name)}={str(value).lower() if isinstance(value, bool) else value}")
    return (word if word != "default" else "none") + (":" + ",".join(parts) if parts else "")


_PLAIN = {"evaluation_interval": 1, "delay_evaluation": 0, "population": "all", "exclude_finished_jobs": False}


def _kind(word: object, field: str) -> _Description:
    """Find the policy class of a name."""
    if isinstance(word, str):
        plain = word.strip().lower().replace("_", "").replace("-", "").removesuffix("policy")
        if plain in _KINDS:
            return _KINDS[plain]
        near = _near(plain, _KINDS)
        if near is not None:
            raise PolicyError(f"policy {word!r} is not known; did you mean {near!r}? ({_WORDS})", field=field)
    raise PolicyError(f"policy {word!r} is not known; write one of {_WORDS}", field=field)


def _near(word: str, names: Mapping[str, object] | tuple[str, ...]) -> str | None:
    from difflib import get_close_matches  # only an error needs it

    found = get_close_matches(word, list(names), n=1)
    return found[0] if found else None


def _known(kind: _Description, name: str) -> None:
    """Refuse an argument that the policy does not have."""
    fields = _FIELDS[kind]
    if name in fields:
        return
    short = {long: word for word, long in _SHORT.items()}
    words = tuple(dict.fromkeys(word for field in fields for word in (short.get(field, field), field)))
    near = _near(name, words)
    listed = ", ".join(short.get(field, field) for field in fields)
    hint = f"did you mean {near!r}? it takes {listed}" if near else f"it takes {listed}" if fields else "it takes none"
    raise PolicyError(f"{kind.__name__} has no argument {name!r}; {hint}", field=name)


def _strict(kind: _Description, values: dict[str, Any]) -> Policy:
    """Call the constructor."""
    if kind is TruncationSelectionPolicy and "truncation_percentage" not in values:
        raise PolicyError(
            "TruncationSelectionPolicy: truncation_percentage is missing; give a whole number from 1 to 99",
            field="truncation_percentage",
        )
    return kind(**values)


def _build(kind: _Description, values: dict[str, Any]) -> Policy:
    """Call the constructor, after making sense of what Azure's forms leave open."""
    for name in values:
        _known(kind, name)
    if kind is BanditPolicy and "slack_iqr" not in values:
        slacks: dict[str, Any] = {
            name: _checks.slack("BanditPolicy", name, values.pop(name))
            for name in ("slack_factor", "slack_amount")
            if name in values
        }
        if slacks.get("slack_factor") and slacks.get("slack_amount"):
            warnings.warn("bandit policy: both slacks are positive; slack_factor is used", stacklevel=3)
            del slacks["slack_amount"]
        elif not any(slacks.values()) and len(slacks) != 1:
            warnings.warn("bandit policy: no slack is given; a run ends once another one is ahead", stacklevel=3)
            slacks = {"slack_factor": 0.0}
        values.update(slacks)
    return _strict(kind, values)


def _read_whole(field: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise PolicyError(f"{field} is {text!r}; give a whole number", field=field) from None


def _read_number(field: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise PolicyError(f"{field} is {text!r}; give a number", field=field) from None


def _read_flag(field: str, text: str) -> bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise PolicyError(f"{field} is {text!r}; write true or false", field=field)


_READERS: dict[str, Callable[[str, str], Any]] = {
    "evaluation_interval": _read_whole,
    "delay_evaluation": _read_whole,
    "truncation_percentage": _read_whole,
    "slack_factor": _read_number,
    "slack_amount": _read_number,
    "slack_iqr": _read_number,
    "exclude_finished_jobs": _read_flag,
    "population": lambda field, text: text,
}
