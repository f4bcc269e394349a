"""The callbacks for Keras and Lightning, called as these document that they call them.

Neither is installed for the tests: a few lines stand for what the callbacks rely on, the base classes, the order of the
hooks, and the flag that ends the training.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import hdcore.runtime


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__dict__.update(content)
    monkeypatch.setitem(sys.modules, name, module)


def fit(callback: Any, framework: str, at: dict[tuple[int, int], Any], epochs: int = 4) -> int:
    """The loop of either framework: 3 batches an epoch; `at` says what happens during (epoch, batch)."""
    keras = framework == "keras"
    model = SimpleNamespace(stop_training=False)
    trainer = SimpleNamespace(should_stop=False, is_global_zero=True, current_epoch=0, callback_metrics={})
    hooks = (trainer, object())
    if keras:
        callback.set_model(model)
        callback.on_train_begin()
    else:
        callback.on_train_start(*hooks)
    batches = 0
    for epoch in range(epochs):
        trainer.current_epoch = epoch
        for batch in range(3):
            at.get((epoch, batch), lambda: None)()
            batches += 1
            if keras:
                callback.on_train_batch_end(batch, {"loss": 1.0})
            else:
                callback.on_train_batch_end(*hooks, None, None, batch)
            if model.stop_training or trainer.should_stop:
                break
        metrics = {"val_loss": 1 / (epoch + 1), "acc": float("nan")}
        trainer.callback_metrics = metrics
        if keras:
            callback.on_epoch_end(epoch, metrics)
        else:
            callback.on_train_epoch_end(*hooks)
        if model.stop_training or trainer.should_stop:
            break
    if keras:
        callback.on_train_end()
    else:
        callback.on_train_end(*hooks)
    return batches


class Callback:
    """The base class of either framework."""

    model: Any

    def set_model(self, model: Any) -> None:
        self.model = model


@pytest.fixture(params=["keras", "lightning", "pytorch_lightning"])
def callback(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Any]:
    name = request.param
    if name == "keras":
        stand_in(monkeypatch, "keras", callbacks=SimpleNamespace(Callback=Callback))
    else:
        stand_in(monkeypatch, name, Callback=Callback)
        stand_in(monkeypatch, "lightning.pytorch", Callback=Callback)
    module = f"hdcore.bindings.{name.removeprefix('pytorch_')}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    found = importlib.import_module(module).HdcoreCallback
    monkeypatch.delitem(sys.modules, module)
    return name, found({"val_loss": "loss"})


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process as a run of a sweep."""
    file = tmp_path / "reports.jsonl"
    monkeypatch.setenv("HDCORE_RUN_ID", "HD_test_3")
    monkeypatch.setenv("HDCORE_REPORT", str(file))
    client = hdcore.runtime.Client()
    monkeypatch.setattr("hdcore.bindings.stopping.get_run", lambda: client)
    return file


def told(file: Path) -> list[tuple[str, Any, int]]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [(row["name"], row["value"], row["step"]) for row in rows]


def test_every_epoch_is_reported_under_the_names_of_the_sweep(callback: tuple[str, Any], reports: Path) -> None:
    framework, given = callback
    before = signal.getsignal(signal.SIGTERM)
    assert fit(given, framework, {}) == 12
    assert told(reports) == [
        row for epoch in range(4) for row in [("loss", 1 / (epoch + 1), epoch), ("acc", "nan", epoch)]
    ]
    assert signal.getsignal(signal.SIGTERM) is before


def test_training_ends_after_the_batch_in_which_the_sweep_ends_the_run(
    callback: tuple[str, Any], reports: Path
) -> None:
    framework, given = callback
    before = signal.getsignal(signal.SIGTERM)
    assert fit(given, framework, {(2, 1): lambda: os.kill(os.getpid(), signal.SIGTERM)}) == 8
    assert [step for name, _, step in told(reports) if name == "loss"] == [0, 1]
    assert signal.getsignal(signal.SIGTERM) is before
    assert fit(given, framework, {}) == 12, "a second fit of the same process trains again"


def test_outside_of_a_sweep_values_are_printed_and_signals_left_alone(
    callback: tuple[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    framework, given = callback
    before, seen = signal.getsignal(signal.SIGTERM), []
    fit(given, framework, {(0, 0): lambda: seen.append(signal.getsignal(signal.SIGTERM))}, epochs=1)
    assert seen == [before]
    assert "loss" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["keras", "lightning"])
def test_without_the_framework_one_line_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, f"hdcore.bindings.{name}", raising=False)
    with pytest.raises(ImportError, match=rf"hdcore.bindings.{name} needs {name.title()}; pip install {name}"):
        importlib.import_module(f"hdcore.bindings.{name}")
