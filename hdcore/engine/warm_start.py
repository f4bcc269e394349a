"""Runs of earlier sweeps in the space of a new one: which fit, under which names, and why the others do not.

Pure functions; what was read where, and what is printed, is the caller's business.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from hdcore.errors import InputError, SpaceError
from hdcore.records import EarlierRun
from hdcore.space import SearchSpace
from hdcore.space.distributions import Choice
from hdcore.space.values import Distribution
from hdcore.typing import Configuration, RunStatus

if TYPE_CHECKING:
    from hdcore.engine.optimizer import Optimizer

_REASONS = 5
"""Different reasons that are told apart; the rarer ones are counted together."""


class Mapped(NamedTuple):
    """What came of the runs of one earlier sweep.

    Attributes
    ----------
    runs : tuple of EarlierRun
        Those that fit, with configurations of the new space.
    dropped : tuple of (str, int)
        Reason and count of those that do not, the most frequent first.
    notes : tuple of str
        What was changed in the configurations that fit.
    """

    runs: tuple[EarlierRun, ...]
    dropped: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]


def check_mapping(space: SearchSpace, rename: Mapping[str, str], defaults: Mapping[str, Any]) -> None:
    """Refuse a map that the space contradicts, whatever the earlier runs are.

    Raises
    ------
    InputError
        `field` is ``hdcore.resume_rename.NAME`` or ``hdcore.resume_defaults.NAME``.
    """
    known = ", ".join(space.names)
    for old, new in rename.items():
        if new not in space.names:
            raise InputError(f"the space has no {new!r}; it has {known}", field=f"hdcore.resume_rename.{old}")
    for name, value in defaults.items():
        field = f"hdcore.resume_defaults.{name}"
        if name not in space.names:
            raise InputError(f"the space has no {name!r}; it has {known}", field=field)
        try:
            SearchSpace({name: space.parameters[name]}).validate({name: value})
        except SpaceError as error:
            raise InputError(str(error), field=field) from None


def map_runs(
    space: SearchSpace,
    runs: Iterable[EarlierRun],
    *,
    rename: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Mapped:
    """Bring the runs of an earlier sweep into a space that may have been edited since.

    A run is kept if its configuration, after renaming and with defaults filled in, is one that the space can draw:
    ranges may be wider or narrower, options may have come or gone. A parameter that the space no longer has is left
    out. One that is new takes its default, or the only value that it can have; without either the run is dropped.

    Parameters
    ----------
    space : SearchSpace
    runs : iterable of EarlierRun
        Those that have not ended are dropped.
    rename : mapping, optional
        Old name -> new name; all at once, so that two names can be swapped.
    defaults : mapping, optional
        Name -> the value that runs had before the parameter was searched.

    Raises
    ------
    InputError
        If a run has a value for both names of a renaming.
    """
    rename, defaults = rename or {}, defaults or {}
    only = {name: value for name, parameter in space.parameters.items() if (value := _only_value(parameter))}
    kept: list[EarlierRun] = []
    reasons: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    for run in runs:
        if not run.status.is_terminal:
            reasons["not ended yet"] += 1
            continue
        given = _renamed(run.configuration, rename)
        fitting: Configuration = {}
        missing = None
        for name in space.names:
            if name in given:
                fitting[name] = given[name]
            elif name in defaults:
                fitting[name] = defaults[name]
            elif name in only:
                fitting[name] = only[name][0]
            else:
                missing = missing or name
        if missing is not None:
            reasons[f"no {missing!r}, and no default for it in resume_defaults"] += 1
            continue
        why = _misfit(space, fitting)
        if why is not None:
            reasons[why] += 1
            continue
        removed.update(name for name in given if name not in fitting)
        filled.update(name for name in fitting if name not in given and name in defaults)
        kept.append(msgspec.structs.replace(run, configuration=fitting))
    notes = [f"{name!r} is not searched any more, its values are left out" for name in sorted(removed)]
    notes += [f"{name!r} is new and was {defaults[name]!r}" for name in sorted(filled)]
    return Mapped(tuple(kept), _most_frequent(reasons), tuple(notes))


def add_earlier_runs(optimizer: Optimizer, runs: Sequence[tuple[str, EarlierRun]]) -> None:
    """Tell a new optimizer of the runs of earlier sweeps, each with its sweep's name, in order.

    Completed runs count with their value, runs that were stopped with the one that their curve promises
    (`hdcore.gp.curves`); of failed ones only the curve counts, for the policy.
    """
    by_name: dict[str, list[EarlierRun]] = {}
    for name, run in runs:
        by_name.setdefault(name, []).append(run)
    for name, theirs in by_name.items():
        promised = _promised(theirs, optimizer.goal.sign)
        for index, run in enumerate(theirs):
            value = run.value if run.status is RunStatus.COMPLETED else promised.get(index)
            optimizer.add(run.configuration, math.nan if value is None else value, reports=run.reports, source=name)


def _promised(runs: Sequence[EarlierRun], sign: float) -> dict[int, float]:
    """Predict the final values of the runs that were stopped; by index, and only where there is a prediction."""
    stopped = [k for k, run in enumerate(runs) if run.status is RunStatus.CANCELED and run.reports]
    if not stopped:
        return {}
    import numpy as np

    from hdcore.gp.curves import predict_finals
    from hdcore.history import RowState, RunTable

    table = RunTable(0)
    for run in runs:
        row = table.append(np.empty(0))
        for report in run.reports:
            table.report(row, sign * report)
        table.finish(row, RowState.PENDING, math.nan if run.value is None else sign * run.value)
    completed = [k for k, run in enumerate(runs) if run.status is RunStatus.COMPLETED and run.value is not None]
    score, _ = predict_finals(table, np.array(completed, np.int64), np.array(stopped, np.int64))
    return {k: sign * found for k, found in zip(stopped, score.tolist(), strict=True) if math.isfinite(found)}


def _renamed(configuration: Configuration, rename: Mapping[str, str]) -> Configuration:
    given: Configuration = {}
    for old, value in configuration.items():
        name = rename.get(old, old)
        if name in given:
            raise InputError(
                f"earlier runs have {name!r} and what is renamed to it; leave one of them out",
                field="hdcore.resume_rename",
            )
        given[name] = value
    return given


def _only_value(parameter: Any) -> tuple[Any] | None:
    """Return the value that a parameter always has, in a tuple; None if it has several."""
    if not isinstance(parameter, Distribution):
        return (parameter,)
    if isinstance(parameter, Choice) and len(parameter.options) == 1 and not isinstance(parameter.options[0], dict):
        return (parameter.options[0],)
    return None


def _misfit(space: SearchSpace, configuration: Configuration) -> str | None:
    """Say which value of a configuration is never drawn, in words that many runs share; None if it fits."""
    try:
        space.validate(configuration)
    except SpaceError as error:
        # the name at the top; `error.parameter` may be one inside an option
        where = str(error.parameter)
        name = max((n for n in configuration if where == n or where.startswith(f"{n}.")), key=len, default=None)
        return str(error) if name is None else _one_misfit(space.parameters[name], name, configuration[name])
    return None


def _one_misfit(parameter: Any, name: str, value: Any) -> str:
    """Say what is wrong with one value; without the value itself where nearly every run has another one."""
    if isinstance(value, dict):
        return f"{name!r} is a dictionary that fits none of its options"
    if isinstance(value, float) or (isinstance(parameter, Distribution) and not isinstance(parameter, Choice)):
        return f"{name!r} outside {parameter!r}"
    return f"{name!r} was {value!r}, now it is {parameter!r}"


def _most_frequent(reasons: Counter[str]) -> tuple[tuple[str, int], ...]:
    ranked = reasons.most_common()
    rest = sum(count for _, count in ranked[_REASONS:])
    return (*ranked[:_REASONS], *([("other reasons", rest)] if rest else []))
