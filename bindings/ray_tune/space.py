"""Tune's search spaces as search spaces of hdcore's: one parameter a domain, values to and fro.

====================================  ==================================================================
uniform, quniform, randn, qrandn      uniform, quniform, normal, qnormal
loguniform, qloguniform               loguniform, qloguniform, with Tune's bounds, which are values
randint, qrandint                     randint: the number of the step
lograndint, qlograndint               qloguniform whose end values have their whole cells
choice                                choice; numbers are ordered, as in every space of hdcore
choice with domains in its options    choice of dictionaries: conditional parameters
grid_search                           choice, for the grid sampler alone
expressions of hdcore                 themselves
all else                              a constant, which no column is spent on
====================================  ==================================================================

Dictionaries, lists and tuples are searched through; a parameter is named by its path, ``model/layers/0``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.tune.search.sample import (
    Categorical,
    Domain,
    Float,
    Function,
    Integer,
    LogUniform,
    Normal,
    Quantized,
    Uniform,
)
from ray.tune.utils.util import unflatten_dict

from hdcore import space as expressions
from hdcore.bindings import axes
from hdcore.bindings.axes import Axis
from hdcore.errors import SpaceError
from hdcore.space import Distribution, SearchSpace

if TYPE_CHECKING:
    from hdcore.typing import Configuration

OPTION = "#"
"""In a dictionary that stands for an option of a choice with domains: which one it is."""


@dataclass(frozen=True, slots=True)
class _Constant:
    value: Any


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    axis: Axis


@dataclass(frozen=True, slots=True)
class _Group:
    """A dictionary, list or tuple with parameters somewhere in it; keys of the latter two are places."""

    kind: type
    children: dict[Any, _Node]


_Node = _Constant | _Parameter | _Group


class TuneSpace:
    """A search space as Tune's users write it, beside the one of hdcore's.

    Parameters
    ----------
    given : mapping or SearchSpace
        Tune's nested dictionary, or parameters of hdcore's, or both mixed.
    grids : bool
        Whether ``grid_search`` may stand in it.

    Attributes
    ----------
    space : SearchSpace

    Raises
    ------
    SpaceError
        Naming the parameter.
    """

    def __init__(self, given: Mapping[str, Any] | SearchSpace, *, grids: bool = False) -> None:
        tree = given.parameters if isinstance(given, SearchSpace) else dict(given)
        reader = _Reader(grids)
        self._root = _Group(dict, {key: reader.node(value, (key,)) for key, value in tree.items()})
        self._axes = reader.axes
        self.space = SearchSpace({name: axis.expression for name, axis in self._axes.items()})

    def written(self, configuration: Configuration, *, constants: bool) -> dict[str, Any]:
        """Return a configuration as Tune's trials take it.

        Parameters
        ----------
        constants : bool
            Whether constants are in it; those of a ``param_space`` Ray adds itself.
        """
        found: dict[str, Any] = _written(self._root, configuration, constants=constants)
        return found

    def read(self, given: Mapping[str, Any]) -> Configuration:
        """Return the parameters that a trial's configuration has: nested, or flat with paths as names.

        Constants are not looked at, nor what the space does not have.

        Raises
        ------
        SpaceError
            If a value is one that the space never gives.
        """
        flat = {key: value for key, value in given.items() if key not in self._root.children and "/" in str(key)}
        nested = {key: value for key, value in given.items() if key not in flat} | unflatten_dict(flat)
        found: Configuration = {}
        _read(self._root, nested, found, is_option=False)
        return found

    def unknown(self, given: Mapping[str, Any]) -> list[str]:
        """Return the keys of a trial's configuration that the space has not."""
        return [str(key) for key in given if str(key).partition("/")[0] not in map(str, self._root.children)]


