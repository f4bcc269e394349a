"""What a sampler is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from hdcore.history import RunTable
    from hdcore.space import SearchSpace
    from hdcore.typing import FloatMatrix


@runtime_checkable
class Sampler(Protocol):
    """Proposes configurations, as encoded rows.

    A sampler keeps no state that could not be made anew from its seed and the table: that is what makes a sweep
    resumable at any moment. Calls come from one thread at a time.

    A sampler may have one method more, ``explain() -> Sequence[Proposal]``: how the rows of the last `propose` came to
    be, one each, with scores as values. Without it its name stands for all of them.
    """

    name: str

    def bind(self, space: SearchSpace, seed: int) -> None:
        """Take the space and the seed of the sweep; called once, before `propose`.

        Raises
        ------
        SpaceError
            If the sampler cannot serve the space (a grid over `uniform`).
        """

    def propose(self, table: RunTable, start: int, n: int) -> FloatMatrix:
        """Return encoded rows for the runs numbered ``start`` … ``start + n - 1``.

        Parameters
        ----------
        table : RunTable
            All runs so far, pending ones included; read only.
        start : int
            Number of the first new run; its randomness comes from ``SeedSequence(seed, spawn_key=(start,))``.
        n : int

        Returns
        -------
        ndarray of float64, shape (m, d), C order, m <= n
            Fewer than `n` rows only when the space is used up. Rows lie on the grid of the space
            (`SearchSpace.snap`); inactive columns of nested choices are NaN.
        """
