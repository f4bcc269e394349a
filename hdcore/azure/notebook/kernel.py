"""A notebook through nbclient, in a Jupyter kernel with all of IPython, its output printed as it comes."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hdcore.azure.notebook.read import Cell
from hdcore.azure.notebook.translate import cell_magic, installs

_FIRST = "import os as _os; _os.environ.setdefault('MPLBACKEND', 'module://matplotlib_inline.backend_inline')"


class CellFailedError(Exception):
    """A cell raised.

    Attributes
    ----------
    cell : int
        Number of the cell, from 1.
    name, text : str
        Class and message of the exception.
    line : int or None
    """

    def __init__(self, cell: int, name: str, text: str, line: int | None) -> None:
        super().__init__(f"cell {cell}: {name}: {text}")
        self.cell, self.name, self.text, self.line = cell, name, text, line


def is_available() -> bool:
    """Return whether nbclient and a Python kernel are installed."""
    return all(find_spec(name) is not None for name in ("nbclient", "nbformat", "ipykernel"))


def run_in_kernel(path: Path, cells: list[Cell]) -> None:
    """Run the cells of a notebook.

    Raises
    ------
    CellFailedError
        With the first cell that raised.
    """
    import nbclient
    import nbformat

    class Client(nbclient.NotebookClient):  # type: ignore[misc, unused-ignore]
        def output(self, outs: Any, msg: Any, display_id: Any, cell_index: Any) -> Any:
            _print(msg)
            return super().output(outs, msg, display_id, cell_index)

    sources = [_FIRST, *(_without_installs(path, cell) for cell in cells)]
    made = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=made)
    client = Client(notebook, kernel_name="python3", timeout=None, resources={"metadata": {"path": str(path.parent)}})
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        failed = [any(out.get("output_type") == "error" for out in cell.get("outputs", ())) for cell in made]
        at = failed.index(True) if True in failed else 0
        number = cells[at - 1].number if 0 < at <= len(cells) else 0
        raise CellFailedError(number, error.ename, error.evalue, _line(error.traceback)) from None


def _without_installs(path: Path, cell: Cell) -> str:
    """Return the source of a cell with what would install something left out, and say so."""
    if cell_magic(cell.source) is not None:
        return cell.source
    lines = cell.source.split("\n")
    for at, line in enumerate(lines):
        if installs(line):
            print(
                f"hdcore: note: {path.name}: cell {cell.number}: {line.strip()}: not run; install what the notebook"
                " needs yourself",
                file=sys.stderr,
                flush=True,
            )
            lines[at] = f"{line[: len(line) - len(line.lstrip())]}pass"
    return "\n".join(lines)


def _print(message: Any) -> None:
    kind, content = message["msg_type"], message["content"]
    if kind == "stream":
        stream = sys.stderr if content.get("name") == "stderr" else sys.stdout
        stream.write(content.get("text", ""))
        stream.flush()
    elif kind in ("execute_result", "display_data"):
        text = content.get("data", {}).get("text/plain", "")
        print(text, flush=True)
    elif kind == "error":
        print("\n".join(content.get("traceback", ())), file=sys.stderr, flush=True)


def _line(traceback: str) -> int | None:
    """Return the line of the cell in the kernel's text of a traceback."""
    import re

    plain = re.sub(r"\x1b\[[0-9;]*m", "", traceback or "")
    found = re.findall(r"(?:Cell In\[\d+\], line (\d+)|^-+> (\d+) )", plain, re.MULTILINE)
    return int(next(filter(None, found[0]))) if found else None
