"""``--track``: a process beside a sweep that copies its runs to a tracker as they end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from hdcore.errors import HdcoreError
from hdcore.tracking.export import TRACKERS


def track_option(function: Any) -> Any:
    """Add ``--track``."""
    return click.option(
        "--track",
        "trackers",
        multiple=True,
        type=click.Choice(TRACKERS),
        help="Copy ended runs there: to the server of MLFLOW_TRACKING_URI, offline runs, event files.",
    )(function)


def check_trackers(trackers: Sequence[str]) -> None:
    """Refuse a tracker that cannot be used, before anything of a sweep exists."""
    from hdcore.tracking.export.target import check_tracker

    for kind in trackers:
        check_tracker(kind)


class Tracking:
    """The processes that copy one sweep. They follow its store until `wait`, or until its driver is gone."""

    def __init__(self, folder: Path, trackers: Sequence[str], notice: Callable[[str], None]) -> None:
        self._notice, self._name = notice, folder.name
        self._processes: list[subprocess.Popen[str]] = []
        for kind in dict.fromkeys(trackers):
            try:
                self._processes.append(self._start(folder, kind))
            except OSError as error:  # no process, memory or descriptor to be had: the sweep itself may find some
                self._notice(f"--track {kind}: {error.strerror}; `hdcore export {folder.name} --track {kind}` later")
        self._threads = [threading.Thread(target=self._listen, args=(one,), daemon=True) for one in self._processes]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Wait until all is sent, or has failed; Ctrl-C ends it."""
        try:
            for process in self._processes:
                assert process.stdin is not None
                process.stdin.close()
            for process in self._processes:
                process.wait()
        except KeyboardInterrupt:
            for process in self._processes:
                process.terminate()
            for process in self._processes:
                process.wait()
            self._notice(f"sending was stopped; `hdcore export {self._name} --track …` sends the rest")
        for thread in self._threads:
            thread.join()

    def _start(self, folder: Path, kind: str) -> subprocess.Popen[str]:
        root = str(folder.parent.parent)
        argv = [
            sys.executable,
            "-P",
            "-m",
            "hdcore",
            "export",
            folder.name,
            "--root",
            root,
            "--track",
            kind,
            "--follow",
        ]
        return subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,  # its end says that the sweep is over
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # a Ctrl-C is for the driver, which ends first
            preexec_fn=_calm,
        )

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("hdcore: "):  # what a client library writes beside it is for nobody
                self._notice(line.removeprefix("hdcore: ").removeprefix("warning: ").rstrip())
        process.stderr.close()


def _calm() -> None:
    os.nice(10)


def _await_end(until: threading.Event) -> None:
    sys.stdin.read()
    until.set()


def export_to(folder: Path, trackers: Sequence[str], *, follows: bool = False) -> None:
    """Copy a sweep to trackers; each is tried, whatever happens to the others."""
    from hdcore.cli.common import write
    from hdcore.cli.run import warn
    from hdcore.tracking.export.follow import export_sweep

    until = None
    if follows:
        until = threading.Event()
        threading.Thread(target=_await_end, args=(until,), daemon=True).start()
    failed: HdcoreError | None = None
    for kind in dict.fromkeys(trackers):
        try:
            count = export_sweep(folder, kind, until=until, say=warn)
            write(f"{folder.name}: {count} ended runs are in {kind}")
        except HdcoreError as error:
            if failed is not None:
                warn(str(failed))
            failed = error
    if failed is not None:
        raise failed
