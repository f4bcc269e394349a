"""Azure's limits: lifted here unless the switch is on."""

from __future__ import annotations

MOST_RUNS = 1000
MOST_CONCURRENT = 100
MOST_PARENTS = 5
LONGEST_MINUTES = 10080
MOST_MINUTES = 43200
"""What a request may have, though the service ends sweeps after `LONGEST_MINUTES`."""

_strict = False


def strict(on: bool = True) -> None:
    """Restore Azure's limits, or lift them again. Off by default; holds for the process.

    With ``strict(True)``:

    - at most 1000 runs, 100 at a time, 43,200 minutes, checked when a sweep is submitted; none given at a time means
      all of them;
    - Bayesian sampling takes `choice`, `uniform` and `quniform` only, with Azure's rules for values, and no policy;
    - the `q` of quantised expressions is a whole number, and their bounds are called `min_value` and `max_value` alone;
    - `TruncationSelectionPolicy` has no `exclude_finished_jobs`;
    - a goal is a `PrimaryMetricGoal`, a run configuration has Azure's types;
    - warm starts have at most 5 parents, and runs of all of them together at most 1000.
    """
    global _strict
    _strict = bool(on)


def is_strict() -> bool:
    """Return whether Azure's limits hold."""
    return _strict
