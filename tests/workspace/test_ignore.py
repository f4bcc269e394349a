"""Ignore patterns: the cases of the manual of git."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdcore.workspace.ignore import IgnoreRules

CASES = [
    ("*.pyc", "a.pyc", False, True), ("*.pyc", "d/a.pyc", False, True), ("*.pyc", "a.py", False, False),
    ("/a", "a", False, True), ("/a", "d/a", False, False), ("a/", "a", True, True), ("a/", "a", False, False),
    ("d/*.txt", "d/x.txt", False, True), ("d/*.txt", "d/e/x.txt", False, False), ("d/*.txt", "c/d/x.txt", False, False),
    ("**/x", "a/b/x", False, True), ("**/x", "x", False, True), ("d/**", "d/a/b", False, True),
    ("a/**/b", "a/b", False, True),
    ("a/**/b", "a/x/y/b", False, True), ("?.py", "a.py", False, True), ("?.py", "ab.py", False, False),
    ("[ab].py", "a.py", False, True), ("[!ab].py", "a.py", False, False), ("[!ab].py", "c.py", False, True),
    ("\\#a", "#a", False, True), ("#a", "#a", False, False), ("a.b", "axb", False, False), ("", "a", False, False),
    ("[", "[", False, True), ("a  ", "a", False, True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "path", "is_folder", "ignored"), CASES)
def test_a_pattern_means_what_the_manual_of_git_says(pattern, path, is_folder, ignored):
    assert IgnoreRules([pattern]).ignore(path, is_folder=is_folder) is ignored


def test_the_last_matching_rule_decides():
    rules = IgnoreRules(["*.log", "!keep.log", "d/keep.log"])
    assert rules.ignore("a.log", is_folder=False)
    assert not rules.ignore("keep.log", is_folder=False)
    assert rules.ignore("d/keep.log", is_folder=False)


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(st.text("ab*?[]!/\\#. -", max_size=8), max_size=4), path=st.text("ab/.", min_size=1, max_size=8))
def test_no_pattern_breaks_the_matcher(lines, path):
    IgnoreRules(lines).ignore(path, is_folder=False)
