"""hdcore inside Keras 3: a callback that reports each epoch, and ends the training when the sweep ends the run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

if find_spec("keras") is None:
    raise ImportError("hdcore.bindings.keras needs Keras; pip install keras")

import keras

from hdcore.bindings.stopping import Listener, report

__all__ = ["HdcoreCallback"]


class HdcoreCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports what ``fit`` logs at the end of each epoch to the sweep that this process is a run of.

    Epoch k is interval k of the run. When a policy stops the run, or somebody cancels it, training ends after the
    batch, callbacks such as ``ModelCheckpoint`` have their ``on_train_end``, and the script goes on: it has some
    seconds. Outside of a sweep the values are printed.

    Parameters
    ----------
    names : mapping, optional
        Name in Keras -> name of the metric in the sweep, ``{"val_accuracy": "accuracy"}``. Others keep theirs.

    Examples
    --------
    ``model.fit(x, y, validation_split=0.2, epochs=20, callbacks=[HdcoreCallback({"val_loss": "loss"})])``
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._names = dict(names or {})
        self._listener = Listener()

    def on_train_begin(self, logs: Any = None) -> None:
        self._listener.begin()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._listener.is_told:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        # An epoch that was cut short would be compared with whole ones.
        if not self._listener.is_told:
            report(dict(logs or {}), self._names, epoch)

    def on_train_end(self, logs: Any = None) -> None:
        self._listener.end()
