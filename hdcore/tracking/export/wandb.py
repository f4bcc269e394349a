"""Sweeps as runs of Weights & Biases, offline unless WANDB_MODE says otherwise; `wandb sync` sends them."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdcore.tracking.export.target import parameters, points

if TYPE_CHECKING:
    from hdcore.store import StoredRun, StoreReader

_DONE = re.compile(r'\{"run": (\d+)\}')


class WandbTarget:
    """A folder of offline runs, ``wandb`` in the sweep's folder unless WANDB_DIR names another one.

    Which runs are there whole stands in ``tracked-wandb.jsonl``.
    """

    def __init__(self, folder: Path) -> None:
        import wandb

        self._wandb: Any = wandb
        self._done = folder / "tracked-wandb.jsonl"
        self._where = os.environ.get("WANDB_DIR") or str(folder)

    def begin(self, reader: StoreReader) -> set[int]:
        try:
            lines = self._done.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return set()
        # A line that a full disk has cut stands before the next one: that run is sent again, in the place of the first.
        return {int(found[1]) for line in lines if (found := _DONE.fullmatch(line))}

    def export(self, reader: StoreReader, run: StoredRun) -> None:
        sweep = reader.sweep()
        spec = sweep.spec
        own = f"{sweep.sweep_id}-{run.number}".lower().replace("_", "-")
        for left in Path(self._where, "wandb").glob(f"offline-run-*-{own}"):
            shutil.rmtree(left)  # by an export that was killed
        writer = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT") or spec.experiment_name or "hdcore",
            group=spec.name,
            name=f"{spec.name}-{run.number}",
            id=own,
            config=parameters(run.configuration),
            mode=os.environ.get("WANDB_MODE", "offline"),
            dir=self._where,
            resume="allow",
            reinit="finish_previous",
            settings=self._wandb.Settings(
                silent=True, console="off", disable_git=True, save_code=False, x_save_requirements=False
            ),
        )
        by_step: dict[int, dict[str, float]] = {}
        for name, step, value, _ in points(reader, run):
            by_step.setdefault(step, {})[name] = value
        for step in sorted(by_step):
            writer.log(by_step[step], step=step)
        writer.summary.update({"status": run.status.value, "reason": run.reason, "value": run.value})
        writer.finish(exit_code=0 if run.status.value == "Completed" else 1)
        with self._done.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"run": run.number}) + "\n")

    def finish(self, reader: StoreReader) -> None:
        pass
