"""Runs of earlier sweeps in the space of a new one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.curves import predicted_final

import hdcore as hd
from hdcore.engine.warm_start import add_earlier_runs, check_mapping, map_runs
from hdcore.errors import InputError
from hdcore.gp.curves import ANYTHING
from hdcore.records import EarlierRun
from hdcore.space import SearchSpace
from hdcore.typing import RunStatus

OLD = {"x": hd.uniform(0, 1), "n": hd.randint(20), "kind": hd.choice("a", "b", "c"), "q": hd.quniform(0, 64, 8)}
ENDED = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)


@st.composite
def earlier(draw: st.DrawFn) -> list[EarlierRun]:
    """Runs of a sweep over `OLD`; x on eighths, so that a bound is met exactly or missed by far."""
    configuration = st.fixed_dictionaries(
        {
            "x": st.integers(0, 8).map(lambda k: k / 8),
            "n": st.integers(0, 19),
            "kind": st.sampled_from("abc"),
            "q": st.integers(0, 8).map(lambda k: 8.0 * k),
        }
    )
    reports = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=4).map(tuple)
    value = st.none() | st.floats(-1e6, 1e6)
    drawn = draw(st.lists(st.tuples(configuration, st.sampled_from(list(RunStatus)), value, reports), max_size=12))
    return [EarlierRun(number, *row) for number, row in enumerate(drawn)]


def numbers(runs: Any) -> list[int]:
    return [run.number for run in runs]


@settings(deadline=None)
@given(earlier())
def test_in_the_same_space_every_ended_run_is_kept_as_it_was(runs: list[EarlierRun]) -> None:
    mapped = map_runs(SearchSpace(OLD), runs)
    ended = [run for run in runs if run.status in ENDED]
    assert list(mapped.runs) == ended
    assert mapped.dropped == ((("not ended yet", len(runs) - len(ended)),) if len(runs) > len(ended) else ())
    assert mapped.notes == ()


@settings(deadline=None)
@given(
    earlier(), st.integers(0, 7), st.integers(1, 8), st.integers(1, 40), st.sets(st.sampled_from("abcd"), min_size=1)
)
def test_what_is_kept_is_what_the_edited_space_can_draw(
    runs: list[EarlierRun], low: int, width: int, upper: int, kinds: set[str]
) -> None:
    high = low + width
    space = SearchSpace(
        {
            "x": hd.uniform(low / 8, high / 8),
            "n": hd.randint(upper),
            "kind": hd.choice(*sorted(kinds)),
            "q": hd.quniform(0, 64, 16),
        }
    )
    mapped = map_runs(space, runs)
    expected = [
        run.number
        for run in runs
        if run.status in ENDED
        and low / 8 <= run.configuration["x"] <= high / 8
        and run.configuration["n"] < upper
        and run.configuration["kind"] in kinds
        and run.configuration["q"] % 16 == 0
    ]
    assert numbers(mapped.runs) == expected
    assert sum(count for _, count in mapped.dropped) == len(runs) - len(expected)
    for run in mapped.runs:
        space.validate(run.configuration)
        assert list(run.configuration) == list(space.names)


@settings(deadline=None)
@given(earlier())
def test_names_that_are_swapped_and_swapped_back_change_nothing(runs: list[EarlierRun]) -> None:
    swapped = SearchSpace({"n": OLD["x"], "x": OLD["n"], "kind": OLD["kind"], "q": OLD["q"]})
    there = map_runs(swapped, runs, rename={"x": "n", "n": "x"})
    assert [run.configuration["n"] for run in there.runs] == [
        run.configuration["x"] for run in runs if run.status in ENDED
    ]
    back = map_runs(SearchSpace(OLD), there.runs, rename={"x": "n", "n": "x"})
    assert list(back.runs) == [run for run in runs if run.status in ENDED]


@settings(deadline=None)
@given(earlier())
def test_a_parameter_that_is_new_takes_its_default_and_one_that_is_gone_is_left_out(runs: list[EarlierRun]) -> None:
    space = SearchSpace({"x": OLD["x"], "new": hd.uniform(0, 1), "fixed": "adam", "single": hd.choice(3)})
    ended = [run for run in runs if run.status in ENDED]
    mapped = map_runs(space, ended, defaults={"new": 0.25})
    assert [run.configuration for run in mapped.runs] == [
        {"x": run.configuration["x"], "new": 0.25, "fixed": "adam", "single": 3} for run in ended
    ]
    if ended:
        assert mapped.notes == (
            "'kind' is not searched any more, its values are left out",
            "'n' is not searched any more, its values are left out",
            "'q' is not searched any more, its values are left out",
            "'new' is new and was 0.25",
        )
    without = map_runs(space, ended)
    assert without.runs == ()
    assert without.dropped == ((("no 'new', and no default for it in resume_defaults", len(ended)),) if ended else ())


def test_reasons_name_the_parameter_and_what_it_is_now() -> None:
    space = SearchSpace(
        {"x": hd.uniform(0, 0.5), "kind": hd.choice("a", "b"), "net": hd.choice({"deep": hd.randint(3)}, {"wide": 1})}
    )
    good = {"x": 0.25, "kind": "a", "net": {"deep": 1}}
    changes: list[dict[str, Any]] = [
        *({"x": 0.9}, {"x": 0.8}, {"x": "much"}, {"kind": "c"}, {"net": {"deep": 5}}, {"net": {"tall": 1}}, {}),
    ]
    runs = [EarlierRun(k, {**good, **change}, RunStatus.COMPLETED, 1.0) for k, change in enumerate(changes)]
    mapped = map_runs(space, runs)
    assert numbers(mapped.runs) == [6]
    assert mapped.dropped == (
        ("'x' outside uniform(0, 0.5)", 3),
        ("'net' is a dictionary that fits none of its options", 2),
        ("'kind' was 'c', now it is choice('a', 'b')", 1),
    )


def test_rare_reasons_are_counted_together() -> None:
    space = SearchSpace({"kind": hd.choice("a")})
    runs = [EarlierRun(k, {"kind": f"old{k}"}, RunStatus.COMPLETED, 1.0) for k in range(30)]
    dropped = map_runs(space, runs).dropped
    assert len(dropped) == 6
    assert dropped[-1] == ("other reasons", 25)


@pytest.mark.parametrize(
    ("rename", "defaults", "field"),
    [
        ({"x": "lr"}, {}, "hdcore.resume_rename.x"),
        ({}, {"lr": 1}, "hdcore.resume_defaults.lr"),
        ({}, {"x": 7}, "hdcore.resume_defaults.x"),
        ({}, {"kind": "z"}, "hdcore.resume_defaults.kind"),
    ],
)
def test_a_map_that_the_space_contradicts_is_refused(rename: Any, defaults: Any, field: str) -> None:
    with pytest.raises(InputError) as caught:
        check_mapping(SearchSpace(OLD), rename, defaults)
    assert caught.value.field == field


def test_two_values_for_one_name_are_refused() -> None:
    run = EarlierRun(0, {"x": 0.5, "y": 0.5}, RunStatus.COMPLETED, 1.0)
    with pytest.raises(InputError, match="what is renamed to it"):
        map_runs(SearchSpace({"x": hd.uniform(0, 1)}), [run], rename={"y": "x"})


# ---------------------------------------------------------------------- telling the optimizer


def curve(number: int, reports: list[float], status: RunStatus = RunStatus.COMPLETED) -> tuple[str, EarlierRun]:
    finite = [report for report in reports if math.isfinite(report)]
    return "old", EarlierRun(number, {"x": number / 16}, status, max(finite, default=None), tuple(reports))


def optimizer(**more: Any) -> hd.Optimizer:
    return hd.Optimizer({"x": hd.uniform(0, 1)}, seed=3, **more)


@pytest.mark.parametrize(
    ("policy", "stops"), [("bandit:slack_factor=0.1", True), ("median", True), ("truncation:percentage=50", True)]
)
def test_policies_compare_with_the_curves_of_earlier_runs(policy: str, stops: bool) -> None:
    cold, warm = optimizer(policy=policy), optimizer(policy=policy)
    add_earlier_runs(warm, [curve(k, [0.8, 0.9]) for k in range(4)])
    for each, expected in ((cold, False), (warm, stops)):
        assert each.report(each.ask().number, 0.1) is expected


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_samplers_without_a_model_propose_what_they_would_have(sampler: str) -> None:
    warm = optimizer(sampler=sampler)
    add_earlier_runs(warm, [curve(k, [0.8]) for k in range(4)])
    assert warm.ask(8) == optimizer(sampler=sampler).ask(8)


def test_a_stopped_run_counts_with_what_its_curve_promises_and_a_failed_one_with_nothing() -> None:
    runs = [
        curve(0, [0.1, 0.4, 0.5]),  # gains 0.4 after the first interval
        curve(1, [0.3, 0.4, 0.9]),  # gains 0.6
        curve(2, [0.2], RunStatus.CANCELED),
        curve(3, [0.7, 0.8], RunStatus.FAILED),
        curve(4, [math.nan], RunStatus.CANCELED),
    ]
    for goal, sign in (("maximize", 1.0), ("minimize", -1.0)):
        engine = optimizer(goal=goal)
        add_earlier_runs(
            engine,
            [
                (name, EarlierRun(r.number, r.configuration, r.status, None if r.value is None else sign * r.value,
                                  tuple(sign * v for v in r.reports)))
                for name, r in runs
            ],
        )  # fmt: skip
        promised, _ = predicted_final(
            runs[2][1].reports, [(r.reports, r.value) for _, r in runs[:2]], anything=ANYTHING
        )
        assert 0.6 < promised < 0.7
        assert engine.table.value.tolist() == pytest.approx([0.5, 0.9, promised, math.nan, math.nan], nan_ok=True)
        assert engine.table.source.tolist() == [2] * 5
        assert engine.table.intervals.tolist() == [3, 3, 1, 2, 1]
        assert engine.best is None
