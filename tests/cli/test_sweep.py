"""Sweeps from Python: `tune`, `open_sweep`, `Sweep`."""

from __future__ import annotations

import math
import resource
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hdcore as hd
from hdcore.errors import InputError, RefusedError, StateError
from hdcore.store import Store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "root"


def bowl(configuration: dict[str, Any], run: Any) -> float:
    for k in range(1, 4):
        run.log("height", (configuration["x"] - 0.3) ** 2 + 1 / k)
    return (configuration["x"] - 0.3) ** 2


SPACE = {"x": hd.uniform(0, 1), "kind": hd.choice("a", "b")}


def tune(root: Path, function: Any = bowl, **more: Any) -> hd.Sweep:
    settings = {"metric": "height", "goal": "minimize", "max_runs": 6, "max_concurrent": 2, "seed": 3, "root": root}
    return hd.tune(function, SPACE, **{**settings, **more})


def test_a_function_is_tuned_in_processes_and_stored(root: Path) -> None:
    factor = 1.0  # a closure: nothing is pickled

    def closed(configuration: dict[str, Any], run: Any) -> float:
        return factor * bowl(configuration, run)

    sweep = tune(root, closed)
    assert sweep.status is hd.RunStatus.COMPLETED
    best = sweep.best
    assert best is not None
    values = [(run["configuration"]["x"] - 0.3) ** 2 for run in sweep.runs]
    assert best.value == min(values)
    assert (best.number, best.interval) == (values.index(min(values)), 4)
    assert len(sweep.metrics(0)["height"]) == 4
    again = hd.open_sweep("last", root)
    assert again.runs == sweep.runs
    assert [run["configuration"] for run in sweep.runs] == [
        run.configuration for run in hd.Optimizer(SPACE, seed=3).ask(6)
    ]


def test_a_function_that_raises_fails_its_run_only(root: Path) -> None:
    def picky(configuration: dict[str, Any], run: Any) -> float:
        if configuration["kind"] == "b":
            raise ValueError("no b")
        return 1.0

    sweep = tune(root, picky, max_runs=8)
    assert {run["status"] for run in sweep.runs if run["configuration"]["kind"] == "b"} == {"Failed"}
    assert {run["status"] for run in sweep.runs if run["configuration"]["kind"] == "a"} == {"Completed"}


def test_a_sweep_goes_on_with_the_values_that_its_function_returns(root: Path) -> None:
    sweep = tune(root, lambda configuration, run: configuration["x"], max_runs=2)
    with Store.open(root, sweep.name) as store:  # as if a driver had been killed before a third run began
        store.add_runs([(2, {"x": 0.5, "kind": "a"})])
    sweep.resume()
    assert [run["value"] for run in sweep.runs] == [run["configuration"]["x"] for run in sweep.runs]


def test_more_slots_than_runs_are_not_made(root: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert tune(root, max_concurrent=10**7).status is hd.RunStatus.COMPLETED
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB; a slot is 100 bytes and more


def test_a_name_goes_on_with_its_sweep_or_is_refused(root: Path) -> None:
    first = tune(root, name="mine")
    second = tune(root, name="mine")
    assert second.runs == first.runs
    with pytest.raises(RefusedError, match="another metric"):
        tune(root, name="mine", metric="depth")
    with pytest.raises(StateError, match="Python function"):
        hd.open_sweep("mine", root).resume()


def test_wrong_arguments_make_nothing(root: Path) -> None:
    for wrong in ({"goal": "up"}, {"max_runs": 0}, {"sampler": "grid"}, {"policy": "median:delay=x"}, {"name": "../x"}):
        with pytest.raises(InputError):
            tune(root, **wrong)
    assert not root.exists()
    with pytest.raises(InputError):
        hd.open_sweep("nothing", root)


def test_metrics_keep_what_was_not_finite(root: Path) -> None:
    def odd(configuration: dict[str, Any], run: Any) -> None:
        run.log("height", math.nan)
        run.log("height", 2.0, step=50)

    (_, nan), last = tune(root, odd, max_runs=1).metrics(0)["height"]
    assert math.isnan(nan)
    assert last == (50, 2.0)


def test_a_frame_needs_pandas_and_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = tune(root, max_runs=2)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas"):
        sweep.to_frame()
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    assert [row["parameter.x"] for row in sweep.to_frame()] == [run["configuration"]["x"] for run in sweep.runs]
