"""The search space: ordered parameters, their checks, their JSON form and their encoding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hdcore.errors import SpaceError
from hdcore.space.distributions import Choice
from hdcore.space.expressions import parse
from hdcore.space.layout import Bell, Column, Interval, Tree, count, lay_out
from hdcore.space.reading import read
from hdcore.space.values import identity, serialised

if TYPE_CHECKING:
    from hdcore.space.encoding import Encoder
    from hdcore.typing import Configuration, FloatMatrix, FloatVector


class SearchSpace:
    """Parameters by name, in declared order. Immutable.

    Two spaces are equal if they have the same parameters in the same order; the order decides about columns, draws and
    grids. Encoded matrices are float64 of shape (n, d), one column a parameter that is drawn, each in [0, 1]:

    ===================  ======================================================================================
    uniform, loguniform  position between the bounds, on the exponent for log types
    normal, lognormal    distribution function, kept within [2**-54, 1 - 2**-53]
    quantised, randint   middle, in the distribution function, of the cell that is rounded to the value
    choice               (k + 1/2) / K with k the rank (numbers) or the declared index (everything else)
    nested choice        a column for the option, then the columns of the options' parameters, NaN where inactive
    ===================  ======================================================================================

    A uniform draw in encoded space is a draw of the declared distributions. Every configuration that `decode` returns
    comes back unchanged from ``decode(encode(...))``.

    Parameters
    ----------
    parameters : mapping or SearchSpace
        Name -> distribution, serialised list (``["uniform", [0, 1]]``) or constant.

    Raises
    ------
    SpaceError
        Naming the parameter, what was found and what to write instead.

    Examples
    --------
    >>> from hdcore.space import choice, uniform
    >>> space = SearchSpace({"lr": uniform(0, 1), "units": choice(16, 32)})
    >>> space.decode([[0.25, 0.75]])
    [{'lr': 0.25, 'units': 32}]
    """

    def __init__(self, parameters: Mapping[str, Any] | SearchSpace) -> None:
        if isinstance(parameters, SearchSpace):
            parameters = parameters.parameters
        if not isinstance(parameters, Mapping):
            raise SpaceError(
                f"a search space is a dictionary of parameters, not {type(parameters).__name__}; "
                "write {'lr': uniform(0, 1)}"
            )
        found: dict[str, Any] = {}
        for name, value in parameters.items():
            if not isinstance(name, str) or not name:
                raise SpaceError(f"the parameter name {name!r} is no text; name parameters by non-empty strings")
            found[str(name)] = parse(value, name)
        self._parameters = found
        columns: list[Column] = []
        self._tree = lay_out(found, columns)
        self._columns = tuple(columns)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SearchSpace:
        """Read serialised lists; the constructor does the same."""
        return cls(data)

    def to_json(self) -> dict[str, Any]:
        """Return Azure's serialised lists by name, plain JSON data."""
        return {name: serialised(value) for name, value in self._parameters.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, constants included."""
        return tuple(self._parameters)

    @property
    def parameters(self) -> dict[str, Any]:
        """A new dictionary name -> `Distribution` or constant."""
        return dict(self._parameters)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Encoded columns, depth first in declared order: a choice before the parameters of its options."""
        return self._columns

    @property
    def tree(self) -> Tree:
        """Columns by parameter; for samplers."""
        return self._tree

    @cached_property
    def size(self) -> int | None:
        """Number of distinct configurations, None if not finite.

        Options of a nested choice that can give the same dictionary are counted once if the space has at most 2**18
        configurations; above that they are counted apart.
        """
        size = count(self._tree, self._columns)
        if size is not None and size <= 1 << 18 and self.encoder.has_overlaps:
            return self.encoder.count_distinct()
        return size

    @cached_property
    def encoder(self) -> Encoder:
        """The arrays behind `encode` and `decode`; for samplers."""
        from hdcore.space.encoding import Encoder

        return Encoder(self._tree, self._columns)

    def encode(self, configurations: Sequence[Mapping[str, Any]]) -> FloatMatrix:
        """Return configurations as encoded rows.

        Parameters
        ----------
        configurations : sequence of mappings, length n
            Complete configurations; see `validate`.

        Returns
        -------
        ndarray of float64, shape (n, d), C order

        Raises
        ------
        SpaceError
            If names or values do not fit the space.
        """
        return self.encoder.encode(configurations)

    def decode(self, matrix: FloatMatrix) -> list[Configuration]:
        """Return the configurations of encoded rows, shape (n, d); values of inactive columns are ignored."""
        return self.encoder.decode(matrix)

    def decode_row(self, row: FloatVector) -> Configuration:
        """Return the configuration of one encoded row, shape (d,), float64, C order."""
        return self.encoder.decode_row(row)

    def snap(self, matrix: FloatMatrix) -> FloatMatrix:
        """Return a new matrix with every point moved to the one that stands for its configuration.

        Quantised columns, randint and choices move to the middle of their cells, inactive columns become NaN.
        """
        return self.encoder.snap(matrix)

    def validate(self, configuration: Mapping[str, Any]) -> None:
        """Raise `SpaceError` if a configuration has missing or unknown names, or values that are never drawn."""
        read(self._tree, self._columns, configuration)

    def with_log_base(self, base: float) -> SearchSpace:
        """Return the space whose log types mean powers of `base` instead of e: loguniform(-4, -1) is base**U(-4, -1).

        Nested parameters are included; quantisation is that of the resulting values.
        """
        if isinstance(base, bool) or not isinstance(base, (int, float)) or not 0 < base < math.inf or base == 1:
            raise SpaceError(f"the base of logarithms is {base!r}; use a number above 0 other than 1")
        if base == math.e:
            return self
        factor = math.log(base)

        def scaled(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: scaled(inner) for name, inner in value.items()}
            if isinstance(value, Choice):
                return Choice(tuple(scaled(option) for option in value.options))
            if not isinstance(value, (Interval, Bell)) or not value.logarithmic:
                return value
            first, second, *rest = value.arguments()
            if isinstance(value, Interval):
                pair = sorted([first * factor, second * factor])
            else:
                pair = [first * factor, second * abs(factor)]
            return parse([value.name, [*pair, *rest]], value.name)

        return SearchSpace({name: scaled(value) for name, value in self._parameters.items()})

    def __len__(self) -> int:
        return len(self._parameters)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SearchSpace):
            return NotImplemented
        return list(self._parameters) == list(other._parameters) and identity(self._parameters) == identity(
            other._parameters
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type[SearchSpace], tuple[dict[str, Any]]]:
        return SearchSpace, (self._parameters,)

    def __repr__(self) -> str:
        return f"SearchSpace({self._parameters!r})"
