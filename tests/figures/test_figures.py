"""Figures against the runs that they show."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figures.sweeps import HOSTILE, odd_sweep

import hdcore as hd
from hdcore.errors import InputError
from hdcore.figures import KINDS
from hdcore.figures.curves import MOST_POINTS, thinned
from hdcore.typing import Goal


@pytest.fixture(scope="module", params=list(Goal), ids=lambda goal: goal.value)
def sweep(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> hd.Sweep:
    root = tmp_path_factory.mktemp("root")
    odd_sweep(root, goal=request.param)
    return hd.open_sweep("odd", root)


NO_VALUE = {7, 38}
"""Runs that reported NaN only; one is in flight."""


def ended(sweep: hd.Sweep) -> list[dict[str, Any]]:
    return [run for run in sweep.runs if run["value"] is not None and run["ended"] is not None]


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_is_valid_and_names_are_shown_as_they_are(sweep: hd.Sweep, kind: str) -> None:
    figure = sweep.figure(kind)
    text = figure.to_json(validate=True)
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    assert figure.layout.title.text.startswith("odd: ")
    titles = [axis.title.text or "" for axis in (*figure.select_xaxes(), *figure.select_yaxes())]
    assert not any("<" in title or "$" in title for title in titles), "plotly would read it as markup or a formula"


def test_curves_hold_every_report_with_gaps_where_it_was_not_finite(sweep: hd.Sweep) -> None:
    figure = sweep.figure("curves")
    shown: dict[int, list[tuple[float, float]]] = {}
    drawn = [trace for trace in figure.data if trace.customdata is not None]
    for trace in drawn:
        for number, x, y in zip(trace.customdata, trace.x, trace.y, strict=True):
            if not math.isnan(x):
                shown.setdefault(int(number), []).append((x, y))
    for run in sweep.runs:
        reports = sweep.metrics(run["number"]).get("loss <i>", [])
        np.testing.assert_array_equal(np.array(shown[run["number"]]), np.array(reports, np.float64))
    best = sweep.best
    assert best is not None
    (marked,) = [trace for trace in drawn if trace.name.startswith("best")]
    assert set(marked.customdata) == {best.number}
    assert marked.line.width > 1
    assert figure.data[-1] is marked, "drawn over the others"
    assert {trace.name.split(" (")[0] for trace in drawn} >= {"stopped", "completed", "running"}


def test_a_diverged_run_does_not_flatten_the_others(sweep: hd.Sweep) -> None:
    for kind in ("curves", "history", "slice"):
        low, high = sweep.figure(kind).layout.yaxis.range
        assert -10 < low < high < 10, kind


def test_history_is_the_best_so_far_in_order_of_the_ends(sweep: hd.Sweep) -> None:
    runs = sorted(ended(sweep), key=lambda run: (run["ended"], run["number"]))
    better = min if runs[0]["value"] > 0 else max
    expected = [better(run["value"] for run in runs[: k + 1]) for k in range(len(runs))]
    line = sweep.figure("history").data[-1]
    found = [line.y[np.searchsorted(line.x, k, side="right") - 1] for k in range(1, len(runs) + 1)]
    assert found == expected


def test_parallel_coordinates_have_an_axis_for_each_parameter_and_a_place_for_absent_ones(sweep: hd.Sweep) -> None:
    (trace,) = sweep.figure("parallel").data
    dimensions = {dimension.label: dimension for dimension in trace.dimensions}
    assert len(dimensions) == 7
    valued = [run["configuration"] for run in sweep.runs if run["number"] not in NO_VALUE]
    layers = dimensions["net.0.layers"]
    absent = layers.tickvals[layers.ticktext.index("–")]
    assert len(layers.values) == len(valued)
    assert sum(layers.values == absent) == sum(row["net"]["kind"] == "conv" for row in valued)
    np.testing.assert_allclose(sorted(10 ** dimensions["lr"].values), sorted(row["lr"] for row in valued))
    assert set(dimensions["lr"].ticktext) == {"0.0001", "0.001", "0.01"}
    opt = next(dimension for label, dimension in dimensions.items() if label.startswith("&lt;/script"))
    assert list(opt.ticktext) == ["sgd", "a<dam", "$x$"]
    colours = trace.line.color
    assert (colours == 1.0).sum() == 1, "the best run alone has the last colour"
    assert colours.argmax() == len(colours) - 1, "and is drawn last"


def test_importance_has_the_largest_share_on_top(sweep: hd.Sweep) -> None:
    (bars,) = sweep.figure("importance").data
    assert list(bars.x)[::-1] == list(sweep.importance().shares.values())


def test_slices_show_each_run_and_the_partial_dependence(sweep: hd.Sweep) -> None:
    figure = sweep.figure("slice", parameters=["lr", "net.0.layers", HOSTILE])
    dots = [trace for trace in figure.data if trace.name == "runs"]
    runs = [run for run in sweep.runs if run["configuration"]["net"]["kind"] == "mlp"]
    assert len([x for x in dots[1].x if not math.isnan(x)]) == len([run for run in runs if run["number"] != 7])
    assert figure.layout.xaxis.type == "log"
    assert list(figure.layout.xaxis2.ticktext) == ["1", "2", "3"]
    assert list(figure.layout.xaxis3.ticktext) == ["sgd", "a&lt;dam", "&#36;x&#36;"]
    line = next(trace for trace in figure.data if trace.name == "expected")
    low, high = figure.layout.yaxis.range
    assert all(low - 3 < value < high + 3 for value in line.y)


def test_a_contour_is_that_of_two_parameters(sweep: hd.Sweep) -> None:
    figure = sweep.figure("contour", parameters=["lr", "units"])
    assert figure.data[0].type == "contour"
    assert figure.layout.xaxis.type == "log"
    assert figure.data[0].z.shape == (16, 16)
    with_choice = sweep.figure("contour", parameters=["lr", HOSTILE])
    assert with_choice.data[0].type == "heatmap"
    assert with_choice.data[0].z.shape == (3, 16)


def test_what_cannot_be_shown_is_refused(sweep: hd.Sweep) -> None:
    with pytest.raises(InputError, match="no figure 'pie'; there are curves, parallel"):
        sweep.figure("pie")
    with pytest.raises(InputError, match="has no parameters to choose"):
        sweep.figure("curves", parameters=["lr"])
    with pytest.raises(InputError, match="no parameter 'nothing' to show"):
        sweep.figure("slice", parameters=["nothing"])
    with pytest.raises(InputError, match="a contour needs two parameters"):
        sweep.figure("contour", parameters=["lr"])


def test_long_curves_are_thinned_with_their_ends_and_extremes() -> None:
    from array import array

    rng = np.random.default_rng(0)
    whole = rng.standard_normal(10_000)
    at, values = thinned(array("d", whole), 100)
    assert len(at) <= 102
    assert (at[0], at[-1]) == (1, 10_000)
    assert {whole.min(), whole.max()} <= set(values)
    np.testing.assert_array_equal(values, whole[at.astype(int) - 1])


def test_a_sweep_without_runs_has_empty_figures(tmp_path: Path) -> None:
    odd_sweep(tmp_path, 2, name="young")  # two runs in flight
    sweep = hd.open_sweep("young", tmp_path)
    for kind in KINDS:
        if kind != "contour":
            sweep.figure(kind).to_json()
    odd_sweep(tmp_path, 0, name="empty")
    sweep = hd.open_sweep("empty", tmp_path)
    for kind in KINDS:
        if kind != "contour":
            sweep.figure(kind).to_json()


def test_many_runs_are_drawn_by_webgl_and_bounded(tmp_path: Path) -> None:
    odd_sweep(tmp_path, 400, name="many", most=60)
    figure = hd.open_sweep("many", tmp_path).figure("curves")
    drawn = [trace for trace in figure.data if trace.customdata is not None]
    assert {trace.type for trace in drawn} == {"scattergl"}
    assert sum(len(trace.x) for trace in drawn) <= MOST_POINTS


def test_without_plotly_one_line_says_what_to_install(tmp_path: Path) -> None:
    odd_sweep(tmp_path, 3)
    code = (
        "import sys; sys.modules['plotly'] = None\n"
        "import hdcore\n"
        f"hdcore.open_sweep('odd', {str(tmp_path)!r}).figure('curves')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "ImportError: Sweep.figure needs plotly; install hdcore[viz]"
