"""What goes into a job and comes out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from typing import Any

from hdcore.azure.v2.expressions import SweepDistribution
from hdcore.errors import InputError
from hdcore.hyperdrive.unserved import Served

DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")


class Input(Served):
    """Data or a literal that a job gets."""

    def __init__(
        self,
        *,
        type: str = "uri_folder",
        path: str | os.PathLike[str] | None = None,
        mode: str | None = None,
        default: Any = None,
        optional: bool | None = None,
        min: float | None = None,
        max: float | None = None,
        enum: Any = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.type = type
        self.path = path if path is None or not isinstance(path, os.PathLike) else os.fspath(path)
        self.mode = mode
        self.default = default
        self.optional = optional
        self.min = min
        self.max = max
        self.enum = enum
        self.description = description

    def __repr__(self) -> str:
        return f"Input(type={self.type!r}, path={self.path!r}, mode={self.mode!r})"


class Output(Served):
    """A folder or file that a job leaves behind."""

    def __init__(
        self,
        *,
        type: str = "uri_folder",
        path: str | os.PathLike[str] | None = None,
        mode: str | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.type = type
        self.path = path if path is None or not isinstance(path, os.PathLike) else os.fspath(path)
        self.mode = mode
        self.description = description

    def __repr__(self) -> str:
        return f"Output(type={self.type!r}, path={self.path!r}, mode={self.mode!r})"


class Ports(MutableMapping[str, Any]):
    """The inputs or outputs of a job: ``job.inputs["data"]`` and ``job.inputs.data``."""

    def __init__(self, what: str, items: dict[str, Any] | None = None) -> None:
        self.__dict__["_what"] = what
        self.__dict__["_items"] = dict(items or {})

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._items[name] = value

    def __delitem__(self, name: str) -> None:
        del self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._items:
            raise AttributeError(f"the job has no {self._what} {name!r}; it has {', '.join(self._items) or 'none'}")
        return self._items[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._items[name] = value

    def __repr__(self) -> str:
        return repr(self._items)


def input_document(name: str, value: Any) -> Any:
    """Return what a sweep file would say of an input."""
    if isinstance(value, Input):
        if value.type not in DATA_TYPES:
            return value.default
        path = value.path if value.path is not None else value.default
        return {"type": value.type, "path": _path(name, path), **({"mode": value.mode} if value.mode else {})}
    if isinstance(value, dict):
        return {key: _path(name, item) if key == "path" else item for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return {"type": "uri_folder" if os.path.isdir(value) else "uri_file", "path": _path(name, value)}
    if hasattr(value, "path") and hasattr(value, "type") and not isinstance(value, SweepDistribution):  # a data asset
        return {"type": value.type, "path": _path(name, value.path)}
    item = getattr(value, "item", None)  # NumPy's scalars
    return item() if callable(item) else getattr(value, "value", value) if _is_enum(value) else value


def output_document(value: Any) -> Any:
    """Return what a sweep file would say of an output."""
    if isinstance(value, Output):
        # Where Azure would upload it to has no meaning here: outputs stay in the folder of the run.
        return {"type": value.type, **({"mode": value.mode} if value.mode else {})}
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key in ("type", "mode")}
    return None


def _path(name: str, path: Any) -> str:
    if path is None:
        raise InputError("has no path; give Input(path=…)", field=f"inputs.{name}")
    return os.fspath(path) if isinstance(path, os.PathLike) else str(path)


def _is_enum(value: Any) -> bool:
    from enum import Enum

    return isinstance(value, Enum)
