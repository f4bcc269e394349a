"""The configuration with a given rank, without writing the space down: ranks of huge spaces are Python integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hdcore.space.layout import Constant, Leaf, Node, Tree, count

if TYPE_CHECKING:
    from hdcore.space.encoding import Encoder
    from hdcore.typing import FloatVector


def row_at(encoder: Encoder, rank: int) -> FloatVector:
    """Return the encoded row, shape (d,), of rank 0 … size - 1: order of levels, the last parameter fastest."""
    values = np.full((1, len(encoder.columns)), np.nan)
    _place(encoder, encoder.tree, rank, values[0])
    out = np.empty_like(values)
    encoder.plan.encode(values, out)
    row: FloatVector = out[0]
    return row


def _place(encoder: Encoder, tree: Tree, rank: int, values: FloatVector) -> None:
    for node in reversed(tree.values()):
        if isinstance(node, Constant):
            continue
        rank, own = divmod(rank, _size(encoder, node))
        if isinstance(node, Leaf):
            distribution = encoder.columns[node.column].distribution
            _, _, _, q, first, _ = encoder.numbers[node.column].tolist()
            values[node.column] = own if distribution.name == "randint" else (first + own) * q
            continue
        for k in sorted(node.declared):
            option = node.options[k]
            inside = _count(encoder, option) if isinstance(option, Tree) else 1
            if own < inside:
                values[node.column] = k
                if isinstance(option, Tree):
                    _place(encoder, option, own, values)
                break
            own -= inside


def _size(encoder: Encoder, node: Node) -> int:
    return _count(encoder, Tree({"": node}))


def _count(encoder: Encoder, tree: Tree) -> int:
    size = count(tree, encoder.columns)
    assert size is not None
    return size
