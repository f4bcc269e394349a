"""Names of Azure's SDK that hdcore knows and does not serve: they can be imported, and say so when they are used."""

from __future__ import annotations

from typing import Any, NoReturn

from hdcore.errors import NotServedError, OutOfScopeError


def refuse(name: str, why: str, *, is_deployment: bool = False) -> NoReturn:
    """Raise that something is not served."""
    if is_deployment:
        raise OutOfScopeError(f"{name}: {why}")
    raise NotServedError(f"{name}: {why}")


class _Unserved(type):
    """Class of placeholders: whatever is asked of one says what it is."""

    _full_name: str
    _why: str
    _is_deployment: bool

    def __call__(cls, *args: Any, **keywords: Any) -> Any:
        refuse(cls._full_name, cls._why, is_deployment=cls._is_deployment)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):  # what inspection asks of any class
            raise AttributeError(name)
        refuse(f"{cls._full_name}.{name}", cls._why, is_deployment=cls._is_deployment)


def placeholder(full_name: str, why: str, *, is_deployment: bool = False) -> Any:
    """Return a class of this name that can be imported, and caught or compared with, but not used."""
    name = full_name.rpartition(".")[2]
    bases = (Exception,) if name.endswith(("Exception", "Error")) else ()
    return _Unserved(
        name, bases, {"_full_name": full_name, "_why": why, "_is_deployment": is_deployment, "__doc__": why}
    )


class Unserved:
    """An object of which every attribute says that it is not served."""

    def __init__(self, full_name: str, why: str, *, is_deployment: bool = False) -> None:
        self.__dict__.update(_full_name=full_name, _why=why, _is_deployment=is_deployment)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        refuse(f"{self._full_name}.{name}", self._why, is_deployment=self._is_deployment)
