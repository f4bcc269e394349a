"""A sweep over a plain script, described by options instead of a file."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hdcore.azure.expressions import KEYS, check_grid, check_space, read_parameter
from hdcore.azure.fields import shown, unknown
from hdcore.azure.load import apply_overrides, chosen_seed, legal_name
from hdcore.azure.reader import clean
from hdcore.azure.schema import read_name
from hdcore.command import Command
from hdcore.errors import InputError
from hdcore.records import Limits, SweepSpec
from hdcore.typing import Goal

DEFAULT_MAX_RUNS = 50
SAMPLERS = ("random", "sobol", "grid", "bayesian")

_ARGUMENTS = {
    "log": ("low", "high"),
    "int": ("low", "high"),
    **{kind: keys for kind, keys in KEYS.items() if kind != "choice"},
}
_FORMS = ("choice", *_ARGUMENTS)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_MOST_LISTED = 1_000


def spec_from_script(
    script: str | os.PathLike[str],
    params: Sequence[str],
    *,
    metric: str | None,
    goal: str = "maximize",
    sampler: str = "random",
    policy: str | None = None,
    fixed: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> SweepSpec:
    """Describe a sweep over a script.

    Parameters
    ----------
    script : path-like
        A Python script, or any executable program. It runs in a view of the working directory if it lies there, else
        of its own folder.
    params : sequence of str
        ``NAME=FORM``: ``lr=log:1e-5:1e-1`` (bounds are values), ``n=int:1:9`` (both ends), ``opt=choice:sgd,adam``
        (or a JSON list), and the expressions of a sweep file with their numbers in order, ``units=quniform:16:512:16``.
    metric, goal, sampler : str
        As in a sweep file; the sampler may be ``sobol`` too.
    policy : str, optional
        ``median:delay=5`` and the like, see `hdcore.policies.parse`.
    fixed : sequence of str
        Arguments that all runs get, before those of the parameters, so that a parameter wins over a fixed value.
    overrides : mapping, optional
        As for `load_sweep`; 50 runs if ``max_runs`` is not given.

    Raises
    ------
    InputError
        `source` is the option, `field` the name of the parameter, if any.
    """
    if not params:
        raise InputError("is missing; give at least one, such as --param lr=log:1e-5:1e-1", field="--param")
    if not metric or "\0" in metric:
        raise InputError("is missing; name the metric that the script reports", field="--metric")
    if sampler.lower() not in SAMPLERS:
        raise InputError(f"is {shown(sampler)}; write one of {', '.join(SAMPLERS)}", field="--sampler")
    try:
        direction = Goal.parse(goal)
    except InputError as error:
        raise InputError(str(error), field="--goal") from None
    space = _space(params)
    if sampler.lower() == "grid":
        check_grid(space)
    overrides = overrides or {}
    limits, more = apply_overrides(Limits(max_total_runs=DEFAULT_MAX_RUNS), {}, overrides)
    command, code = _command(Path(script), list(space), fixed)
    name = overrides.get("name")
    return SweepSpec(
        name=legal_name(Path(script).stem) if name is None else read_name(name, "--name"),
        space=space,
        metric=metric,
        goal=direction,
        limits=limits,
        sampler={"type": sampler.lower()},
        policy=None if policy is None else _policy(policy),
        command=command,
        code=code,
        shell=False,
        seed=chosen_seed(None, None, overrides.get("seed")),
        source=os.path.abspath(script),
        **more,
    )


def _space(params: Sequence[str]) -> dict[str, Any]:
    space: dict[str, Any] = {}
    for param in params:
        name, equals, form = param.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise InputError(f"is {shown(param)}; write NAME=FORM, such as lr=log:1e-5:1e-1", field="--param")
        if name in space:
            raise InputError("is given twice; keep one", source="--param", field=name)
        try:
            expression = _expression(form)
            serialised = isinstance(expression, list)
            space[name] = expression if serialised else read_parameter(expression, name, takes_null=True)
        except InputError as error:
            raise InputError(str(error), source="--param", field=name) from None
    check_space(space)
    return space


def _expression(form: str) -> dict[str, Any] | list[Any]:
    """Return what a sweep file would say for ``quniform:16:512:16``, or the serialised form."""
    kind, colon, rest = form.partition(":")
    kind = kind.strip().lower()
    if kind not in _FORMS or not colon or not rest:
        if kind not in _FORMS and not colon:
            raise InputError(f"'{clean(form)}' is no space; write FORM:VALUES, such as log:1e-5:1e-1 or choice:a,b")
        what = f"'{clean(kind)}' {unknown(kind, _FORMS)}" if kind not in _FORMS else f"'{kind}' has no values"
        raise InputError(what.replace("unknown key", "unknown form"))
    if kind == "choice":
        return {"type": "choice", "values": _choices(rest)}
    names = _ARGUMENTS[kind]
    words = rest.split(":")
    if len(words) != len(names):
        raise InputError(f"has {len(words)} number{'s' if len(words) != 1 else ''}; write {kind}:{':'.join(names)}")
    numbers = [_number(word) for word in words]
    if kind == "log":
        low, high = numbers
        if not 0 < low < high:
            raise InputError(f"has bounds {low:g} and {high:g}; write log:LOW:HIGH with 0 < LOW < HIGH")
        return ["loguniform", [math.log(low), math.log(high)]]
    if kind == "int":
        low, high = numbers
        if not isinstance(low, int) or not isinstance(high, int) or low > high:
            raise InputError(f"has bounds {low:g} and {high:g}; write int:LOW:HIGH with whole numbers, LOW <= HIGH")
        if high - low < _MOST_LISTED:
            return {"type": "choice", "values": list(range(low, high + 1))}
        return {"type": "quniform", "min_value": low, "max_value": high, "q": 1}
    return {"type": kind, **dict(zip(names, numbers, strict=True))}


def _choices(text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError('is not a JSON list; write choice:a,b,c or choice:[1, "a,b"]') from None
        return list(values)
    return [read_value(word) for word in text.split(",")]


def read_value(word: str) -> Any:
    """Read a value as options have it: a number, true, false, none, else text."""
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    try:
        return _number(word)
    except InputError:
        return word


def _number(word: str) -> float:
    word = word.strip()
    if len(word) <= 300 and "_" not in word:
        try:
            number = int(word) if _INTEGER.fullmatch(word) else float(word)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise InputError(f"has '{clean(word)}' where a finite number belongs")


def _policy(text: str) -> dict[str, Any] | None:
    from hdcore.policies import parse

    try:
        serialised: dict[str, Any] = dict(parse(text).to_json())
    except InputError as error:
        # The message says which argument is meant; the field would say it twice.
        raise InputError(str(error).removeprefix("policy "), field="--policy") from None
    return None if serialised.get("name") == "Default" else serialised


def _command(script: Path, names: Sequence[str], fixed: Sequence[str]) -> tuple[str, str]:
    """Return the command template and the code folder."""
    path = Path(os.path.abspath(script))
    if not path.is_file():
        raise InputError("does not exist; give a script or a sweep file", field="file", source=os.fspath(script))
    try:
        here = Path.cwd()
    except OSError:
        here = path.parent
    code = here if path.is_relative_to(here) else path.parent
    inside = shlex.quote(os.fspath(path.relative_to(code)))
    if path.suffix.lower() == ".py":
        program = f"python {inside}"
    elif os.access(path, os.X_OK):
        program = f"./{inside}"
    elif path.suffix.lower() == ".sh":
        program = f"sh {inside}"
    else:
        raise InputError(
            "is neither a Python script, an executable program nor a sweep file (.yml, .yaml)",
            field="file",
            source=os.fspath(script),
        )
    words = [program, *map(shlex.quote, fixed), *(f"--{name} ${{{{search_space.{name}}}}}" for name in names)]
    command = " ".join(words)
    try:
        Command.parse(command, shell=False).check(search_space=names)
    except InputError as error:
        raise InputError(str(error), field="arguments after --") from None
    return command, os.fspath(code)
