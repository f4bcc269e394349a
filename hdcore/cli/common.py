"""What several commands share: options, finding a sweep, printing."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from hdcore.cli.main import debug_option
from hdcore.errors import StoreError

if TYPE_CHECKING:
    from hdcore.store import StoreReader


def common_options(function: Any) -> Any:
    """Add the options that every command understands."""
    function = click.option(
        "--root",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where sweeps are kept [default: $HDCORE_ROOT, else ./.hdcore].",
    )(function)
    return debug_option(function)


def json_option(function: Any) -> Any:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print strict JSON and nothing else.")(function)


def sweep_folder(root: Path | None, name: str) -> Path:
    """Return the folder of the sweep that a user means by `name`."""
    from hdcore.store import find_root, resolve

    return resolve(find_root(root), name)


def open_reader(root: Path | None, name: str) -> StoreReader:
    """Open a sweep for reading."""
    from hdcore.store import StoreReader

    return StoreReader.open(sweep_folder(root, name))


def write(text: str) -> None:
    """Print text to stdout at once; text that the terminal's encoding lacks is replaced."""
    try:
        sys.stdout.write(text + "\n")
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()


def is_terminal() -> bool:
    """Return True if a person looks at stdout."""
    return sys.stdout.isatty()


def check_target(target: Path | None, what: str) -> None:
    """Refuse a file in a folder that is not there, before anything is computed for it."""
    if target is not None and not target.parent.is_dir():
        raise StoreError(f"{what}: -o: there is no folder {str(target.parent)!r}; make it first")


def deliver(target: Path | None, write: Any) -> None:
    """Write a file whole or not at all; None is stdout. What is no regular file, a pipe or a device, is written to."""
    if target is None:
        write(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    file: IO[bytes]
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            write(file)
        return
    target = target.resolve()  # the file that a link stands for is replaced, not the link
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".hdcore-", delete=False) as file:
        try:
            write(file)
            file.flush()
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(file.fileno(), 0o666 & ~mask)  # a temporary file is private, what it becomes is as any other
            os.fsync(file.fileno())
            os.replace(file.name, target)
        except BaseException:
            os.unlink(file.name)
            raise
