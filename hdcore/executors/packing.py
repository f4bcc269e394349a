"""How much GPU memory a run will need, and on which device it fits. Pure: no files, no clock, no NVML.

`Estimates` learns from peaks that were measured. While all peaks are alike the largest one holds for every run. Once
they differ, memory is taken to be monotone in the parameters that go with it: in numbers by the sign of the rank
correlation, in choices by the order of their mean peaks. A run that asks for no more in any of these than a run that
was seen needs no more memory than that one; a run beyond all that were seen is not guessed at, but measured alone.

`place` puts runs on devices so that what was promised to them never exceeds the memory of the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from hdcore.typing import Configuration

MARGIN = 1.10
"""Of an estimate over the peak it stands on: caches of the allocator differ from run to run."""

HEADROOM = 0.03
"""Share of a device that is never given out: the driver's own, fragmentation."""

ALIKE = 1.05
"""Peaks within this factor count as the same."""

RELEVANT = 0.3
"""Rank correlation from which memory is taken to follow a parameter."""

TIED = 0.9
"""A parameter that goes with memory nearly as well as the best one counts too: few runs cannot tell which it is."""

MOST = 256
"""Observations that are kept; more would only repeat them."""

Features: TypeAlias = dict[str, float | str]


def features(configuration: Configuration) -> Features:
    """Return a configuration flat: ``net.units`` -> number, and everything that is no number as text."""
    flat: Features = {}

    def visit(name: str, value: object) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                visit(f"{name}.{key}" if name else str(key), item)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[name] = float(value)
        else:
            flat[name] = repr(value)[:200]

    visit("", configuration)
    return flat


@dataclass(frozen=True, slots=True)
class Observation:
    """The peak of one run.

    Attributes
    ----------
    is_whole : bool
        The run came to its end; else it would have needed at least `peak_bytes`.
    """

    features: Features
    peak_bytes: int
    is_whole: bool


class Estimates:
    """What runs of one sweep need."""

    def __init__(self, observations: Mapping[int, Observation] | None = None) -> None:
        self._seen: dict[int, Observation] = dict(observations or {})
        self._model: _Monotone | None = None

    @property
    def observations(self) -> dict[int, Observation]:
        """By number of the run, oldest first."""
        return dict(self._seen)

    def observe(self, number: int, configuration: Configuration, peak_bytes: int, *, is_whole: bool) -> bool:
        """Learn a peak; False if it tells nothing new."""
        if peak_bytes <= 0:
            return False
        known = self._seen.get(number)
        expected = self.need(configuration)
        if not is_whole:
            is_more = known is None or (not known.is_whole and peak_bytes > known.peak_bytes)
            if expected is None or peak_bytes <= expected or not is_more:
                return False  # it may still grow: what it takes so far is news only if that is too much
        elif known is None and len(self._seen) >= MOST:
            if expected is not None and peak_bytes <= expected <= 1.5 * MARGIN * peak_bytes:
                return False
            largest = max(self._seen, key=lambda n: self._seen[n].peak_bytes)
            del self._seen[next(n for n in self._seen if n != largest)]
        self._seen.pop(number, None)
        self._seen[number] = Observation(features(configuration), peak_bytes, is_whole)
        self._model = None
        return True

    @property
    def is_open(self) -> bool:
        """Whether no run has come to its end yet, so that nothing is known."""
        return not any(seen.is_whole for seen in self._seen.values())

    def need(self, configuration: Configuration) -> int | None:
        """Return the bytes to set aside for a run; None: not known, it has to run alone."""
        if self.is_open:
            return None
        if self._model is None:
            self._model = self._fit()
        bound = self._model.bound(features(configuration))
        return None if bound is None else int(MARGIN * bound)

    def _fit(self) -> _Monotone:
        whole = [seen for seen in self._seen.values() if seen.is_whole]
        model = _Monotone(whole)
        beyond = [
            seen
            for seen in self._seen.values()
            if not seen.is_whole and (bound := model.bound(seen.features)) is not None and seen.peak_bytes > bound
        ]
        return _Monotone(whole + beyond) if beyond else model

    def least(self) -> int | None:
        """Return the bytes that the smallest run so far asks for; None: nothing is known."""
        if self.is_open:
            return None
        return int(MARGIN * min(seen.peak_bytes for seen in self._seen.values() if seen.is_whole))


@dataclass(frozen=True, slots=True)
class _Column:
    """A parameter that memory goes with, by rank correlation `weight`; `levels` are the mean peaks of its choices."""

    name: str
    sign: float
    weight: float
    levels: dict[str, float] | None

    def of(self, row: Features) -> float:
        value = row.get(self.name)
        if value is None:
            return -np.inf
        if self.levels is not None:
            return self.levels.get(str(value), np.inf)
        return self.sign * value if isinstance(value, float) else np.inf


