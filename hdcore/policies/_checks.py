"""Checks of policy arguments; every error names the argument in `field`."""

from __future__ import annotations

import math
from operator import index
from typing import Literal, TypeAlias

from hdcore.errors import PolicyError

Population: TypeAlias = Literal["all", "reached"]
"""Whom a run is compared with at interval k: ``all`` = runs that reported k, and runs that ended earlier with all they
reported; ``reached`` = only runs that reported k."""


def whole(policy: str, field: str, value: object) -> int:
    """Return an integer argument; booleans and floats are refused, NumPy integers pass."""
    if not isinstance(value, bool):
        try:
            return index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise PolicyError(f"{policy}: {field} is {value!r}; give a whole number", field=field)


def interval(policy: str, value: object) -> int:
    """Return the evaluation interval; 0, the default of Azure's v2 classes, means every interval."""
    number = whole(policy, "evaluation_interval", value)
    if number < 0:
        raise PolicyError(
            f"{policy}: evaluation_interval is {number}; give 1 or more (0 means every interval)",
            field="evaluation_interval",
        )
    return max(number, 1)


def delay(policy: str, value: object) -> int:
    """Return the delay; a negative one delays nothing."""
    return max(whole(policy, "delay_evaluation", value), 0)


def slack(policy: str, field: str, value: object) -> float:
    """Return a slack: finite and not negative."""
    number = math.nan
    if not isinstance(value, (bool, str, bytes)):
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            pass
    if not (math.isfinite(number) and number >= 0):
        raise PolicyError(f"{policy}: {field} is {value!r}; give a finite number that is not negative", field=field)
    return number


def population(policy: str, value: object) -> Population:
    """Return the population option."""
    if value not in ("all", "reached"):
        raise PolicyError(f"{policy}: population is {value!r}; write 'all' or 'reached'", field="population")
    return value


def flag(policy: str, field: str, value: object) -> bool:
    """Return a boolean argument."""
    if not isinstance(value, bool):
        raise PolicyError(f"{policy}: {field} is {value!r}; write true or false", field=field)
    return value
