"""fANOVA: how much of the variance of the metric each parameter explains, by a forest of regression trees.

==========  =========================================================================================
V           variance of a tree's prediction over the space, each leaf weighted by its volume
V_j         variance of the prediction as a function of parameter j alone, averaged over all others
S           options of a choice that a leaf allows
==========  =========================================================================================

The importance of j is the mean of ``V_j / V`` over the trees [1]_. The forest is scikit-learn's. Volumes are shares of
the space's own distributions, because columns are encoded.

.. [1] Hutter, Hoos and Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.space.layout import Column, Kind

if TYPE_CHECKING:
    from hdcore.typing import BoolVector, FloatMatrix, FloatVector

TREES, DEPTH = 64, 64

MOST_RUNS = 2_000
"""A forest of more takes seconds and says the same; of more runs an even part is taken."""

FEWEST = 4
"""Runs; of fewer nothing is said."""


@dataclass(frozen=True, slots=True)
class _Feature:
    """What a parameter is in the forest: inputs ``start`` to ``stop``; a choice has one for each of its options."""

    start: int
    stop: int
    is_choice: bool


def fanova(
    encoded: FloatMatrix, scores: FloatVector, columns: Sequence[Column], *, trees: int = TREES, seed: int = 0
) -> FloatVector:
    """Return the importance of each encoded column for the metric over the whole space.

    A parameter of a nested choice counts with the share of the space in which it is active.

    Parameters
    ----------
    encoded : ndarray of float64, shape (n, d)
        Configurations in the unit cube; NaN where a parameter of a nested choice is not active.
    scores : ndarray of float64, shape (n,)
        Finite.
    columns : sequence of Column, length d
    trees, seed : int
        Of the forest.

    Returns
    -------
    ndarray of float64, shape (d,)
        Sums to 1; all zero if all scores are equal, or if there are fewer than `FEWEST`.
    """
    from sklearn.ensemble import RandomForestRegressor

    n, d = encoded.shape
    shares = np.zeros(d)
    if n < FEWEST or d == 0 or scores.min() == scores.max():
        return shares
    if n > MOST_RUNS:
        kept = np.linspace(0, n - 1, MOST_RUNS).astype(np.int64)
        encoded, scores = encoded[kept], scores[kept]
    scores = scores / np.abs(scores).max()  # squares of a metric near the largest float would overflow
    # Where a parameter is not active it is drawn: any fixed value would tell the forest which option was chosen.
    drawn = np.random.default_rng(seed).random(encoded.shape)
    inputs, features = _inputs(np.where(np.isnan(encoded), drawn, encoded), columns)
    forest = RandomForestRegressor(n_estimators=trees, max_depth=DEPTH, random_state=seed)
    forest.fit(inputs, scores)
    total = np.zeros(d)
    for estimator in forest.estimators_:
        total += _of_tree(estimator.tree_, features, inputs.shape[1])
    return total / total.sum() if total.sum() > 0.0 else shares


def _inputs(encoded: FloatMatrix, columns: Sequence[Column]) -> tuple[FloatMatrix, list[_Feature]]:
    parts: list[FloatMatrix] = []
    features = []
    start = 0
    for j, column in enumerate(columns):
        u = encoded[:, j : j + 1]
        if column.kind is Kind.CATEGORICAL:
            parts.append((np.floor(u * column.levels) == np.arange(column.levels)).astype(np.float64))
            features.append(_Feature(start, start + column.levels, True))
        else:
            parts.append(u)
            features.append(_Feature(start, start + 1, False))
        start = features[-1].stop
    return np.hstack(parts), features


def _of_tree(tree: Any, features: Sequence[_Feature], n_inputs: int) -> FloatVector:
    """V_j / V of each parameter for one tree; zeros if it is constant."""
    out = np.zeros(len(features))
    at, until, value = _leaves(tree, n_inputs)
    allowed = {j: _allowed(at, until, feature) for j, feature in enumerate(features) if feature.is_choice}
    shares = [
        allowed[j].mean(axis=1) if feature.is_choice else until[:, feature.start] - at[:, feature.start]
        for j, feature in enumerate(features)
    ]
    volume = np.prod(shares, axis=0)
    is_real = volume > 0.0  # a leaf for two options at once has none
    value, volume = value[is_real], volume[is_real]
    mean = float(volume @ value)
    variance = float(volume @ (value - mean) ** 2)
    if not variance > 0.0:
        return out
    for j, feature in enumerate(features):
        weighted = (value - mean) * volume / shares[j][is_real]
        if feature.is_choice:
            along = weighted @ allowed[j][is_real]
            out[j] = float((along**2).mean())
        else:
            ends = at[is_real, feature.start], until[is_real, feature.start]
            out[j] = _along(weighted, *ends)
    return out / variance


def _along(weighted: FloatVector, at: FloatVector, until: FloatVector) -> float:
    """Integral of the squared marginal: a leaf adds its part to each cell that it spans, as steps at its two ends."""
    edges = np.unique(np.concatenate([at, until]))
    first, last = np.searchsorted(edges, at), np.searchsorted(edges, until)
    steps = np.bincount(first, weighted, len(edges)) - np.bincount(last, weighted, len(edges))
    along = np.cumsum(steps)[:-1]
    return float(np.diff(edges) @ along**2)


def _allowed(at: FloatMatrix, until: FloatMatrix, feature: _Feature) -> BoolVector:
    """S of each leaf, shape (leaves, options)."""
    inputs = slice(feature.start, feature.stop)
    can_be, has_to_be = until[:, inputs] > 0.5, at[:, inputs] > 0.0
    others = has_to_be.sum(axis=1)[:, None] - has_to_be
    allowed: BoolVector = can_be & (others == 0)
    return allowed


def _leaves(tree: Any, n_inputs: int) -> tuple[FloatMatrix, FloatMatrix, FloatVector]:
    """Boxes and values of the leaves, from the root down, one depth at a time."""
    left, right, feature, threshold = tree.children_left, tree.children_right, tree.feature, tree.threshold
    at, until = np.zeros((len(left), n_inputs)), np.ones((len(left), n_inputs))
    nodes = np.array([0])
    while len(nodes := nodes[left[nodes] >= 0]):
        for children in (left[nodes], right[nodes]):
            at[children], until[children] = at[nodes], until[nodes]
        until[left[nodes], feature[nodes]] = threshold[nodes]
        at[right[nodes], feature[nodes]] = threshold[nodes]
        nodes = np.concatenate([left[nodes], right[nodes]])
    is_leaf = left < 0
    return at[is_leaf], until[is_leaf], tree.value[is_leaf, 0, 0]
