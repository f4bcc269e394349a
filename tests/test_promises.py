"""PROMISES.md names what there is."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (TESTS / "PROMISES.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [A-E]\d", line)
]


@cache
def functions_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_promise_names_a_mechanism_and_tests_that_exist(row: list[str]) -> None:
    _, promise, mechanism, tests = row
    assert promise
    assert mechanism
    for file in re.findall(r"`([\w/]+\.(?:py|c))`", mechanism):
        assert (ROOT / "hdcore" / file).exists() or (ROOT / "ext" / file).exists(), file
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
    assert named
    for file, name in named:
        assert name in functions_of(TESTS / file), f"{file}::{name}"


def test_the_promises_are_numbered_without_gaps() -> None:
    keys = [row[0] for row in ROWS]
    assert keys == [f"{letter}{n}" for letter in "ABCDE" for n in range(1, 1 + sum(k[0] == letter for k in keys))]