class _Monotone:
    """A bound on peaks that rises with each parameter that they go with.

    Column j of `_points` holds a parameter, turned so that memory rises with it; minus infinity where a run does not
    have it, plus infinity for a choice that was never seen.
    """

    def __init__(self, seen: Sequence[Observation]) -> None:
        self._peaks = np.array([each.peak_bytes for each in seen], dtype=np.float64)
        self._columns: list[_Column] = []
        self._slack = 1.0
        if self._peaks.max() <= ALIKE * self._peaks.min():
            return
        rows = [each.features for each in seen]
        columns = [self._column(name, rows) for name in sorted({name for row in rows for name in row})]
        columns.sort(key=lambda column: -column.weight)
        for column in columns:
            is_tied = column.weight >= TIED * columns[0].weight
            if column.weight < RELEVANT or (self._slack <= ALIKE and not is_tied):
                break  # those that are in explain memory already
            self._columns.append(column)
            self._points = np.array([self._encode(row) for row in rows])
            below = (self._points[:, None, :] <= self._points[None, :, :]).all(axis=2)
            # Where a run took more than one that asks for as much, the order explains memory only up to this factor.
            self._slack = float((self._peaks[:, None] / self._peaks[None, :])[below].max())

    def _column(self, name: str, rows: Sequence[Features]) -> _Column:
        values = [row.get(name) for row in rows]
        levels: dict[str, float] | None = None
        if any(isinstance(value, str) for value in values):
            groups: dict[str, list[float]] = {}
            for value, peak in zip(values, self._peaks, strict=True):
                if value is not None:
                    groups.setdefault(str(value), []).append(float(peak))
            levels = {value: float(np.mean(peaks)) for value, peaks in groups.items()}
        raw = _Column(name, 1.0, 0.0, levels)
        points = np.array([raw.of(row) for row in rows])
        known = np.isfinite(points)
        correlation = _rank_correlation(points[known], self._peaks[known])
        sign = 1.0 if correlation >= 0 else -1.0
        if not known.all():  # having the parameter at all may be what costs memory
            points[~known] = -np.inf
            correlation = max(
                abs(correlation), abs(_rank_correlation(np.where(known, sign * points, -np.inf), self._peaks))
            )
        return _Column(name, sign, abs(correlation), levels)

    def _encode(self, row: Features) -> list[float]:
        return [column.of(row) for column in self._columns]

    def bound(self, row: Features) -> float | None:
        if not self._columns:  # all alike, or memory follows no parameter
            return float(self._peaks.max())
        point = np.array(self._encode(row))
        above = (self._points >= point).all(axis=1)
        if not above.any():
            return None
        below = (self._points <= point).all(axis=1)
        return max(float(self._peaks[above].min()) * self._slack, float(self._peaks[below].max(initial=0.0)))


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's, ties at their mean rank; 0 where one of them does not vary."""
    if len(x) < 2:
        return 0.0
    first, second = _ranks(x), _ranks(y)
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / scale if scale > 0 else 0.0


def _ranks(x: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return (ends - (count - 1) / 2)[place]


# ---------------------------------------------------------------------- placement


def capacity(total_bytes: int) -> int:
    """Return what of a device's memory may be promised to runs."""
    return int(total_bytes * (1 - HEADROOM))


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run was promised, and what it takes.

    Attributes
    ----------
    reserved_bytes : int
        Of the device; never less than `measured_bytes`.
    is_alone : bool
        Nothing else may run on its device.
    """

    device: str
    reserved_bytes: int
    measured_bytes: int = 0
    is_alone: bool = False

    def grown(self, measured_bytes: int, need_bytes: int | None) -> Claim:
        """Return the claim after a measurement; it only grows."""
        measured = max(self.measured_bytes, measured_bytes)
        return replace(
            self, measured_bytes=measured, reserved_bytes=max(self.reserved_bytes, measured, need_bytes or 0)
        )


@dataclass(frozen=True, slots=True)
class Room:
    """A device as the placement sees it.

    Attributes
    ----------
    foreign_bytes : int
        In use by processes that are no runs of this sweep.
    free_share : float
        Not leased by any sweep of this user, this one included.
    """

    uuid: str
    total_bytes: int
    foreign_bytes: int
    free_share: float


def spare(room: Room, claims: Iterable[Claim]) -> int:
    """Return the bytes of a device that are promised to nobody and used by no stranger; 0 where a run is alone."""
    here = [claim for claim in claims if claim.device == room.uuid]
    if any(claim.is_alone for claim in here):
        return 0
    whole = capacity(room.total_bytes)
    unpromised = whole - sum(claim.reserved_bytes for claim in here)
    return max(0, min(unpromised - room.foreign_bytes, int(whole * room.free_share)))


def place(need_bytes: int | None, rooms: Sequence[Room], claims: Sequence[Claim]) -> str | None:
    """Return the device for a run: the one with most room, so that runs spread out; None: it has to wait.

    Parameters
    ----------
    need_bytes : int or None
        None: it has to run alone.
    """
    if need_bytes is None:
        used = {claim.device for claim in claims}
        empty = [room for room in rooms if room.uuid not in used and room.free_share >= 1.0]
        return min(empty, key=lambda room: room.foreign_bytes / room.total_bytes).uuid if empty else None
    fitting = [(spare(room, claims), -k, room.uuid) for k, room in enumerate(rooms)]
    room_bytes, _, uuid = max(fitting, default=(0, 0, ""))
    return uuid if 0 < need_bytes <= room_bytes else None
