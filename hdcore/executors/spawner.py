"""The driver's hold on its spawner: start it, hand it requests, notice its death, start another."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hdcore._native import shim
from hdcore.errors import ExecutorError
from hdcore.executors.protocol import NOTICE, TOKEN, Notice

MOST_RESTARTS = 10
RESTART_WINDOW_S = 60.0


class Spawner:
    """One spawner process. It is replaced when it dies; its shims go on without it.

    Parameters
    ----------
    begin : callable or None
        None: a bare interpreter that executes commands. Else called as ``begin(control, ours, errors)`` to make the
        process that serves on the socket `control` and has `errors` as its stderr; returns its pid. A fork of this
        process must give up `ours`, the driver's end: it would never see the driver die.
    """

    def __init__(self, begin: Callable[[socket.socket, socket.socket, int], int] | None = None) -> None:
        self._begin_process = begin or _start_helper
        self._starts: deque[float] = deque(maxlen=MOST_RESTARTS)
        self._errors = os.memfd_create("hdcore-spawner-errors", os.MFD_CLOEXEC)  # what its interpreter has to say
        self.generation = 0
        self.pid = 0
        self.socket = self._begin()

    def _begin(self) -> socket.socket:
        now = time.monotonic()
        if len(self._starts) == MOST_RESTARTS and now - self._starts[0] < RESTART_WINDOW_S:
            often = f"{MOST_RESTARTS} times within {RESTART_WINDOW_S:g} s"
            raise ExecutorError(f"the process that starts runs died {often}{self.last_words()}")
        self._starts.append(now)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self.pid = self._begin_process(theirs, ours, self._errors)
        except BaseException:
            ours.close()
            raise
        self.generation += 1
        return ours

    @property
    def is_open(self) -> bool:
        """False after `close`, and after a `restart` that failed."""
        return self.socket.fileno() >= 0

    def restart(self) -> None:
        """Replace a spawner that has died. What it had not picked up is lost; what it had started goes on."""
        self.socket.close()
        self._reap(block_s=1.0)
        self.socket = self._begin()

    def last_words(self) -> str:
        """Return the last line that a spawner's interpreter wrote to stderr, after a colon; empty if there is none."""
        lines = os.pread(self._errors, 1 << 16, 0).decode(errors="replace").split("\n")
        return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")

    def send(self, token: int, control: socket.socket, request: bytes, held: Sequence[int] = ()) -> None:
        """Hand over a run: its end of the socket, what to start, and descriptors that stay open until its tree is gone.

        Raises
        ------
        ConnectionError
            If the spawner is dead.
        OSError
            If descriptors or memory have run out.
        """
        if not self.is_open:
            raise ConnectionError
        memory = os.memfd_create("hdcore-run", os.MFD_CLOEXEC)
        try:
            view = memoryview(request)
            while view:
                view = view[os.write(memory, view) :]
            socket.send_fds(self.socket, [TOKEN.pack(token)], [control.fileno(), memory, *held])
        finally:
            os.close(memory)

    def receive(self) -> Notice | None:
        """Return the next notice; None: the spawner is dead.

        Raises
        ------
        BlockingIOError
            If there is none.
        """
        try:
            data = self.socket.recv(NOTICE.size, socket.MSG_DONTWAIT)
        except ConnectionError:
            return None
        return Notice.unpack(data) if len(data) == NOTICE.size else None

    def kill(self) -> None:
        """End a spawner that does not listen to its socket yet."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)  # our own child, not yet waited for: the number is its

    def close(self) -> None:
        """Let go of the spawner, which leaves when its shims have left. Idempotent."""
        self.socket.close()
        self._reap(block_s=5.0)
        if self._errors >= 0:
            os.close(self._errors)
            self._errors = -1

    def _reap(self, *, block_s: float) -> None:
        """Take the exit of the spawner, lest it stay a zombie of the driver."""
        if not self.pid:
            return
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:  # somebody else waited for it
            self.pid = 0
            return
        try:
            ready = select.poll()
            ready.register(handle, select.POLLIN)
            if not ready.poll(block_s * 1000):
                os.kill(self.pid, signal.SIGKILL)  # our own child, not yet waited for: the number is its
            os.waitpid(self.pid, 0)
        except (ChildProcessError, ProcessLookupError):
            pass
        finally:
            os.close(handle)
            self.pid = 0


def _start_helper(control: socket.socket, _ours: socket.socket, errors: int) -> int:
    program = Path(__file__).with_name("helper.py")
    argv = [sys.executable, "-I", "-S", str(program), shim.__file__, str(control.fileno())]
    return start_detached(argv, errors, [control.fileno()])


def start_detached(argv: Sequence[str], errors: int, kept: Sequence[int], env: Mapping[str, str] | None = None) -> int:
    """Start a helper process that outlives Ctrl-C and a closed terminal; return its pid, which the caller waits for."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=kept,
        start_new_session=True,  # Ctrl-C and a closed terminal are for the driver
        cwd="/",
        env=env,
    )
    process.returncode = 0  # we wait for it ourselves; Popen's own bookkeeping would warn of a living child
    return process.pid
