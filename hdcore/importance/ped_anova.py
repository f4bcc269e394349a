"""PED-ANOVA: how far the distribution of each parameter among the best runs departs from that among all runs.

Watanabe, Bansal, Hutter: "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces" (IJCAI
2023). The importance of a parameter is the variance of its share in "this run is among the best", which is the Pearson
divergence between two densities of that one parameter. Each density is a Parzen estimate on a grid of at most 50 cells,
so that the cost does not depend on the number of runs once they are counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.errors import InputError
from hdcore.space.layout import Kind

if TYPE_CHECKING:
    import numpy.typing as npt

    from hdcore.space.layout import Column
    from hdcore.typing import BoolVector, FloatMatrix, FloatVector, IntVector

CELLS = 50
"""Cells of the grid of a parameter with more values than that."""

PRIOR_WEIGHT = 1.0
"""Weight of the even prior in a density, in runs."""

_SMALLEST_SIGMA = 0.5 / 1.64
"""In cells: 90 % of a kernel's mass stays in the cell of its run."""

_FLOOR = 1e-12
_FEWEST = 2


def ped_anova(
    encoded: FloatMatrix,
    scores: FloatVector,
    columns: Sequence[Column],
    *,
    target_quantile: float = 0.1,
    region_quantile: float = 1.0,
    is_local: bool = True,
) -> FloatVector:
    """Return the importance of each encoded column for being among the best runs.

    Parameters
    ----------
    encoded : ndarray of float64, shape (n, d)
        Configurations in the unit cube; NaN where a parameter of a nested choice is not active.
    scores : ndarray of float64, shape (n,)
        Finite, larger is better.
    columns : sequence of Column, length d
    target_quantile : float, default 0.1
        What counts as good: this share of the runs. With fewer than five runs in it the answer is mostly chance.
    region_quantile : float, default 1.0
        What it is compared with: this share of the runs, the best ones. Below 1 it says what matters among good runs.
    is_local : bool, default True
        Compare with where the runs really are; False compares with an even density over the space.

    Returns
    -------
    ndarray of float64, shape (d,)
        Sums to 1; all zero if no parameter tells good runs from others. A parameter of a nested choice counts with the
        square of the share of good runs in which it is active over the share of all runs in which it is.

    Raises
    ------
    InputError
        If the quantiles are not ``0 < target < region <= 1``.
    """
    if not 0.0 < target_quantile < region_quantile <= 1.0:
        raise InputError(
            f"quantiles {target_quantile:g} and {region_quantile:g}; they need 0 < target < region <= 1",
            field="target_quantile",
        )
    importance = np.zeros(len(columns))
    if len(scores) < _FEWEST:
        return importance
    is_target, in_region = _top(scores, target_quantile), _top(scores, region_quantile)
    n_target, n_region = int(is_target.sum()), int(in_region.sum())
    for j, column in enumerate(columns):
        is_active = in_region & ~np.isnan(encoded[:, j])
        is_good = is_active & is_target
        n_active, n_good = int(is_active.sum()), int(is_good.sum())
        if column.levels == 1 or n_active < _FEWEST or n_good == 0:
            continue
        cells, n_cells = _cells(encoded[is_active, j], column)
        of_good = np.bincount(cells[is_good[is_active]], minlength=n_cells)
        good = _density(of_good, column.kind)
        if is_local:
            every = _density(np.bincount(cells, minlength=n_cells), column.kind)
        else:
            every = np.full(n_cells, 1.0 / n_cells)
        share = (n_good / n_target) ** 2 / (n_active / n_region)
        importance[j] = share * float(every @ (good / every - 1.0) ** 2)
    total = importance.sum()
    return importance / total if total > 0.0 else importance


def _top(scores: FloatVector, quantile: float) -> BoolVector:
    """The best share of the runs, with all that are equal to the last one in it."""
    last = math.ceil(quantile * len(scores)) - 1
    bar = -np.partition(-scores, last)[last]
    is_in: BoolVector = scores >= bar
    return is_in


def _cells(u: FloatVector, column: Column) -> tuple[IntVector, int]:
    """Cell of each run on the grid of a column, and the number of cells."""
    n_levels = column.levels
    if n_levels <= 0:
        place, n_cells = u, CELLS
    else:
        level = np.rint(u * n_levels - 0.5)
        if column.kind is Kind.CATEGORICAL:
            return level.astype(np.int64), n_levels
        place, n_cells = level / (n_levels - 1), min(n_levels, CELLS)
    cell = np.ceil(place * (n_cells - 1) - 0.5).astype(np.int64)
    return np.clip(cell, 0, n_cells - 1), n_cells


def _density(count: IntVector, kind: Kind) -> FloatVector:
    """Parzen estimate over the cells from the runs in each."""
    density = _of_options(count) if kind is Kind.CATEGORICAL else _of_numbers(count)
    return density + _FLOOR


def _of_options(count: IntVector) -> FloatVector:
    """Every option that was tried has a kernel that keeps most of its mass; the prior is even."""
    n = len(count)
    kernels = np.count_nonzero(count) + 1
    spread = PRIOR_WEIGHT / kernels
    weight = count / (count.sum() + PRIOR_WEIGHT)
    own = weight / (1.0 + n * spread)
    rest = PRIOR_WEIGHT / (count.sum() + PRIOR_WEIGHT) / n
    density: FloatVector = own + own.sum() * spread + rest
    return density


def _of_numbers(count: IntVector) -> FloatVector:
    """Normal kernels of one width by Scott's rule, cut at the ends of the grid, with one wide kernel as the prior."""
    n = len(count)
    at = np.flatnonzero(count)
    weight = count[at].astype(np.float64)
    total = weight.sum()
    sigma = _scott(at, weight)
    # Edges minus centres are whole numbers and a half: one table of the distribution function serves all kernels.
    table = _normal_cdf((np.arange(2 * n) - (n - 0.5)) / sigma)
    step = np.diff(table)  # mass of a kernel in the cell at distance k - (n - 1)
    mass = step[np.arange(n)[:, None] - at[None, :] + n - 1]
    mass /= table[2 * n - 1 - at] - table[n - 1 - at]
    density = mass @ weight
    prior = np.diff(_normal_cdf((np.arange(n + 1) - 0.5 - (n - 1) / 2) / n))
    density += PRIOR_WEIGHT * prior / prior.sum()
    return density / (total + PRIOR_WEIGHT)  # type: ignore[no-any-return]


def _scott(at: IntVector, weight: FloatVector) -> float:
    """Width of the kernels, in cells."""
    total = float(weight.sum())
    mean = at @ weight / total
    deviation = math.sqrt(float((at - mean) ** 2 @ weight) / max(1.0, total - 1.0))
    below = np.cumsum(weight)
    first = int(np.searchsorted(below, total // 4, side="left"))
    third = int(np.searchsorted(below, total * 3 // 4, side="right"))
    quartiles = float(at[min(third, len(at) - 1)] - at[first])
    width: float = 1.059 * min(quartiles / 1.34, deviation) * total**-0.2
    return max(width, _SMALLEST_SIGMA)


def _normal_cdf(z: npt.NDArray[np.floating[Any]]) -> FloatVector:
    root = math.sqrt(0.5)
    return np.array([0.5 * math.erfc(-value * root) for value in z.tolist()])
