"""Cells with magics become Python, line for line, and do what IPython would do."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdcore.azure.notebook.magics import Magics
from hdcore.azure.notebook.read import Cell, read_notebook
from hdcore.azure.notebook.translate import CellMagic, cell_magic, installs, to_python
from hdcore.errors import InputError


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("%matplotlib inline\nx = 1", "__hdcore_line__('matplotlib inline')\nx = 1"),
        ("if x:\n    !ls {folder}", "if x:\n    __hdcore_shell__('ls {folder}')"),
        ("files = !ls *.py", "files = __hdcore_shell__('ls *.py', True)"),
        ("here = %pwd", "here = __hdcore_line__('pwd', True)"),
        ("!pip install a \\\n   b\ny = 2", "__hdcore_shell__('pip install a  b')\n\ny = 2"),
        ("!echo \"it's (\nx = 1", "__hdcore_shell__('echo \"it\\'s (')\nx = 1"),
        ("str?", "__hdcore_line__('?str')"),
        ("?str", "__hdcore_line__('?str')"),
        ("%time f(1)\n%env A=b", "__hdcore_line__('time f(1)')\n__hdcore_line__('env A=b')"),
        ('text = """\n%time\n!ls\n"""\nrest = 7 % 2', 'text = """\n%time\n!ls\n"""\nrest = 7 % 2'),
        ("x = (7\n % 2)", "x = (7\n % 2)"),
    ],
)
def test_only_lines_that_are_no_python_become_calls(source: str, python: str) -> None:
    assert to_python(source) == python
    assert len(python.split("\n")) == len(source.split("\n"))


@given(st.lists(st.sampled_from(["x = 1", "%magic a", "!shell b", "if True:\n    %pip c", "y = '''\n!no\n'''"])))
def test_every_line_keeps_its_number(parts: list[str]) -> None:
    source = "\n".join(parts)
    python = to_python(source)
    ast.parse(python)
    before, after = source.split("\n"), python.split("\n")
    assert len(before) == len(after)
    assert all(a == b for a, b in zip(before, after, strict=True) if not a.lstrip().startswith(("%", "!s")))


def test_what_is_neither_stays_an_error() -> None:
    with pytest.raises(SyntaxError) as caught:
        to_python("x = 1\ny = = 2\n")
    assert caught.value.lineno == 2


@pytest.mark.parametrize(
    ("line", "tool"),
    [
        ("!pip install x", "pip"), ("%pip install x", "pip"), ("  ! pip3 install x", "pip3"),
        ("!{sys.executable} -m pip install x", "pip"), ("!python -m pip install x", "pip"),
        ("!/usr/bin/python3.8 -m pip install x", "pip"), ("!conda install y", "conda"), ("!az login", "az"),
        ("!sudo apt-get install z", "apt-get"), ("!echo pip", None), ("!pipenv run", None), ("!python train.py", None),
    ],
)  # fmt: skip
def test_installing_is_recognised(line: str, tool: str | None) -> None:
    assert installs(line) == tool


def test_the_magic_of_a_whole_cell_is_recognised() -> None:
    assert cell_magic("%%writefile a.py\nx\n") == CellMagic("writefile", "a.py", "x\n")
    assert cell_magic("\n%%time\n1") == CellMagic("time", "", "1")
    assert cell_magic("x = 1\n%%time") is None


class Notebook:
    """Magics over a namespace, with what they ran and noted."""

    def __init__(self, **names: object) -> None:
        self.names, self.ran, self.notes = names, [], []
        self.magics = Magics(lambda text: eval(text, dict(self.names)), self.ran.append, self.notes.append)


def test_values_are_put_into_lines() -> None:
    magics = Notebook(folder="src", paths=["a", "b"], n=2).magics
    assert magics.expand("$folder/{paths[1]} {n + 1} $$HOME $unknown {unknown}") == "src/b 3 $HOME $unknown {unknown}"


def test_files_are_written_and_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    magics = Notebook(name="train").magics
    magics.cell(CellMagic("writefile", "{name}.py", "x = '{kept}'\n"))
    magics.cell(CellMagic("writefile", "-a $name.py", "y = 2"))
    assert (tmp_path / "train.py").read_text() == "x = '{kept}'\ny = 2\n"
    assert capsys.readouterr().out == "Writing train.py\nAppending to train.py\n"


def test_shell_lines_run_and_installs_do_not(capfd: pytest.CaptureFixture[str]) -> None:
    notebook = Notebook(word="there")
    assert notebook.magics.shell("echo hello {word}; false") is None
    assert capfd.readouterr().out == "hello there\n"
    assert notebook.magics.shell("printf 'a\\nb\\n'", True) == ["a", "b"]
    assert notebook.magics.shell("pip install hdcore", True) == []
    notebook.magics.line("pip install hdcore")
    notebook.magics.line("matplotlib inline")
    notebook.magics.line("unheard of")
    assert notebook.notes == [
        "!pip install hdcore: not run; install what the notebook needs yourself",
        "%pip install hdcore: not run; install what the notebook needs yourself",
        "%unheard: not known here; left out",
    ]


def test_variables_of_the_environment_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZ_A", "1")
    magics = Notebook().magics
    assert magics.line("env AZ_A") == "1"
    magics.line("env AZ_A=2 3")
    assert magics.line("env AZ_A") == "2 3"
    magics.line("set_env AZ_A 4")
    assert magics.line("env")["AZ_A"] == "4"


def test_a_timed_cell_runs_below_its_magic(capsys: pytest.CaptureFixture[str]) -> None:
    notebook = Notebook()
    notebook.magics.cell(CellMagic("time", "", "x = 1\n"))
    notebook.magics.cell(CellMagic("capture", "out", "y = 1\n"))
    notebook.magics.cell(CellMagic("html", "", "<b>"))
    assert notebook.ran == ["\nx = 1\n", "\ny = 1\n"]
    assert capsys.readouterr().out.startswith("Wall time")
    assert notebook.notes == ["%%html: the cell is left out"]


@pytest.mark.parametrize(
    "document",
    [
        {"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "#"},
                                  {"cell_type": "code", "source": ["a\n", "b"]}]},
        {"nbformat": 4, "cells": [{"cell_type": "raw", "source": "r"}, {"cell_type": "code", "source": "a\nb"},
                                  {"cell_type": "code", "source": " \n"}]},
        {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "markdown", "source": ["x"]},
                                                  {"cell_type": "code", "input": ["a\n", "b"]}]}]},
    ],
)  # fmt: skip
def test_notebooks_of_all_formats_give_their_code(tmp_path: Path, document: dict) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(document))
    assert read_notebook(path) == [Cell(2, "a\nb")]


def test_what_is_no_python_notebook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    for text in ("{", "[]", "{}", '{"cells": [], "metadata": {"language_info": {"name": "julia"}}}'):
        path.write_text(text)
        with pytest.raises(InputError):
            read_notebook(path)
