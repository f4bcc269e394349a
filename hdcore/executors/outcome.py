"""From a shim's end record to the words that a user reads."""

from __future__ import annotations

import os
import re
import signal
import stat
from collections.abc import Callable

from hdcore.executors.protocol import NS, Flags, Record, Stage
from hdcore.executors.shortage import LACKING
from hdcore.records import Launch, RunEnd
from hdcore.typing import RunStatus

_TAIL_BYTES = 4096
_MOST_CHARACTERS = 160
_ESCAPES = re.compile(r"\x1b\[[0-9;:?]*[@-~]")
"""Colours and moves of the cursor; what else steers a terminal is replaced."""
_NO_MEMORY = ": the machine ran out of memory and the kernel killed a process"


def signal_name(number: int) -> str:
    """Return ``SIGSEGV`` for 11; the bare number for real-time signals without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def seconds(value: float) -> str:
    """Return ``60`` for 60.0 and ``0.5`` for 0.5, never an exponent."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def program_of(launch: Launch) -> str:
    return repr(launch.argv[0]) if launch.argv else "the function"


def last_line(path: str) -> str:
    """Return the last line of a log that is not blank, short and harmless to print; empty if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):  # the run has put something else there
            return ""
        data = os.pread(fd, _TAIL_BYTES, max(0, about.st_size - _TAIL_BYTES))
    except OSError:
        return ""
    finally:
        os.close(fd)
    text = _ESCAPES.sub("", data.decode(errors="replace"))
    for line in reversed(text.splitlines()):
        words = " ".join(line.split())
        if words:
            shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
            return shown if len(shown) <= _MOST_CHARACTERS else shown[: _MOST_CHARACTERS - 1] + "…"
    return ""


def run_end(
    launch: Launch, record: Record, cancel_reason: str | None, give_up_s: float, out_of_memory: Callable[[], bool]
) -> RunEnd:
    """Return the end of a run as the driver sees it; `out_of_memory` tells whether the kernel has killed for that."""
    code, name = None, None
    if record.stage == Stage.NONE and record.status >= 0:
        if os.WIFEXITED(record.status):
            code = os.WEXITSTATUS(record.status)
        else:
            name = signal_name(os.WTERMSIG(record.status))
    status, reason = RunStatus.FAILED, None
    if record.stage != Stage.NONE:
        reason = _why_not_started(launch, record)
    elif record.flags & Flags.TIMED_OUT:
        reason = f"run timeout of {seconds(launch.timeout_s or 0.0)} s"
    elif record.flags & Flags.CANCELED:
        status, reason = RunStatus.CANCELED, cancel_reason
    elif name is not None:
        reason = f"signal {name}"
        if name == "SIGKILL" and out_of_memory():
            reason += _NO_MEMORY
    elif code == 128 + signal.SIGKILL and out_of_memory():  # how a shell tells what became of its program
        reason = f"exit code {code}{_NO_MEMORY}"
    elif code:
        said = last_line(os.path.join(launch.folder, "stderr.log"))
        reason = f"exit code {code}: {said}" if said else f"exit code {code}"
    elif not record.flags & Flags.UNKILLABLE:
        status = RunStatus.COMPLETED
    if record.flags & Flags.UNKILLABLE:
        unkillable = f"unkillable: process {record.survivor} lives {seconds(give_up_s)} s after SIGKILL"
        reason = f"{unkillable} ({reason})" if reason else unkillable
    return RunEnd(
        number=launch.number,
        attempt=launch.attempt,
        status=status,
        reason=reason,
        exit_code=code,
        signal=name,
        duration_s=record.duration_ns / NS,
        log_dropped_bytes=record.dropped_out + record.dropped_err,
        is_excused=record.stage != Stage.NONE and record.error in LACKING,
    )


def _why_not_started(launch: Launch, record: Record) -> str:
    why = os.strerror(record.error)
    match record.stage:
        case Stage.CWD:
            return f"cannot start in {launch.cwd!r}: {why}"
        case Stage.LOG:
            return f"cannot write logs in {launch.folder!r}: {why}"
        case _:
            return f"cannot start {program_of(launch)}: {why}"


def not_started(launch: Launch, why: str, error: int = 0) -> RunEnd:
    """Return the end of a run that never came as far as a shim; `error` is the operating system's, if it had one."""
    return RunEnd(
        number=launch.number,
        attempt=launch.attempt,
        status=RunStatus.FAILED,
        reason=f"cannot start {program_of(launch)}: {why}",
        is_excused=error in LACKING,
    )


def supervisor_lost(launch: Launch, status: int | None, duration_s: float, survivor: int = 0) -> RunEnd:
    """Return the end of a run whose shim was killed; its processes have been ended."""
    how = (
        "lost"
        if status is None
        else f"ended by {signal_name(os.WTERMSIG(status))}"
        if os.WIFSIGNALED(status)
        else "failed"
    )
    reason = f"supervisor {how}; its processes were ended"
    if survivor:
        reason = f"unkillable: process {survivor} lives after SIGKILL (supervisor {how})"
    return RunEnd(
        number=launch.number, attempt=launch.attempt, status=RunStatus.FAILED, reason=reason, duration_s=duration_s
    )
