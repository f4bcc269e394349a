"""What may be written down, what is refused, and the serialised lists."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hdcore.errors import SpaceError
from hdcore.space import (
    SearchSpace,
    choice,
    log_range,
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


def test_choice_takes_values_a_list_a_range_or_an_array() -> None:
    same = [choice(1, 2, 3), choice([1, 2, 3]), choice(range(1, 4)), choice(np.arange(1, 4))]
    assert all(one == same[0] for one in same)
    assert all(type(option) is int for option in choice(np.arange(3)).options)


def test_numpy_scalars_become_python_values() -> None:
    options = choice(np.float64(0.5), np.int32(3), np.bool_(True), np.str_("a")).options
    assert [type(option) for option in options] == [float, int, bool, str]
    assert uniform(np.float32(0.5), np.int64(2)).to_json() == ["uniform", [0.5, 2]]


def test_a_tuple_is_one_option() -> None:
    assert choice((1, 2)).options == ((1, 2),)
    assert choice((1, 2)).to_json() == ["choice", [[[1, 2]]]]


def test_equality_looks_at_types() -> None:
    assert choice(1) != choice(True)
    assert choice(1) != choice(1.0)
    assert choice(1) != choice("1")
    assert uniform(0, 1) != uniform(0.0, 1)
    assert len({uniform(0, 1), uniform(0, 1), loguniform(0, 1)}) == 2


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (choice("a", 2, None, True), ["choice", [["a", 2, None, True]]]),
        (randint(5), ["randint", [5]]),
        (uniform(0, 1), ["uniform", [0, 1]]),
        (quniform(low=0, high=1.5, q=0.1), ["quniform", [0, 1.5, 0.1]]),
        (loguniform(-6, -1.5), ["loguniform", [-6, -1.5]]),
        (qloguniform(min_value=1, max_value=1, q=2), ["qloguniform", [1, 1, 2]]),
        (normal(10, 3), ["normal", [10, 3]]),
        (qnormal(0, 1, 0.4), ["qnormal", [0, 1, 0.4]]),
        (lognormal(0, 0), ["lognormal", [0, 0]]),
        (qlognormal(0, 1, 2.0), ["qlognormal", [0, 1, 2.0]]),
    ],
)
def test_serialised_lists_are_azures(distribution: Any, expected: list[Any]) -> None:
    assert json.dumps(distribution.to_json()) == json.dumps(expected)
    space = SearchSpace({"x": expected})
    assert space.parameters == {"x": distribution}
    assert json.dumps(space.to_json()) == json.dumps({"x": expected})


def test_recursive_spaces_round_trip() -> None:
    serialised = {
        "conv": [
            "choice",
            [
                [
                    {
                        "kind": "a",
                        "inner": ["choice", [[{"x": ["uniform", [0.001, 0.1]]}, {"y": ["qnormal", [0, 1, 0.4]]}]]],
                    },
                    {"kind": 123, "n": ["randint", [100]], "layers": [1, 2]},
                ]
            ],
        ],
        "lr": ["uniform", [0, 1]],
        "epochs": 5,
    }
    assert json.dumps(SearchSpace(serialised).to_json()) == json.dumps(serialised)


def test_log_range_takes_values() -> None:
    assert log_range(1e-5, 1e-1) == loguniform(float(np.log(1e-5)), float(np.log(1e-1)))


def test_exponents_that_look_like_values_are_warned_about_where_they_are_written_and_not_where_they_are_read() -> None:
    with pytest.warns(UserWarning, match=r"loguniform\(1e-05, 0.1\).* 1.00001 to 1.105; hd.log_range\(1e-05, 0.1\)"):
        written = loguniform(1e-5, 1e-1)
    assert SearchSpace({"x": ["loguniform", [1e-5, 1e-1]]}).to_json() == SearchSpace({"x": written}).to_json()
    for least, most in ((-9, -2), (0, 1), (0.5, 2), (1, 1)):
        loguniform(least, most)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: choice(), "nothing to choose"),
    (lambda: choice([]), "nothing to choose"),
    (lambda: choice(range(0)), "nothing to choose"),
    (lambda: choice(1, [2]), "only argument"),
    (lambda: choice(float("nan"), 1), "not finite"),
    (lambda: choice(uniform(0, 1), 2), "dictionary"),
    (lambda: choice(object()), "type object"),
    (lambda: choice({1: 2}), "no string"),
    (lambda: randint(0), "upper of at least 1"),
    (lambda: randint(5.0), "whole number, not float"),
    (lambda: randint(True), "whole number, not bool"),
    (lambda: uniform(1, 0), "swap them"),
    (lambda: uniform(1, 1), "constant 1"),
    (lambda: uniform(0, float("inf")), "finite"),
    (lambda: uniform("0", 1), "type str"),
    (lambda: uniform(False, 1), "type bool"),
    (lambda: uniform(0), "needs both bounds"),
    (lambda: uniform(0, 1, low=0), "two names"),
    (lambda: quniform(0.1, 0.01, 0.005), "has min 0.1 above max 0.01; swap them"),
    (lambda: quniform(0, 1, 0), "above 0"),
    (lambda: quniform(0, 1, -1), "above 0"),
    (lambda: quniform(0, 1), "needs q"),
    (lambda: loguniform(1, 0), "swap them"),
    (lambda: loguniform(1e-5, 1000), "log_range"),
    (lambda: normal(0, -1), "0 or larger"),
    (lambda: normal(float("nan"), 1), "finite"),
    (lambda: lognormal(0, 100), "overflows"),
    (lambda: log_range(0, 1), "above 0"),
    (lambda: log_range(1, 0.1), "swap them"),
    (lambda: SearchSpace([1]), "dictionary"),  # type: ignore[arg-type]
    (lambda: SearchSpace({1: 2}), "name"),  # type: ignore[dict-item]
]


@pytest.mark.parametrize(("write", "words"), REFUSED)
def test_what_cannot_be_meant_is_refused_with_a_remedy(write: Callable[[], Any], words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        write()


@pytest.mark.parametrize(
    ("parameters", "message", "parameter"),
    [
        (
            {"lr": ["quniform", [0.1, 0.01, 0.005]]},
            "parameter 'lr': quniform(0.1, 0.01, q=0.005) has min 0.1 above max 0.01; swap them",
            "lr",
        ),
        (
            {"lr": ["unifrom", [0, 1]]},
            "parameter 'lr': no distribution is called 'unifrom'; did you mean 'uniform'?",
            "lr",
        ),
        (
            {"n": [1, 2]},
            "parameter 'n': a plain list is no distribution; write choice([1, 2]) to draw one of its values",
            "n",
        ),
        (
            {"c": ["choice", [[{"z": ["uniform", [1, 0]]}]]]},
            "parameter 'c.z': uniform(1, 0) has min 1 above max 0; swap them",
            "c.z",
        ),
    ],
)  # fmt: skip
def test_errors_of_a_space_name_the_parameter(parameters: dict[str, Any], message: str, parameter: str) -> None:
    with pytest.raises(SpaceError) as caught:
        SearchSpace(parameters)
    assert str(caught.value) == message
    assert caught.value.parameter == parameter


def test_a_dictionary_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    with pytest.raises(SpaceError, match="contain itself"):
        choice(loop)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": None}, "no finite number"),
        ({"lr": 2.0}, "never drawn"),
        ({"units": 17.0}, "no multiple"),
        ({"units": 1024.0}, "never drawn"),
        ({"depth": 7}, "whole number"),
        ({"depth": 1.5}, "whole number"),
        ({"opt": "sgd2"}, "none of its options"),
        ({"opt": {"name": "adam", "beta": 2.0}}, "opt.beta"),
        ({"fixed": 6}, "constant 5"),
        ({"lrr": 1}, "did you mean 'lr'"),
    ],
)
def test_validate_says_what_does_not_fit(change: dict[str, Any], words: str) -> None:
    space = SearchSpace(
        {
            "lr": uniform(0, 1),
            "units": quniform(16, 512, 16),
            "depth": randint(7),
            "opt": choice("sgd", {"name": "adam", "beta": uniform(0, 1)}),
            "fixed": 5,
        }
    )
    good = {"lr": 0.5, "units": 32, "depth": 3, "opt": {"name": "adam", "beta": 0.5}, "fixed": 5}
    space.validate(good)
    with pytest.raises(SpaceError, match=words):
        space.validate(good | change)


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(SpaceError, match="'b' has no value"):
        SearchSpace({"a": uniform(0, 1), "b": uniform(0, 1)}).validate({"a": 0.5})


def test_numbers_that_went_through_json_are_recognised() -> None:
    space = SearchSpace({"a": choice(1.0, 2.5), "b": choice((1, 2), "x"), "c": quniform(0, 10, 5)})
    row = space.encode([{"a": 1, "b": [1, 2], "c": 5}])
    assert space.decode(row) == [{"a": 1.0, "b": (1, 2), "c": 5.0}]


def test_the_log_base_rescales_the_log_types_only() -> None:
    space = SearchSpace(
        {"x": loguniform(-4, -1), "y": choice({"z": lognormal(0, 1), "u": uniform(0, 1)}), "n": normal(0, 1)}
    )
    ten = space.with_log_base(10)
    low, high = (one["x"] for one in ten.decode([[0.0] * 5, [1.0] * 5]))
    np.testing.assert_allclose([low, high], [1e-4, 1e-1], rtol=1e-14)
    assert ten.parameters["n"] == normal(0, 1)
    assert ten.parameters["y"].options[0]["z"].sigma == pytest.approx(np.log(10))


def test_spaces_are_equal_by_content_and_order() -> None:
    assert SearchSpace({"a": uniform(0, 1), "b": 1}) == SearchSpace({"a": ["uniform", [0, 1]], "b": 1})
    assert SearchSpace({"a": 1}) != SearchSpace({"a": True})
    assert SearchSpace({"a": 1, "b": 2}) != SearchSpace({"b": 2, "a": 1})


def test_writing_a_space_down_does_not_import_numpy() -> None:
    code = (
        "import sys; from hdcore.space import SearchSpace, choice, uniform;"
        "s = SearchSpace({'a': uniform(0, 1), 'c': choice(1, {'b': choice(2)})}); s.to_json(); s.columns;"
        "s.validate({'a': 0.5, 'c': 1}); assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
