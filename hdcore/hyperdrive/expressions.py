"""Parameter expressions: functions that return Azure's plain lists, ``["uniform", [0, 1]]``."""

from __future__ import annotations

from typing import Any, NoReturn

from hdcore.hyperdrive.exceptions import HyperDriveConfigException
from hdcore.hyperdrive.limits import is_strict


def choice(*options: Any) -> list[Any]:
    """One of the options, each with the same weight.

    A list, range or array has to be the only argument: ``choice([1, 2])`` is ``choice(1, 2)``. A tuple is one option.
    """
    if len(options) == 1 and _is_many(options[0]):
        only = options[0]
        options = tuple(only.tolist() if hasattr(only, "tolist") else only)
    elif any(_is_many(option) for option in options):
        _refuse("choice", "a list or range to be its only argument; write choice([1, 2]) or choice(1, 2)", options)
    if not options:
        _refuse("choice", "at least one value", options)
    return ["choice", [list(options)]]


def randint(upper: int) -> list[Any]:
    """A whole number in [0, upper)."""
    upper = _plain(upper)
    if not isinstance(upper, int) or upper <= 0:
        _refuse("randint", "an integer larger than 0", (upper,))
    return ["randint", [upper]]


def uniform(min_value: Any = None, max_value: Any = None, *, low: Any = None, high: Any = None) -> list[Any]:
    """U(min_value, max_value)."""
    return ["uniform", _interval("uniform", min_value, max_value, low, high)]


def quniform(
    min_value: Any = None, max_value: Any = None, q: Any = None, *, low: Any = None, high: Any = None
) -> list[Any]:
    """round(U(min_value, max_value) / q) * q."""
    return ["quniform", [*_interval("quniform", min_value, max_value, low, high), _step("quniform", q)]]


def loguniform(min_value: Any = None, max_value: Any = None, *, low: Any = None, high: Any = None) -> list[Any]:
    """exp(U(min_value, max_value)): the bounds are exponents of e."""
    return ["loguniform", _interval("loguniform", min_value, max_value, low, high, may_be_equal=True)]


def qloguniform(
    min_value: Any = None, max_value: Any = None, q: Any = None, *, low: Any = None, high: Any = None
) -> list[Any]:
    """round(exp(U(min_value, max_value)) / q) * q."""
    bounds = _interval("qloguniform", min_value, max_value, low, high, may_be_equal=True)
    return ["qloguniform", [*bounds, _step("qloguniform", q)]]


def normal(mu: Any, sigma: Any) -> list[Any]:
    """N(mu, sigma)."""
    return ["normal", _bell("normal", mu, sigma)]


def qnormal(mu: Any, sigma: Any, q: Any) -> list[Any]:
    """round(N(mu, sigma) / q) * q."""
    return ["qnormal", [*_bell("qnormal", mu, sigma), _step("qnormal", q)]]


def lognormal(mu: Any, sigma: Any) -> list[Any]:
    """exp(N(mu, sigma))."""
    return ["lognormal", _bell("lognormal", mu, sigma)]


def qlognormal(mu: Any, sigma: Any, q: Any) -> list[Any]:
    """round(exp(N(mu, sigma)) / q) * q."""
    return ["qlognormal", [*_bell("qlognormal", mu, sigma), _step("qlognormal", q)]]


def _interval(
    name: str, min_value: Any, max_value: Any, low: Any, high: Any, *, may_be_equal: bool = False
) -> list[Any]:
    if is_strict() and (low is not None or high is not None):
        raise TypeError(f"{name}() got low or high; Azure calls the bounds min_value and max_value")
    if (min_value is not None and low is not None) or (max_value is not None and high is not None):
        _refuse(name, "each bound once; low and high are other names of min_value and max_value", (min_value, low))
    low, high = _plain(low if min_value is None else min_value), _plain(high if max_value is None else max_value)
    relation = "<=" if may_be_equal else "<"
    if not (_is_number(low) and _is_number(high)):
        _refuse(name, f"two numbers with min_value {relation} max_value", (low, high))
    if not (low < high or (may_be_equal and low == high)):
        _refuse(name, f"min_value {relation} max_value", (low, high))
    return [low, high]


def _bell(name: str, mu: Any, sigma: Any) -> list[Any]:
    mu, sigma = _plain(mu), _plain(sigma)
    if not (_is_number(mu) and _is_number(sigma) and sigma >= 0):
        _refuse(name, "two numbers mu and sigma with sigma >= 0", (mu, sigma))
    return [mu, sigma]


def _step(name: str, q: Any) -> Any:
    q = _plain(q)
    if is_strict() and not (_is_number(q) and q == int(q)):
        _refuse(name, "q to be a whole number", (q,))
    if not _is_number(q) or not q > 0:
        _refuse(name, "q to be a number larger than 0", (q,))
    return q


def _is_many(value: Any) -> bool:
    return isinstance(value, (list, range)) or (hasattr(value, "tolist") and getattr(value, "ndim", 0) > 0)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and value - value == 0  # finite


def _plain(value: Any) -> Any:
    """Turn a NumPy scalar into Python's number."""
    return value.item() if hasattr(value, "dtype") and hasattr(value, "item") else value


def _refuse(name: str, what: str, found: tuple[Any, ...]) -> NoReturn:
    given = ", ".join(repr(value) for value in found)
    raise HyperDriveConfigException(f"{name} expects {what}; found {name}({given})")
