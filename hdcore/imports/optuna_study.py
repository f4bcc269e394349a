"""A study of an Optuna storage: its trials, their intermediate values, its distributions."""

from __future__ import annotations

import math
import os
from collections import Counter
from importlib import import_module
from typing import Any

from hdcore.errors import InputError, without_password
from hdcore.imports.foreign import ForeignRun, ForeignSweep, best_of, finite
from hdcore.space import SearchSpace
from hdcore.typing import Goal, RunStatus

MOST_LISTED = 1_000
"""Whole numbers up to so many are listed as options; a longer range is quantised."""

_STATUS = {"COMPLETE": RunStatus.COMPLETED, "PRUNED": RunStatus.CANCELED, "FAIL": RunStatus.FAILED}


def read_study(storage: str, study: str | None = None, *, metric: str | None = None) -> ForeignSweep:
    """Read a study.

    Parameters
    ----------
    storage : str
        URL (``sqlite:///study.db``), path of an SQLite file, or path of a journal file (``.log``, ``.journal``).
    study : str, optional
        Its name; may be left out if the storage has one study.
    metric : str, optional
        What the objective is called; by default the study's metric name, else ``value``.

    Raises
    ------
    ImportError
        If optuna is not installed.
    InputError
        If there is no such storage or study, or it has several objectives.
    """
    try:
        optuna: Any = import_module("optuna")
    except ImportError:
        raise ImportError("a study needs optuna to be read; pip install 'hdcore[optuna]'") from None
    shown = without_password(storage)
    try:
        opened = _storage(optuna, storage)
        names = [summary.study_name for summary in optuna.get_all_study_summaries(storage=opened)]
        if study is None and len(names) == 1:
            study = names[0]
        if study not in names:
            what = "holds several studies, name one with --study" if study is None else f"has no study {study!r}"
            raise InputError(f"{what}; there is {', '.join(names[:10]) or 'none'}", source=shown, field="--study")
        loaded = optuna.load_study(study_name=study, storage=opened)
        loaded.get_trials(deepcopy=False)  # the cache of the storage has them from now on
    except (InputError, ImportError):
        raise
    except Exception as error:  # whatever the database and its driver raise
        told = " ".join(without_password(str(error)).split())[:200]
        raise InputError(f"cannot be read: {told}", source=shown) from error
    return sweep_of_study(loaded, metric=metric, source=shown)


def sweep_of_study(study: Any, *, metric: str | None = None, source: str | None = None) -> ForeignSweep:
    """Turn a study into a sweep.

    Parameters
    ----------
    study : optuna.Study
    metric : str, optional
        As for `read_study`.
    source : str, optional
        Where the study comes from, for people.

    Raises
    ------
    InputError
        If it has several objectives, or no trial that ended and has a parameter.
    """
    trials, directions, metric_names = study.get_trials(deepcopy=False), study.directions, study.metric_names
    name = str(study.study_name)
    if len(directions) != 1:
        raise InputError(f"study {name!r} has {len(directions)} objectives; a sweep has one metric", source=source)
    metric = metric or (metric_names[0] if metric_names else "value")
    goal = Goal.MAXIMIZE if directions[0].name == "MAXIMIZE" else Goal.MINIMIZE
    ended = [trial for trial in trials if trial.state.name in _STATUS]
    return ForeignSweep(
        name=name,
        metric=metric,
        goal=goal,
        space=_space(ended),
        runs=[_run(trial, metric, goal) for trial in ended],
        source=f"study {name}" + ("" if source is None else f" of {source}"),
        total=len(trials),
        dropped={"not ended": len(trials) - len(ended)} if len(trials) > len(ended) else {},
    )


def _storage(optuna: Any, storage: str) -> Any:
    """Open a storage; one that does not exist must not be made by looking at it."""
    path = storage.removeprefix("sqlite:///") if storage.startswith("sqlite:///") else storage
    if "://" in path:
        return storage
    if not os.path.isfile(path):
        raise InputError("there is no such file", source=storage)
    if path.lower().endswith((".log", ".journal", ".jsonl")):
        from_file = optuna.storages.journal.JournalFileBackend(path)
        return optuna.storages.JournalStorage(from_file)
    return f"sqlite:///{path}"


def _run(trial: Any, metric: str, goal: Goal) -> ForeignRun:
    series: list[tuple[int | None, float]] = [
        (int(step), float(value)) for step, value in sorted(trial.intermediate_values.items())
    ]
    status = _STATUS[trial.state.name]
    value = None if trial.values is None else finite(float(trial.values[0]))
    if status is RunStatus.CANCELED:  # Optuna keeps the last report of a pruned trial as its value
        value = best_of(series, goal)
    if not series and value is not None:
        series = [(None, value)]
    return ForeignRun(
        configuration=dict(trial.params),
        status=status,
        value=value,
        series={metric: series} if series else {},
        reason="pruned" if status is RunStatus.CANCELED else None,
        started=None if trial.datetime_start is None else trial.datetime_start.timestamp(),
        ended=None if trial.datetime_complete is None else trial.datetime_complete.timestamp(),
    )


def _space(trials: list[Any]) -> dict[str, Any]:
    """Join the distributions of all trials; a parameter whose range changed has all of them."""
    found: dict[str, list[Any]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            known = found.setdefault(name, [])
            if distribution not in known:
                known.append(distribution)
    if not found:
        raise InputError("no trial of the study that has ended has a parameter")
    return SearchSpace({name: _expression(known) for name, known in found.items()}).to_json()


def _expression(distributions: list[Any]) -> list[Any]:
    first = distributions[0]
    if hasattr(first, "choices"):
        options = [option for distribution in distributions for option in distribution.choices]
        repeated = Counter((type(option), option) for option in options)
        return ["choice", [[option for _, option in repeated]]]
    low, high = min(d.low for d in distributions), max(d.high for d in distributions)
    step = first.step if all(d.step == first.step for d in distributions) else None
    if isinstance(low, int) and isinstance(high, int):
        if first.log:
            return ["qloguniform", [math.log(low), math.log(high), 1]]
        if high - low < MOST_LISTED * (step or 1):
            return ["choice", [list(range(low, high + 1, step or 1))]]
        return ["quniform", [low, high, step if step and low % step == 0 else 1]]
    if first.log:
        return ["loguniform", [math.log(low), math.log(high)]]
    if step and low != high and math.isclose(low / step, round(low / step), abs_tol=1e-9):
        return ["quniform", [low, high, step]]
    return ["uniform", [low, high]] if low < high else ["choice", [[low]]]
