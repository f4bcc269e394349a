"""What the tests of policies share: hypothesis strategies, policies from descriptions, the real curves."""

from __future__ import annotations

import math
import os
from pathlib import Path

import hypothesis.strategies as st
import numpy as np

from hdcore.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
)

NAN = math.nan
SLACKS = ("slack_factor", "slack_amount", "slack_iqr")
TESTS = Path(__file__).parents[1]


def built(description):
    """The hdcore policy of a description of `reference.policies`."""
    common = {
        "evaluation_interval": description["interval"],
        "delay_evaluation": description["delay"],
        "population": description["population"],
    }
    kind = description["kind"]
    if kind == "none":
        return NoTerminationPolicy()
    if kind == "median":
        return MedianStoppingPolicy(**common)
    if kind == "bandit":
        slack = {
            name: description[name] for name in ("slack_factor", "slack_amount", "slack_iqr") if name in description
        }
        return BanditPolicy(**slack, **common)
    return TruncationSelectionPolicy(
        description["percentage"], exclude_finished_jobs=description["exclude_finished"], **common
    )


def describe(kind, interval=1, delay=0, population="all", **rest):
    """A description; truncation counts ended runs unless told otherwise."""
    if kind == "truncation":
        rest.setdefault("exclude_finished", False)
    return {"kind": kind, "interval": interval, "delay": delay, "population": population, **rest}


DESCRIPTIONS = [
    describe("median"),
    describe("median", delay=3),
    describe("median", 2, 5, "reached"),
    describe("bandit", slack_factor=0.1),
    describe("bandit", 2, 3, slack_factor=0.2),
    describe("bandit", 1, 2, "reached", slack_amount=0.1),
    describe("bandit", slack_amount=0.0),
    describe("bandit", slack_iqr=1.0),
    describe("bandit", 2, 3, "reached", slack_iqr=0.5),
    describe("truncation", percentage=20),
    describe("truncation", 2, 3, "reached", percentage=50),
    describe("truncation", 1, 2, percentage=40, exclude_finished=True),
    describe("truncation", percentage=75, exclude_finished=True),
]


@st.composite
def descriptions(draw, kinds=("median", "bandit", "truncation"), slacks=SLACKS):
    """Any policy of these kinds."""
    rest = {}
    kind = draw(st.sampled_from(kinds))
    if kind == "bandit":
        rest[draw(st.sampled_from(slacks))] = draw(st.sampled_from([0.0, 0.1, 0.2, 0.5]))
    if kind == "truncation":
        rest = {
            "percentage": draw(st.sampled_from([1, 20, 25, 40, 50, 75, 99])),
            "exclude_finished": draw(st.booleans()),
        }
    return describe(
        kind,
        draw(st.sampled_from([1, 1, 2, 3])),
        draw(st.sampled_from([0, 1, 3, 5])),
        draw(st.sampled_from(["all", "reached"])),
        **rest,
    )


@st.composite
def tables(draw, decimals=(1, 2, 3), odd=True, whole=False):
    """Curves of 2-25 runs and 2-15 intervals with many ties; 3 % NaN, 2 % inf, some runs that end early.

    The numbers come from one drawn seed: shrinking a table cell by cell finds nothing that a small seed does not.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    runs, intervals = draw(st.integers(2, 25)), draw(st.integers(2, 15))
    low = draw(st.sampled_from([0.0, -0.5, -1.0, -2.0]))
    level, slope = rng.random((runs, 1)), rng.random((runs, 1))
    curves = low + 0.5 * level + 0.5 * slope * np.arange(intervals) / intervals + 0.5 * rng.random((runs, intervals))
    curves = np.round(curves, draw(st.sampled_from(list(decimals))))
    if odd:
        curves[rng.random(curves.shape) < 0.03] = NAN
        curves[rng.random(curves.shape) < 0.01] = np.inf
        curves[rng.random(curves.shape) < 0.01] = -np.inf
    if not whole:
        for run in np.flatnonzero(rng.random(runs) < 0.4):
            curves[run, rng.integers(0, intervals + 1) :] = NAN
    return curves


def load_curves():
    """The shipped curves: {(task, metric): (matrix (40, t) float64, goal, interval_s (40,))}."""
    found = {}
    with np.load(TESTS / "data" / "curves.npz") as archive:
        for key in archive.files:
            if not key.endswith(".interval_s"):
                task, metric, goal = key.split(".")
                durations = archive[f"{task}.interval_s"].astype(np.float64)
                found[task, metric] = (archive[key].astype(np.float64), goal, durations)
    return found


def whole_curve_files():
    """Files of the complete record: folder in HDCORE_CURVES, or beside the repository; often there are none."""
    folder = Path(os.environ.get("HDCORE_CURVES") or TESTS.parents[1] / "shared" / "cases" / "curves")
    return sorted(folder.glob("*.npz"))
