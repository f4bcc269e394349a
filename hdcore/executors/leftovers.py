"""Finding and ending what a dead driver left behind.

Needed only when driver, spawner and shim were all killed at once; each of them alone sees to it that nothing is left.
Every run carries a mark in its environment, ``HDCORE_RUN=<mark>/<number>/<attempt>``, which its descendants inherit.
A run of a Python function was never executed anew, so its process carries a digest of the mark as its name instead.
"""

from __future__ import annotations

import hashlib
import os
import select
import signal
import time
from dataclasses import dataclass

MARK_VARIABLE = "HDCORE_RUN"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process that was ended.

    Attributes
    ----------
    command : str
        Its argument list, joined; for messages.
    """

    pid: int
    command: str


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    start: int


def run_mark(mark: str, number: int, attempt: int, outer: str | None = None) -> str:
    """Return the value of `MARK_VARIABLE` for a run.

    `outer` is the value that the driver itself was given, when a run of one sweep drives another sweep: both marks
    are kept, so that the leftovers of the outer sweep include those of the inner.
    """
    word = f"{mark}/{number}/{attempt}"
    return f"{outer} {word}" if outer else word


def process_name(mark: str, number: int, attempt: int) -> str:
    """Return the name of a function run's process: 15 characters, of which the first 9 tell the sweep."""
    run = hashlib.blake2s(f"{number}/{attempt}".encode()).hexdigest()
    return f"{_sweep_name(mark)}{run[:6]}"


def _sweep_name(mark: str) -> str:
    return "h" + hashlib.blake2s(mark.encode()).hexdigest()[:8]


def end_leftovers(mark: str, *, run: tuple[int, int] | None = None, timeout_s: float = 5.0) -> list[Leftover]:
    """End all processes of this user that belong to a sweep, or to one run of it; return what was ended.

    Call it only while holding the sweep's lock: it cannot tell a leftover from a living run of the same sweep.

    Parameters
    ----------
    mark : str
        The mark that was given to the executor (the sweep's id).
    run : (number, attempt) or None
        Only that run.
    timeout_s : float
        Returns after this time even if a process would not die.
    """
    deadline = time.monotonic() + timeout_s
    ended: dict[tuple[int, int], Leftover] = {}
    while True:
        frozen: dict[tuple[int, int], int] = {}
        try:
            while fresh := [p for p in _find(mark, run) if (p.pid, p.start) not in frozen]:
                for process in fresh:  # stop all before killing any: a stopped process does not fork
                    frozen[process.pid, process.start] = _freeze(process)
                if time.monotonic() > deadline:
                    break
            alive = {key: fd for key, fd in frozen.items() if fd >= 0}
            for key, fd in alive.items():
                ended.setdefault(key, Leftover(key[0], _command(key[0])))
                _signal(fd, signal.SIGKILL)
            if not alive or not _wait(list(alive.values()), deadline):
                return list(ended.values())
        finally:
            for fd in frozen.values():
                if fd >= 0:
                    os.close(fd)


def _freeze(process: _Process) -> int:
    """Stop exactly this process; return its pidfd, -1 if it is gone or not ours to signal."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return -1
    now = _stat(process.pid)  # after opening: now the number cannot pass on to a stranger unnoticed
    if now is not None and now.start == process.start and _signal(fd, signal.SIGSTOP):
        return fd
    os.close(fd)
    return -1


def _signal(fd: int, number: signal.Signals) -> bool:
    try:
        signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    return True


def _wait(fds: list[int], deadline: float) -> bool:
    """Wait until all processes have ended; False: time is up."""
    for fd in fds:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return False
    return True


def _find(mark: str, run: tuple[int, int] | None) -> list[_Process]:
    table = {p.pid: p for name in os.listdir("/proc") if name.isdigit() and (p := _stat(int(name))) is not None}
    own: set[int] = set()  # a driver that itself runs under the mark does not end itself, nor what it hangs on
    pid = os.getpid()
    while pid in table and pid not in own:
        own.add(pid)
        pid = table[pid].parent
    uid = os.geteuid()
    marked = {pid for pid in table if pid not in own and _is_marked(pid, uid, mark, run)}
    grown = bool(marked)
    while grown:  # descendants without the mark: they emptied their environment
        below = {p.pid for p in table.values() if p.parent in marked and p.pid not in marked and p.pid not in own}
        marked |= below
        grown = bool(below)
    return [table[pid] for pid in marked]


def _is_marked(pid: int, uid: int, mark: str, run: tuple[int, int] | None) -> bool:
    try:
        if os.stat(f"/proc/{pid}").st_uid != uid:
            return False
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
        with open(f"/proc/{pid}/comm", "rb") as file:
            name = file.read().rstrip(b"\n").decode("ascii", "replace")
    except OSError:
        return False
    if name == process_name(mark, *run) if run else name.startswith(_sweep_name(mark)) and len(name) == 15:
        return True
    variable = f"{MARK_VARIABLE}=".encode()
    if variable not in environment:
        return False
    wanted = mark.encode() + (b"/%d/%d" % run if run else b"/")
    for pair in environment.split(b"\0"):
        if pair.startswith(variable):
            words = pair[len(variable) :].split(b" ")
            return wanted in words if run else any(word.startswith(wanted) for word in words)
    return False


def _stat(pid: int) -> _Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 20 or (fields[0] in (b"Z", b"X") and int(fields[17]) < 2):
        return None  # dead as a whole; with more threads only its first one is
    return _Process(pid, int(fields[1]), int(fields[19]))


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
