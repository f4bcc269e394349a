"""The steps of a pipeline while its function runs: which jobs were made in it, and what they hand on to each other."""

from __future__ import annotations

import re
from typing import Any

from hdcore.azure.v2.exceptions import ValidationException
from hdcore.azure.v2.inputs import Output, Ports

_functions: list[Nodes] = []
"""The pipeline functions that run now, the innermost one last."""


class NodeOutput(Output):
    """An output of a step, which can be an input of another one."""

    def __init__(self, node: Any, name: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._node, self._name = node, name

    def __repr__(self) -> str:
        return f"<output {self._name!r} of a step>"


class NodePorts(Ports):
    """The outputs of a step: ``step.outputs.model`` can be handed on, and may be told its type or path."""

    def __init__(self, node: Any, declared: Any) -> None:
        super().__init__("output")
        for name, item in dict(declared).items():
            self._items[name] = NodeOutput(node, name)
            self[name] = item

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self._items:
            raise ValidationException(
                f"is not declared by the step; it has {', '.join(self._items) or 'none'}", field=f"outputs.{name}"
            )
        for key in ("type", "mode", "path"):
            given = value.get(key) if isinstance(value, dict) else getattr(value, key, None)
            if given is not None:
                setattr(self._items[name], key, given)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class PipelineInput:
    """A parameter of a pipeline function, as its steps see it: what it is shows when the pipeline is submitted."""

    def __init__(self, owner: Any, name: str) -> None:
        self._owner, self._name = owner, name

    def result(self) -> Any:
        """Return its value as it is now."""
        return self._owner.inputs[self._name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.result(), name)  # .path, .mode and .type of data

    def __str__(self) -> str:
        return f"${{{{parent.inputs.{self._name}}}}}"

    def __repr__(self) -> str:
        return f"<input {self._name!r} of a pipeline>"


class Nodes:
    """What was made in one pipeline function, in order: steps, and pipelines that it called."""

    def __init__(self) -> None:
        self._made: list[Any] = []

    def __enter__(self) -> Nodes:
        _functions.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _functions.remove(self)

    def add(self, node: Any) -> None:
        self._made.append(node)

    def remove(self, node: Any) -> bool:
        """Take a step out; return whether it was one."""
        count = len(self._made)
        self._made = [one for one in self._made if one is not node]
        return len(self._made) < count

    def named(self, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the steps by name: that of their variable in the function, else their own, each once."""
        names = {id(value): name for name, value in variables.items()}
        found: dict[str, Any] = {}
        for node in self._made:
            name = wanted = legal_step(names.get(id(node)) or getattr(node, "name", None) or node.type)
            n = 0
            while name in found:
                n += 1
                name = f"{wanted}_{n}"
            found[name] = node
        return found


def legal_step(name: str) -> str:
    """Make the name of a step of any text."""
    name = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:90]
    return name if name and not name[0].isdigit() else f"step_{name}".rstrip("_")


def note_node(node: Any, *, instead_of: Any = None) -> None:
    """Make a job a step, if it is made in a pipeline function.

    Parameters
    ----------
    instead_of : job, optional
        What it was made of, which is no step of its own then.
    """
    if not _functions:
        return
    node.__dict__.pop("_became", None)  # of what it is a copy of
    if node.type != "pipeline":
        node.__dict__["outputs"] = NodePorts(node, node.outputs)
    if instead_of is not None and _functions[-1].remove(instead_of):
        instead_of.__dict__["_became"] = node
    _functions[-1].add(node)
