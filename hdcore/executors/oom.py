"""Kills for lack of memory. The kernel tells nobody whom it killed, but it counts."""

from __future__ import annotations

VMSTAT = "/proc/vmstat"


class OutOfMemoryKills:
    """The kernel's count of such kills on this machine, those in containers included.

    Each of them explains one death by SIGKILL that nobody has asked for.
    """

    def __init__(self) -> None:
        self._explained = _count()

    def explain(self) -> bool:
        """Return whether there was a kill that no earlier call has taken for an explanation."""
        if _count() <= self._explained:
            return False
        self._explained += 1
        return True


def _count() -> int:
    try:
        with open(VMSTAT, "rb") as file:
            for line in file:
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0  # not told, or a kernel before 4.13
