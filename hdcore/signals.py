"""SIGINT, SIGTERM and SIGHUP as a flag that a loop looks at."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, TypeAlias

_Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None


class StopSignals:
    """While entered, the stop signals only count up and make a file descriptor readable.

    Handlers that do no more than this cannot interrupt a commit or leave a lock behind. Entered outside of the main
    thread, where Python allows no handlers, it stays silent: then nothing ever stops the loop.

    Attributes
    ----------
    count : int
        Stop signals since `__enter__`.
    first : int or None
        Number of the first one.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: int | None = None
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[int, _Handler] = {}
        self._wakeup_before = -1

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is signal.SIG_IGN:
                    continue  # nohup, or a shell's background job: stay deaf to it
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._before:
            signal.set_wakeup_fd(self._wakeup_before)
        self._before = {}
        os.close(self._read)
        os.close(self._write)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.first is None:
            self.first = number

    def request(self, number: int = signal.SIGTERM) -> None:
        """Stop as if `number` had come; safe from any thread."""
        self._note(number, None)
        os.write(self._write, b"\0")

    def fileno(self) -> int:
        """File descriptor that is readable once a signal came, until `drain`."""
        return self._read

    def drain(self) -> int:
        """Make the file descriptor unreadable again and return `count`."""
        try:
            while os.read(self._read, 512):
                pass
        except BlockingIOError:
            pass
        return self.count

    @property
    def exit_code(self) -> int:
        """Exit code by custom of the shell: 128 + signal; 0 without a signal."""
        return 0 if self.first is None else 128 + self.first
