"""hdcore inside Lightning 2: a callback that reports each epoch, and ends the training when the sweep ends the run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if find_spec("lightning") is None and find_spec("pytorch_lightning") is None:
    raise ImportError("hdcore.bindings.lightning needs Lightning; pip install lightning")

from hdcore.bindings.stopping import Listener, report

if TYPE_CHECKING:
    from lightning.pytorch import Callback
else:
    # The same library under two names; whose Trainer a script uses, its Callback it needs.
    _names = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}
    _found = [name for name in _names if name in sys.modules] or [name for name in _names if find_spec(name)]
    Callback = import_module(_names[_found[0]]).Callback

__all__ = ["HdcoreCallback"]


class HdcoreCallback(Callback):  # type: ignore[misc]
    """Reports the logged metrics at the end of each training epoch to the sweep that this process is a run of.

    Epoch k is interval k of the run; metrics of the validation in that epoch are among them. When a policy stops the
    run, or somebody cancels it, training ends after the batch, and the script goes on: it has some seconds. Of several
    processes the first one reports. Outside of a sweep the values are printed.

    Parameters
    ----------
    names : mapping, optional
        Name in Lightning -> name of the metric in the sweep, ``{"val_acc": "accuracy"}``. Others keep theirs.

    Examples
    --------
    ``Trainer(max_epochs=20, callbacks=[HdcoreCallback({"val_loss": "loss"})]).fit(model, data)``
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._names = dict(names or {})
        self._listener = Listener()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._listener.begin()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self._listener.is_told:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        # An epoch that was cut short would be compared with whole ones.
        if trainer.is_global_zero and not self._listener.is_told:
            report(dict(trainer.callback_metrics), self._names, trainer.current_epoch)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._listener.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._listener.end()
