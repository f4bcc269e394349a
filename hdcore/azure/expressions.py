"""The search space of a sweep file: each expression checked and turned into its serialised list.

Errors name the top-level parameter (``search_space.conv``); where inside of a nested choice they are about stands in
the message.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from hdcore.azure.fields import inner, mapping, number, refuse, shown, unknown
from hdcore.errors import InputError, SpaceError
from hdcore.space import SearchSpace

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BOUNDS = {"min_value": "low", "max_value": "high"}  # spellings of old texts
KEYS: dict[str, tuple[str, ...]] = {
    "choice": ("values",),
    "randint": ("upper",),
    "uniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "loguniform": ("min_value", "max_value"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
}
_LARGEST_EXPONENT = math.log(1.7976931348623157e308)


def read_space(data: Any, *, log_base: float | None = None, warnings: list[str] | None = None) -> dict[str, Any]:
    """Return the serialised space, name -> ``["uniform", [0, 1]]``.

    Parameters
    ----------
    data : Any
        What stands under ``search_space``.
    log_base : float, optional
        Base of the four log types; e if not given.
    warnings : list of str, optional
        For a space that was written in Python, which may hold more than a file's, or nothing: takes what is doubtful
        instead of an error.
    """
    space = mapping(data, "search_space")
    if not space and warnings is None:
        refuse("search_space", "is empty; declare at least one parameter")
    reader = _Reader(log_base, takes_null=warnings is not None, warnings=warnings)
    serialised = {name: reader.parameter(name, value) for name, value in space.items()}
    check_space(serialised)
    return serialised


def read_parameter(data: Any, field: str, *, takes_null: bool = False) -> list[Any]:
    """Return one serialised expression; `takes_null` lets a choice hold null, which Azure's files cannot."""
    return _Reader(None, field=field, takes_null=takes_null).expression(data)


def check_space(space: dict[str, Any]) -> None:
    """Refuse what the search space itself refuses; the field is that of the parameter at the top."""
    try:
        SearchSpace(space)
    except SpaceError as error:
        name = next((name for name in space if error.parameter in (name, None)), None)
        name = name or next((name for name in space if str(error.parameter).startswith((f"{name}.", f"{name}["))), "")
        raise InputError(str(error), field=inner("search_space", name) if name else "search_space") from None


def check_grid(space: dict[str, Any]) -> None:
    """Refuse a space that has no grid: every expression has to be a choice, nested ones too."""
    for name, expression in space.items():
        other = _first_not_choice(expression)
        if other is not None:
            refuse(
                inner("search_space", name),
                f"is {other}, and grid sampling takes choice only; list values or sample at random",
            )


def _first_not_choice(expression: Any) -> str | None:
    if not isinstance(expression, list):
        return None
    kind, arguments = expression
    if kind != "choice":
        return str(kind)
    nested = (value for option in arguments[0] if isinstance(option, dict) for value in option.values())
    return next((other for value in nested if (other := _first_not_choice(value)) is not None), None)


def _logs(low: float, high: float) -> str:
    """Say how bounds that were meant as values are written: their own logarithms, where there are any."""
    if low <= 0:
        return "-9.2 to 0 for 0.0001 to 1"
    return f"{math.log(low):.6g} to {math.log(high):.6g} for {low:g} to {high:g}"


