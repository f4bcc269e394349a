"""What the tests of this folder share."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from hdcore import hyperdrive as hd

CHECKOUT = Path(__file__).resolve().parents[2]


def end_all(workspace: hd.Workspace) -> None:
    """Cancel the sweeps that are driven, and wait for their drivers."""
    from hdcore.hyperdrive.stored import all_sweeps

    for sweep in list(all_sweeps(workspace._root)):
        if sweep.is_driven():
            sweep.cancel()
            wait_until(lambda sweep=sweep: not sweep.is_driven())  # type: ignore[misc]


def wait_until(claim: Callable[[], object], seconds: float = 60.0) -> None:
    """Return when a claim about another process holds."""
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def write_script(folder: Path, text: str, name: str = "train.py") -> Path:
    """Write a script into a folder, which is made; return the folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text))
    return folder