class _Reader:
    """Finds the parameters of a tree.

    Attributes
    ----------
    axes : dict
        By name.
    """

    def __init__(self, grids: bool, where: str = "") -> None:
        self.axes: dict[str, Axis] = {}
        self._grids, self._where = grids, where

    def node(self, value: Any, path: tuple[Any, ...]) -> _Node:
        name = "/".join(map(str, path))
        where = f"{self._where}{name}"
        if isinstance(value, SearchSpace):
            value = value.parameters
        if isinstance(value, Distribution):
            return self._parameter(name, Axis(value, _same, _same))
        if isinstance(value, Domain):
            if isinstance(value, Categorical) and not value.is_grid():
                return self._parameter(name, self._choice(value.categories, where))
            return self._parameter(name, _axis(value, where))
        if isinstance(value, Mapping):
            if set(value) == {"grid_search"}:
                if not self._grids:
                    raise _refusal(where, "is a grid_search; write tune.choice, or take sampler='grid'")
                return self._parameter(name, self._choice(list(value["grid_search"]), where))
            if set(value) == {"eval"}:
                raise _refusal(where, "is code to evaluate, which no sampler learns from; compute it in the trainable")
            return self._group(dict, value, dict(value.items()), path)
        if isinstance(value, list | tuple):
            return self._group(list if isinstance(value, list) else tuple, value, dict(enumerate(value)), path)
        return _Constant(value)

    def _group(self, kind: type, value: Any, children: dict[Any, Any], path: tuple[Any, ...]) -> _Node:
        nodes = {key: self.node(child, (*path, key)) for key, child in children.items()}
        if all(isinstance(node, _Constant) for node in nodes.values()):
            return _Constant(value)
        return _Group(kind, nodes)

    def _parameter(self, name: str, axis: Axis) -> _Parameter:
        name = name or "value"
        if name in self.axes:
            raise _refusal(f"{self._where}{name}", "is the name of two parameters; rename one of them")
        self.axes[name] = axis
        return _Parameter(name, axis)

    def _choice(self, options: list[Any], where: str) -> Axis:
        if not options:
            raise _refusal(where, "has nothing to choose from; give at least one option")
        readers = [_Reader(self._grids, f"{where}.{k}.") for k in range(len(options))]
        nodes = [reader.node(option, ()) for reader, option in zip(readers, options, strict=True)]
        if not any(reader.axes for reader in readers):
            return axes.options(options, _place_in(options))
        names = [{name: axis.expression for name, axis in reader.axes.items()} for reader in readers]

        def read(value: Any) -> dict[str, Any]:
            for k, node in enumerate(nodes):
                found: dict[str, Any] = {OPTION: str(k)}
                try:
                    _read(node, value, found, is_option=True)
                    SearchSpace({OPTION: str(k), **names[k]}).validate(found)
                except (KeyError, TypeError, ValueError):
                    continue
                return found
            raise ValueError("no option has such values")

        return Axis(
            expressions.choice(*({OPTION: str(k), **inner} for k, inner in enumerate(names))),
            read,
            lambda option: _written(nodes[int(option[OPTION])], option, constants=True),
        )


def _refusal(where: str, what: str) -> SpaceError:
    return SpaceError(f"parameter {where!r} {what}", parameter=where)


def _same(value: Any) -> Any:
    return value


def _place_in(options: list[Any]) -> Callable[[Any], int]:
    """Find values among options by type too at first, as True is 1 and 1 is 1.0."""

    def place(value: Any) -> int:
        for alike in (_is_identical, _is_equal):
            for k, option in enumerate(options):
                if alike(option, value):
                    return k
        raise ValueError("none of the options")

    return place


def _is_identical(option: Any, value: Any) -> bool:
    return option is value or (type(option) is type(value) and _is_equal(option, value))


def _is_equal(option: Any, value: Any) -> bool:
    try:
        return bool(option == value)
    except (TypeError, ValueError):  # arrays
        return False


