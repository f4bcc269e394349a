"""Where runs live: one snapshot of the code a sweep, one private folder a run."""

from hdcore.workspace.resumed import copy_run, resumed_folder
from hdcore.workspace.runs import prepare_run, run_folder, shared_environment
from hdcore.workspace.snapshot import Snapshot, snapshot_code

__all__ = ["Snapshot", "copy_run", "prepare_run", "resumed_folder", "run_folder", "shared_environment", "snapshot_code"]
