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

from hdcore.azure.downloads import advice, serve_given_files
from hdcore.azure.v2.drivers import is_driven, stop, wait
from hdcore.errors import HdcoreError, InputError, OutOfScopeError
from hdcore.hyperdrive.drive import STARTED_VARIABLE
from hdcore.hyperdrive.homes import JournalHome, is_pipeline_run
from hdcore.pipeline import read_plan
from hdcore.pipeline.plan import PIPELINES_NAME
from hdcore.store import StoreReader
from hdcore.typing import RunStatus
from hdcore.views.text import plural, printable

if TYPE_CHECKING:
    from types import FrameType

    from hdcore.azure.notebook.read import Cell
    from hdcore.pipeline import PlanState
    from hdcore.store import StoredSweep

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
        os.environ[STARTED_VARIABLE] = started.name
        signal.signal(signal.SIGTERM, _terminate)
        serve_given_files()
        try:
            try:
                _run(Path(file), arguments)
                ended = _Ended(0)
            except _Ended as error:
                ended = error
            for folder in _started(started.name):
                _await(folder)
        except KeyboardInterrupt as error:
            ended = _Ended(128 + (error.args[0] if error.args else signal.SIGINT))
            for folder in _started(started.name):
                stop(folder)
        code = _exit_code(ended, _started(started.name))
    _flush()
    sys.exit(code)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)


def _started(path: str) -> list[Path]:
    """Return the folders of the sweeps that the program has started."""
    return [Path(line) for line in dict.fromkeys(Path(path).read_text(encoding="utf-8").splitlines())]


def _await(folder: Path) -> None:
    if is_driven(folder):
        what, how = folder.name, "stops it resumably"
        if is_pipeline_run(folder):
            experiment = JournalHome(folder.name, folder.parent.parent.parent).experiment_name
            what, how = f"the pipeline of {experiment}", "stops it"
        print(f"hdcore: waiting for {what}; Ctrl-C {how}", file=sys.stderr, flush=True)
        wait(folder)


def _run(path: Path, arguments: list[str]) -> None:
    try:
        if path.suffix.lower() == ".ipynb":
            _run_notebook(path)
        else:
            _run_script(path, arguments)
    except _Ended:
        raise
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
        if not getattr(error, "is_unserved", False):
            _print_traceback(error)
        text = f"{type(error).__name__}: {error}"
        how = advice(error)
        _complain(path, _place(error, path), text if how is None else f"{text}: {how}")
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
    if kernel.is_available():
        _run_through_kernel(path, cells)
        return
    os.environ.setdefault("MPLBACKEND", "Agg")
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
        is_out_of_scope = error.name in kernel.OUT_OF_SCOPE
        _complain(path, place, error.text if error.name in kernel.TOLD_IN_ONE_LINE else f"{error.name}: {error.text}")
        is_wrong_input = is_out_of_scope or error.name in kernel.WRONG_INPUT
        raise _Ended(2 if is_wrong_input else 1, is_out_of_scope) from None


# ---------------------------------------------------------------------- what is told at the end


def _exit_code(ended: _Ended, folders: list[Path]) -> int:
    """Say which sweeps were stopped, and return the exit code of the whole."""
    has_failed = False
    for folder in folders:
        wait(folder)
        if folder.parent.name == PIPELINES_NAME:
            pipeline = read_plan(folder.parent.parent, folder.name)
            has_failed = has_failed or pipeline.status is not RunStatus.COMPLETED
            _tell_pipeline(pipeline)
            continue
        if is_pipeline_run(folder):
            has_failed = _tell_steps(folder) != "Completed" or has_failed
            continue
        with StoreReader.open(folder) as reader:
            sweep = reader.sweep()
        has_failed = has_failed or not sweep.counts[RunStatus.COMPLETED]
        _tell_result(folder, sweep)
    if ended.code and not (ended.is_out_of_scope and folders):
        return ended.code
    return 1 if has_failed else 0


def _tell_steps(folder: Path) -> str:
    """Say how a pipeline of version 1 ended; return Azure's word for it."""
    home = JournalHome(folder.name, folder.parent.parent.parent)
    status = home.status()
    error = (home.error() or {}).get("error") or {}
    more = f": {printable(error['message'])}" if error.get("message") else ""
    print(f"hdcore: pipeline of {home.experiment_name}: {status}{more}", file=sys.stderr)
    return status


def _tell_pipeline(state: PlanState) -> None:
    name = state.spec.name
    if not state.status.is_terminal:
        print(f"hdcore: {name} was stopped; go on with: hdcore resume {name}", file=sys.stderr)
    elif state.error:
        print(f"hdcore: {printable(state.error)}", file=sys.stderr)
    else:
        steps = ", ".join(state.sweeps.values())
        print(f"hdcore: {name}: {state.status.value}, {plural(len(state.sweeps), 'step')}: {steps}", file=sys.stderr)


def _tell_result(folder: Path, sweep: StoredSweep) -> None:
    if not sweep.status.is_terminal:
        print(f"hdcore: {folder.name} was stopped; go on with: hdcore resume {folder.name}", file=sys.stderr)
        return
    if not sweep.spec.space:
        return
    with StoreReader.open(folder) as reader:
        best = reader.best()
    found = "" if best is None else f", best run {best.number} with {printable(sweep.spec.metric)} {best.value:g}"
    done = f"{sweep.status.value}, {sweep.counts[RunStatus.COMPLETED]} of {sum(sweep.counts.values())} runs completed"
    print(f"hdcore: {folder.name}: {done}{found}; see hdcore show {folder.name}", file=sys.stderr)


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
    sys.stdout.flush()
    where = path.name if place is None else f"{path.name}: {place}"
    print(f"hdcore: {where}: {printable(' '.join(text.split()))}", file=sys.stderr, flush=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass
