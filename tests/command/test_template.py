"""Command templates: what is refused, and that values arrive as they are."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdcore.command import Command, format_value, modernise
from hdcore.errors import InputError

SCRIPT = "import os,sys; os.write(1, b'|'.join(a.hex().encode() for a in map(os.fsencode, sys.argv[1:])))"
ECHO = f'{sys.executable} -S -E -c "{SCRIPT}"'
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
HOSTILE = [
    "; touch gotcha",
    "$(touch gotcha)",
    "`touch gotcha`",
    "two words",
    "it's",
    'say "hi"',
    "line\nbreak",
    "&& touch gotcha",
    "|| touch gotcha",
    "> gotcha",
    "--help",
    "-",
    "*",
    "~root",
    "$PATH ${HOME}",
    "${{search_space.a}}",
    "{search_space.a}",
    "%d {0}",
    "\\",
    "\\'",
    "'\\''",
    "#comment",
    "a=b",
    "ü\u202eß\U0001f600",
    "\x1b[31m",
    "",
]


def arrive(command: Command, values: dict[str, object], folder: os.PathLike[str]) -> list[str]:
    done = subprocess.run(
        command.argv(values), cwd=folder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True
    )
    return [os.fsdecode(bytes.fromhex(part.decode())) for part in done.stdout.split(b"|")]


@pytest.mark.parametrize("shell", [False, True])
def test_hostile_values_arrive_as_one_argument_and_nothing_is_executed(shell, tmp_path):
    names = [f"v{i}" for i in range(len(HOSTILE))]
    text = ECHO + "".join(f" --x=${{{{search_space.{n}}}}} ${{{{ search_space.{n} }}}}" for n in names)
    command = Command.parse(text, shell)
    assert command.uses_shell is shell
    got = arrive(command, dict(zip(names, HOSTILE, strict=True)), tmp_path)
    assert got == [word for value in HOSTILE for word in ("--x=" + value, value)]
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=40, deadline=None)
@given(values=st.lists(TEXT, min_size=12, max_size=12))
@pytest.mark.parametrize("shell", [False, True])
def test_any_text_arrives_verbatim(shell, values):
    names = [f"v{i}" for i in range(len(values))]
    text = ECHO + "".join(f" pre${{{{search_space.{n}}}}}post" for n in names)
    got = arrive(Command.parse(text, shell), dict(zip(names, values, strict=True)), os.curdir)
    assert got == [f"pre{value}post" for value in values]


def test_a_reference_in_quotes_is_one_argument_without_a_shell(tmp_path):
    command = Command.parse(ECHO + " \"--a=${{search_space.a}}\" '${{inputs.b}}'", "auto")
    assert not command.uses_shell
    assert command.argv({"a": "x y"}, {"b": '"'})[-2:] == ("--a=x y", '"')


def test_values_are_never_expanded_twice():
    command = Command.parse("t ${{search_space.a}} ${{search_space.b}}")
    assert command.argv({"a": "${{search_space.b}}", "b": "${{search_space.a}}"}) == (
        "t",
        "${{search_space.b}}",
        "${{search_space.a}}",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "python t.py \0",
        "python 't.py",
        'python "t.py',
        "python t.py \\",
        "python ${{search_space.a",
        "python ${{search_space.a}",
        "python ${{}}",
        "python ${{ }}",
        "python ${{a}}",
        "python ${{search_space}}",
        "python ${{search_space.}}",
        "python ${{environ.HOME}}",
        "python t.py $[[--a ${{inputs.a}}]]",
        "python ${{parent.jobs.a.outputs.b}}",
    ],
)
@pytest.mark.parametrize("shell", ["auto", True, False])
def test_a_command_that_cannot_be_meant_is_refused(text, shell):
    with pytest.raises(InputError) as caught:
        Command.parse(text, shell).argv({})
    assert caught.value.field == "trial.command"


def test_an_empty_program_is_refused():
    with pytest.raises(InputError, match="no program"):
        Command.parse("'' x")


@pytest.mark.parametrize("path", ["search_space.a.__class__", "search_space.A", "inputs.a", "outputs.a", "inputs.b"])
def test_a_reference_to_what_is_not_there_is_refused(path):
    command = Command.parse(f"python t.py ${{{{{path}}}}}")
    with pytest.raises(InputError, match="which the sweep does not have") as caught:
        command.check(search_space=["a"], inputs=["c"], outputs=["d"])
    assert caught.value.field == "trial.command"


def test_a_reference_of_the_wrong_kind_gets_the_right_one_as_suggestion():
    with pytest.raises(InputError, match=r"did you mean \$\{\{search_space\.lr\}\}"):
        Command.parse("t ${{inputs.lr}}").check(search_space=["lr"])


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_a_value_that_no_argument_can_carry_is_refused(value):
    with pytest.raises(InputError) as caught:
        Command.parse("t ${{search_space.a}}").argv({"a": value})
    assert caught.value.field == "search_space.a"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-7, "-7"),
        (10**30, "1" + "0" * 30),
        (65.0, "65"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (1e-05, "1e-05"),
        (1e16, "1e+16"),
        (1e22, "1e+22"),
        (0.7567505122372808, "0.7567505122372808"),
        (True, "True"),
        (False, "False"),
        (None, "None"),
        ("65.0", "65.0"),
        ((1, 2), "[1,2]"),
        ([1, "a b"], '[1,"a b"]'),
        ({"units": 3, "rate": 0.5, "name": "ü"}, '{"units":3,"rate":0.5,"name":"ü"}'),
    ],
)
def test_values_are_written_as_a_script_expects_them(value, text):
    assert format_value(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_float_reads_back_equal(value):
    assert float(format_value(value)) == value


def test_numpy_values_are_written_as_their_python_values():
    numpy = pytest.importorskip("numpy")
    assert format_value(numpy.float64(3.0)) == "3"
    assert format_value(numpy.int64(3)) == "3"
    assert format_value(numpy.bool_(True)) == "True"
    assert format_value({"a": numpy.float32(0.5)}) == '{"a":0.5}'


def test_extra_arguments_come_last_and_stay_whole():
    assert Command.parse("t a").argv({}, extra=["--resume-from", "/a b"]) == ("t", "a", "--resume-from", "/a b")
    shell = Command.parse("t a | cat").argv({}, extra=["--resume-from", "/a b"])
    assert shell == ("/bin/sh", "-c", "t a | cat --resume-from '/a b'")


def test_old_single_braces_are_rewritten_and_reported():
    text, found = modernise("t --a {search_space.a} ${{search_space.b}} {inputs.c} {search_space.a} {other.d} {{x}}")
    assert text == ("t --a ${{search_space.a}} ${{search_space.b}} ${{inputs.c}} ${{search_space.a}} {other.d} {{x}}")
    assert found == ("search_space.a", "inputs.c")
