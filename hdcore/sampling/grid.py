"""Every configuration of a space of choices, in declared order."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.errors import SpaceError
from hdcore.space import SearchSpace
from hdcore.space.encoding import is_mutable
from hdcore.space.layout import Branch, Column, Constant, Tree
from hdcore.space.values import identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hdcore.history import RunTable
    from hdcore.typing import Configuration, FloatMatrix, FloatVector


def grid(space: SearchSpace | Mapping[str, Any]) -> Iterator[Configuration]:
    """Iterate over all configurations: parameters in declared order, the last one fastest.

    Nothing but the present configuration is kept, so huge products can be started. Equal values of one choice, and
    equal dictionaries of overlapping options, come once.

    Raises
    ------
    SpaceError
        If a parameter is neither a choice nor a constant.

    Examples
    --------
    >>> from hdcore.space import choice
    >>> list(grid({"a": choice(1, 2), "b": choice("x", "y")}))[1]
    {'a': 1, 'b': 'y'}
    """
    space = SearchSpace(space)
    counter = Counter(space)
    return (counter.configuration(rank) for rank in counter.ranks())


class GridSampler:
    """Proposes the configurations of `grid` in order, without those that runs of the sweep have already.

    So run i is the i-th, unless the sweep began with runs that were gone on with. What is kept here is derived from the
    table and only makes that fast.
    """

    name = "grid"

    def bind(self, space: SearchSpace, seed: int) -> None:
        self._counter = Counter(space)
        self._space = space
        self._distinct = list(self._counter.ranks()) if space.encoder.has_overlaps else None
        self._size = self._counter.size if self._distinct is None else len(self._distinct)
        self._forget()

    def propose(self, table: RunTable, start: int, n: int) -> FloatMatrix:
        self._sync(table)
        rows: list[FloatVector] = []
        at, width = self._first, n
        while len(rows) < n and at < self._size:
            end = min(at + width, self._size)
            for row in self._rows(range(at, end)):
                if row.tobytes() in self._seen:
                    self._first += not rows
                elif len(rows) < n:
                    rows.append(row)
            at, width = end, 2 * width
        return np.array(rows).reshape(len(rows), len(self._space.columns))

    def _rows(self, numbers: range) -> FloatMatrix:
        if self._distinct is not None:
            return self._space.encode([self._counter.configuration(self._distinct[i]) for i in numbers])
        return self._counter.rows(numbers)

    def _forget(self) -> None:
        self._seen: set[bytes] = set()
        self._synced = 0
        self._first = 0  # what stands before it has been proposed

    def _sync(self, table: RunTable) -> None:
        """Take over the rows that the table got since the last call."""
        if table.n < self._synced:
            self._forget()
        rows, earlier = table.encoded[self._synced :], table.earlier[self._synced :]
        self._seen.update(row.tobytes() for row in rows[~earlier])
        self._synced = table.n

    def to_json(self) -> dict[str, Any]:
        """Return what `make_sampler` reads."""
        return {"type": self.name}


class Counter:
    """Ranks of a grid: mixed-radix numbers whose digits are the options in declared order.

    Attributes
    ----------
    size : int
        Number of ranks; a Python integer of any length.
    """

    def __init__(self, space: SearchSpace) -> None:
        for column in space.columns:
            if column.distribution.name != "choice":
                raise SpaceError(
                    f"parameter {column.name!r}: {column.distribution!r} has no place in a grid, which takes choices "
                    "only; write choice(…) with the values to try, or use the random sampler",
                    parameter=column.name,
                )
        self._space, self._tree = space, space.tree
        self._sizes: dict[int, list[int]] = {}
        self.size = self._measure(space.tree)

    def ranks(self) -> Iterator[int]:
        """All ranks in order, without those whose configuration came before."""
        if not self._space.encoder.has_overlaps:
            rank = 0
            while rank < self.size:  # range() stops at 2**63
                yield rank
                rank += 1
            return
        seen = set()
        for rank in range(self.size):
            key = identity(self.configuration(rank))
            if key not in seen:
                seen.add(key)
                yield rank

    def configuration(self, rank: int) -> Configuration:
        """Return a new configuration."""
        return self._decode(self._tree, rank)

    def rows(self, ranks: range) -> FloatMatrix:
        """Return encoded rows, shape (n, d)."""
        out = np.full((len(ranks), len(self._space.columns)), np.nan)
        for row, rank in zip(out, ranks, strict=True):
            self._encode(self._tree, rank, row, self._space.columns)
        return out

    def _measure(self, tree: Tree) -> int:
        product = 1
        for node in tree.values():
            if isinstance(node, Branch):
                options = [node.options[k] for k in node.declared]
                sizes = [self._measure(option) if isinstance(option, Tree) else 1 for option in options]
                self._sizes[node.column] = sizes
                product *= sum(sizes)
        return product

    def _digits(self, tree: Tree, rank: int) -> dict[str, tuple[Branch, int, int]]:
        """For each choice its level and the rank within that option."""
        found = {}
        for name, node in reversed(tree.items()):
            if isinstance(node, Branch):
                sizes = self._sizes[node.column]
                rank, digit = divmod(rank, sum(sizes))
                place = 0
                while digit >= sizes[place]:
                    digit -= sizes[place]
                    place += 1
                found[name] = node, node.declared[place], digit
        return found

    def _decode(self, tree: Tree, rank: int) -> Configuration:
        digits = self._digits(tree, rank)
        configuration: Configuration = {}
        for name, node in tree.items():
            if isinstance(node, Constant):
                configuration[name] = copy.deepcopy(node.value) if is_mutable(node.value) else node.value
                continue
            branch, level, inner = digits[name]
            option = branch.options[level]
            if isinstance(option, Tree):
                configuration[name] = self._decode(option, inner)
            else:
                configuration[name] = copy.deepcopy(option) if is_mutable(option) else option
        return configuration

    def _encode(self, tree: Tree, rank: int, row: FloatVector, columns: tuple[Column, ...]) -> None:
        for node, level, inner in self._digits(tree, rank).values():
            row[node.column] = (level + 0.5) / columns[node.column].levels
            option = node.options[level]
            if isinstance(option, Tree):
                self._encode(option, inner, row, columns)
