"""``mlflow.types.schema``: columns and tensors of what a model takes and gives."""

from __future__ import annotations

from enum import Enum
from typing import Any


class DataType(Enum):
    """Types of columns."""

    boolean = "boolean"
    integer = "integer"
    long = "long"
    float = "float"
    double = "double"
    string = "string"
    binary = "binary"
    datetime = "datetime"


class ColSpec:
    """A column: its type, and its name if it has one."""

    def __init__(self, type: Any, name: str | None = None, required: bool = True, **unused: Any) -> None:
        self.type = type if isinstance(type, DataType) else DataType(str(type))
        self.name, self.required = name, required

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        named = {} if self.name is None else {"name": self.name}
        return {"type": self.type.value, **named, "required": self.required}


class TensorSpec:
    """A tensor: its type and shape, and its name if it has one."""

    def __init__(self, type: Any, shape: Any, name: str | None = None) -> None:
        self.type, self.shape, self.name = type, tuple(shape), name

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        named = {} if self.name is None else {"name": self.name}
        return {"type": "tensor", "tensor-spec": {"dtype": str(self.type), "shape": list(self.shape)}, **named}


class Schema:
    """Columns, or tensors, in order."""

    def __init__(self, inputs: Any) -> None:
        self.inputs = list(inputs)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return it as JSON has it."""
        return [one.to_dict() for one in self.inputs]

    def input_names(self) -> list[Any]:
        """Return the names, or numbers where there are none."""
        return [number if one.name is None else one.name for number, one in enumerate(self.inputs)]

    def __repr__(self) -> str:
        return repr(self.to_dict())


class ParamSpec:
    """A parameter of a prediction."""

    def __init__(self, name: str, dtype: Any, default: Any = None, shape: Any = None) -> None:
        self.name, self.dtype, self.default, self.shape = name, dtype, default, shape


class ParamSchema:
    """Parameters of a prediction."""

    def __init__(self, params: Any) -> None:
        self.params = list(params)


def schema_of(data: Any) -> Schema | None:
    """Return the schema of a table or an array, None of what has none."""
    if data is None:
        return None
    if hasattr(data, "dtypes") and hasattr(data, "columns"):
        return Schema([ColSpec(_type_of(data[name].dtype), str(name)) for name in data.columns])
    if hasattr(data, "dtype") and hasattr(data, "name") and hasattr(data, "index"):  # a column of pandas
        return Schema([ColSpec(_type_of(data.dtype), None if data.name is None else str(data.name))])
    if hasattr(data, "dtype") and hasattr(data, "shape"):
        return Schema([TensorSpec(data.dtype, (-1, *data.shape[1:]))])
    return None


def _type_of(dtype: Any) -> DataType:
    kind, size = getattr(dtype, "kind", "O"), getattr(dtype, "itemsize", 8)
    if kind == "b":
        return DataType.boolean
    if kind in "iu":
        return DataType.integer if size <= 4 else DataType.long
    if kind == "f":
        return DataType.float if size <= 4 else DataType.double
    return DataType.datetime if kind == "M" else DataType.string
