"""A submitted run of a script."""

from __future__ import annotations

from hdcore.hyperdrive.run import Run


class ScriptRun(Run):
    """A run that `Experiment.submit` started, alone or in a sweep."""
