"""What of MLflow's interfaces is not there, refused by name."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NoReturn

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import NOT_IMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Collection


def refuse_the_rest(
    store: type, interface: type, inherited: Collection[str] = (), where: str = "in trials of a sweep"
) -> None:
    """Let a store refuse each public method of MLflow's interface that it does not define.

    The methods of MLflow's base classes do nothing and say nothing.

    Parameters
    ----------
    store, interface : type
        Our class, and the class of MLflow's that it derives from.
    inherited : collection of str
        Methods that MLflow's class implements with the others.
    where : str
        Where they are not there, for the message.
    """
    for name, method in inspect.getmembers(interface, inspect.isfunction):
        if not name.startswith("_") and name not in inherited and getattr(store, name) is method:
            setattr(store, name, _refusal(name, where))


def _refusal(name: str, where: str) -> Any:
    def method(self: object, *arguments: Any, **more: Any) -> NoReturn:
        raise MlflowException(f"hdcore: MLflow's {name} is not there {where}", NOT_IMPLEMENTED)

    method.__name__ = name
    return method
