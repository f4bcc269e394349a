"""What a trial has reported, in order of time, read from the results that Ray hands over or has stored."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ray.air.constants import EXPR_RESULT_FILE

from hdcore.errors import InputError

if TYPE_CHECKING:
    from ray.tune.experiment import Trial


@dataclass(slots=True)
class Curve:
    """Reports of one trial.

    Ray starts a trial that has failed again, from its last checkpoint or from its beginning: time goes back then, and
    reports at that time and later count no more.

    Attributes
    ----------
    times : list of float
        Strictly growing.
    values : list of float
    """

    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, time: float, value: float) -> bool:
        """Take a report; True if earlier ones had to go for it."""
        keep = bisect_left(self.times, time)
        is_back = keep < len(self.times)
        del self.times[keep:], self.values[keep:]
        self.times.append(time)
        self.values.append(value)
        return is_back

    @property
    def last(self) -> float:
        """Time of the last report; -inf without one."""
        return self.times[-1] if self.times else -math.inf


def number(result: Mapping[str, Any], name: str, who: str) -> float | None:
    """Return a number of a result; None if it has none of that name.

    Raises
    ------
    InputError
        If there is something else than a number.
    """
    value = result.get(name)
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{who}: a result has {name} = {value!r}; report a number", field=name) from None


def stored_curve(trial: Trial, metric: str, time_attr: str) -> Curve | None:
    """Return what Ray has written down of a trial of an experiment that goes on; None if there is nothing to read."""
    storage = trial.storage
    try:
        with storage.storage_filesystem.open_input_stream(f"{storage.trial_fs_path}/{EXPR_RESULT_FILE}") as file:
            text = file.read()
    except (OSError, RuntimeError, AttributeError):  # no file, no folder, a trial without storage
        return None
    curve = Curve()
    for result in _lines(text):
        time, value = _found(result, time_attr), _found(result, metric, math.nan)
        if isinstance(time, int | float) and not isinstance(time, bool):
            is_number = isinstance(value, int | float)
            curve.add(time, float(value) if is_number else math.nan)
    return curve


def _lines(text: bytes) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        try:
            result = json.loads(line)
        except ValueError:  # a kill in the middle of a line
            continue
        if isinstance(result, dict):
            yield result


def _found(result: Mapping[str, Any], name: str, otherwise: Any = None) -> Any:
    """A value by its name in flattened results, where `eval/loss` is `loss` in `eval`."""
    if name in result:
        return result[name]
    first, slash, rest = name.partition("/")
    inner = result.get(first) if slash else None
    return _found(inner, rest, otherwise) if isinstance(inner, Mapping) else otherwise
