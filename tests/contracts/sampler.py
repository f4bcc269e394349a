"""What every sampler promises; a test class inherits this and supplies `make`."""

from __future__ import annotations

import numpy as np
import pytest

from hdcore.history import RowState, RunTable
from hdcore.sampling import Sampler, make_sampler
from hdcore.space import SearchSpace, choice

CHOICES = SearchSpace(
    {
        "units": choice(16, 32, 64),
        "optimizer": choice("sgd", {"name": "adam", "beta": choice(0.9, 0.99)}, None),
        "batch": choice(1, 2, 2, 3),
        "fixed": "value",
    }
)


class SamplerContract:
    """The protocol of `hdcore.sampling.base.Sampler`."""

    infinite: SearchSpace | None = None
    """A space without end that the sampler serves."""
    finite: SearchSpace = CHOICES

    def make(self) -> Sampler:
        raise NotImplementedError

    def bound(self, space: SearchSpace, seed: int = 3) -> Sampler:
        sampler = self.make()
        sampler.bind(space, seed)
        return sampler

    def spaces(self) -> list[SearchSpace]:
        return [space for space in (self.infinite, self.finite) if space is not None]

    def drawn(self, space: SearchSpace, steps: list[int], seed: int = 3, table: RunTable | None = None) -> RunTable:
        """A table filled by asking for so many rows at a time, with a new sampler."""
        table = RunTable(len(space.columns)) if table is None else table
        sampler = self.bound(space, seed)
        for n in steps:
            for row in sampler.propose(table, table.n, n):
                table.append(row)
        return table

    def test_it_has_the_protocol(self) -> None:
        assert isinstance(self.make(), Sampler)

    def test_its_json_form_makes_it_again(self) -> None:
        again = make_sampler(self.make().to_json())  # type: ignore[attr-defined]
        assert type(again) is type(self.make())

    def test_rows_have_shape_dtype_and_order_of_the_table(self) -> None:
        for space in self.spaces():
            for n in (0, 1, 5):
                rows = self.bound(space).propose(RunTable(len(space.columns)), 0, n)
                assert rows.shape == (n, len(space.columns))
                assert rows.dtype == np.float64
                assert rows.flags.c_contiguous

    def test_rows_lie_on_the_grid_of_the_space(self) -> None:
        for space in self.spaces():
            rows = self.bound(space).propose(RunTable(len(space.columns)), 0, 20)
            np.testing.assert_array_equal(space.snap(rows), rows)

    def test_batches_and_single_asks_give_the_same_rows(self) -> None:
        for space in self.spaces():
            one_by_one = self.drawn(space, [1] * 24).encoded
            np.testing.assert_array_equal(self.drawn(space, [24]).encoded, one_by_one)
            np.testing.assert_array_equal(self.drawn(space, [5, 1, 9, 9]).encoded, one_by_one)

    def test_a_sampler_made_anew_goes_on_where_the_old_one_stopped(self) -> None:
        for space in self.spaces():
            whole = self.drawn(space, [1] * 24).encoded
            for stop in (1, 7, 23):
                part = self.drawn(space, [stop])
                resumed = self.drawn(space, [1] * (24 - stop), table=part)
                np.testing.assert_array_equal(resumed.encoded, whole)

    def test_the_table_is_left_alone(self) -> None:
        for space in self.spaces():
            table = self.drawn(space, [6])
            table.finish(0, RowState.COMPLETED, 1.0)
            before = table.encoded.copy(), table.state.copy(), table.value.copy()
            self.bound(space).propose(table, 6, 3)
            for old, new in zip(before, (table.encoded, table.state, table.value), strict=True):
                np.testing.assert_array_equal(old, new)

    def test_a_finite_space_is_used_up_without_repeats(self) -> None:
        space = self.finite
        assert space.size is not None
        table = self.drawn(space, [1] * (space.size + 3))
        assert table.n == space.size
        configurations = space.decode(table.encoded)
        assert len({repr(one) for one in configurations}) == space.size
        assert self.bound(space).propose(table, table.n, 4).shape == (0, len(space.columns))

    def test_pending_rows_are_not_proposed_again(self) -> None:
        table = self.drawn(self.finite, [10])
        assert set(table.state.tolist()) == {RowState.PENDING}
        more = self.bound(self.finite).propose(table, 10, 100)
        assert not {row.tobytes() for row in table.encoded} & {row.tobytes() for row in more}

    def test_rows_of_other_sweeps_may_be_proposed_again(self) -> None:
        space = self.finite
        assert space.size is not None
        table = RunTable(len(space.columns))
        for row in self.drawn(space, [space.size]).encoded:
            table.append(row, source=1)
        assert len(self.bound(space).propose(table, 0, space.size + 1)) == space.size

    @pytest.mark.parametrize("seed", [0, 2**64, 2**200 + 1])
    def test_seeds_of_any_size_are_taken(self, seed: int) -> None:
        for space in self.spaces():
            self.bound(space, seed).propose(RunTable(len(space.columns)), 0, 3)
