"""How the values of a column are laid out for people: on a linear, a logarithmic or a categorical axis."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hdcore.space.layout import Bell, Branch, Column, Constant, Interval, Kind, Tree, grid_ends

if TYPE_CHECKING:
    from hdcore.space import SearchSpace
    from hdcore.typing import FloatMatrix, FloatVector

MOST_CATEGORIES = 12
"""Options that are numbers stand beside each other like words up to so many, on a scale of numbers above."""

Scale = Literal["linear", "log", "category"]


class Axis:
    """The axis of one encoded column.

    Attributes
    ----------
    name : str
    scale : "linear", "log" or "category"
    labels : tuple of str
        Of a categorical axis, in order of levels; all different.
    """

    def __init__(self, column: Column, options: Sequence[Any] | None) -> None:
        self.name = column.name
        self._numbers: FloatVector | None = None
        self.labels: tuple[str, ...] = ()
        self.scale: Scale = "linear"
        if options is not None and (column.kind is Kind.CATEGORICAL or len(options) <= MOST_CATEGORIES):
            self.scale = "category"
            self.labels = _labels(options)
        elif options is not None:
            self._numbers = np.array(options, np.float64)
        elif isinstance(column.distribution, Interval | Bell) and column.distribution.logarithmic:
            # a grid may reach 0, which has no place on a log axis
            reaches_zero = column.distribution.q > 0 and grid_ends(column.distribution)[0] <= 0
            self.scale = "linear" if reaches_zero else "log"

    def places(self, numbers: FloatVector) -> FloatVector:
        """Return values (levels of a categorical axis) as numbers along the axis, NaN where there is none.

        Parameters
        ----------
        numbers : ndarray of float64, shape (n,)
            A column of `Encoder.values`; NaN where it is not active.
        """
        if self._numbers is not None:
            out = np.full(len(numbers), np.nan)
            active = np.isfinite(numbers)
            out[active] = self._numbers[numbers[active].astype(np.int64)]
            return out
        if self.scale == "log":
            return np.where(numbers > 0, numbers, np.nan)
        return numbers

    def shown(self, place: float) -> Any:
        """Return what stands at a place: a label, or the number."""
        return self.labels[int(place)] if self.labels else place


def axes_of(space: SearchSpace) -> list[Axis]:
    """Return the axis of each column."""
    options: dict[int, Sequence[Any]] = {}
    _collect(space.tree, options)
    return [Axis(column, options.get(j)) for j, column in enumerate(space.columns)]


def places_of(space: SearchSpace, axes: Sequence[Axis], encoded: FloatMatrix) -> FloatMatrix:
    """Return the places of encoded rows on the axes, same shape; NaN where a parameter is not active."""
    values = space.encoder.values(encoded)
    out = np.empty_like(values)
    for j, axis in enumerate(axes):
        out[:, j] = axis.places(np.where(np.isnan(encoded[:, j]), np.nan, values[:, j]))
    return out


def _collect(tree: Tree, into: dict[int, Sequence[Any]]) -> None:
    for node in tree.values():
        if isinstance(node, Branch):
            into[node.column] = node.options
            for option in node.options:
                if isinstance(option, Tree):
                    _collect(option, into)


def _labels(options: Sequence[Any]) -> tuple[str, ...]:
    texts = [_label(option) for option in options]
    count = Counter(texts)
    return tuple(text if count[text] == 1 else f"{text} ({k})" for k, text in enumerate(texts))


def _label(option: Any) -> str:
    """A short text for an option; of a dictionary what is fixed in it, which is what tells it from its siblings."""
    if isinstance(option, Tree):
        fixed = [_label(node.value) for node in option.values() if isinstance(node, Constant)]
        return " ".join(fixed) or ", ".join(option) or "{}"
    if isinstance(option, str):
        return option
    if isinstance(option, float) and math.isfinite(option):
        return f"{option:.6g}"
    if isinstance(option, Mapping | list | tuple):
        return json.dumps(option, default=str)
    return str(option)
