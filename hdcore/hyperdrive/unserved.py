"""What an object of Azure's has and ours has not is named, rather than lost in a bare AttributeError.

Standard library only.
"""

from __future__ import annotations

import re
from typing import Any

from hdcore.errors import NotServedError, OutOfScopeError

TYPE_CHECKING = False

_DEPLOYMENT = re.compile(r"deploy|publish|endpoint|webservice|docker_image")


class UnservedNameError(NotServedError, AttributeError):
    """A name that hdcore's stand-ins do not have; `hasattr` says so too."""


class DeploymentNameError(OutOfScopeError, AttributeError):
    """A name of deployment."""


def refuse_name(kind: type, name: str) -> Any:
    """Raise that a class has no such name."""
    # What Python itself asks of any object, and a property that has raised an AttributeError.
    if name.startswith("_") or any(name in vars(base) for base in kind.__mro__):
        raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
    if _DEPLOYMENT.search(name.lower()):
        raise DeploymentNameError(
            f"{kind.__name__}.{name}: deployment is out of scope; what the sweep left behind is in its folder"
        )
    known = ", ".join(sorted(one for one in dir(kind) if not one.startswith("_")))
    raise UnservedNameError(
        f"{kind.__name__}.{name} is not served by hdcore; leave out what needs it (there is {known})"
    )


class _Named(type):
    if not TYPE_CHECKING:  # a type checker is to find wrong names in our own code

        def __getattr__(cls, name: str) -> Any:
            return refuse_name(cls, name)


class Served(metaclass=_Named):
    """Base of the classes that stand in for Azure's."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return refuse_name(type(self), name)
