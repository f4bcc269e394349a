"""Plain values, what makes two of them the same, and the base of all distributions."""

from __future__ import annotations

import numbers
from typing import Any, ClassVar, NoReturn

from hdcore.errors import SpaceError


class Distribution:
    """How one parameter is drawn. Equality is by content, and 1, 1.0 and True differ."""

    __slots__ = ()
    name: ClassVar[str]

    def arguments(self) -> list[Any]:
        """Arguments in HyperDrive's order, as they were given."""
        raise NotImplementedError

    def content(self) -> list[Any]:
        """What makes two distributions of one name equal."""
        return self.arguments()

    def to_json(self) -> list[Any]:
        """Serialised list, ``["uniform", [0, 1]]``."""
        return [self.name, self.arguments()]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distribution) and identity(self) == identity(other)

    def __hash__(self) -> int:
        return hash(identity(self))

    def __repr__(self) -> str:
        words = [repr(argument) for argument in self.arguments()]
        if self.name.startswith("q"):
            words[-1] = f"q={words[-1]}"
        return f"{self.name}({', '.join(words)})"

    def _refuse(self, what: str) -> NoReturn:
        raise SpaceError(f"{self!r} {what}")


def serialised(value: Any) -> Any:
    """Return plain JSON data: distributions as Azure's lists, tuples as lists."""
    if isinstance(value, Distribution):
        return value.to_json()
    if isinstance(value, (list, tuple)):
        return [serialised(item) for item in value]
    if isinstance(value, dict):
        return {key: serialised(item) for key, item in value.items()}
    return value


def identity(value: Any) -> Any:
    """Return a hashable stand-in that is equal for equal values of the same types: 1, 1.0, True and "1" all differ.

    A list and a tuple with the same items are the same, because JSON cannot tell them apart.
    """
    if isinstance(value, Distribution):
        return value.name, identity(value.content())
    if isinstance(value, (list, tuple)):
        return "list", tuple(identity(item) for item in value)
    if isinstance(value, dict):
        return "dict", frozenset((key, identity(item)) for key, item in value.items())
    return type(value).__name__, value


def named(error: SpaceError, path: str) -> SpaceError:
    """Put the name of the parameter in front of a message; an inner name is joined to it."""
    message = str(error)
    if error.parameter is not None:
        message = message.removeprefix(f"parameter {error.parameter!r}: ")
        path = f"{path}.{error.parameter}"
    return SpaceError(f"parameter {path!r}: {message}", parameter=path)


def plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays (and what else answers `tolist`) into Python values."""
    if type(value) in (int, float, bool, str):
        return value
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    return value


def is_many(value: Any) -> bool:
    return isinstance(value, (list, range)) or (hasattr(value, "tolist") and getattr(value, "ndim", 0) > 0)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
