"""Spaces, and strategies of them, that several test modules use."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hdcore.space import (
    SearchSpace,
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)

MIXED = SearchSpace(
    {
        "lr": loguniform(-9, -2),
        "momentum": uniform(0.5, 0.99),
        "units": quniform(16, 512, 16),
        "optimizer": choice("sgd", "adam", "lamb"),
        "depth": randint(7),
        "shift": normal(0, 1),
        "scale": lognormal(0, 2),
        "decay": loguniform(-12, -3),
        "batch": choice(64, 16, 32),
        "dropout": uniform(0, 0.5),
    }
)
"""Ten parameters, the space of the benchmarks."""

_bound = st.integers(-50, 50) | st.floats(-50, 50, allow_nan=False).map(lambda x: round(x, 3))
_sigma = st.floats(0, 5).map(lambda x: round(x, 3))
_q = st.sampled_from([1, 2, 0.1, 0.25, 0.4, 3.7, 1e-3])


@st.composite
def _interval(draw: st.DrawFn) -> tuple[float, float]:
    low, high = sorted((draw(_bound), draw(_bound)))
    return low, high if high > low else low + 1


@st.composite
def _exponents(draw: st.DrawFn) -> tuple[float, float]:
    return tuple(sorted((draw(st.integers(-12, 6)), draw(st.integers(-12, 6)))))  # type: ignore[return-value]


_plain = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("ab1", max_size=2)
_options = _plain | st.tuples(_plain, _plain)

distributions: st.SearchStrategy[Any] = st.one_of(
    st.lists(_options, min_size=1, max_size=5).map(choice),
    st.lists(st.integers(-9, 9) | st.floats(-9, 9), min_size=1, max_size=5).map(choice),
    st.integers(1, 30).map(randint),
    _interval().map(lambda b: uniform(*b)),
    st.builds(lambda b, q: quniform(*b, q), _interval(), _q),
    _exponents().map(lambda b: loguniform(*b)),
    st.builds(lambda b, q: qloguniform(*b, q), _exponents(), _q),
    st.builds(normal, _bound, _sigma),
    st.builds(qnormal, _bound, _sigma, _q),
    st.builds(lognormal, st.integers(-5, 5), _sigma),
    st.builds(qlognormal, st.integers(-5, 5), _sigma, _q),
)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    trees = st.dictionaries(st.sampled_from("pqr"), inner | _plain, max_size=3)
    return st.lists(trees | _options, min_size=1, max_size=4).map(choice)


parameters = st.recursive(distributions, _nested, max_leaves=8) | _plain
spaces = st.dictionaries(st.sampled_from("abcdef"), parameters, max_size=5).map(SearchSpace)
