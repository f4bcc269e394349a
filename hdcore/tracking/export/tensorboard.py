"""Sweeps for TensorBoard: scalars and HParams, one folder a run, in ``tensorboard`` in the sweep's folder."""

from __future__ import annotations

import logging
import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdcore.tracking.export.target import parameters, points

if TYPE_CHECKING:
    from hdcore.store import StoredRun, StoreReader

FOLDER = "tensorboard"
_DRAFT = ".draft-"


class TensorBoardTarget:
    """A folder for ``tensorboard --logdir``. A run's folder is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        import tensorboardX

        logging.getLogger("tensorboardX.x2num").setLevel(logging.ERROR)  # it says of each NaN that it is one
        self._writer, self._hparams = tensorboardX.SummaryWriter, tensorboardX.summary.hparams
        self.folder = folder / FOLDER

    def begin(self, reader: StoreReader) -> set[int]:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for draft in self.folder.glob(f"{_DRAFT}*"):
            shutil.rmtree(draft)
        return {int(path.name) for path in self.folder.iterdir() if path.name.isdecimal()}

    def export(self, reader: StoreReader, run: StoredRun) -> None:
        metric = reader.sweep().spec.metric
        draft = self.folder / f"{_DRAFT}{run.number:04d}"
        writer = self._writer(str(draft))
        try:
            given = {name: _plain(value) for name, value in parameters(run.configuration).items()}
            value = math.nan if run.value is None else run.value
            for part in self._hparams(given, {metric: value}):
                writer.file_writer.add_summary(part, walltime=run.started or run.created)
            for name, step, reported, at in points(reader, run):
                writer.add_scalar(name, reported, step, walltime=at)
        finally:
            writer.close()
        os.rename(draft, self.folder / f"{run.number:04d}")

    def finish(self, reader: StoreReader) -> None:
        pass


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)
