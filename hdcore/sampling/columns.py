"""Whole columns of random configurations at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.errors import InputError
from hdcore.sampling.streams import fresh_seed, streams_of
from hdcore.space import SearchSpace
from hdcore.space.layout import Branch, Constant, Leaf, Node, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from hdcore.space.encoding import Encoder

LONGEST_TEXT = 32
"""Longer strings make an array of objects: NumPy pads all strings of an array to the longest."""


def sample(
    space: SearchSpace | Mapping[str, Any], n: int, seed: int | None = None, *, start: int = 0
) -> dict[str, npt.NDArray[Any]]:
    """Draw configurations as columns.

    Row i is what a random sweep with that seed gives run ``start + i``, but that a finite space is drawn with
    repetitions here.

    Parameters
    ----------
    space : SearchSpace or mapping
    n : int
    seed : int, optional
        Any size; without it, from the operating system.
    start : int
        Number of the first run.

    Returns
    -------
    dict of ndarray, shape (n,)
        By parameter: float64, int64 for randint, for a choice the common type of its options (float64, int64, bool,
        str) or objects, dictionaries for nested choices.

    Examples
    --------
    >>> import hdcore as hd
    >>> columns = hd.sample({"lr": hd.log_range(1e-5, 1e-1), "units": hd.choice(16, 32)}, 1000, seed=7)
    >>> columns["lr"].shape, columns["units"].dtype
    ((1000,), dtype('int64'))
    """
    space = SearchSpace(space)
    for word, value in (("n", n), ("start", start)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
            raise InputError(f"{word} is {value!r}; use a whole number from 0 up", field=word)
    streams = streams_of(fresh_seed() if seed is None else seed)
    drawn: list[npt.NDArray[Any]] = [
        np.empty(n, np.int64 if column.distribution.name in ("choice", "randint") else np.float64)
        for column in space.columns
    ]
    tables: list[npt.NDArray[np.uint8] | None] = [None] * len(drawn)
    for node in space.tree.values():
        # options of one plain type are copied by the kernel; it may not copy references to objects
        if isinstance(node, Branch) and not _is_nested(node) and (options := as_array(node.options)).dtype != object:
            drawn[node.column] = np.empty(n, options.dtype)
            tables[node.column] = options.view(np.uint8)
    space.encoder.plan.sample(streams, start, n, [column.view(np.uint8) for column in drawn], tables)
    return {name: _column(node, drawn, n, space.encoder) for name, node in space.tree.items()}


def _column(node: Node, drawn: list[npt.NDArray[Any]], n: int, encoder: Encoder) -> npt.NDArray[Any]:
    if isinstance(node, Constant):
        return np.repeat(as_array([node.value]), n)
    if isinstance(node, Leaf):
        return drawn[node.column]
    if not _is_nested(node):
        options = as_array(node.options)
        return drawn[node.column] if options.dtype != object else options[drawn[node.column]]
    out = np.empty(n, object)
    numbers = np.full((n, _last_column(node) + 1), np.nan)
    for j in range(node.column, numbers.shape[1]):
        numbers[:, j] = drawn[j]
    for i, row in enumerate(numbers.tolist()):
        out[i] = encoder.value(node, row)
    return out


def _is_nested(branch: Branch) -> bool:
    return any(isinstance(option, Tree) for option in branch.options)


def _last_column(node: Branch) -> int:
    last = node.column
    for option in node.options:
        if isinstance(option, Tree):
            for inner in option.values():
                if isinstance(inner, Branch):
                    last = max(last, _last_column(inner))
                elif isinstance(inner, Leaf):
                    last = max(last, inner.column)
    return last


def as_array(options: Sequence[Any]) -> npt.NDArray[Any]:
    """Return options as an array that gives them back unchanged: typed if all are of one plain type."""
    kinds = {type(option) for option in options}
    if kinds in ({float}, {bool}):
        return np.array(options)
    if kinds == {int} and all(-(2**63) <= option < 2**63 for option in options):
        return np.array(options, np.int64)
    if kinds == {str} and all(len(option) <= LONGEST_TEXT and not option.endswith("\0") for option in options):
        return np.array(options)
    out = np.empty(len(options), object)
    for i, option in enumerate(options):
        out[i] = option
    return out
