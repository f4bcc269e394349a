"""Encoded matrices of a space: the arrays behind `SearchSpace.encode`, `decode` and `snap`.

Imports NumPy and the kernels, so `SearchSpace` imports it when something is encoded.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore._native import sampling as _native
from hdcore.errors import ShapeError
from hdcore.space.distributions import Choice, LogUniform, RandInt
from hdcore.space.layout import Bell, Branch, Column, Constant, Interval, Leaf, Tree, grid_ends, is_single, log_bounds
from hdcore.space.reading import read
from hdcore.space.values import identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hdcore.typing import Configuration, FloatMatrix, FloatVector

# Order of the enum in ext/_sampling.h
OPERATIONS = {
    name: code
    for code, name in enumerate(
        ["uniform", "loguniform", "normal", "lognormal", "quniform", "qloguniform", "qnormal", "qlognormal", "levels"]
    )
}


class Encoder:
    """Turns configurations into encoded rows and back.

    Attributes
    ----------
    plan : _native.Plan
        What the kernels know of the columns.
    numbers : ndarray of float64, shape (d, 6)
        a, r, top, q, first, last of each column.
    """

    def __init__(self, tree: Tree, columns: tuple[Column, ...]) -> None:
        self.tree, self.columns = tree, columns
        codes, self.numbers, tables = _plan(tree, columns)
        self.plan = _native.Plan(codes, self.numbers, tables)
        # A flat space is decoded by a dictionary copy, an update and a look-up per choice.
        self._template = {name: getattr(node, "value", None) for name, node in tree.items()}
        self._names = tuple(name for name, node in tree.items() if not isinstance(node, Constant))
        self._top = [node.column for node in tree.values() if not isinstance(node, Constant)]
        self._is_flat = self._top == list(range(len(columns)))
        self._integers: list[tuple[str, int]] = []
        self._tables: list[tuple[str, int, tuple[Any, ...]]] = []
        self._makers: list[tuple[str, Any]] = []
        for name, node in tree.items():
            if isinstance(node, Constant):
                if is_mutable(node.value):
                    self._makers.append((name, node))
            elif isinstance(node, Leaf):
                if isinstance(columns[node.column].distribution, RandInt):
                    self._integers.append((name, node.column))
            elif any(is_mutable(option) for option in node.options):
                self._makers.append((name, node))
            else:
                self._tables.append((name, node.column, node.options))

    def encode(self, configurations: Sequence[Mapping[str, Any]]) -> FloatMatrix:
        """Return the encoded rows of configurations, shape (n, d)."""
        exact = self._is_exact if self.has_overlaps else None
        numbers = [read(self.tree, self.columns, one, exact) for one in configurations]
        values = np.array(numbers, dtype=np.float64).reshape(len(numbers), len(self.columns))
        out = np.empty_like(values)
        self.plan.encode(values, out)
        return out

    def decode(self, matrix: FloatMatrix) -> list[Configuration]:
        """Return the configurations of encoded rows, shape (n, d)."""
        return [self._build(row) for row in self.values(self.check(matrix)).tolist()]

    def decode_row(self, row: FloatVector) -> Configuration:
        """Return the configuration of one encoded row, shape (d,), float64, C order."""
        if len(row) != len(self.columns):
            raise ShapeError(f"the row has {len(row)} columns, the space has {len(self.columns)}")
        return self._build(self.plan.row_values(row))

    def values(self, matrix: FloatMatrix) -> FloatMatrix:
        """Return the number of each column, and the level for choices and randint, shape (n, d)."""
        out = np.empty_like(matrix)
        self.plan.values(matrix, out)
        return out

    def snap(self, matrix: FloatMatrix) -> FloatMatrix:
        """Return a copy, shape (n, d), moved to the points that stand for configurations."""
        out = self.check(matrix).copy()
        self.plan.snap(out)
        if self.has_overlaps and len(out):
            out = self.encode(self.decode(out))
        return out

    def check(self, matrix: Any) -> FloatMatrix:
        """Return the argument as a float64 matrix in C order, or raise `ShapeError`."""
        found = np.ascontiguousarray(matrix, dtype=np.float64)
        if found.ndim == 2 and found.shape[1] == len(self.columns):
            return found
        if found.size == 0 and found.ndim == 1:
            return np.empty((0, len(self.columns)))
        raise ShapeError(f"encoded rows have the shape {found.shape}; the space needs (n, {len(self.columns)})")

    @property
    def has_overlaps(self) -> bool:
        """True if two options of a nested choice can give the same dictionary."""
        if not hasattr(self, "_overlaps"):
            self._overlaps = _overlaps(self.tree)
        return self._overlaps

    def count_distinct(self) -> int:
        """Number of distinct configurations, by writing all of them down."""
        from hdcore.space.enumeration import enumerate_rows

        rows, _ = enumerate_rows(self)
        return len({identity(one) for one in self.decode(rows)})

    def _is_exact(self, column: int, number: float) -> bool:
        values = np.full((1, len(self.columns)), np.nan)
        values[0, column] = number
        out = np.empty_like(values)
        self.plan.encode(values, out)
        return self.plan.row_values(out[0])[column] == number

    def _build(self, numbers: list[float]) -> Configuration:
        configuration = dict(self._template)
        if self._is_flat:
            configuration.update(zip(self._names, numbers, strict=True))
        else:
            configuration.update((name, numbers[column]) for name, column in zip(self._names, self._top, strict=True))
        for name, column in self._integers:
            configuration[name] = int(numbers[column])
        for name, column, options in self._tables:
            configuration[name] = options[int(numbers[column])]
        for name, node in self._makers:
            configuration[name] = self.value(node, numbers)
        return configuration

    def value(self, node: Any, numbers: list[float]) -> Any:
        """Return the value of a node, given the number of each column; new objects throughout."""
        if isinstance(node, Tree):
            return {name: self.value(inner, numbers) for name, inner in node.items()}
        if isinstance(node, Constant):
            return copy.deepcopy(node.value)
        number = numbers[node.column]
        if isinstance(node, Branch):
            option = node.options[int(number)]
            return self.value(option, numbers) if isinstance(option, Tree) else copy.deepcopy(option)
        return int(number) if isinstance(self.columns[node.column].distribution, RandInt) else number


def _plan(tree: Tree, columns: tuple[Column, ...]) -> tuple[Any, FloatMatrix, Any]:
    """Return the three tables that `_native.Plan` reads."""
    codes = np.full((len(columns), 5), -1, np.int32)
    numbers = np.zeros((len(columns), 6))
    tables: list[int] = []
    branches = {node.column: node for node in _branches(tree)}
    for j, column in enumerate(columns):
        distribution = column.distribution
        operation = OPERATIONS.get(distribution.name, OPERATIONS["levels"])
        codes[j, :4] = operation, is_single(distribution), column.parent, column.parent_level
        if isinstance(distribution, (Choice, RandInt)):
            numbers[j] = 0, 0, 0, 1, 0, column.levels - 1
            if j in branches and branches[j].canonical != tuple(range(column.levels)):
                codes[j, 4] = len(tables)
                tables += branches[j].canonical
        elif isinstance(distribution, Interval):
            low, high = float(distribution.min_value), float(distribution.max_value)
            ends = log_bounds(distribution) if isinstance(distribution, LogUniform) else grid_ends(distribution)
            numbers[j] = low, high - low, high, distribution.q or 1, *ends
        elif isinstance(distribution, Bell):
            numbers[j] = distribution.mu, distribution.sigma, math.inf, distribution.q or 1, *grid_ends(distribution)
    return codes, numbers, np.array(tables, np.int32)


def _branches(tree: Tree) -> list[Branch]:
    """All choices, nested ones included."""
    found = []
    for node in tree.values():
        if isinstance(node, Branch):
            found.append(node)
            for option in node.options:
                if isinstance(option, Tree):
                    found += _branches(option)
    return found


def is_mutable(value: Any) -> bool:
    """True for what a caller could change: decoding has to hand out copies."""
    return isinstance(value, (dict, list)) or (isinstance(value, tuple) and any(map(is_mutable, value)))


def _overlaps(tree: Tree) -> bool:
    for branch in _branches(tree):
        options = [branch.options[k] for k in branch.declared]
        trees = [option for option in options if isinstance(option, Tree)]
        for i, first in enumerate(trees):
            for second in trees[:i]:
                if set(first) == set(second) and not any(_differ(first[name], second[name]) for name in first):
                    return True
    return False


def _differ(first: Any, second: Any) -> bool:
    """True if two nodes are known never to have the same value."""

    def finite(node: Any) -> set[Any] | None:
        if isinstance(node, Constant):
            return {identity(node.value)}
        if isinstance(node, Branch) and not any(isinstance(option, Tree) for option in node.options):
            return set(node.by_identity)
        return None

    one, other = finite(first), finite(second)
    return one is not None and other is not None and not one & other
