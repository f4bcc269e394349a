"""Configurations as parameters of an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hdcore.errors import SpaceError
from hdcore.space.values import Distribution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hdcore.space import SearchSpace
    from hdcore.typing import Configuration


def to_parameters(space: SearchSpace, configuration: Configuration) -> dict[str, Any]:
    """Return what ``set_params`` takes.

    - An option that is a dictionary sets the parameters that it names; the choice itself is none. This is how a space
      says that gamma belongs to one kernel only.
    - Values on a grid of whole numbers (``quniform(1, 20, 1)``) are int: estimators refuse 3.0 for a number of trees.
    """
    given: dict[str, Any] = {}
    _collect(space.parameters, configuration, given)
    return given


def _collect(described: Mapping[str, Any], configuration: Configuration, given: dict[str, Any]) -> None:
    for name, value in configuration.items():
        parameter = described[name]
        if isinstance(value, dict):
            _collect(_option_of(parameter, value), value, given)
            continue
        if name in given:
            raise SpaceError(f"{name!r} is set twice in one configuration; leave one of them out", parameter=name)
        given[name] = int(value) if _is_whole(parameter, value) else value


def _option_of(parameter: Any, value: Configuration) -> Mapping[str, Any]:
    """What describes the values of a drawn option; options with the same names need no telling apart but for types."""
    options: list[Mapping[str, Any]] = [option for option in parameter.options if isinstance(option, dict)]
    fitting = [option for option in options if option.keys() == value.keys()]
    exact = [option for option in fitting if all(_may_be(option[name], value[name]) for name in value)]
    return (exact or fitting)[0]


def _may_be(parameter: Any, value: Any) -> bool:
    return isinstance(parameter, Distribution) or bool(parameter == value)


def _is_whole(parameter: Any, value: Any) -> bool:
    """True for values of quantised distributions whose grid is the whole numbers, or every other one, …"""
    q = getattr(parameter, "q", 0)
    return isinstance(value, float) and bool(q) and float(q).is_integer() and value.is_integer()
