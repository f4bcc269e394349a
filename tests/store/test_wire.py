"""Report lines: any bytes, any splitting."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hdcore.records import MetricRow
from hdcore.store.wire import MAX_LINE_BYTES, MAX_NAME_BYTES, _read, parse_lines

NOW = 1_700_000_000.0
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows_of(*lines: bytes) -> tuple[list[MetricRow], int]:
    data = b"".join(line + b"\n" for line in lines)
    rows, consumed, dropped = parse_lines(data, NOW)
    assert consumed == len(data)
    return rows, dropped


def one(line: bytes | str) -> MetricRow:
    rows, dropped = rows_of(line.encode() if isinstance(line, str) else line)
    assert (len(rows), dropped) == (1, 0)
    return rows[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(max_size=80) | json_values,
        "value": st.floats() | st.integers() | st.sampled_from(["nan", "inf", "-inf", "NaN", "word"]) | json_values,
        "step": st.integers() | st.integers(-(2**64), 2**64) | st.floats() | json_values,
        "text": st.text() | json_values,
        "at": st.floats() | json_values,
        "other": json_values,
    },
)
lines = (
    fields.map(lambda f: json.dumps(f).encode())
    | fields.map(lambda f: json.dumps(f, ensure_ascii=False).encode(errors="surrogatepass"))
    | st.binary(max_size=40).map(lambda b: b.replace(b"\n", b""))
)
files = st.lists(lines, max_size=12).map(lambda parts: b"\n".join(parts)) | st.binary(max_size=200)


def same(left: list[MetricRow], right: list[MetricRow]) -> bool:
    return [repr(row) for row in left] == [repr(row) for row in right]  # NaN equals NaN here


@unhurried
@given(files)
@example(b'{"name":"a","value":1}\n' * 3)
@example(b"[" * 5000 + b"\n")
@example(b"1" * 4000 + b"\n")
def test_any_bytes_give_whole_lines_in_order_and_never_an_error(data: bytes) -> None:
    rows, consumed, dropped = parse_lines(data, NOW)
    assert consumed == data.rfind(b"\n") + 1
    whole = [line for line in data[:consumed].split(b"\n") if line.strip()]
    assert len(rows) + dropped == len(whole)
    for row in rows:
        assert row.name
        assert "\0" not in row.name
        assert len(row.name.encode()) <= MAX_NAME_BYTES
        assert (row.value is None) == (row.text is not None)
        assert row.value is None or type(row.value) is float
        assert row.step is None or -(2**63) <= row.step < 2**63
        assert math.isfinite(row.at)
        if row.text is not None:
            row.text.encode()


@unhurried
@given(files, st.data())
def test_splitting_anywhere_gives_the_same_rows(data: bytes, draw: st.DataObject) -> None:
    whole, consumed, dropped = parse_lines(data, NOW)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=4)))
    rows: list[MetricRow] = []
    at = lost = 0
    for end in [*cuts, len(data)]:
        if end < at:
            continue
        more, used, bad = parse_lines(data[at:end], NOW)
        rows += more
        at += used
        lost += bad
    assert same(rows, whole)
    assert (at, lost) == (consumed, dropped)


@unhurried
@given(lines)
def test_the_fast_and_the_slow_reader_agree(line: bytes) -> None:
    rows, _, _ = parse_lines(line + b"\n", NOW)
    slow = _read(line, NOW)
    assert same(rows, [] if slow is None else [slow])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            ("1", 1.0),
            ("-0.5", -0.5),
            ("1e308", 1e308),
            ("5e-324", 5e-324),
            ("123456789012345678901", 1.2345678901234568e20),
        ),
        *(('"inf"', math.inf), ('"-inf"', -math.inf), ('"+Infinity"', math.inf), ("Infinity", math.inf)),
        *(("-Infinity", -math.inf), ("1e400", math.inf)),
    ],
)
def test_numbers_come_as_doubles(text: str, value: float) -> None:
    row = one(f'{{"name": "loss", "value": {text}}}')
    assert (row.name, row.value, row.text, row.step, row.at) == ("loss", value, None, None, NOW)


@pytest.mark.parametrize("text", ['"nan"', '"NaN"', "NaN", "null"])
def test_every_way_to_write_nan_is_nan(text: str) -> None:
    value = one(f'{{"name": "loss", "value": {text}}}').value
    assert value is not None
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('{"name": "note", "text": "hi"}', "hi"),
        ('{"name": "note", "value": null, "text": ""}', ""),
        ('{"name": "note", "value": "12"}', "12"),
        ('{"name": "note", "value": true}', "true"),
        ('{"name": "note", "value": false}', "false"),
    ],
)
def test_strings_and_booleans_are_texts(line: str, text: str) -> None:
    row = one(line)
    assert (row.value, row.text) == (None, text)


def test_step_and_time_are_taken() -> None:
    row = one('{"name": "loss", "value": 1, "step": -3, "at": 12.5, "unknown": [1]}')
    assert (row.step, row.at) == (-3, 12.5)
    assert one('{"name": "loss", "value": "nan", "step": 4.0}').step == 4
    assert one(f'{{"name": "loss", "value": 1, "step": {2**63 - 1}}}').step == 2**63 - 1


@pytest.mark.parametrize(
    "line",
    [
        '{"name": "", "value": 1}',
        '{"name": "a\\u0000b", "value": 1}',
        '{"name": "' + "x" * 257 + '", "value": 1}',
        '{"name": "' + "ä" * 129 + '", "value": 1}',
        '{"name": "\\ud800", "value": 1}',
        '{"name": "a", "text": "\\ud800"}',
        '{"name": 5, "value": 1}',
        '{"value": 1}',
        '{"name": "a"}',
        '{"name": "a", "value": [1]}',
        '{"name": "a", "value": {"b": 1}}',
        '{"name": "a", "value": 1' + "0" * 400 + "}",
        f'{{"name": "a", "value": 1, "step": {2**63}}}',
        '{"name": "a", "value": 1, "step": 1.5}',
        '{"name": "a", "value": 1, "step": "7"}',
        '{"name": "a", "value": 1, "step": true}',
        '{"name": "a", "value": 1',
        '["a", 1]',
        "accuracy: 0.9",
        '{"name": "a", "value": 1, "pad": "' + "x" * MAX_LINE_BYTES + '"}',
    ],
)
def test_what_is_no_report_is_dropped_and_counted(line: str) -> None:
    rows, dropped = rows_of(line.encode(), b'{"name": "good", "value": 2}')
    assert [row.name for row in rows] == ["good"]
    assert dropped == 1


def test_a_line_of_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    frame = '{"name": "a", "value": 1, "pad": ""}'
    fits = frame.replace('""', '"' + "x" * (MAX_LINE_BYTES - len(frame)) + '"')
    assert rows_of(fits.encode())[1] == 0
    assert rows_of(fits.replace("xx", "xxx", 1).encode())[1] == 1


def test_names_of_256_bytes_are_taken() -> None:
    assert one('{"name": "' + "ä" * 128 + '", "value": 1}').name == "ä" * 128


def test_blank_lines_do_not_count() -> None:
    assert rows_of(b"", b"  ", b"\r") == ([], 0)
