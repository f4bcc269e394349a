"""Sweeps as wholes: make, drive, resume and cancel one, with its store and its executor; look at one that is stored."""

from __future__ import annotations

from hdcore.sweep.importance import Importance, importance_of
from hdcore.sweep.lifecycle import (
    CANCELED_BY_USER,
    cancel_stored,
    check_has_command,
    check_runnable,
    create_sweep,
    free_name,
    local_executor,
    new_sweep_id,
    run_sweep,
)
from hdcore.sweep.replaying import record_of, record_of_runs
from hdcore.sweep.resuming import resume_runs, resuming_spec
from hdcore.sweep.stored import Sweep, open_sweep
from hdcore.sweep.tuning import tune

__all__ = [
    "CANCELED_BY_USER",
    "Importance",
    "Sweep",
    "cancel_stored",
    "check_has_command",
    "check_runnable",
    "create_sweep",
    "free_name",
    "importance_of",
    "local_executor",
    "new_sweep_id",
    "open_sweep",
    "record_of",
    "record_of_runs",
    "resume_runs",
    "resuming_spec",
    "run_sweep",
    "tune",
]
