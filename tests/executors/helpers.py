"""What the tests of executors share: launches, waiting on events with deadlines, looking at processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hdcore.executors.local import LocalExecutor
from hdcore.records import Event, Launch, Reports, RunEnd, RunStarted

DEADLINE_S = 30.0


def make_launch(base: Path, number: int = 0, argv: tuple[str, ...] | list[str] = ("true",), **more: Any) -> Launch:
    run = base / f"{number:04d}"
    run.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "HDCORE_REPORT": str(run / "reports.jsonl"), **more.pop("environment", {})}
    fields = {"attempt": 1, "cwd": str(run), "folder": str(run), "report": str(run / "reports.jsonl"), **more}
    return Launch(number=number, argv=tuple(argv), environment=environment, **fields)


def python(code: str) -> list[str]:
    """An argument list that runs Python code in a bare interpreter."""
    return [sys.executable, "-I", "-S", "-c", code]


def events_until(executor: LocalExecutor, is_last: Callable[[Event], bool]) -> list[Event]:
    """Poll until an event satisfies `is_last`; that event is the last of the list or stands in the last batch."""
    events: list[Event] = []
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        batch = executor.poll(1.0)
        events += batch
        if any(is_last(event) for event in batch):
            return events
    raise AssertionError(f"not within {DEADLINE_S} s; events so far: {events}")


def run_to_end(executor: LocalExecutor, launch: Launch) -> tuple[RunEnd, list[Event]]:
    executor.start(launch)
    events = events_until(executor, lambda event: isinstance(event, RunEnd) and event.number == launch.number)
    return next(event for event in events if isinstance(event, RunEnd)), events


def start_and_wait(executor: LocalExecutor, launch: Launch) -> RunStarted:
    executor.start(launch)
    events = events_until(executor, lambda event: isinstance(event, RunStarted) and event.number == launch.number)
    return next(event for event in events if isinstance(event, RunStarted))


def rows_of(events: list[Event], number: int | None = None) -> list[Any]:
    return [row for e in events if isinstance(e, Reports) and number in (None, e.number) for row in e.rows]


def is_alive(pid: int) -> bool:
    """Whether a process can still run: a zombie cannot."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], Any], what: str = "the condition") -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.005)
    raise AssertionError(f"{what} did not come true within {DEADLINE_S} s")


def numbers_in(path: Path, count: int) -> list[int]:
    """Wait until a file holds `count` lines of numbers; return them."""

    def look() -> list[int] | None:
        try:
            words = path.read_text().split()
        except FileNotFoundError:
            return None
        return [int(word) for word in words] if len(words) >= count else None

    return wait_for(look, f"{count} lines in {path.name}")


def shim_pids(executor: LocalExecutor) -> list[int]:
    """Children of the spawner."""
    return children_of(executor._supervisors.spawner.pid)


def children_of(pid: int) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


@contextmanager
def executor(*args: Any, **kwargs: Any) -> Iterator[LocalExecutor]:
    it = LocalExecutor(*args, **kwargs)
    try:
        yield it
    finally:
        it.close()


DESCENDANTS = """
import os, sys, time
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
def note():
    os.write(out, b"%d\\n" % os.getpid())
def live():
    note()
    time.sleep(600)
    os._exit(0)
if os.fork() == 0:
    live()
if os.fork() == 0:
    os.setsid(); live()
for empty in (False, True):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            if empty:
                note()
                os.execve("/bin/sleep", ["sleep", "600"], {})
            live()
        os._exit(0)
while open(sys.argv[1]).read().count("\\n") < 4:
    time.sleep(0.005)
note()
if sys.argv[2] == "stay":
    time.sleep(600)
"""
"""Same group, own session, daemon, daemon with an empty environment; then itself. All note their pid."""


def descendants(folder: Path, how: str) -> tuple[list[str], Path]:
    pids = folder / "pids"
    return [*python(DESCENDANTS), str(pids), how], pids
