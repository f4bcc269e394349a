"""How a training loop hears that the sweep ends its run.

A run that a policy stops, or that somebody cancels, gets SIGTERM, and seconds later SIGKILL. In between a framework can
finish the batch, save what it has and leave.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from hdcore.runtime import get_run


class Listener:
    """Takes SIGTERM between `begin` and `end`.

    Does nothing outside of a sweep, and in other threads than the main one, where Python takes no signals: SIGTERM then
    does what it did before.

    Attributes
    ----------
    is_told : bool
        True once the sweep has ended the run.
    """

    def __init__(self) -> None:
        self.is_told = False
        self._before: Any = None
        self._listens = False

    def begin(self) -> None:
        """Listen from now on; again after `end`."""
        if self._listens or not get_run().is_in_sweep or threading.current_thread() is not threading.main_thread():
            return
        self.is_told = False
        self._before = signal.signal(signal.SIGTERM, self._hear)
        self._listens = True

    def end(self) -> None:
        """Give SIGTERM back to who had it."""
        if self._listens:
            self._listens = False
            signal.signal(signal.SIGTERM, signal.SIG_DFL if self._before is None else self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.is_told = True


def report(values: dict[str, Any], names: dict[str, str], epoch: int) -> None:
    """Report the values of an epoch under the names that the sweep has for them."""
    run = get_run()
    run.log_many({names.get(name, name): value for name, value in values.items()}, step=epoch)
