"""Drivers of submitted sweeps, which are processes of their own: waiting for one, stopping one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from hdcore.store import StoredSweep, StoreReader

_POLL_S = 0.05


def is_driven(folder: Path) -> bool:
    """Return whether a driver works on a sweep."""
    with StoreReader.open(folder) as reader:
        driver = reader.driver()
    return driver is not None and driver.alive


def wait(folder: Path) -> StoredSweep:
    """Wait until nobody drives a sweep any more, and return how it stands."""
    while is_driven(folder):
        time.sleep(_POLL_S)
    with StoreReader.open(folder) as reader:
        return reader.sweep()


def stop(folder: Path) -> None:
    """Ask the driver of a sweep to stop as at Ctrl-C, so that `hdcore resume` goes on."""
    with StoreReader.open(folder) as reader:
        driver = reader.driver()
        if driver is None or not driver.alive or driver.pid is None:
            return
        try:
            process = os.pidfd_open(driver.pid)
        except OSError:
            return
        try:
            again = reader.driver()  # the same process still holds the lock: it is the driver, whatever pids do
            if again is not None and again.alive and again.pid == driver.pid:
                signal.pidfd_send_signal(process, signal.SIGTERM)
        except ProcessLookupError:
            pass
        finally:
            os.close(process)
