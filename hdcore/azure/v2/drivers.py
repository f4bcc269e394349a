"""Drivers of submitted sweeps and pipelines, which are processes of their own: waiting for one, stopping one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from hdcore.store.lock import read_driver

_POLL_S = 0.05


def is_driven(folder: Path) -> bool:
    """Return whether a driver works on the sweep or pipeline of a folder."""
    driver = read_driver(folder)
    return driver is not None and driver.alive


def wait(folder: Path) -> None:
    """Wait until nobody drives the sweep or pipeline of a folder any more."""
    while is_driven(folder):
        time.sleep(_POLL_S)


def stop(folder: Path) -> None:
    """Ask the driver of a folder to stop as at Ctrl-C, so that `hdcore resume` goes on."""
    driver = read_driver(folder)
    if driver is None or not driver.alive or driver.pid is None:
        return
    try:
        process = os.pidfd_open(driver.pid)
    except OSError:
        return
    try:
        again = read_driver(folder)  # the same process still holds the lock: it is the driver, whatever pids do
        if again is not None and again.alive and again.pid == driver.pid:
            signal.pidfd_send_signal(process, signal.SIGTERM)
    except ProcessLookupError:
        pass
    finally:
        os.close(process)
