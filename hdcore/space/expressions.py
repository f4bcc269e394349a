"""The functions that write a search space down, and their serialised lists.

Names, signatures and lists are HyperDrive's.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from hdcore.errors import SpaceError
from hdcore.space.distributions import (
    Choice,
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    RandInt,
    Uniform,
)
from hdcore.space.values import Distribution, is_many, is_number, named, plain

DEEPEST = 60
"""Levels of nesting that are accepted; deeper spaces are taken for a structure that contains itself."""


def choice(*options: Any) -> Choice:
    """One of the options, each with the same weight.

    ``choice(1, 2, 3)``, ``choice([1, 2, 3])``, ``choice(range(1, 4))`` and ``choice(numpy.arange(1, 4))`` are the same.
    A list, range or array has to be the only argument, since a list cannot be one option; a tuple can. A dictionary is
    a conditional subspace. Values that are equal and of the same type are one value: it is drawn with the weight of all
    its copies, and counts once in the size of the space and in a grid.

    Raises
    ------
    SpaceError
        If there is no option, or an option cannot be written to JSON.

    Examples
    --------
    >>> choice({"name": "sgd", "momentum": uniform(0.5, 0.99)}, {"name": "adam"}).options[1]
    {'name': 'adam'}
    """
    if len(options) == 1 and is_many(options[0]):
        only = options[0]
        options = tuple(only.tolist() if hasattr(only, "tolist") else only)
        if not options:
            raise SpaceError("choice([]) has nothing to choose from; give at least one option")
    elif not options:
        raise SpaceError("choice() has nothing to choose from; give at least one option")
    else:
        for option in options:
            if is_many(option):
                raise SpaceError(
                    f"choice{options!r} mixes a list with other options: a list, range or array has to be the only "
                    f"argument; for a sequence as one option write the tuple {tuple(option)!r}"
                )
    return Choice(tuple(option_value(option) for option in options))


def randint(upper: int) -> RandInt:
    """A whole number in [0, upper)."""
    return RandInt(plain(upper))


def uniform(min_value: Any = None, max_value: Any = None, *, low: Any = None, high: Any = None) -> Uniform:
    """U(min_value, max_value)."""
    return Uniform(*_bounds("uniform", min_value, max_value, low, high))


def quniform(
    min_value: Any = None, max_value: Any = None, q: Any = None, *, low: Any = None, high: Any = None
) -> QUniform:
    """round(U(min_value, max_value) / q) * q, half to even.

    Not clipped, as HyperDrive's formula says: ``quniform(1, 10, 4)`` draws 0, 4 or 8, and end values have the weight of
    the part of their cell that lies inside the bounds.
    """
    return QUniform(*_bounds("quniform", min_value, max_value, low, high), _given_q("quniform", q))


def loguniform(min_value: Any = None, max_value: Any = None, *, low: Any = None, high: Any = None) -> LogUniform:
    """exp(U(min_value, max_value)): the bounds are exponents of e. `log_range` takes the values themselves."""
    found = _loguniform(min_value, max_value, low=low, high=high)
    least, most = found.min_value, found.max_value
    if 0 < least < most <= 1:  # hardly ever exponents
        warnings.warn(
            f"loguniform({least!r}, {most!r}): the bounds are exponents: values from {math.exp(least):.6g} to "
            f"{math.exp(most):.4g}; hd.log_range({least!r}, {most!r}) takes values",
            UserWarning,
            stacklevel=2,
        )
    return found


def _loguniform(min_value: Any = None, max_value: Any = None, *, low: Any = None, high: Any = None) -> LogUniform:
    return LogUniform(*_bounds("loguniform", min_value, max_value, low, high))


def qloguniform(
    min_value: Any = None, max_value: Any = None, q: Any = None, *, low: Any = None, high: Any = None
) -> QLogUniform:
    """round(exp(U(min_value, max_value)) / q) * q, half to even."""
    return QLogUniform(*_bounds("qloguniform", min_value, max_value, low, high), _given_q("qloguniform", q))


def normal(mu: Any, sigma: Any) -> Normal:
    """N(mu, sigma)."""
    return Normal(plain(mu), plain(sigma))


def qnormal(mu: Any, sigma: Any, q: Any) -> QNormal:
    """round(N(mu, sigma) / q) * q, half to even."""
    return QNormal(plain(mu), plain(sigma), _given_q("qnormal", q))


def lognormal(mu: Any, sigma: Any) -> LogNormal:
    """exp(N(mu, sigma))."""
    return LogNormal(plain(mu), plain(sigma))


def qlognormal(mu: Any, sigma: Any, q: Any) -> QLogNormal:
    """round(exp(N(mu, sigma)) / q) * q, half to even."""
    return QLogNormal(plain(mu), plain(sigma), _given_q("qlognormal", q))


def log_range(low: Any, high: Any) -> LogUniform:
    """`loguniform` between two values: ``log_range(1e-5, 1e-1)`` is ``loguniform(log(1e-5), log(1e-1))``."""
    low, high = plain(low), plain(high)
    for word, value in (("low", low), ("high", high)):
        if not is_number(value) or not math.isfinite(value) or value <= 0:
            raise SpaceError(f"log_range({low!r}, {high!r}) has {word} {value!r}; bounds are finite numbers above 0")
    if low > high:
        raise SpaceError(f"log_range({low!r}, {high!r}) has low above high; swap them")
    return LogUniform(math.log(low), math.log(high))


_FUNCTIONS: dict[str, Callable[..., Distribution]] = {
    "choice": choice, "randint": randint, "uniform": uniform, "quniform": quniform, "loguniform": _loguniform,
    "qloguniform": qloguniform, "normal": normal, "qnormal": qnormal, "lognormal": lognormal, "qlognormal": qlognormal,
}  # fmt: skip


def parse(value: Any, path: str, *, nested: bool = False, depth: int = 0) -> Any:
    """Return the distribution or the constant that the value of a parameter stands for.

    Parameters
    ----------
    value : object
        A `Distribution`, a serialised list or a constant.
    path : str
        Dotted name, for errors.
    nested : bool
        True inside the options of a choice, where a list that is no expression is a constant.
    """
    try:
        if isinstance(value, Distribution):
            return value
        if isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[1], (list, tuple)):
            word, arguments = value
            if isinstance(word, str) and word in _FUNCTIONS:
                return _call(word, arguments, depth)
            if isinstance(word, str) and (near := get_close_matches(word.lower(), _FUNCTIONS, n=1, cutoff=0.75)):
                raise SpaceError(f"no distribution is called {word!r}; did you mean {near[0]!r}?")
        if not nested and is_many(value):
            raise SpaceError(f"a plain list is no distribution; write choice({value!r}) to draw one of its values")
        return option_value(value, depth, constant=True)
    except SpaceError as error:
        raise named(error, path) from None


def _call(word: str, arguments: Any, depth: int) -> Distribution:
    if word == "choice":
        options = arguments[0] if len(arguments) == 1 and is_many(arguments[0]) else arguments
        if len(options) == 0:
            raise SpaceError("choice([]) has nothing to choose from; give at least one option")
        return Choice(tuple(option_value(option, depth) for option in options))
    try:
        return _FUNCTIONS[word](*arguments)
    except TypeError:
        raise SpaceError(
            f"{[word, list(arguments)]!r} has {len(arguments)} arguments; write {_EXAMPLES.get(word, word)}"
        ) from None


_EXAMPLES = {
    "randint": '["randint", [upper]]',
    **{word: f'["{word}", [min_value, max_value]]' for word in ("uniform", "loguniform")},
    **{word: f'["{word}", [min_value, max_value, q]]' for word in ("quniform", "qloguniform")},
    **{word: f'["{word}", [mu, sigma]]' for word in ("normal", "lognormal")},
    **{word: f'["{word}", [mu, sigma, q]]' for word in ("qnormal", "qlognormal")},
}


def option_value(value: Any, depth: int = 0, *, constant: bool = False) -> Any:
    """Return an option or constant as plain Python data; expressions may only stand in the dictionary of an option."""
    value = plain(value)
    if depth > DEEPEST:
        raise SpaceError(f"nested deeper than {DEEPEST} levels; does the dictionary contain itself?")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SpaceError(f"the value {value!r} is not finite; use a finite number, or the string {str(value)!r}")
        return value
    if isinstance(value, Mapping):
        inner = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise SpaceError(f"the key {key!r} of a dictionary is no string; write {str(key)!r}")
            if constant:
                inner[key] = option_value(item, depth + 1, constant=True)
            else:
                inner[key] = parse(item, key, nested=True, depth=depth + 1)
        return inner
    if isinstance(value, (list, tuple)):
        return type(value)(option_value(item, depth + 1, constant=True) for item in value)
    if isinstance(value, Distribution):
        raise SpaceError(
            f"{value!r} stands where a plain value belongs; name it in a dictionary that is an option: "
            f"choice({{'name': {value!r}}})"
        )
    raise SpaceError(
        f"the value {value!r} is of type {type(value).__name__}; "
        "use numbers, strings, bools, None, tuples or dictionaries"
    )


def _given_q(name: str, q: Any) -> Any:
    if q is None:
        raise SpaceError(f"{name} needs q, the step between values")
    return plain(q)


def _bounds(name: str, min_value: Any, max_value: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Accept either pair of names for the bounds."""
    for first, second, words in ((min_value, low, "min_value and low"), (max_value, high, "max_value and high")):
        if first is not None and second is not None:
            raise SpaceError(f"{name} got both {words}; they are two names of one bound, give one of them")
        if first is None and second is None:
            raise SpaceError(f"{name} needs both bounds; write {name}(min_value, max_value)")
    return plain(low if min_value is None else min_value), plain(high if max_value is None else max_value)
