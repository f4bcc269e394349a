"""A notebook without IPython: each cell is compiled and run in one module, its last expression is shown.

The cells are the user's own program, run on the user's own word; nothing that was stored comes here.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hdcore.azure.notebook.magics import Magics
from hdcore.azure.notebook.read import Cell
from hdcore.azure.notebook.translate import LINE_CALL, SHELL_CALL, cell_magic, to_python


class PlainNotebook:
    """Runs the cells of one notebook, which is ``__main__`` from here on.

    Parameters
    ----------
    path : Path
        For messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cell = 0
        self._told: set[str] = set()
        self._module = ModuleType("__main__")
        self._names = self._module.__dict__
        self._magics = Magics(self._evaluate, self._run, self._note)
        self._names.update(
            {
                LINE_CALL: self._magics.line,
                SHELL_CALL: self._magics.shell,
                "__builtins__": builtins,
                "In": [""],
                "Out": {},
            }
        )
        sys.modules["__main__"] = self._module
        install_shell(self._magics)

    def run(self, cell: Cell) -> None:
        """Run a cell; raises what it raises."""
        self._cell = cell.number
        magic = cell_magic(cell.source)
        if magic is not None:
            self._magics.cell(magic)
        else:
            self._run(cell.source)
        sys.stdout.flush()

    def _run(self, source: str) -> None:
        file = cell_file(self._path, self._cell)
        try:
            text = to_python(source)
        except SyntaxError as error:
            error.filename = file
            raise
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        tree = ast.parse(text, file)
        last = tree.body.pop() if _is_shown(tree, source) else None
        exec(compile(tree, file, "exec", dont_inherit=True), self._names)
        if isinstance(last, ast.Expr):
            show(eval(compile(ast.Expression(last.value), file, "eval", dont_inherit=True), self._names))

    def _evaluate(self, expression: str) -> Any:
        return eval(compile(expression.strip(), "expression", "eval", dont_inherit=True), self._names)

    def _note(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            print(f"hdcore: note: {self._path.name}: cell {self._cell}: {text}", file=sys.stderr, flush=True)


def cell_file(path: Path, number: int) -> str:
    """Return what tracebacks call a cell."""
    return f"{path.name}, cell {number}"


def show(value: Any) -> None:
    """Print a value as a cell's last expression is shown."""
    if value is None:
        return
    text = getattr(value, "to_string", None)  # a whole pandas table, as a notebook shows it
    if callable(text) and hasattr(value, "columns") and len(value) <= 60:
        print(text())
        return
    print(repr(value))


class _Shell:
    """What ``get_ipython()`` gives scripts that were notebooks."""

    def __init__(self, magics: Magics) -> None:
        self._magics = magics

    def run_line_magic(self, name: str, line: str = "", *more: Any) -> Any:
        return self._magics.line(f"{name} {line}")

    def magic(self, line: str) -> Any:
        return self._magics.line(line)

    def run_cell_magic(self, name: str, line: str, cell: str) -> Any:
        from hdcore.azure.notebook.translate import CellMagic

        return self._magics.cell(CellMagic(name, line, cell))

    def system(self, command: str) -> Any:
        return self._magics.shell(command)

    def getoutput(self, command: str, *more: Any) -> Any:
        return self._magics.shell(command, True)


def install_shell(magics: Magics) -> None:
    """Put `get_ipython` and `display` where a notebook, or a script that was one, finds them."""

    def display(*values: Any, **_: Any) -> None:
        for value in values:
            show(value)

    builtins.display = display  # type: ignore[attr-defined]
    builtins.get_ipython = lambda: _Shell(magics)  # type: ignore[attr-defined]


def _is_shown(tree: ast.Module, source: str) -> bool:
    """Return whether a cell ends in an expression that no semicolon silences."""
    if not tree.body or not isinstance(tree.body[-1], ast.Expr):
        return False
    last = tree.body[-1]
    assert last.end_lineno is not None
    line = source.split("\n")[last.end_lineno - 1].encode()
    return not line[last.end_col_offset :].lstrip().startswith(b";")