def _axis(domain: Domain, where: str) -> Axis:
    sampler, q = domain.get_sampler(), None
    if isinstance(sampler, Quantized):
        sampler, q = sampler.get_sampler(), sampler.q
    is_log = isinstance(sampler, LogUniform)
    if isinstance(domain, Function):
        raise _refusal(where, "is sample_from, which no sampler learns from; compute it in the trainable")
    if isinstance(domain, Integer) and (is_log or isinstance(sampler, Uniform)):
        return _whole(int(domain.lower), int(domain.upper), 1 if q is None else q, is_log, where)
    if isinstance(domain, Float) and isinstance(sampler, Normal):
        mean, sd = float(sampler.mean), float(sampler.sd)
        bell = expressions.normal(mean, sd) if q is None else expressions.qnormal(mean, sd, float(q))
        return Axis(bell, float, float)
    if isinstance(domain, Float) and (is_log or isinstance(sampler, Uniform)):
        low, high = float(domain.lower), float(domain.upper)
        if q is None or low == high:
            return axes.interval(low, high, is_log=is_log)
        return axes.rounded(low, high, float(q), is_log=is_log)
    kind = f"{type(domain).__name__} with the sampler {sampler}"
    raise _refusal(where, f"is a {kind}, which hdcore does not know; use tune.uniform, tune.choice and their family")


def _whole(low: int, high: int, q: Any, is_log: bool, where: str) -> Axis:
    """The upper bound is one of the values only where there is a q above 1, as Tune says."""
    if q != int(q) or q < 1:
        raise _refusal(where, f"has q {q!r}; whole numbers have whole steps")
    step = int(q)
    first, last = -(-low // step), high // step if step > 1 else high - 1
    if first > last:
        raise _refusal(where, f"has no value from {low} to {high}; the upper bound of whole numbers is excluded")
    steps = axes.log_stepped if is_log else axes.stepped
    return steps(first * step, last * step, step)


def _written(node: _Node, configuration: Configuration, *, constants: bool) -> Any:
    if isinstance(node, _Constant):
        return node.value
    if isinstance(node, _Parameter):
        return node.axis.write(configuration[node.name])
    if node.kind is not dict:  # Ray merges dictionaries, and replaces all else
        return node.kind(_written(child, configuration, constants=True) for child in node.children.values())
    return {
        key: _written(child, configuration, constants=constants)
        for key, child in node.children.items()
        if constants or not isinstance(child, _Constant)
    }


def _read(node: _Node, given: Any, found: Configuration, *, is_option: bool) -> None:
    """Note the values of all parameters; those of an option have to be complete, and its constants the same."""
    if isinstance(node, _Constant):
        if is_option and not _is_equal(node.value, given):
            raise ValueError(f"{given!r} is not {node.value!r}")
    elif isinstance(node, _Parameter):
        try:
            value = node.axis.read(given)
            SearchSpace({node.name: node.axis.expression}).validate({node.name: value})
        except (KeyError, TypeError, ValueError):
            raise _refusal(node.name, f"is {given!r}, which the space never gives") from None
        found[node.name] = value
    else:
        entries = dict(_entries(node, given))
        if is_option and len(entries) != len(given):
            raise ValueError(f"{given!r} has keys that the option has not")
        for key, child in node.children.items():
            if key in entries or is_option:
                _read(child, entries[key], found, is_option=is_option)


def _entries(group: _Group, given: Any) -> Iterator[tuple[Any, Any]]:
    """The entries of a given dictionary or list that the group has too."""
    if group.kind is dict:
        if not isinstance(given, Mapping):
            raise SpaceError(
                f"{given!r} stands where the space has a dictionary with {', '.join(map(str, group.children))}"
            )
        yield from ((key, value) for key, value in given.items() if key in group.children)
    else:
        if not isinstance(given, list | tuple) or len(given) != len(group.children):
            raise SpaceError(f"{given!r} stands where the space has {len(group.children)} values")
        yield from enumerate(given)
