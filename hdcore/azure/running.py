"""A driver script or notebook of Azure as a program of its own: what `hdcore azure` becomes.

Stand-ins for Azure's packages are on the path already. At the end the program waits for the sweeps that it has
started, and the exit code is that of the sweeps if the program itself ended well.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hdcore import background
from hdcore.errors import HdcoreError, InputError, OutOfScopeError
from hdcore.typing import RunStatus

if TYPE_CHECKING:
    from types import FrameType

    from hdcore.azure.notebook.read import Cell

_OWN = (os.path.dirname(os.path.abspath(__file__)), "<frozen runpy>", "<frozen importlib")


class _Ended(Exception):  # noqa: N818 - no error
    """The program ended with an exit code, which may be that of success."""

    def __init__(self, code: int, is_out_of_scope: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.is_out_of_scope = is_out_of_scope


def main(file: str, arguments: list[str]) -> NoReturn:
    """Run a file to its end, and that of its sweeps, and exit."""
    for name in ("azure", "azure.ai"):  # made at the start of the interpreter by old packages
        sys.modules.pop(name, None)
    with tempfile.NamedTemporaryFile(prefix="hdcore-") as started:
        os.environ[background.STARTED_VARIABLE] = started.name
        signal.signal(signal.SIGTERM, _terminate)
        ended = _Ended(0)
        try:
            _run(Path(file), arguments)
            background.wait_all()
        except _Ended as error:
            ended = error
        except KeyboardInterrupt:
            background.stop_all()
            ended = _Ended(130)
        code = _exit_code(ended, [Path(line) for line in Path(started.name).read_text(encoding="utf-8").splitlines()])
    _flush()
    sys.exit(code)


def _run(path: Path, arguments: list[str]) -> None:
    try:
        if path.suffix.lower() == ".ipynb":
            _run_notebook(path)
        else:
            _run_script(path, arguments)
    except SystemExit as error:
        if error.code is None or error.code == 0:
            return
        if not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
        raise _Ended(error.code if isinstance(error.code, int) else 1) from None
    except OutOfScopeError as error:
        _complain(path, _place(error, path), str(error))
        raise _Ended(2, is_out_of_scope=True) from None
    except HdcoreError as error:
        text = str(error)
        if isinstance(error, InputError):
            text = ": ".join(part for part in (error.source, error.field, text) if part)
        _complain(path, _place(error, path), text)
        raise _Ended(error.exit_code or 1) from None
    except Exception as error:
        _print_traceback(error)
        _complain(path, _place(error, path), f"{type(error).__name__}: {error}")
        raise _Ended(1) from None


def _run_script(path: Path, arguments: list[str]) -> None:
    import runpy

    from hdcore.azure.notebook.magics import Magics
    from hdcore.azure.notebook.plain import install_shell

    def note(text: str) -> None:
        print(f"hdcore: note: {path.name}: {text}", file=sys.stderr, flush=True)

    # for scripts that were exported from a notebook
    install_shell(Magics(lambda name: getattr(sys.modules["__main__"], name), lambda source: None, note))
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    runpy.run_path(str(path), run_name="__main__")


def _run_notebook(path: Path) -> None:
    from hdcore.azure.notebook import kernel
    from hdcore.azure.notebook.read import read_notebook

    path = path.absolute()
    cells = read_notebook(path)
    os.environ.setdefault("MPLBACKEND", "Agg")
    if kernel.is_available():
        _run_through_kernel(path, cells)
        return
    from hdcore.azure.notebook.plain import PlainNotebook

    os.chdir(path.parent)  # as Jupyter does
    sys.argv = [str(path)]
    sys.path.insert(0, str(path.parent))
    notebook = PlainNotebook(path)
    for cell in cells:
        notebook.run(cell)


def _run_through_kernel(path: Path, cells: list[Cell]) -> None:
    from hdcore.azure.notebook import kernel

    try:
        kernel.run_in_kernel(path, cells)
    except kernel.CellFailedError as error:
        place = f"cell {error.cell}" + ("" if error.line is None else f", line {error.line}")
        is_out_of_scope = error.name == OutOfScopeError.__name__
        _complain(path, place, error.text if is_out_of_scope else f"{error.name}: {error.text}")
        raise _Ended(2 if is_out_of_scope else 1, is_out_of_scope) from None


# ---------------------------------------------------------------------- what is told at the end


def _exit_code(ended: _Ended, folders: list[Path]) -> int:
    """Say how the sweeps have ended, and return the exit code of the whole."""
    statuses = []
    for folder in folders:
        try:
            sweep = background.wait(folder)
        except KeyboardInterrupt:
            background.stop_all()
            sweep = background.wait(folder)
            ended = _Ended(130)
        completed = sweep.counts[RunStatus.COMPLETED]
        statuses.append((sweep.status, completed))
        if sweep.status in (RunStatus.QUEUED, RunStatus.RUNNING):
            print(f"hdcore: {folder.name}: stopped; go on with it: hdcore resume {folder.name}", file=sys.stderr)
    if ended.code and not (ended.is_out_of_scope and statuses):
        return ended.code
    return 0 if all(completed for _, completed in statuses) else 1


def _place(error: BaseException, path: Path) -> str | None:
    """Return the line of the program that an exception came through last."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).name.startswith(path.name):
        number: int | None = error.lineno
        return _cell_and_line(error.filename, path, number)
    place = None
    for frame in traceback.extract_tb(error.__traceback__):
        if os.path.basename(frame.filename).startswith(path.name):
            place = _cell_and_line(frame.filename, path, frame.lineno)
    return place


def _cell_and_line(file: str, path: Path, line: int | None) -> str:
    _, _, cell = os.path.basename(file).partition(", ")
    return f"{cell}, line {line}" if cell else f"line {line}"


def _print_traceback(error: BaseException) -> None:
    """Print a traceback without the frames of this program."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename.startswith(_OWN):
        at = at.tb_next
    sys.stdout.flush()
    traceback.print_exception(type(error), error, at)


def _complain(path: Path, place: str | None, text: str) -> None:
    from hdcore.views.text import printable

    sys.stdout.flush()
    where = path.name if place is None else f"{path.name}: {place}"
    print(f"hdcore: {where}: {printable(' '.join(text.split()))}", file=sys.stderr, flush=True)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    background.stop_all()
    _flush()
    os._exit(128 + number)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass
