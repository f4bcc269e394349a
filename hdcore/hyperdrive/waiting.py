"""Waiting for a run while its log is printed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from hdcore.hyperdrive.drive import STARTED_VARIABLE
from hdcore.hyperdrive.exceptions import (
    ActivityFailedException,
    ExperimentExecutionException,
    HyperDriveServiceException,
)
from hdcore.hyperdrive.homes import Home, JournalHome
from hdcore.hyperdrive.run import TERMINAL, Run
from hdcore.hyperdrive.stored import StoredHome, SweepHome
from hdcore.store.lock import read_driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.details import Details

_SHORTEST_S, _LONGEST_S = 0.05, 0.5
_MOST_BYTES = 1 << 16


def wait_for(run: Run, *, show_output: bool, raise_on_error: bool) -> Details:
    """Wait for the end of a run; see `Run.wait_for_completion`."""
    home = run._home
    name, path = _log_of(home)
    try:
        if show_output:
            print(f"RunId: {run.id}\nWeb View: {run.get_portal_url()}")
            if path is not None:
                title = f"Streaming {name}"
                print(f"\n{title}\n{'=' * len(title)}\n")
        _follow(run, path if show_output else None)
    except KeyboardInterrupt:
        raise ExperimentExecutionException(
            f"The output streaming for the run was interrupted. The run {run.id} is still executing;"
            " call cancel() to end it"
        ) from None
    details = run.get_details()
    if show_output:
        print("\nExecution Summary\n=================")
        print(f"RunId: {run.id}\nWeb View: {run.get_portal_url()}")
        if "error" in details:
            print(f"\nError: {details['error']['error']['message']}")
        print(flush=True)
    if details["status"] == "Failed" and raise_on_error:
        error = details.get("error") or {}
        raise ActivityFailedException(error.get("error", {}).get("message") or "the run has failed")
    return details


def await_result(folder: Path) -> None:
    """Wait for the end of a sweep whose result a program of `hdcore azure` asks for.

    People wait between the cells of a notebook, or look at the widget, before they ask for the best run; a program
    that runs through has nobody who does. Anywhere else, and in runs themselves, this returns at once.
    """
    if not os.environ.get(STARTED_VARIABLE) or os.environ.get("HDCORE_REPORT"):
        return
    is_told = False
    while (driver := read_driver(folder)) is not None and driver.alive:
        if not is_told:
            is_told = True
            print(f"hdcore: note: waiting for {folder.name}, whose result is asked for", file=sys.stderr, flush=True)
        time.sleep(_SHORTEST_S)


def _follow(run: Run, path: Path | None) -> None:
    """Return when the run has ended; print what comes to its log meanwhile."""
    offset = 0
    patience = _SHORTEST_S
    has_restarted = False
    while True:
        ended = run.get_status() in TERMINAL
        grown = offset
        if path is not None:
            grown = _print_from(path, offset)
        if ended:
            while path is not None and grown > offset:
                offset, grown = grown, _print_from(path, grown)
            return
        patience = _SHORTEST_S if grown > offset else min(patience * 1.3, _LONGEST_S)
        offset = grown
        sweep = _sweep_of(run._home)
        if sweep is not None and not sweep.is_driven() and run.get_status() not in TERMINAL:
            if has_restarted:
                raise HyperDriveServiceException(
                    f"sweep {sweep.spec.name}: its driver has ended twice; see driver.log in {sweep.sweep_folder},"
                    f" then `hdcore resume {sweep.spec.name}`"
                )
            from hdcore.hyperdrive.drive import start_driver

            has_restarted = True
            start_driver(sweep.sweep_folder)
        time.sleep(patience)


def _sweep_of(home: Home) -> SweepHome | None:
    return home if isinstance(home, SweepHome) else home.sweep if isinstance(home, StoredHome) else None


def _log_of(home: Home) -> tuple[str, Path | None]:
    """Return name and path of the log to follow."""
    if isinstance(home, SweepHome):
        from hdcore.hyperdrive.drive import LOG_NAME

        return LOG_NAME, home.folder / "files" / LOG_NAME
    if isinstance(home, JournalHome):
        from hdcore.hyperdrive.drive import PIPELINE_LOG_NAME

        return PIPELINE_LOG_NAME, home.folder / "files" / PIPELINE_LOG_NAME
    return "user_logs/std_log.txt", home.folder / "stdout.log"


def _print_from(path: Path, offset: int) -> int:
    """Print what a log has beyond an offset; return the new offset."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return offset
    try:
        data = os.pread(fd, _MOST_BYTES, offset)
    finally:
        os.close(fd)
    sys.stdout.write(data.decode("utf-8", "replace"))
    sys.stdout.flush()
    return offset + len(data)