class _Reader:
    def __init__(
        self,
        log_base: float | None,
        *,
        field: str = "",
        takes_null: bool = False,
        warnings: list[str] | None = None,
    ) -> None:
        self._log_base = log_base
        self._field = field
        self._takes_null = takes_null
        self._warnings = warnings
        self._place = ""  # within a nested choice

    def parameter(self, name: str, data: Any) -> list[Any]:
        self._field = inner("search_space", name)
        self._place = ""
        if not NAME.fullmatch(name):
            self._fail("is no parameter name; use letters, digits and _, starting with a letter or _")
        return self.expression(data)

    def _fail(self, why: str) -> NoReturn:
        refuse(self._field, f"{self._place}: {why}" if self._place else why)

    def expression(self, data: Any) -> list[Any]:
        if self._warnings is not None and _is_serialised(data):
            data = {"type": data[0], **dict(zip(KEYS[data[0]], data[1], strict=False))}
        if not isinstance(data, dict):
            self._fail(f"is {shown(data)}; write an expression such as {{type: choice, values: [{shown(data)}]}}")
        if "type" not in data:
            self._fail(f"has no 'type'; write one of {', '.join(KEYS)}")
        word = data["type"]
        kind = word.lower().replace("_", "") if isinstance(word, str) else ""
        if kind not in KEYS:
            self._fail(f"has the type {shown(word)}; write one of {', '.join(KEYS)}")
        keys = KEYS[kind]
        data = self._with_new_spellings(data, keys)
        for key in data:
            if key != "type" and key not in keys:
                self._fail(f"'{inner('', key)}' {unknown(key, keys)}")
        for key in keys:
            if key not in data:
                self._fail(f"has no '{key}', which {kind} needs")
        if kind == "choice":
            return ["choice", [self._options(data["values"])]]
        if kind == "randint":
            return ["randint", [self._upper(data["upper"])]]
        return [kind, self._numbers(kind, [self._number(key, data[key]) for key in keys])]

    def _with_new_spellings(self, data: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
        for new, old in _BOUNDS.items():
            if old in data and new in keys and new not in data:
                data = {(new if key == old else key): value for key, value in data.items()}
        return data

    def _number(self, key: str, value: Any) -> float:
        try:
            return number(value, self._field)
        except InputError as error:
            self._fail(f"'{key}' {error}")

    def _upper(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 1 << 53:
            self._fail(f"'upper' is {shown(value)}; write a whole number of at least 1")
        return value

    def _numbers(self, kind: str, numbers: list[float]) -> list[float]:
        first, second = numbers[:2]
        is_log = "log" in kind
        if "uniform" in kind:
            if first > second or (first == second and not is_log):
                remedy = "swap them" if first > second else "use a choice of one value for a constant"
                if is_log and second <= 0 < first:  # a value beside an exponent
                    remedy = f"both are exponents, write {math.log(first, self._log_base or math.e):.6g} for {first:g}"
                self._fail(f"has min_value {first:g} and max_value {second:g}; {remedy}")
            if kind == "loguniform" and self._log_base is None and 0 <= first < second <= 1:
                doubt = (
                    f"min_value {first:g} and max_value {second:g} are exponents and mean values from "
                    f"{math.exp(first):.6g} to {math.exp(second):.6g}; give the logarithms of the bounds "
                    f"({_logs(first, second)})"
                )
                if self._warnings is None:
                    self._fail(doubt)
                self._warnings.append(f"{self._field}: {doubt}")
        elif second < 0:
            self._fail(f"has sigma {second:g}; write 0 or more")
        if kind[0] == "q" and numbers[2] <= 0:
            self._fail(f"has q {numbers[2]:g}; write a step above 0")
        if is_log and self._log_base is not None:
            scale = math.log(self._log_base)
            numbers[:2] = first, second = first * scale, second * scale
        if is_log and max(abs(first), abs(second)) > _LARGEST_EXPONENT:
            self._fail(f"has the exponents {first:g} and {second:g}, beyond e**709; give the logarithms of the bounds")
        return numbers

    def _options(self, values: Any) -> list[Any]:
        if not isinstance(values, list):
            self._fail(f"'values' is {shown(values)}; write a list")
        if not values:
            self._fail("has no values; list at least one")
        options = [self._option(index, value) for index, value in enumerate(values)]
        seen: set[tuple[str, Any]] = set()
        for option in options:
            key = _identity(option)
            if key in seen and self._warnings is None:
                self._fail(f"has the value {shown(option)} twice; keep one")
            seen.add(key)
        return options

    def _option(self, index: int, value: Any) -> Any:
        if not isinstance(value, dict):
            return self._constant(f"value {index + 1}", value)
        if not value:
            self._fail(f"value {index + 1} is an empty mapping; give it parameters")
        outer = self._place
        nested: dict[str, Any] = {}
        for name, data in value.items():
            self._place = inner(f"{outer}[{index}]" if outer else f"values[{index}]", name)
            if not NAME.fullmatch(name):
                self._fail("is no parameter name; use letters, digits and _, starting with a letter or _")
            if isinstance(data, dict) or (self._warnings is not None and _is_serialised(data)):
                nested[name] = self.expression(data)
            else:
                nested[name] = self._constant("the constant", data)
        self._place = outer
        return nested

    def _constant(self, what: str, value: Any) -> Any:
        if isinstance(value, (bool, int)) or (value is None and self._takes_null):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                self._fail(f"{what} is {shown(value)}; write a finite number")
            return value
        if not isinstance(value, str):
            self._fail(f"{what} is {shown(value)}; write a number, a text, or a mapping of parameters")
        if "\0" in value:
            self._fail(f"{what} holds a NUL character; remove it")
        return value


def _is_serialised(data: Any) -> bool:
    """Return whether this is a serialised expression, such as ``["uniform", [0, 1]]``."""
    if not (isinstance(data, list) and len(data) == 2 and isinstance(data[1], list)):
        return False
    return isinstance(data[0], str) and data[0] in KEYS and len(data[1]) == len(KEYS[data[0]])


def _identity(option: Any) -> tuple[str, Any]:
    """Return what makes two options the same: 1 and 1.0 are, 1, true and '1' are not."""
    if isinstance(option, dict):
        return "mapping", json.dumps(option, sort_keys=True)
    return ("number" if isinstance(option, (int, float)) and not isinstance(option, bool) else type(option).__name__), (
        option
    )
