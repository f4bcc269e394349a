"""`hdcore logs`: what a run wrote, and what it writes."""

from __future__ import annotations

import os
import stat
import sys
import time
from codecs import getincrementaldecoder
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from hdcore.cli.common import common_options, is_terminal, open_reader
from hdcore.errors import InputError
from hdcore.views.text import printable_text

if TYPE_CHECKING:
    from hdcore.store import StoreReader

_CHUNK = 1 << 16
_LOOK_S = 0.1


@click.command("logs")
@click.argument("name")
@click.argument("run", type=click.IntRange(min=0))
@click.option("--follow", "-f", is_flag=True, help="Go on printing until the run ends.")
@click.option("--stderr", "stream", flag_value="stderr", help="Only what went to stderr.")
@click.option("--stdout", "stream", flag_value="stdout", help="Only what went to stdout.")
@common_options
def logs_command(name: str, run: int, follow: bool, stream: str | None, root: Path | None) -> None:
    """Print what a run wrote: stdout, then stderr; with --follow both as they come.

    On a terminal, control characters are replaced; through a pipe the bytes come as they are.
    """
    with open_reader(root, name) as reader:
        reader.run(run)  # says so if there is no such run
        folder = reader.folder / "runs" / f"{run:04d}"
        wanted = [stream] if stream else ["stdout", "stderr"]
        tails = [_Tail(folder / f"{which}.log") for which in wanted]
        if not follow and not any(tail.exists() for tail in tails):
            raise InputError(f"run {run} has not started and wrote nothing yet", source=name)
        out = sys.stdout.buffer
        try:
            while True:
                ended = not follow or _has_ended(reader, run)
                for tail in tails:
                    tail.copy(out)
                out.flush()
                if ended:
                    if not follow and not any(tail.wrote for tail in tails):
                        _say_empty(run, stream)
                    return
                time.sleep(_LOOK_S)
        finally:
            for tail in tails:
                tail.close()


def _say_empty(run: int, stream: str | None) -> None:
    """Say to a person that the silence is the run's; what is piped on stays as it is."""
    if is_terminal():
        print(f"run {run} wrote nothing" + (f" to {stream}" if stream else ""), file=sys.stderr)


def _has_ended(reader: StoreReader, number: int) -> bool:
    driver = reader.driver()
    return reader.run(number).status.is_terminal or driver is None or not driver.alive


class _Tail:
    """A log file that may not exist yet, read on from where the last look ended, through all attempts of its run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._for_people = is_terminal()
        self.wrote = False
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def exists(self) -> bool:
        return os.path.lexists(self._path)

    def copy(self, out: BinaryIO) -> None:
        while self._file is not None or self._open():
            self._pass_on(out)
            if not self._was_replaced():
                return
            self.close()

    def _open(self) -> bool:
        try:
            # The run may have put something else there: neither wait for the writer of a FIFO nor follow a link.
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        self._file = os.fdopen(fd, "rb")
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InputError("is no file any more: the run has put something else there", source=os.fspath(self._path))
        return True

    def _pass_on(self, out: BinaryIO) -> None:
        assert self._file is not None
        while chunk := self._file.read(_CHUNK):
            self.wrote = True
            out.write(printable_text(self._decoder.decode(chunk)).encode() if self._for_people else chunk)

    def _was_replaced(self) -> bool:
        """Return whether the run was started again: each attempt has a new file."""
        assert self._file is not None
        try:
            now = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return not os.path.samestat(now, os.fstat(self._file.fileno()))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
