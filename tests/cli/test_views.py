"""The live table, the plain lines and the sparklines, fed by hand."""

from __future__ import annotations

import io
import math
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdcore.observer import EndedRun
from hdcore.records import Limits, SweepSpec
from hdcore.typing import Goal, RunStatus
from hdcore.views.live import LiveView, Painter
from hdcore.views.plain import PlainView, summary
from hdcore.views.progress import ROWS_KEPT, Progress
from hdcore.views.sparkline import BARS, Curve, Scale, sparkline
from hdcore.views.text import configuration_line, milliseconds, printable, shown, span

sys.path.insert(0, os.path.dirname(__file__))
from vt import Terminal

floats = st.floats(allow_nan=True, allow_infinity=True)


def make_spec(
    runs: int = 20, goal: Goal = Goal.MAXIMIZE, parameters: int = 2, timeout_s: float | None = None
) -> SweepSpec:
    return SweepSpec(
        name="demo",
        space={f"p{i}": ["uniform", [0, 1]] for i in range(parameters)},
        metric="accuracy",
        goal=goal,
        limits=Limits(max_total_runs=runs, timeout_s=timeout_s),
        policy={"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 5}},
        command="true",
    )


def begin(view: Progress, **spec: object) -> None:
    view.sweep_started(make_spec(**spec), Path("/x/sweeps/demo"), [], {})  # type: ignore[arg-type]


def finish(
    view: Progress, number: int, value: float | None, status: RunStatus = RunStatus.COMPLETED, **more: object
) -> None:
    reason = more.get("reason")
    interval = None if value is None else 1
    view.run_ended(EndedRun(number, status, reason, value, interval, 1.5))  # type: ignore[arg-type]


# ---------------------------------------------------------------------- sparklines


@given(st.lists(floats, max_size=300), st.integers(0, 40))
def test_a_sparkline_has_one_character_a_point_and_never_more_than_its_width(values: list[float], width: int) -> None:
    scale, curve = Scale(), Curve(values)
    for value in values:
        scale.add(value)
    drawn = sparkline(curve.points(), scale, width)
    assert len(drawn) == min(width, len(curve.points()))
    assert set(drawn) <= set(BARS) | {"·"}


@given(st.lists(st.lists(st.floats(allow_nan=True), max_size=400), max_size=6))
@settings(deadline=None)
def test_a_curve_that_is_extended_is_the_curve_that_was_added_to(pieces: list[list[float]]) -> None:
    one, many = Curve(), Curve()
    for values in pieces:
        for value in values:
            one.add(value)
        many.extend(values)
    assert (repr(one.points()), one.count, repr(one.last)) == (repr(many.points()), many.count, repr(many.last))


@given(st.lists(floats, min_size=1, max_size=2000))
def test_a_curve_keeps_its_first_and_last_report_in_bounded_memory(values: list[float]) -> None:
    points = Curve(values).points()
    assert len(points) <= 65
    for kept, given_ in ((points[0], values[0]), (points[-1], values[-1])):
        clipped = max(-3.4e38, min(3.4e38, given_)) if math.isfinite(given_) else given_
        assert math.isnan(kept) if math.isnan(given_) else kept == pytest.approx(clipped, rel=1e-6, abs=1e-37)


def test_sparklines_of_one_sweep_share_their_scale() -> None:
    scale = Scale()
    for value in (0.0, 1.0):
        scale.add(value)
    assert sparkline([0.0, 1.0], scale, 8) == "▁█"
    assert sparkline([0.5, math.nan, math.inf], scale, 8) == "▅··"


# ---------------------------------------------------------------------- the model


@given(st.lists(st.one_of(st.none(), st.floats(-10, 10)), min_size=1, max_size=60), st.sampled_from(list(Goal)))
def test_the_best_run_is_the_one_that_a_plain_search_finds(values: list[float | None], goal: Goal) -> None:
    view = Progress()
    begin(view, goal=goal)
    for number, value in enumerate(values):
        view.run_started(number, {"p0": 0.1}, 1, ())
        finish(view, number, value)
    finite = [(value * goal.sign, -number) for number, value in enumerate(values) if value is not None]
    if finite:
        assert view.best is not None
        assert view.best.number == -max(finite)[1]
    else:
        assert view.best is None
    assert view.ended == len(values)


def test_ten_thousand_runs_keep_a_bounded_number_of_rows() -> None:
    view = Progress()
    begin(view, runs=10_000)
    for number in range(10_000):
        view.run_started(number, {"p0": number}, 1, ())
        view.run_reported(number, 1, number % 977)
        finish(view, number, number % 977)
    assert len(view.top) == ROWS_KEPT
    assert view.rows(10)[0].value == 976
    assert not view.running


def test_running_runs_are_shown_beside_the_best_finished_ones() -> None:
    view = Progress()
    begin(view)
    for number in range(12):
        view.run_started(number, {"p0": 0.1}, 1, ())
        view.run_reported(number, 1, float(number))
        if number > 1:
            finish(view, number, float(number))
    shown_rows = view.rows(6)
    assert {0, 1} <= {row.number for row in shown_rows}
    assert [row.number for row in shown_rows] == [11, 10, 9, 8, 1, 0]


def test_saved_intervals_count_from_the_longest_completed_run() -> None:
    view = Progress()
    begin(view)
    for number, intervals in enumerate((10, 5, 5)):
        view.run_started(number, {}, 1, ())
        for k in range(intervals):
            view.run_reported(number, k + 1, 0.5)
        stopped = intervals < 10
        reason = "median stopping at interval 5" if stopped else None
        finish(view, number, 0.5, RunStatus.CANCELED if stopped else RunStatus.COMPLETED, reason=reason)
    assert view.stopped_early == 2
    assert view.saved_share == pytest.approx(10 / 30)


# ---------------------------------------------------------------------- plain lines


def test_plain_lines_mark_the_best_and_survive_a_closed_pipe() -> None:
    said: list[str] = []
    view = PlainView(said.append, said.append)
    begin(view)
    for number, value in enumerate((0.5, 0.4, 0.9)):
        view.run_started(number, {"p0": 0.25, "p1": number}, 1, ())
        finish(view, number, value)
    assert [line.endswith("* best so far") for line in said[1:]] == [True, False, True]
    assert "p0=0.25 p1=2" in said[-1]
    assert "accuracy 0.9" in said[-1]

    def broken(line: str) -> None:
        raise BrokenPipeError

    deaf = PlainView(broken, said.append)
    begin(deaf)
    deaf.run_started(0, {}, 1, ())
    finish(deaf, 0, 1.0)


def test_the_summary_names_best_run_configuration_folder_and_counts() -> None:
    view = Progress()
    begin(view)
    view.runs_proposed(2, 0.001)
    view.runs_proposed(1, 0.0073)
    for number, value in enumerate((0.5, None, 0.9)):
        view.run_started(number, {"p0": number / 4}, 1, ())
        finish(view, number, value, RunStatus.FAILED if value is None else RunStatus.COMPLETED, reason="exit code 3")
    view.sweep_ended(RunStatus.COMPLETED, "all runs done")
    text = "\n".join(summary(view))
    for part in (
        "Completed, all runs done",
        "2 completed; 1 failed",
        "run 2, accuracy 0.9",
        "p0=0.5",
        "runs/0002",
        "exit code 3",
        "sampler 3.1 ms of CPU a run, 7.3 ms at most",
    ):
        assert part in text


# ---------------------------------------------------------------------- text


@pytest.mark.parametrize("text", ["\x1b[31m", "a\nb", "\u202egnp", "\x00", "\x7f", "\u2028"])
def test_what_steers_a_terminal_is_replaced(text: str) -> None:
    assert all(c.isprintable() for c in printable(text))
    assert "\x1b" not in shown({text: [text]})
    assert "\n" not in configuration_line({text: text})


def test_short_spans_have_two_digits() -> None:
    spans = [3.123e-3, 1.25e-5, 0.1284, 12.34, 0.0]
    assert [milliseconds(s) for s in spans] == ["3.1 ms", "0.013 ms", "130 ms", "12000 ms", "0 ms"]


def test_numbers_are_short_and_readable() -> None:
    values = [1376.0, 0.1 + 0.2, 123456.7, 1e-9, 1.5e12, -2.0, 7, True, None, math.nan]
    expected = ["1376", "0.3", "123457", "1e-09", "1.5e+12", "-2", "7", "True", "-", "nan"]
    assert [shown(value, 3) for value in values] == expected


def test_spans_of_time_are_short() -> None:
    assert [span(s) for s in (0.04, 59.9, 60, 3600, None, math.nan)] == ["0.0 s", "59.9 s", "1:00", "1:00:00", "-", "-"]


# ---------------------------------------------------------------------- the live table on a screen


@pytest.fixture(params=[(80, 24), (120, 40), (40, 12), (20, 5)], ids=lambda size: f"{size[0]}x{size[1]}")
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TERM", "xterm-256color")
    made = Terminal(*request.param)
    yield made
    made.close()
    os.close(made.ours)


def play(view: LiveView, clock: list[float], runs: int = 60, parameters: int = 8) -> None:
    begin(view, runs=runs, parameters=parameters)
    for number in range(runs):
        configuration = {f"p{i}": (number + i) / 7 for i in range(parameters)}
        view.run_started(number, configuration, 1, ())
        for k in range(1, 12):
            view.run_reported(number, k, math.nan if k == 3 else number + k / 10)
            clock[0] += 0.1
            view.tick()
        if number % 5 == 4:
            finish(view, number, None, RunStatus.FAILED, reason="exit code 3 \x1b[31m")
        else:
            finish(view, number, number + 1.1)


def test_the_live_table_fits_its_terminal_and_stays_in_place(terminal: Terminal) -> None:
    clock = [0.0]
    view = LiveView(terminal, clock=lambda: clock[0])
    play(view, clock)
    clock[0] += 1
    view.tick()
    screen = terminal.screen
    assert screen.unknown == []
    assert screen.scrollback == []  # nothing was pushed up: each frame covers the last one
    assert screen.lines()[0].startswith("demo")
    assert sum(line.startswith("demo") for line in screen.lines()) == 1
    assert not screen.cursor_shown
    assert "\x1b" not in screen.text()
    if screen.columns >= 80:
        assert "60/60 runs" in screen.text()
        assert "best 59.1 by run 58" in screen.text()
        assert "run 59 failed: exit code 3" in screen.text()
        assert any("█" in line and "Completed" in line for line in screen.lines())
    view.sweep_ended(RunStatus.COMPLETED, "all runs done")
    assert screen.cursor_shown
    terminal.write("the end")
    terminal.flush()
    assert screen.text().endswith("the end")


def test_frames_come_at_most_four_times_a_second() -> None:
    clock = [0.0]
    stream = io.StringIO()
    view = LiveView(stream, clock=lambda: clock[0])
    begin(view)
    frames = 0
    for turn in range(1000):
        clock[0] = turn / 100
        before = stream.tell()
        view.run_started(turn, {"p0": turn}, 1, ())
        view.tick()
        frames += stream.tell() > before
    assert frames <= 41


def test_a_resized_terminal_is_painted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal(100, 30)
    clock = [0.0]
    view = LiveView(terminal, clock=lambda: clock[0])
    begin(view)
    view.run_started(0, {"p0": 0.5}, 1, ())
    view.run_reported(0, 1, 0.5)
    view.tick()
    terminal.resize(120, 20)
    clock[0] += 1
    view.tick()
    assert sum("demo" in line for line in terminal.screen.lines()) == 1
    terminal.close()
    os.close(terminal.ours)


def test_an_unchanged_frame_is_not_painted_again() -> None:
    from rich.text import Text

    stream = io.StringIO()
    painter = Painter(stream)
    painter.paint([Text("a"), Text("b")])
    written = stream.tell()
    painter.paint([Text("a"), Text("b")])
    assert stream.tell() == written


def test_a_terminal_that_goes_away_does_not_end_the_sweep() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    view = LiveView(Gone())
    begin(view)
    view.tick()
    view.sweep_ended(RunStatus.COMPLETED, "all runs done")
