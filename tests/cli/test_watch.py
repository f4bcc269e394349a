"""`hdcore show --watch`: what a second process sees of a sweep, on a real terminal and without one."""

from __future__ import annotations

import codecs
import math
import os
import pty
import random
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli.commands import REPORT, call, environment, start, until
from cli.vt import Screen, Terminal
from driver.scripted import Play, ScriptedExecutor, bare_launch
from rich.text import Text

import hdcore as hd
import hdcore.observer
from hdcore.driver import drive
from hdcore.records import Limits, SweepSpec
from hdcore.store import Store, StoreReader
from hdcore.sweep.following import Follower
from hdcore.typing import Goal, RunStatus
from hdcore.views.importance import FEWEST, LiveImportance
from hdcore.views.live import LiveView, Painter
from hdcore.views.progress import Progress
from hdcore.views.sparkline import BARS

# ---------------------------------------------------------------------- the same as the driver's own view


def state(view: Progress) -> dict[str, Any]:
    """What a view draws, without its clocks."""
    rows = [row for _, _, row in view.top] + view.without_value
    return {
        "count": view.count,
        "rows": [
            (row.number, row.configuration, row.status, row.reason, row.value, row.interval, row.curve.count,
             row.attempt, repr(row.curve.points()))
            for row in rows
        ],
        "stopped": (view.stopped_early, view.saved_intervals),
        "scale": (view.scale.low, view.scale.high),
        "best": None if view.best is None else view.best.number,
        "end": (view.status, view.reason),
        "open": (sorted(view.running), sorted(view.waiting)),
        "sampler": (view.proposed, view.sampler_s, view.longest_sampler_s),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_follower_sees_what_the_driver_sees_whenever_it_comes_and_looks(tmp_path: Path, seed: int) -> None:
    tmp_path.chmod(0o700)
    rng = random.Random(seed)
    spec = SweepSpec(
        name="s", space={"x": ["uniform", [0, 1]]}, metric="loss", goal=rng.choice(list(Goal)), command="true", seed=7,
        limits=Limits(max_total_runs=40), policy=hd.MedianStoppingPolicy(1, 2).to_json(), retries=2,
    )  # fmt: skip

    def play(number: int, attempt: int) -> Play:
        values = [rng.choice([rng.random(), math.nan]) for _ in range(rng.randrange(0, 9))]
        return Play(values, *([RunStatus.FAILED, "exit code 1"] if rng.random() < 0.2 else []))

    executor = ScriptedExecutor(play, slots=4)
    driver, theirs = Progress(), Progress()
    comes, follower = rng.randrange(0, 60), None
    with Store.create(tmp_path / "root", spec, sweep_id="HD_s") as store:

        def look(polls: int) -> None:
            nonlocal follower
            if polls == comes:
                store.flush()
                follower = Follower(StoreReader.open(store.folder), theirs)
            elif follower is not None and rng.random() < 0.3:
                if rng.random() < 0.5:
                    store.flush()
                assert follower.look()

        executor.on_poll = look
        drive(store, executor, prepare=bare_launch, observer=driver)
        if follower is None:
            follower = Follower(StoreReader.open(store.folder), theirs)
        assert not follower.look()
    assert follower._reader is not None
    follower._reader.close()
    mine, other = state(driver), state(theirs)
    assert mine.pop("sampler") == pytest.approx(other.pop("sampler"))
    (low, high), (lowest, highest) = other.pop("scale"), mine.pop("scale")
    assert lowest <= low <= high <= highest  # the driver has seen the reports of attempts that failed
    # a row that ended without a value is one of the last few, in the order of ends; a follower knows their numbers
    for found in (mine, other):
        found["rows"] = sorted(found["rows"], key=lambda row: row[0])
    assert mine == other


def test_a_driver_that_dies_ends_the_watching(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    spec = SweepSpec(
        name="s", space={"x": ["uniform", [0, 1]]}, metric="loss", goal=Goal.MINIMIZE, command="true",
        limits=Limits(max_total_runs=4),
    )  # fmt: skip
    view = Progress()
    with Store.create(tmp_path / "root", spec, sweep_id="HD_s") as store:
        store.set_sweep(RunStatus.RUNNING, None, 1.0)
        store.add_runs([(0, {"x": 0.5})])
        store.start_run(0, 1, (), time.time() - 100)
        with StoreReader.open(store.folder) as reader:
            follower = Follower(reader, view)
            assert follower.look()
            assert time.monotonic() - view.running[0].began > 99
            store.close()
            assert not follower.look()
    assert (view.status, view.reason) == (RunStatus.QUEUED, "its driver is gone")


# ---------------------------------------------------------------------- in a terminal


@contextmanager
def on_terminal(place: Path, *arguments: str, columns: int = 80, rows: int = 24, **more: str) -> Iterator[Any]:
    """Run hdcore on a pseudo-terminal; yields the process, its screen and a function that reads what has come."""
    terminal = Terminal(columns, rows)
    ours, theirs = terminal.ours, os.dup(terminal.fileno())
    terminal.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "hdcore", *arguments],
        cwd=place, env={**environment(), "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **more},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    screen, decoder = Screen(columns, rows), codecs.getincrementaldecoder("utf-8")()

    def read() -> Screen:
        while select.select([ours], [], [], 0.02)[0]:
            try:
                data = os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            screen.feed(decoder.decode(data))
        return screen

    try:
        yield process, read, ours
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A sweep that is driven and waits for a file."""
    tmp_path.chmod(0o700)
    (tmp_path / "train.py").write_text(REPORT)
    hold = tmp_path / "go"
    process = start(
        tmp_path, "run", "train.py", "--param", "x=uniform:0:1", "--metric", "loss", "--goal", "minimize", "--max-runs",
        "4", "-j", "2", "--name", "w", "--", "--hold", str(hold),
    )  # fmt: skip
    until(lambda: call(tmp_path, "show", "w", "--run", "1").returncode == 0)
    try:
        yield tmp_path, hold
    finally:
        hold.touch()
        process.communicate(timeout=60)


def test_watchers_come_and_go_and_the_last_one_sees_the_end(sweep: tuple[Path, Path]) -> None:
    place, hold = sweep
    for word, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with on_terminal(place, "show", "w", "-w") as (process, read, _):
            until(lambda: "2 running" in read().text())
            assert not read().cursor_shown
            process.send_signal(word)
            until(lambda: process.poll() is not None)
            assert process.returncode == code
            assert read().cursor_shown
    assert '"status": "Running"' in call(place, "show", "w", "--json").stdout
    with on_terminal(place, "show", "w", "--watch", columns=60) as (process, read, _):
        until(lambda: "2 running" in read().text() and "▁" in read().text())
        assert read().lines()[0].startswith("w  minimize loss")
        assert read().scrollback == []
        hold.touch()
        assert until(lambda: (read(), process.poll())[1] is not None)
        shown = read()
    assert process.returncode == 0
    text = "\n".join([*shown.scrollback, shown.text()])
    assert "4/4 runs" in text
    assert "w: Completed, all runs done" in text
    assert "best    run" in text
    assert shown.cursor_shown
    assert shown.unknown == []


def test_without_a_terminal_that_can_draw_ends_of_runs_are_lines(sweep: tuple[Path, Path]) -> None:
    place, hold = sweep
    piped = start(place, "show", "w", "--watch")
    assert piped.stdout is not None
    assert piped.stdout.readline().startswith("w: minimize loss")  # it has come before the end
    with on_terminal(place, "show", "w", "--watch", TERM="dumb", columns=200) as (process, read, _):
        until(lambda: "minimize loss" in read().text())
        hold.touch()
        until(lambda: (read(), process.poll())[1] is not None)
        dumb = read().lines()
    out = piped.communicate(timeout=60)[0].splitlines()
    assert piped.returncode == process.returncode == 0
    for lines in (out, dumb):
        assert sum(line.startswith("run ") and "Completed" in line for line in lines) == 4
        assert any(line.startswith("w: Completed") for line in lines)
        assert "\x1b" not in "".join(lines)
    # and once it is over, it is shown once
    assert call(place, "show", "w", "--watch").stdout == call(place, "show", "w").stdout
    refused = call(place, "show", "w", "--watch", "--json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1


# ---------------------------------------------------------------------- importance, colours, a terminal that waits


def test_importance_in_bites_is_that_of_all_runs_at_once() -> None:
    space = {"x": ["uniform", [0, 1]], "y": ["uniform", [0, 1]], "z": ["choice", [["only"]]]}
    rng = random.Random(0)
    runs = [({"x": rng.random(), "y": rng.random(), "z": "only"}, 0.0) for _ in range(200)]
    runs = [(configuration, -configuration["x"]) for configuration, _ in runs]
    whole, bites = (LiveImportance(space, -1.0, budget_s) for budget_s in (10.0, 0.0))
    for run in runs:
        whole.add(*run)
        bites.add(*run)
    whole.refresh(0.0)
    looks = 0
    while bites._waiting:
        bites.refresh(1e6 * looks)
        looks += 1
    bites.refresh(1e6 * looks)
    assert looks > 5  # not all at once
    assert whole.shares == bites.shares
    assert [name for name, _ in whole.shares] == ["x", "y"]
    assert whole.shares[0][1] > 0.8
    few = LiveImportance(space, -1.0, 10.0)
    for run in runs[: FEWEST - 1]:
        few.add(*run)
    few.refresh(0.0)
    assert few.shares == []


def test_importance_is_not_computed_more_than_every_few_seconds() -> None:
    live = LiveImportance({"x": ["uniform", [0, 1]]}, 1.0, 10.0)
    ranked = set()
    for turn in range(400):  # 100 s
        live.add({"x": (turn % 97) / 97}, float(turn % 97))
        live.refresh(turn / 4)
        ranked.add(live._ranked)
    assert len(ranked) <= 1 + 100 / 5 + 1


def test_colours_are_left_out_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    drawn = {}
    for wanted in (True, False):
        monkeypatch.delenv("NO_COLOR", raising=False)
        if not wanted:
            monkeypatch.setenv("NO_COLOR", "1")
        terminal = Terminal(40, 10)
        painter = Painter(terminal)
        drawn[wanted] = painter._ansi(Text("x", style="bold red"))
        terminal.close()
        os.close(terminal.ours)
    assert "31" in drawn[True]
    assert "31" not in drawn[False]


def test_a_terminal_that_was_halted_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-S; the frame of the moment is painted when it goes on."""
    monkeypatch.setenv("TERM", "xterm-256color")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        painter = Painter(stream)
        termios.tcflow(theirs, termios.TCOOFF)
        painter.paint([Text("one")])
        assert not select.select([ours], [], [], 0)[0]
        termios.tcflow(theirs, termios.TCOON)
        painter.paint([Text("two")])
        assert b"two" in os.read(ours, 1000)
    os.close(ours)


@pytest.mark.parametrize(("columns", "rows"), [(40, 24), (40, 10), (80, 24), (160, 50)])
def test_the_table_has_curves_and_rows_at_every_size_and_the_head_says_the_rest(
    monkeypatch: pytest.MonkeyPatch, columns: int, rows: int
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal, clock = Terminal(columns, rows), [0.0]
    view = LiveView(terminal, clock=lambda: clock[0], share=10.0)
    spec = SweepSpec(
        name="demo", space={f"p{k}": ["uniform", [0, 1]] for k in range(9)}, metric="accuracy", goal=Goal.MAXIMIZE,
        limits=Limits(max_total_runs=40), policy=hd.MedianStoppingPolicy(1, 5).to_json(), command="true",
    )  # fmt: skip
    view.sweep_started(spec, Path("/x"), [], {})
    rng = random.Random(1)
    for number in range(30):
        configuration = {f"p{k}": rng.random() for k in range(9)}
        view.run_started(number, configuration, 1, (f"GPU-{number:08x}-0000",))
        for k in range(1, 11 if number % 3 else 6):
            view.run_reported(number, k, configuration["p0"] * (1 - 0.7**k))
        if number < 28:
            stopped = number % 3 == 0
            reason = "median stopping at interval 5" if stopped else None
            status = RunStatus.CANCELED if stopped else RunStatus.COMPLETED
            view.run_ended(hd.observer.EndedRun(number, status, reason, configuration["p0"], 1, 1.5))
    clock[0] = 10.0
    view.tick()
    screen = terminal.screen
    lines = screen.lines()
    view.close()
    terminal.close()
    os.close(terminal.ours)
    assert screen.unknown == []
    table = next(k for k, line in enumerate(lines) if line.startswith("  run"))
    shown = [line for line in lines[table + 1 :] if line.strip()]
    assert len(shown) >= (3 if rows < 14 else 10)
    assert all(set(line) & set(BARS) for line in shown)
    assert not lines[table].endswith("…")
    head = "\n".join(lines[:table])
    assert "28/40 runs" in head
    assert "2 running" in head
    if rows > 14:
        assert "10 stopped early" in head
        assert "50 intervals saved" in head
        assert "importance p0" in head
    values = [float(line[2:].split()[1]) for line in shown]
    assert values == sorted(values, reverse=True)
