"""Figures of a stored sweep, with what they need of its model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from hdcore.errors import InputError, StateError

if TYPE_CHECKING:
    from hdcore.engine.model import Model
    from hdcore.figures.shown import Shown
    from hdcore.store import StoreReader

MOST_SLICES = 6

MOST_LEARNT = 2_000
"""Runs that a model for people learns from: 10,000 take it half a minute, and it says the same."""


def model_of(reader: StoreReader, within: tuple[float, float] = (-math.inf, math.inf)) -> Model:
    """Fit a Gaussian process to the runs of a sweep, whatever its sampler is; to an even part of very many.

    Parameters
    ----------
    within : (float, float)
        Values and reports beyond count as these.

    Raises
    ------
    StateError
        If no run has a finite value.
    """
    from hdcore.driver import restore_optimizer

    low, high = within
    with reader.snapshot():
        spec, stored, curves = reader.sweep().spec, reader.runs(), reader.curves()
    step = -(-len(stored) // MOST_LEARNT) or 1
    runs, reports = [], {}
    for number, run in enumerate(stored[::step]):
        value = None if run.value is None else min(max(run.value, low), high)
        runs.append(replace(run, number=number, value=value))
        reports[number] = [min(max(value, low), high) for value in curves.get(run.number, ())]
    return restore_optimizer(spec, runs, reports).model()


def figure_of(reader: StoreReader, kind: str, parameters: Sequence[str] | None) -> Any:
    """Make a figure; see `Sweep.figure`."""
    from hdcore.figures import KINDS

    if kind not in KINDS:
        raise InputError(f"no figure {kind!r}; there are {', '.join(KINDS)}", field="kind")
    if parameters is not None and kind not in ("slice", "contour"):
        raise InputError(f"figure {kind!r} has no parameters to choose; leave them out", field="parameters")
    from hdcore.figures.shown import go, read_shown

    go()  # what is missing is said before anything is read
    shown = read_shown(reader, with_curves=kind == "curves")
    if kind == "curves":
        from hdcore.figures.curves import curves

        return curves(shown)
    if kind == "history":
        from hdcore.figures.curves import history

        return history(shown)
    if kind == "parallel":
        from hdcore.figures.parallel import parallel

        return parallel(shown)
    from hdcore.figures import parameters as of
    from hdcore.sweep.importance import importance_of

    shares = importance_of(reader).shares
    if kind == "importance":
        return of.importance(shown, shares, "PED-ANOVA")
    known = [axis.name for axis in shown.axes]
    for name in parameters or ():
        if name not in known:
            raise InputError(f"no parameter {name!r} to show; there are {', '.join(known)}", field="parameters")
    ranked = list(parameters or shares)
    if kind == "slice":
        return of.slices(shown, *_dependences(reader, shown, ranked if parameters else ranked[:MOST_SLICES]))
    return of.contour(shown, _pair(reader, shown, ranked, is_chosen=parameters is not None))


def _dependences(reader: StoreReader, shown: Shown, names: list[str]) -> tuple[list[Any], list[str]]:
    try:
        model = model_of(reader, shown.believable)
    except StateError:  # no value yet: the panels are there, and empty
        return [None] * len(names), names
    return [model.partial_dependence([name], within=shown.believable) for name in names], names


def _pair(reader: StoreReader, shown: Shown, names: list[str], *, is_chosen: bool) -> Any:
    """The dependence of two parameters: those that were chosen, or the most important ones that go together."""
    if len(names) < 2 or (is_chosen and len(names) != 2):
        raise InputError("a contour needs two parameters", field="parameters")
    within = shown.believable
    model = model_of(reader, within)
    if is_chosen:
        return model.partial_dependence(names, within=within)
    for second in names[1:]:
        try:
            return model.partial_dependence([names[0], second], within=within)
        except InputError:  # an option of a nested choice, or inside another one
            continue
    raise InputError("no two parameters are active together; choose them", field="parameters")
