"""Where runs live: one snapshot of the code a sweep, one private folder a run."""

from hdcore.workspace.runs import prepare_run, run_folder
from hdcore.workspace.snapshot import Snapshot, snapshot_code

__all__ = ["Snapshot", "prepare_run", "run_folder", "snapshot_code"]
