"""The program of a replay that the portal starts: one sweep, one JSON document, in a process that stays out of the way.

    python -m hdcore.ui.replay_process FOLDER

It runs after everything else on the machine, within bounds of memory and CPU, and ends when its standard input does,
whatever became of the server.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
from pathlib import Path

import msgspec
import psutil

from hdcore.errors import HdcoreError

MOST_MEMORY = 4 << 30
"""Bytes; a sweep of 20 million reports takes half of it."""

MOST_CPU_S = 300

_NICE = 10
"""A run gets ten times as much of a CPU that both want; at 19 a replay of seconds would take minutes beside a sweep."""


def main(arguments: list[str]) -> int:
    """Write the replay of the sweep in a folder, or ``{"error": …}``; the exit code is 0 for both."""
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    _step_back()
    try:
        answer = _replay(Path(arguments[0]))
    except HdcoreError as error:
        answer = msgspec.json.encode({"error": str(error)})
    except MemoryError:
        answer = msgspec.json.encode({"error": "the sweep takes more memory than the portal gives a replay"})
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()
    return 0


def _end_with_the_server() -> None:
    """Our input is a pipe that nobody writes to: its end is the end of the server, by kill -9 as well."""
    while os.read(0, 1024):
        pass
    os._exit(1)


def _step_back() -> None:
    """Leave CPU and memory to the runs: what we ask for is refused rather than given."""
    os.nice(_NICE)
    if os.getsid(0) == os.getpid():  # else others share it
        with contextlib.suppress(OSError):
            # Where the kernel shares CPUs among sessions first, niceness counts inside of one alone.
            Path("/proc/self/autogroup").write_text(str(_NICE), "ascii")
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")  # if somebody has to go, then we
    most = min(MOST_MEMORY, max(psutil.virtual_memory().available // 2, 1 << 30))
    for what, bound in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CPU, MOST_CPU_S), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(what, (bound, bound))


def _replay(folder: Path) -> bytes:
    from hdcore.policies import compare
    from hdcore.policies.grid import default_grid
    from hdcore.store import StoreReader
    from hdcore.sweep import record_of
    from hdcore.views.comparison import document

    with StoreReader.open(folder) as reader:
        record = record_of(reader)
    policies, ran = default_grid(record.curves.shape[1]), record.policy
    if ran is not None and ran not in policies:
        policies.append(ran)
    return msgspec.json.encode(document(compare(policies, [record]), ran, with_stops=False))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
