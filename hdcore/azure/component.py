"""A trial that is written as a command component in a file of its own: ``trial: ./train.yml``."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdcore.azure import schema
from hdcore.azure.fields import inner, mapping, refuse, required, shown, text
from hdcore.azure.reader import clean, read_file
from hdcore.errors import InputError
from hdcore.records import InputSpec

_KEYS = (
    *("$schema", "name", "version", "display_name", "description", "tags", "type", "is_deterministic"),
    *("inputs", "outputs", "command", "code", "environment", "environment_variables", "resources", "distribution"),
)
_INPUT_KEYS = ("type", "default", "optional", "min", "max", "enum", "description", "mode", "path")
_PRIMITIVES = ("number", "integer", "string", "boolean")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_INPUT = re.compile(r"\$\{\{\s*inputs\.([^{}\s]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Component:
    """What a sweep takes from a component.

    Attributes
    ----------
    trial : dict
        As if it stood in the sweep file.
    folder : Path
        What the component's paths are relative to.
    inputs : dict
        Defaults of inputs that are neither searched nor given by the sweep.
    outputs : dict
        Declared outputs.
    """

    trial: dict[str, Any]
    folder: Path
    inputs: dict[str, InputSpec]
    outputs: dict[str, dict[str, Any]]


def is_component(value: Any) -> bool:
    """Return whether what stands under ``trial`` is the path of a component."""
    return isinstance(value, str) and value.strip().lower().endswith((".yml", ".yaml")) and len(value.split()) == 1


def read_component(value: str, folder: Path, *, searched: Collection[str], given: Mapping[str, InputSpec]) -> Component:
    """Read a component; references to an input that is searched become references to the search space.

    Raises
    ------
    InputError
        Field ``trial`` with the component's file and key in the message, or ``inputs.NAME`` for an input that the
        component needs and nobody gives.
    """
    path = Path(os.path.abspath(folder / value.removeprefix("file://").removeprefix("file:")))
    try:
        data = _checked(path)
        trial: dict[str, Any] = {
            key: data[key]
            for key in ("code", "environment", "environment_variables", "resources", "distribution")
            if key in data
        }
        command = text(required(data, "command", "", "write the command that trains once"), "command")
        outputs = schema.read_outputs(_without(data.get("outputs"), "outputs"))
        declared = {} if data.get("inputs") is None else mapping(data["inputs"], "inputs")
        defaults = {
            name: _default(item, inner("inputs", name)) for name, item in declared.items() if name not in searched
        }
        present = {*searched, *given, *(name for name, item in defaults.items() if item is not None)}
        command = settle_optional(command, present)
        trial["command"] = search_inputs(command, searched)
    except InputError as error:
        refuse("trial", f"{clean(path.name)}: {error.field}: {error}")
    for name in given:
        if name not in declared:
            refuse(inner("inputs", name), f"is no input of {clean(path.name)}; it has {', '.join(declared) or 'none'}")
    inputs = {name: item for name, item in defaults.items() if item is not None and name not in given}
    needed = [name for name in _INPUT.findall(command) if name in defaults and name not in inputs]
    for name in needed:
        if name not in given:
            refuse(inner("inputs", name), f"is missing; {clean(path.name)} has no default for it")
    return Component(trial, path.parent, inputs, outputs)


def read_declared_inputs(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs that a component declares, name -> its default, None where it has none."""
    declared = {} if data.get("inputs") is None else mapping(data["inputs"], "inputs")
    found: dict[str, Any] = {}
    for name, item in declared.items():
        default = _default(item, inner("inputs", name))
        found[name] = None if default is None else default.value if default.type == "literal" else default.path
    return found


def settle_optional(command: str, present: Collection[str]) -> str:
    """Keep an optional part, ``$[[--depth ${{inputs.depth}}]]``, if all inputs that it names are there."""
    return _OPTIONAL.sub(
        lambda match: match[1] if all(name in present for name in _INPUT.findall(match[1])) else "", command
    )


def search_inputs(command: str, searched: Collection[str]) -> str:
    """Make references to inputs that are searched references to the search space."""
    return _INPUT.sub(lambda match: f"${{{{search_space.{match[1]}}}}}" if match[1] in searched else match[0], command)


def _checked(path: Path) -> dict[str, Any]:
    data = mapping(read_file(path), "", _KEYS)
    kind = data.get("type")
    if kind is not None and kind != "command":
        refuse("type", f"is {shown(kind)}; a trial is a command component, 'type: command'")
    return data


def _without(value: Any, field: str) -> Any:
    """Drop the descriptions of a component's outputs, which say nothing about how to run."""
    if not isinstance(value, dict):
        return value
    return {
        name: {key: part for key, part in item.items() if key != "description"} if isinstance(item, dict) else item
        for name, item in mapping(value, field).items()
    }


def _default(item: Any, field: str) -> InputSpec | None:
    """Return a component input's default as a literal input."""
    declared = mapping(item, field, _INPUT_KEYS)
    kind = required(declared, "type", field, "write its type")
    text(kind, f"{field}.type")
    value = declared.get("default")
    if value is None:
        return None
    if kind.lower() in _PRIMITIVES:
        return InputSpec(type="literal", value=schema.literal(value, f"{field}.default"))
    return InputSpec(type=kind, path=text(value, f"{field}.default", may_be_empty=False))
