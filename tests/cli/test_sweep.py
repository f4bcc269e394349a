"""Sweeps from Python: `tune`, `open_sweep`, `Sweep`."""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli.vt import Terminal
from driver.scripted import Play, ScriptedExecutor

import hdcore as hd
from hdcore.cli.main import run_command_line
from hdcore.errors import InputError, RefusedError, StateError
from hdcore.records import Limits, MetricRow, Reports, SweepSpec
from hdcore.store import Store
from hdcore.sweep import create_sweep, run_sweep


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


def make_spec(runs: int) -> SweepSpec:
    limits = Limits(max_total_runs=runs)
    return SweepSpec(
        name="s", space={"x": ["uniform", [0, 1]]}, metric="loss", goal=hd.Goal.MINIMIZE, limits=limits, command="x"
    )


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


def test_a_person_at_a_terminal_sees_the_live_table(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal(100, 24)
    monkeypatch.setattr(sys, "stdout", terminal)
    tune(root, name="seen")
    tune(root, name="unseen", progress=False)
    monkeypatch.undo()
    shown = "\n".join(terminal.screen.lines())
    terminal.close()
    os.close(terminal.ours)
    assert "6/6 runs" in shown
    assert "best" in shown
    assert "unseen" not in shown
    assert not terminal.screen.unknown


def test_progress_is_lines_where_no_table_can_be_drawn_and_nothing_unless_it_is_wanted(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune(root)
    assert capsys.readouterr().out == ""
    tune(root, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("run ") for line in lines) == 6


def test_the_best_run_may_still_be_running_as_on_the_command_line(root: Path) -> None:
    spec = SweepSpec(
        name="s",
        space={"x": ["uniform", [0, 1]]},
        metric="loss",
        goal=hd.Goal.MINIMIZE,
        limits=Limits(max_total_runs=9),
    )
    with Store.create(root, spec, sweep_id="HD_1") as store:
        store.add_runs([(0, {"x": 0.5}), (1, {"x": 0.25})])
        for number, value in ((0, 3.0), (1, 2.0)):
            store.start_run(number, 1, (), 1.0)
            store.add_reports(Reports(number, 1, (MetricRow("loss", 9.0), MetricRow("loss", value)), 9))
        store.finish_run(0, hd.RunStatus.COMPLETED, value=3.0, interval=2, at=1.0)
        best = hd.open_sweep("s", root).best
        assert best is not None
        assert (best.number, best.value, best.interval) == (1, 2.0, 2)


def test_measurements_of_memory_go_to_the_folder_of_the_sweep_whatever_name_it_got(root: Path) -> None:
    class Measuring(ScriptedExecutor):
        kept: Path

        def keep_measurements(self, path: Path) -> None:
            self.kept = path

    spec = SweepSpec(
        name="s",
        space={"x": ["uniform", [0, 1]]},
        metric="loss",
        goal=hd.Goal.MINIMIZE,
        limits=Limits(max_total_runs=1),
    )
    for name in ("s", "s-2"):
        executor = Measuring(lambda number, attempt: Play())
        with create_sweep(root, spec, takes_free_name=True) as store:
            run_sweep(store, executor=executor)
        assert executor.kept == root / "sweeps" / name / "gpu-memory.json"


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
    with pytest.warns(UserWarning, match="'mine' is Completed already; nothing was run; use another name"):
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
    with pytest.raises(InputError, match=r"function\(configuration, run\): too many positional arguments"):
        tune(root, lambda configuration: 1.0)
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


def test_the_command_line_does_not_resume_a_function_and_changes_nothing(root: Path) -> None:
    sweep = tune(root, max_runs=2, name="mine")
    with Store.open(root, "mine") as store:  # as if a driver had been stopped before a third run began
        store.add_runs([(2, {"x": 0.5, "kind": "a"})])
        store.set_sweep(hd.RunStatus.QUEUED, "stopped by SIGINT", 0.0)
        with pytest.raises(InputError, match="run the program again"):
            run_sweep(store)
    before = sweep.runs
    done = subprocess.run(
        [sys.executable, "-m", "hdcore", "resume", "mine", "--root", str(root)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "run the program again that made it, with name='mine'" in done.stderr
    assert (sweep.runs, sweep.status) == (before, hd.RunStatus.QUEUED)
    assert tune(root, max_runs=2, name="mine").status is hd.RunStatus.COMPLETED
    assert [run["status"] for run in sweep.runs] == ["Completed"] * 3


def test_ctrl_c_says_to_run_the_program_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driver = os.getpid()

    def interrupts(configuration: dict[str, Any], run: Any) -> None:
        os.kill(driver, signal.SIGINT)
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt, match="run the program again, with name='mine'"):
        tune(root, interrupts, name="mine", max_concurrent=1)
    assert run_command_line(["show", "mine", "--root", str(root)]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head == "mine  Queued, stopped by SIGINT; run the program again, with name='mine', to go on with it"
