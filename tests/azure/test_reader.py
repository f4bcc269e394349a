"""The strict YAML reader against JSON and the core schema of YAML 1.2."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdcore.azure.reader import read_mapping
from hdcore.errors import InputError

# libyaml refuses JSON's surrogate escapes, so characters stay within the basic plane here
KEYS = st.text(st.characters(max_codepoint=0xFFFD, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(max_codepoint=0xFFFD, exclude_categories=["Cs"]), max_size=20)
)
DATA = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
    ),
)


@given(DATA)
def test_json_means_the_same_as_yaml(data):
    assert read_mapping(json.dumps(data).encode()) == data


@given(st.binary(max_size=200))
def test_any_bytes_are_a_mapping_or_an_input_error(data):
    try:
        found = read_mapping(data)
    except InputError:
        return
    assert isinstance(found, dict)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1), ("-7", -7), ("+7", 7), ("0", 0), ("0x1F", 31), ("0o17", 15), ("1e-3", 0.001), ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E+2", -150.0), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf), ("yes", "yes"), ("No", "No"), ("on", "on"), ("010", "010"), ("1_000", "1_000"),
        ("1:30", "1:30"), ("2020-01-01", "2020-01-01"), ("0b11", "0b11"), ("'1'", "1"), ('"true"', "true"),
        ("1e", "1e"),
        ("1.2.3", "1.2.3"), ("-", None), ("<<", "<<"), ("=", "="), ("0x", "0x"), ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
    ],
)  # fmt: skip
def test_plain_scalars_follow_yaml_1_2(written, value):
    if written == "-":
        assert read_mapping(b"a: '-'\n") == {"a": "-"}
        return
    found = read_mapping(f"a: {written}\n".encode())["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_byte_order_mark_and_line_ends_of_other_systems_are_fine():
    assert read_mapping(b"\xef\xbb\xbftype: sweep\r\nname: a\r\n") == {"type": "sweep", "name": "a"}


def test_fifty_levels_are_read_and_fifty_one_are_not():
    def nested(levels: int) -> bytes:
        return b"a: " + b"[" * (levels - 1) + b"]" * (levels - 1)

    assert read_mapping(nested(50))
    with pytest.raises(InputError, match="50 levels"):
        read_mapping(nested(51))


def test_an_error_tells_the_line():
    with pytest.raises(InputError, match="line 3"):
        read_mapping(b"a: 1\nb: 2\na: 3\n")
    with pytest.raises(InputError, match="line 2"):
        read_mapping(b"a: 1\nb: *x\n")
