"""``hdcore show --watch``: the live table of a sweep that another process drives."""

from __future__ import annotations

import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hdcore.cli.common import write
from hdcore.signals import StopSignals
from hdcore.sweep.following import Follower
from hdcore.views.text import can_draw

if TYPE_CHECKING:
    from hdcore.store import StoreReader
    from hdcore.views.progress import Progress

_LOOK_S = 0.25
_SHARE = 0.2
"""Of a CPU, for the importance of parameters: nothing waits for this process."""


def watch(reader: StoreReader, root: Path | None) -> int:
    """Show a sweep until its driver is done or a signal comes; return the exit code."""
    from hdcore.views.plain import summary

    view = _view()
    with StopSignals() as stop:
        try:
            follower = Follower(reader, view)
            while follower.look():
                view.tick()
                if select.select([stop.fileno()], [], [], _LOOK_S)[0]:
                    break
        finally:
            view.close()
    if stop.first is not None:
        return stop.exit_code
    for line in summary(view, root=root):
        write(line)
    return 0


def _view() -> Progress:
    from hdcore.views.live import LiveView
    from hdcore.views.plain import PlainView

    return LiveView(share=_SHARE) if can_draw(sys.stdout) else PlainView(write, lambda line: None)
