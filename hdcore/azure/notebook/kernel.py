"""A notebook through nbclient, in a Jupyter kernel with all of IPython, its output printed as it comes."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hdcore.azure.notebook.read import Cell
from hdcore.azure.notebook.translate import cell_magic, installs

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
OUT_OF_SCOPE = ("OutOfScopeError", "DeploymentNameError", "WebserviceException", "PublishException")
WRONG_INPUT = ("InputError", "SpaceError", "ValidationException", "HyperDriveConfigException", "UserErrorException")
TOLD_IN_ONE_LINE = (*OUT_OF_SCOPE, *WRONG_INPUT, "NotServedError", "UnservedNameError")
"""Classes whose message is the whole story; a traceback would bury it."""


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

    made = [nbformat.v4.new_code_cell(_prepared(path, cell)) for cell in cells]
    notebook = nbformat.v4.new_notebook(cells=made)
    client = Client(notebook, kernel_name="python3", timeout=None, resources={"metadata": {"path": str(path.parent)}})
    try:
        client.execute(stderr=subprocess.DEVNULL)  # the kernel's own words; those of cells come as messages
    except nbclient.exceptions.CellExecutionError as error:
        failed = [any(out.get("output_type") == "error" for out in cell.get("outputs", ())) for cell in made]
        number = cells[failed.index(True)].number if True in failed else 0
        raise CellFailedError(number, error.ename, error.evalue, _line(error.traceback)) from None


def _prepared(path: Path, cell: Cell) -> str:
    """Return the source of a cell without what would install something, which is told, or plot with what is missing."""
    has_plots = find_spec("matplotlib") is not None
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
        elif line.lstrip().startswith("%matplotlib") and not has_plots:
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
    elif kind == "error" and content.get("ename") not in TOLD_IN_ONE_LINE:
        text = "\n".join(content.get("traceback", ()))
        print(text if sys.stderr.isatty() else _COLOURS.sub("", text), file=sys.stderr, flush=True)


def _line(traceback: str) -> int | None:
    """Return the line of the cell in the kernel's text of a traceback."""
    plain = _COLOURS.sub("", traceback or "")
    found = re.findall(r"(?:Cell In\[\d+\], line (\d+)|^-+> (\d+) )", plain, re.MULTILINE)
    return int(next(filter(None, found[0]))) if found else None
