"""All configurations of a finite space as encoded rows, with the probability that a random draw gives each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hdcore.space.layout import Column, Constant, Leaf, Tree

if TYPE_CHECKING:
    from hdcore.space.encoding import Encoder
    from hdcore.typing import FloatMatrix, FloatVector


def enumerate_rows(encoder: Encoder) -> tuple[FloatMatrix, FloatVector]:
    """Return the encoded rows of all configurations, shape (size, d), and their probabilities, shape (size,).

    In order of levels, the last parameter fastest. Only for finite spaces of a size that fits memory.
    """
    rows, weights = _tree_rows(encoder, encoder.tree)
    return np.ascontiguousarray(rows), weights


def _tree_rows(encoder: Encoder, tree: Tree) -> tuple[FloatMatrix, FloatVector]:
    """Rows over all columns of the space, NaN where a column belongs to something else."""
    rows, weights = np.full((1, len(encoder.columns)), np.nan), np.ones(1)
    for node in tree.values():
        if isinstance(node, Constant):
            continue
        if isinstance(node, Leaf):
            inner, share = level_rows(encoder, encoder.columns[node.column], node.column)
        else:
            own, own_share = level_rows(encoder, encoder.columns[node.column], node.column)
            parts, shares = [], []
            for k in range(len(node.options)):
                if node.canonical[k] != k:
                    continue
                option = node.options[k]
                copies = sum(own_share[i] for i, first in enumerate(node.canonical) if first == k)
                below, below_share = (
                    _tree_rows(encoder, option)
                    if isinstance(option, Tree)
                    else (np.full((1, len(encoder.columns)), np.nan), np.ones(1))
                )
                parts.append(_merge(np.repeat(own[k : k + 1], len(below), axis=0), below))
                shares.append(copies * below_share)
            inner, share = np.concatenate(parts), np.concatenate(shares)
        rows = _merge(np.repeat(rows, len(inner), axis=0), np.tile(inner, (len(rows), 1)))
        weights = np.repeat(weights, len(share)) * np.tile(share, len(weights))
    return rows, weights


def level_rows(encoder: Encoder, column: Column, index: int) -> tuple[FloatMatrix, FloatVector]:
    """Rows of one column's levels, NaN elsewhere, and the probability of each level."""
    levels = np.arange(column.levels, dtype=np.float64)
    scratch = np.full((column.levels, len(encoder.columns)), np.nan)
    if column.distribution.name in ("choice", "randint"):
        scratch[:, index] = (levels + 0.5) / column.levels
        return scratch, np.full(column.levels, 1 / column.levels)
    first = encoder.numbers[index, 4]
    values = scratch.copy()
    values[:, index] = (first + levels) * encoder.numbers[index, 3]
    encoder.plan.encode(values, scratch)
    # the encoded value is the middle of the cell, so cells can be unrolled from the left
    middles = scratch[:, index]
    edges = np.zeros(column.levels + 1)
    for k in range(column.levels):
        edges[k + 1] = 2 * middles[k] - edges[k]
    return scratch, np.maximum(np.diff(edges), 0.0)


def _merge(first: FloatMatrix, second: FloatMatrix) -> FloatMatrix:
    return np.where(np.isnan(first), second, first)
