"""What is said about shell syntax, checked against real shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hdcore.command import Command
from hdcore.errors import InputError

SHELLS = ["/bin/sh", *filter(None, [shutil.which("bash")])]
REFERENCE = "${{search_space.v}}"


def run(shell: str, text: str) -> tuple[int, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [shell, "-c", text],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "a": "x"},
            timeout=20,
        )
        return done.returncode, done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "a && b", "a || b", "a; b", "a | b", "a > f", "a < f", "a &", "(a)", "a $HOME", 'a "$HOME"', "a ${X}", "a $(b)",
        "a `b`", 'a "`b`"', "a *.csv", "a x?", "a ~/data", "a # why", "X=1 a", "cd x", "exit 3", "a\nb", "a $1", "a $?",
        'a "\\$x"',
    ],
)  # fmt: skip
def test_shell_syntax_of_the_command_itself_asks_for_a_shell(text):
    assert Command.parse(text).uses_shell
    assert not Command.parse(text, shell=False).uses_shell


@pytest.mark.parametrize(
    "text",
    [
        "python t.py --x=1",
        "python t.py 'a && b' \"x | y; z\" '$HOME' a\\ b \\$x a#b a~b 5$ [1,2] {a} x=1",
        f"python t.py {REFERENCE} --a={REFERENCE} '{REFERENCE}'",
        "python t.py\n  --a 1\n  --b 2",
        "python t.py \\\n  --a 1",
    ],
)
def test_plain_words_need_no_shell(text):
    assert not Command.parse(text).uses_shell


def test_lines_that_go_on_with_options_are_one_command():
    assert Command.parse("python t.py\n  --a 1 \\\n b\n-c").argv({}) == ("python", "t.py", "--a", "1", "b", "-c")


@settings(max_examples=400, deadline=None)
@given(tail=st.text("ab'\"\\$=-#~;&|()*?[]{}!\n\t ", max_size=14))
def test_a_command_that_needs_no_shell_gets_the_words_that_a_shell_would_make(tail):
    text = f"printf '%s|' . {tail}"
    try:
        command = Command.parse(text)
    except InputError:
        return
    assume(not command.uses_shell)
    assert not any("|" in word for word in command.argv({})[3:]) or "|" in tail
    code, out = run("/bin/sh", text.replace("\n", " "))  # lines that go on with a dash are ours
    if "\n" in tail:
        return
    assert (code, out) == (0, "".join(word + "|" for word in command.argv({})[2:]).encode())


VALUES = ["'", '"', "$(echo no)", "`echo no`", "x; echo no", "a  b", "\\", "\n echo no", "#", "*", "}", "))"]
PARTS = st.lists(
    st.sampled_from([*"ab'\"\\=-#;&|(){}` \n<", REFERENCE, "$(", "${", "$((", "))", "${a:-", "$a", " #", " '", "$'"]),
    max_size=5,
).map("".join)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=400, deadline=None)
@given(before=PARTS, after=PARTS, value=st.sampled_from(VALUES))
def test_an_accepted_reference_takes_any_value_as_it_takes_a_harmless_one(shell, before, after, value):
    tail = before + REFERENCE + after
    text = f"printf '%s|' {tail}"
    try:
        command = Command.parse(text, shell=True)
    except InputError:
        return
    harmless = command.argv({"v": "harm%less"})[2]
    hostile = command.argv({"v": value})[2]
    code, out = run(shell, harmless)
    assert run(shell, hostile) == (code, out.replace(b"harm%less", value.encode()))


@pytest.mark.parametrize(
    "text",
    [
        f"a '{REFERENCE}' | b",
        f'a "{REFERENCE}" | b',
        f'a "x{REFERENCE}y" && b',
        f"a \\{REFERENCE} | b",
        f"a `b {REFERENCE}`",
        f"a $(({REFERENCE} + 1))",
        f"a ${{x:-{REFERENCE}}}",
        f"a ${REFERENCE} | b",
        f"a <<END\n{REFERENCE}\nEND",
        f"a b # {REFERENCE}",
        f"a # don't\n b {REFERENCE}",
        f'a "$(b "{REFERENCE}")"',
        f"a $'\\'' {REFERENCE} | b",
    ],
)
def test_a_reference_that_a_shell_could_tear_apart_is_refused(text):
    with pytest.raises(InputError) as caught:
        Command.parse(text)
    assert caught.value.field == "trial.command"
    assert re.search("shell|substitution|here-document|comment|quote", str(caught.value))


@pytest.mark.parametrize(
    "text", [f"a {REFERENCE} && b", f"a --x={REFERENCE} > f", f"a $(b {REFERENCE})", f"a $X {REFERENCE}"]
)
def test_a_plain_reference_in_a_shell_command_is_accepted(text):
    assert Command.parse(text).uses_shell
