"""The family of errors that hdcore raises.

Each class also derives from the builtin that a caller would expect, and carries its data as attributes. The
message says what was found, where, and what to do. The command line prints it as one line and exits with
`exit_code`.
"""

from __future__ import annotations

import re


class HdcoreError(Exception):
    """Root of the family."""

    exit_code = 1


class InputError(HdcoreError, ValueError):
    """Wrong input from the user: a sweep file, an option, an argument.

    Attributes
    ----------
    field : str or None
        Dotted path of what is wrong, as the user wrote it (``trial.command``, ``search_space.lr``).
    source : str or None
        The file or option that holds it.
    """

    exit_code = 2

    def __init__(self, message: str, *, field: str | None = None, source: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.source = source


class SpaceError(InputError):
    """A search space that cannot be meant.

    Attributes
    ----------
    parameter : str or None
        Name of the parameter, dotted for nested ones.
    """

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message, field=None if parameter is None else f"search_space.{parameter}")
        self.parameter = parameter


class PolicyError(InputError):
    """Arguments of a policy that cannot be meant; `field` names the argument."""


class ShapeError(HdcoreError, ValueError):
    """An array whose shape does not fit."""

    exit_code = 2


class NumericsError(HdcoreError, ArithmeticError):
    """A computation that broke down."""


class StateError(HdcoreError, RuntimeError):
    """A call that is not legal in the present state."""


class ExhaustedError(StateError):
    """The sampler has nothing left to propose: a finite space is used up."""


class StoreError(HdcoreError, RuntimeError):
    """The disk or the store failed."""

    exit_code = 4


class RefusedError(StoreError):
    """The store may not be used: locked by another driver, damaged, foreign, or of a newer version."""

    exit_code = 3


class ExecutorError(HdcoreError, RuntimeError):
    """A run could not be started or ended."""


class NoRoomError(ExecutorError):
    """There is no room for a run now; there may be, later."""


class NotServedError(HdcoreError, NotImplementedError):
    """A name or a feature of Azure's SDK that hdcore knows and does not have."""


class OutOfScopeError(NotServedError):
    """Deployment: what comes after the sweep and has no meaning on this machine. `hdcore azure` ends there in peace."""


def without_password(text: str) -> str:
    """Return text without the names and passwords in its addresses, to be shown or stored.

    Examples
    --------
    >>> without_password("no answer from http://me:secret@host:5000/api")
    'no answer from http://***@host:5000/api'
    """
    return re.sub(r"(?<=://)[^\s/]*@", "***@", text)
