"""Installations at the front of a command, which a run leaves out."""

from __future__ import annotations

import re

_INSTALL = re.compile(
    r"\s*(?P<what>(?:python3?\s+-m\s+)?(?:pip3?|conda|mamba|apt|apt-get)\s+(?:-\S+\s+)*(?:install|update)\b"
    r"(?:'[^']*'|\"[^\"]*\"|[^&|;\n'\"])*)(?:&&|;|\n)"
)


def without_installs(command: str) -> tuple[str, list[str]]:
    """Return a command without the installations that it begins with, and what these are.

    In the cloud each run has a machine of its own; here runs would change the environment of all others, at the same
    time, and need a network.

    >>> without_installs("pip install 'mlflow<2.19' -q && python train.py")
    ('python train.py', ["pip install 'mlflow<2.19' -q"])
    """
    found = []
    while (match := _INSTALL.match(command)) is not None:
        found.append(" ".join(match["what"].split()))
        command = command[match.end() :].lstrip()
    return command, found
