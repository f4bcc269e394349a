"""Parameter samplings: a name, a space of plain lists, and what a sampler of ours makes of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

from hdcore.hyperdrive.exceptions import HyperDriveConfigException
from hdcore.hyperdrive.limits import is_strict
from hdcore.hyperdrive.unserved import Served

_MOST_STEPS = 100_000
_MOST_CONCURRENT_BAYESIAN = 20
_RUNS_A_PARAMETER = 20


class HyperParameterSampling(Served):
    """Base of the samplings. Two are equal if their `to_json` is.

    Parameters
    ----------
    parameter_space : dict
        Name -> expression (from `choice`, `uniform`, …), serialised list, `hdcore` distribution, or constant.
    properties : dict, optional
        Passed through. ``{"seed": 7}`` gives the same configurations each time, ``{"rule": "sobol"}`` makes random
        sampling a Sobol sequence; Azure has neither.
    """

    name: ClassVar[str] = ""
    allowed: ClassVar[tuple[str, ...] | None] = None

    def __init__(self, parameter_space: Mapping[str, Any], properties: Mapping[str, Any] | None = None) -> None:
        if not self.name:
            raise TypeError("HyperParameterSampling is a base; use RandomParameterSampling, Grid… or Bayesian…")
        if not isinstance(parameter_space, Mapping):
            raise HyperDriveConfigException(
                f"{type(self).__name__} expects a dictionary of parameters, found {type(parameter_space).__name__};"
                " write {'lr': uniform(0, 1)}"
            )
        self._space = {name: _serialised(value) for name, value in parameter_space.items()}
        self._properties = dict(properties) if properties else None
        self._check()

    @property
    def parameter_space(self) -> dict[str, Any]:
        """Name -> serialised expression."""
        return self._space

    @property
    def properties(self) -> dict[str, Any] | None:
        return self._properties

    @property
    def space_size(self) -> int | None:
        """Number of distinct configurations, None if there is no end of them."""
        from hdcore.space import SearchSpace

        return SearchSpace(self._space).size

    def to_json(self) -> dict[str, Any]:
        """Return Azure's document, a dictionary in spite of the name."""
        document: dict[str, Any] = {"name": self.name, "parameter_space": self._space}
        if self._properties:
            document["properties"] = self._properties
        return document

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> HyperParameterSampling:
        """Make the sampling of a document; its name is compared without case."""
        word = str(document.get("name", "")).lower()
        for kind in (RandomParameterSampling, GridParameterSampling, BayesianParameterSampling):
            if kind.name.lower() == word:
                return kind(document.get("parameter_space") or {}, document.get("properties"))
        raise HyperDriveConfigException(
            f"sampling {document.get('name')!r} is not known; write RANDOM, GRID or BayesianOptimization"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HyperParameterSampling) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._space!r})"

    def check_limits(self, max_total_runs: int, max_concurrent_runs: int | None) -> None:
        """Warn of limits that do not suit this sampling."""

    def sampler(self) -> dict[str, Any]:
        """Return our sampler's JSON form."""
        return {"type": {"RANDOM": "random", "GRID": "grid"}.get(self.name, "bayesian")}

    def _check(self) -> None:
        from hdcore.errors import SpaceError
        from hdcore.space import SearchSpace

        if self.allowed is not None:
            for name, expression in self._space.items():
                kind = expression_name(expression)
                if kind is not None and kind not in self.allowed:
                    listed = ", ".join(self.allowed)
                    raise HyperDriveConfigException(
                        f"{type(self).__name__} supports only the following distributions: [{listed}];"
                        f" {name!r} is {kind}"
                    )
        try:
            SearchSpace(self._space)
        except SpaceError as error:
            raise HyperDriveConfigException(f"{type(self).__name__}: {error}") from None
        for name in self._space:
            if any(sign in name for sign in ("=", "\0", "{", "}")) or name != name.strip():
                raise HyperDriveConfigException(
                    f"{type(self).__name__}: the parameter name {name!r} cannot be an argument's name;"
                    " leave out '=', braces and spaces at its ends"
                )


class RandomParameterSampling(HyperParameterSampling):
    """Independent draws of any expression. Finite spaces never repeat a configuration and end early."""

    name = "RANDOM"

    def sampler(self) -> dict[str, Any]:
        """Return our sampler's JSON form, with the rule of the properties."""
        rule = (self.properties or {}).get("rule")
        return {"type": "random"} if rule is None else {"type": "random", "rule": str(rule)}


class GridParameterSampling(HyperParameterSampling):
    """Every combination of choices, the last parameter varying fastest."""

    name = "GRID"
    allowed = ("choice",)


class BayesianParameterSampling(HyperParameterSampling):
    """Proposals of a model of the metric. Any expression; `choice`, `uniform`, `quniform` only under `strict`."""

    name = "BayesianOptimization"

    def check_limits(self, max_total_runs: int, max_concurrent_runs: int | None) -> None:
        """Warn, as Azure does, of few runs for many parameters and of many runs at a time."""
        wanted = _RUNS_A_PARAMETER * len(self._space)
        if max_total_runs < wanted:
            warnings.warn(
                f"Bayesian sampling: max_total_runs is {max_total_runs}; at least {wanted} runs are recommended for"
                f" {len(self._space)} parameters",
                UserWarning,
                stacklevel=3,
            )
        if (max_concurrent_runs or 0) > _MOST_CONCURRENT_BAYESIAN:
            warnings.warn(
                f"Bayesian sampling: max_concurrent_runs is {max_concurrent_runs}; at most"
                f" {_MOST_CONCURRENT_BAYESIAN} are recommended",
                UserWarning,
                stacklevel=3,
            )

    def _check(self) -> None:
        super()._check()
        if not is_strict():
            return
        for name, expression in self._space.items():
            kind = expression_name(expression)
            if kind not in ("choice", "uniform", "quniform"):
                raise HyperDriveConfigException(
                    "BayesianParameterSampling supports only the following distributions: [choice, uniform, quniform];"
                    f" {name!r} is {kind or 'a constant'}"
                )
            if kind == "choice":
                _check_bayesian_choice(name, expression[1][0])
            elif kind == "quniform":
                _check_bayesian_quniform(name, expression[1])


def expression_name(value: Any) -> str | None:
    """Return ``uniform`` for ``["uniform", [0, 1]]``; None for a constant."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], list):
        return value[0]
    return None


def _check_bayesian_choice(name: str, options: list[Any]) -> None:
    if not options or any(type(option) not in (int, str, float) for option in options):
        raise HyperDriveConfigException(
            f"BayesianParameterSampling: the choice {name!r} expects at least one value, each an int, str or float"
        )
    if len({isinstance(option, str) for option in options}) > 1:
        raise HyperDriveConfigException(
            f"BayesianParameterSampling: the choice {name!r} expects either strings only or no string"
        )


def _check_bayesian_quniform(name: str, arguments: list[Any]) -> None:
    if any(type(argument) is not int for argument in arguments):
        raise HyperDriveConfigException(f"BayesianParameterSampling: quniform {name!r} expects integers, {arguments}")
    low, high, q = arguments
    if (high - low) / q > _MOST_STEPS:
        raise HyperDriveConfigException(
            f"BayesianParameterSampling: quniform {name!r} expects at most {_MOST_STEPS} values; use a larger q"
        )


def _serialised(value: Any) -> Any:
    """Return the plain list of a distribution object; anything else as it is."""
    to_json = getattr(value, "to_json", None)
    if callable(to_json):
        return to_json()
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], list):
        return list(value)
    return value
