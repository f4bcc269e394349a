"""The expressions of ``azure.ai.ml.sweep``. They check nothing themselves; the sweep does, when it is submitted."""

from __future__ import annotations

from typing import Any, ClassVar

from hdcore.command import plain


class SweepDistribution:
    """Base of the expressions: a name and its arguments, equal by content."""

    type: ClassVar[str] = ""
    _keys: ClassVar[tuple[str, ...]] = ()

    def to_json(self) -> list[Any]:
        """Return the serialised form, ``["uniform", [0, 1]]``."""
        return [self.type, [serialised(getattr(self, key)) for key in self._keys]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SweepDistribution) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={getattr(self, key)!r}' for key in self._keys)})"


class Choice(SweepDistribution):
    """One of a list of values, a `range`, or dictionaries of further expressions."""

    type = "choice"
    _keys: ClassVar[tuple[str, ...]] = ("values",)

    def __init__(self, values: Any = None, **kwargs: Any) -> None:
        self.values = values

    def to_json(self) -> list[Any]:
        return ["choice", [[serialised(value) for value in (self.values if self.values is not None else [])]]]


class Randint(SweepDistribution):
    """A whole number in [0, upper)."""

    type = "randint"
    _keys: ClassVar[tuple[str, ...]] = ("upper",)

    def __init__(self, upper: int | None = None, **kwargs: Any) -> None:
        self.upper = upper


class Uniform(SweepDistribution):
    """U(min_value, max_value)."""

    type = "uniform"
    _keys: ClassVar[tuple[str, ...]] = ("min_value", "max_value")

    def __init__(self, min_value: float | None = None, max_value: float | None = None, **kwargs: Any) -> None:
        self.min_value = kwargs.get("low") if min_value is None else min_value  # the spelling of old texts
        self.max_value = kwargs.get("high") if max_value is None else max_value


class LogUniform(Uniform):
    """exp(U(min_value, max_value)): the bounds are exponents."""

    type = "loguniform"


class QUniform(Uniform):
    """round(U(min_value, max_value) / q) * q."""

    type = "quniform"
    _keys: ClassVar[tuple[str, ...]] = ("min_value", "max_value", "q")

    def __init__(
        self, min_value: float | None = None, max_value: float | None = None, q: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(min_value, max_value, **kwargs)
        self.q = q


class QLogUniform(QUniform):
    """round(exp(U(min_value, max_value)) / q) * q."""

    type = "qloguniform"


class Normal(SweepDistribution):
    """N(mu, sigma)."""

    type = "normal"
    _keys: ClassVar[tuple[str, ...]] = ("mu", "sigma")

    def __init__(self, mu: float | None = None, sigma: float | None = None, **kwargs: Any) -> None:
        self.mu = mu
        self.sigma = sigma


class LogNormal(Normal):
    """exp(N(mu, sigma))."""

    type = "lognormal"


class QNormal(Normal):
    """round(N(mu, sigma) / q) * q."""

    type = "qnormal"
    _keys: ClassVar[tuple[str, ...]] = ("mu", "sigma", "q")

    def __init__(
        self, mu: float | None = None, sigma: float | None = None, q: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(mu, sigma, **kwargs)
        self.q = q


class QLogNormal(QNormal):
    """round(exp(N(mu, sigma)) / q) * q."""

    type = "qlognormal"


_CLASSES: dict[str, type[SweepDistribution]] = {
    cls.type: cls
    for cls in (Choice, Randint, Uniform, LogUniform, QUniform, QLogUniform, Normal, LogNormal, QNormal, QLogNormal)
}


def serialised(value: Any) -> Any:
    """Return a value of a search space as plain data: expressions as lists, NumPy's scalars as Python's."""
    if isinstance(value, SweepDistribution):
        return value.to_json()
    if isinstance(value, dict):
        return {key: serialised(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [serialised(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return plain(value)


def expression(data: Any) -> Any:
    """Return the object of a serialised expression; anything else as it is."""
    if not (isinstance(data, list) and len(data) == 2 and data[0] in _CLASSES and isinstance(data[1], list)):
        return data
    kind, arguments = data
    if kind != "choice":
        return _CLASSES[kind](*arguments)
    return Choice(
        [
            {name: expression(item) for name, item in option.items()} if isinstance(option, dict) else option
            for option in arguments[0]
        ]
    )
