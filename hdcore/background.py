"""A sweep that runs beside the program that made it, as a job in the cloud does.

Its driver is a process of its own: a crash of the program costs the program, and several sweeps run at once. It holds
a pipe from the program, so it never outlives it unseen: when the program is gone, the sweep stops as at Ctrl-C and
`hdcore resume` goes on with it. A program that ends by itself waits for its sweeps first.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hdcore.typing import RunStatus
from hdcore.views.plain import PlainView, summary

if TYPE_CHECKING:
    from hdcore.store import StoredSweep

LOG_NAME = "driver.log"
"""What the driver says, in the folder of the sweep."""

STARTED_VARIABLE = "HDCORE_STARTED"
"""Names a file that gets the folder of each sweep started from this process and its children, a line each."""

_POLL_S = 0.05
_CODE = "import sys; sys.path.append(sys.argv[1]); from hdcore.background import _main; _main(sys.argv[2], sys.argv[3])"

_drivers: dict[Path, subprocess.Popen[bytes]] = {}
_pipe: tuple[int, int] | None = None


def start(folder: Path) -> None:
    """Start the driver of a stored sweep that nobody drives.

    Parameters
    ----------
    folder : Path
        The sweep's, from `hdcore.sweep.create_sweep`; its store is closed.
    """
    global _pipe
    if _pipe is None:
        _pipe = os.pipe2(os.O_CLOEXEC)
        atexit.register(wait_all)
    package = Path(__file__).resolve().parent.parent
    with open(folder / LOG_NAME, "ab", opener=_private) as log:
        _drivers[folder] = subprocess.Popen(
            # -P: the working directory is the user's, and a file random.py in it must not become ours.
            [sys.executable, "-P", "-c", _CODE, package, folder, str(_pipe[0])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[_pipe[0]],
        )
    told = os.environ.get(STARTED_VARIABLE)
    if told:
        with open(told, "a", encoding="utf-8") as file:
            file.write(f"{folder}\n")


def is_driven(folder: Path) -> bool:
    """Return whether a driver works on a sweep, one that this process has just started included."""
    from hdcore.store import StoreReader

    process = _drivers.get(folder)
    if process is not None and process.poll() is None:
        return True
    with StoreReader.open(folder) as reader:
        driver = reader.driver()
    return driver is not None and driver.alive


def wait(folder: Path, timeout_s: float | None = None) -> StoredSweep:
    """Wait until nobody drives a sweep any more, and return how it stands.

    Raises
    ------
    TimeoutError
        If it is still driven after `timeout_s`.
    """
    from hdcore.store import StoreReader

    end = None if timeout_s is None else time.monotonic() + timeout_s
    while is_driven(folder):
        if end is not None and time.monotonic() > end:
            raise TimeoutError(f"sweep {folder.name} still runs")
        time.sleep(_POLL_S)
    with StoreReader.open(folder) as reader:
        return reader.sweep()


def wait_all() -> None:
    """Wait for every sweep that this process has started; told on stderr if there is something to wait for."""
    for folder in list(_drivers):
        if is_driven(folder):
            print(f"hdcore: waiting for sweep {folder.name}; Ctrl-C stops it resumably", file=sys.stderr, flush=True)
            wait(folder)


def stop_all() -> None:
    """Stop the sweeps that this process has started, resumably, and wait until they have stopped."""
    global _pipe
    if _pipe is not None:
        os.close(_pipe[1])
        os.close(_pipe[0])
        _pipe = None
    for process in _drivers.values():
        process.wait()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


class _Attended(PlainView):
    """The plain view of a driver that ends with the program that wanted the sweep."""

    def __init__(self, pipe: int) -> None:
        super().__init__(_say, _say)
        self._pipe = pipe

    def tick(self) -> None:
        super().tick()
        if self._pipe >= 0 and select.select([self._pipe], [], [], 0)[0]:  # nothing is ever written: end of file
            self._pipe = -1
            os.kill(os.getpid(), signal.SIGTERM)


def _say(line: str) -> None:
    print(line, flush=True)


def _main(folder: str, pipe: str) -> None:
    from hdcore.errors import HdcoreError
    from hdcore.signals import StopSignals
    from hdcore.store import Store
    from hdcore.sweep import run_sweep

    path = Path(folder)
    os.set_inheritable(int(pipe), False)
    view = _Attended(int(pipe))
    try:
        with Store.open(path.parent.parent, path.name) as store, StopSignals() as stop:
            status = run_sweep(store, observer=view, stop=stop, is_resumed=True)
    except HdcoreError as error:
        _say(f"hdcore: {error}")
        sys.exit(error.exit_code)
    finally:
        view.close()
    for line in summary(view):
        _say(line)
    if status is RunStatus.QUEUED and stop.first is not None:
        sys.exit(stop.exit_code)
