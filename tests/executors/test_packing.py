"""Estimates and placement, without devices: promises never exceed a device, and what was seen is covered."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hdcore.executors.health import Health, Verdict
from hdcore.executors.packing import HEADROOM, MARGIN, MOST, Claim, Estimates, Room, capacity, features, place, spare
from hdcore.executors.topology import FAR, SAME_NODE, closest, linked

GIB = 2**30


# ---- estimates


def learned(*seen: tuple[dict[str, object], float]) -> Estimates:
    estimates = Estimates()
    for number, (configuration, gib) in enumerate(seen):
        estimates.observe(number, configuration, int(gib * GIB), is_whole=True)
    return estimates


def test_nothing_is_known_before_the_first_run_has_ended() -> None:
    estimates = Estimates()
    assert estimates.need({"a": 1}) is None
    assert not estimates.observe(0, {"a": 1}, 5 * GIB, is_whole=False)
    assert estimates.need({"a": 1}) is None
    assert not estimates.observe(0, {"a": 1}, 0, is_whole=True)
    assert estimates.observe(0, {"a": 1}, 5 * GIB, is_whole=True)
    assert estimates.need({"a": 9}) == int(MARGIN * 5 * GIB)


def test_peaks_that_are_alike_hold_for_every_run() -> None:
    estimates = learned(({"lr": 0.1}, 5.0), ({"lr": 0.9}, 5.1), ({"lr": 0.4}, 4.98))
    assert estimates.need({"lr": 7.0}) == pytest.approx(MARGIN * 5.1 * GIB)


def test_a_run_beyond_all_that_were_seen_is_not_guessed_at() -> None:
    estimates = learned(
        ({"batch": 16, "lr": 0.3}, 2.0), ({"batch": 64, "lr": 0.1}, 8.0), ({"batch": 32, "lr": 0.2}, 4.0)
    )
    assert estimates.need({"batch": 128, "lr": 0.2}) is None
    estimates = learned(*(({"batch": 2**k, "lr": (k * 7) % 5}, 2.0**k) for k in range(1, 6)))
    assert estimates.need({"batch": 8, "lr": 0}) == pytest.approx(MARGIN * 8 * GIB, rel=0.01)


def test_memory_that_falls_with_a_parameter_is_turned_round() -> None:
    estimates = learned(*(({"stride": s}, 12.0 / s) for s in (1, 2, 3, 4, 6)))
    assert estimates.need({"stride": 3}) == pytest.approx(MARGIN * 4 * GIB)
    assert estimates.need({"stride": 5}) == pytest.approx(MARGIN * 3 * GIB)  # as much as a stride of 4
    assert estimates.need({"stride": 0.5}) is None


def test_choices_are_told_apart_and_a_new_one_is_measured() -> None:
    seen = [({"net": name}, gib) for name, gib in (("small", 1.0), ("large", 9.0)) for _ in range(3)]
    estimates = learned(*seen)
    assert estimates.need({"net": "small"}) == pytest.approx(MARGIN * GIB)
    assert estimates.need({"net": "large"}) == pytest.approx(MARGIN * 9 * GIB)
    assert estimates.need({"net": "huge"}) is None


def test_nested_parameters_have_dotted_names_and_may_be_absent() -> None:
    assert features({"net": {"kind": "mlp", "layers": [3, True]}}) == {
        "net.kind": "'mlp'",
        "net.layers": "[3, True]",
    }
    deep = [({"net": {"kind": "mlp", "layers": n}}, 1.0 + n) for n in (2, 4, 6)]
    estimates = learned(*deep, ({"net": {"kind": "linear"}}, 0.5))
    assert estimates.need({"net": {"kind": "linear"}}) == pytest.approx(MARGIN * 0.5 * GIB)
    assert estimates.need({"net": {"kind": "mlp", "layers": 3}}) == pytest.approx(MARGIN * 5 * GIB)


def test_a_run_that_takes_more_than_its_estimate_raises_it_at_once() -> None:
    estimates = learned(({"a": 1}, 5.0))
    assert not estimates.observe(1, {"a": 1}, 5 * GIB, is_whole=False)
    assert estimates.observe(1, {"a": 1}, 9 * GIB, is_whole=False)
    assert estimates.need({"a": 1}) >= 9 * GIB


def test_a_run_that_is_still_small_lowers_nothing() -> None:
    estimates = learned(({"a": 1}, 5.0))
    estimates.observe(1, {"a": 2}, GIB, is_whole=False)
    assert estimates.need({"a": 2}) == int(MARGIN * 5 * GIB)


configurations = st.fixed_dictionaries(
    {"batch": st.integers(1, 64), "lr": st.floats(0, 1), "net": st.sampled_from(["a", "b", "c"])}
)


@given(st.lists(st.tuples(configurations, st.integers(1, 40 * GIB), st.booleans()), max_size=40))
def test_what_was_seen_to_the_end_is_always_covered(runs: list[tuple[dict[str, object], int, bool]]) -> None:
    estimates = Estimates()
    for number, (configuration, peak, is_whole) in enumerate(runs):
        estimates.observe(number, configuration, peak, is_whole=is_whole)
    for configuration, peak, is_whole in runs:
        need = estimates.need(configuration)
        if is_whole:
            assert need is not None
            assert need >= peak


@given(
    st.lists(st.integers(1, 10_000), min_size=2, max_size=60, unique=True),
    st.integers(1, 10_000),
    st.sampled_from([1, -1]),
)
def test_memory_that_is_monotone_in_a_parameter_is_never_underestimated(seen: list[int], x: int, sign: int) -> None:
    def memory(value: int) -> int:
        return GIB + (20 * GIB // 10_000) * (value if sign > 0 else 10_000 - value)

    estimates = Estimates()
    for number, value in enumerate(seen):
        estimates.observe(number, {"x": value}, memory(value), is_whole=True)
    need = estimates.need({"x": x})
    peaks = [memory(value) for value in seen]
    if max(peaks) > 1.05 * min(peaks):
        assert need is None or need >= memory(x)
        assert (need is None) == (memory(x) > max(peaks))


def test_only_so_many_runs_are_remembered_and_the_largest_is_among_them() -> None:
    estimates = Estimates()
    estimates.observe(0, {"x": 5000}, 30 * GIB, is_whole=True)
    for n in range(1, 2 * MOST):
        estimates.observe(n, {"x": n % 7}, GIB * (1 + n % 11), is_whole=True)
    assert len(estimates.observations) <= MOST
    assert max(seen.peak_bytes for seen in estimates.observations.values()) == 30 * GIB


# ---- placement


def test_two_devices_of_24_gb_hold_8_runs_of_5_gb() -> None:
    need = learned(({}, 5.0)).need({})
    claims: list[Claim] = []
    rooms = [Room(name, 24 * GIB, 0, 1.0) for name in "ab"]
    while (name := place(need, rooms, claims)) is not None:
        claims.append(Claim(name, need))
    assert sorted(claim.device for claim in claims) == list("aaaabbbb")


def test_foreign_memory_is_not_given_out() -> None:
    room = Room("a", 24 * GIB, 12 * GIB, 1.0)
    assert spare(room, []) == capacity(24 * GIB) - 12 * GIB
    assert spare(room, [Claim("a", 8 * GIB, 4 * GIB)]) == capacity(24 * GIB) - 20 * GIB


def test_what_another_sweep_holds_is_not_given_out() -> None:
    assert place(GIB, [Room("a", 24 * GIB, 0, 0.0), Room("b", 24 * GIB, 0, 0.5)], []) == "b"
    assert place(13 * GIB, [Room("b", 24 * GIB, 0, 0.5)], []) is None
    assert place(None, [Room("b", 24 * GIB, 0, 0.5)], []) is None


class Packing(RuleBasedStateMachine):
    """Runs come, take memory as they like, learn, and go."""

    def __init__(self) -> None:
        super().__init__()
        self.totals = {"a": 24 * GIB, "b": 24 * GIB, "c": 8 * GIB}
        self.estimates = Estimates()
        self.claims: dict[int, Claim] = {}
        self.foreign: dict[str, int] = {}
        self.next = 0

    def rooms(self) -> list[Room]:
        return [Room(name, total, self.foreign.get(name, 0), 1.0) for name, total in self.totals.items()]

    @rule(name=st.sampled_from("abc"), size=st.integers(0, 10 * GIB))
    def others(self, name: str, size: int) -> None:
        self.foreign[name] = size

    @rule(x=st.integers(0, 9))
    def start(self, x: int) -> None:
        need = self.estimates.need({"x": x})
        claims = list(self.claims.values())
        name = place(need, self.rooms(), claims)
        if name is None:
            return
        here = [claim for claim in claims if claim.device == name]
        if need is None:
            assert not here
            self.claims[self.next] = Claim(name, capacity(self.totals[name]), is_alone=True)
        else:
            assert not any(claim.is_alone for claim in here)
            whole = self.totals[name] * (1 - HEADROOM)
            assert sum(claim.reserved_bytes for claim in here) + need + self.foreign.get(name, 0) <= whole
            self.claims[self.next] = Claim(name, need)
        self.next += 1

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), size=st.integers(0, 24 * GIB), need=st.none() | st.integers(0, 24 * GIB))
    def grow(self, data: st.DataObject, size: int, need: int | None) -> None:
        number = data.draw(st.sampled_from(sorted(self.claims)))
        before = self.claims[number]
        after = self.claims[number] = before.grown(size, need)
        assert after.reserved_bytes >= max(before.reserved_bytes, after.measured_bytes, need or 0)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), x=st.integers(0, 9), is_whole=st.booleans())
    def end(self, data: st.DataObject, x: int, is_whole: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.claims)))
        claim = self.claims.pop(number)
        self.estimates.observe(number, {"x": x}, claim.measured_bytes, is_whole=is_whole)

    @invariant()
    def nothing_is_spare_where_a_run_is_alone_or_all_is_promised(self) -> None:
        claims = list(self.claims.values())
        for room in self.rooms():
            promised = sum(claim.reserved_bytes for claim in claims if claim.device == room.uuid)
            assert 0 <= spare(room, claims) <= max(0, capacity(room.total_bytes) - promised)


TestPacking = Packing.TestCase
TestPacking.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


# ---- which devices look broken


def test_a_device_that_fails_while_others_do_well_is_stopped() -> None:
    health = Health()
    for _ in range(8):
        health.ended(["good"], failed=False)
    for _ in range(2):
        health.ended(["bad"], failed=True)
        assert health.verdict("bad") is Verdict.USE
    health.ended(["bad"], failed=True)
    assert health.verdict("bad") is Verdict.STOP
    assert health.verdict("good") is Verdict.USE


def test_a_success_between_failures_clears_a_device() -> None:
    health = Health()
    for failed in (True, True, False, True, True):
        health.ended(["one"], failed=failed)
        health.ended(["two"], failed=False)
    assert health.verdict("one") is Verdict.USE


def test_a_script_that_fails_everywhere_stops_no_device() -> None:
    health = Health()
    for _ in range(50):
        for name in ("one", "two"):
            health.began([name])
            health.ended([name], failed=True)
    assert health.verdict("one") is health.verdict("two") is Verdict.USE


def test_a_device_that_fails_at_once_waits_until_runs_elsewhere_tell_whose_fault_it_is() -> None:
    health = Health()
    health.began(["slow"])
    for _ in range(3):
        health.began(["bad"])
        health.ended(["bad"], failed=True)
    assert health.verdict("bad") is Verdict.WAIT
    health.ended(["slow"], failed=True)
    assert health.verdict("bad") is Verdict.USE


@given(st.integers(1, 60), st.integers(0, 60))
def test_the_more_often_runs_fail_elsewhere_the_longer_a_row_has_to_be(completed: int, failed: int) -> None:
    health = Health()
    for k in range(completed + failed):
        health.ended(["other"], failed=k >= completed)
    row = 0
    while health.verdict("one") is not Verdict.STOP:
        health.ended(["one"], failed=True)
        row += 1
        assert row < 800
    assert row >= 3
    assert ((failed + 1) / (completed + failed + 2)) ** row <= 1e-3 * (1 + 1e-9)


# ---- close together

PAIRS = {frozenset(pair) for pair in ("ab", "cd", "ef", "gh")}


def test_pairs_that_are_linked_stay_together() -> None:
    def distance(one: str, other: str) -> float:
        return linked(4) if frozenset((one, other)) in PAIRS else SAME_NODE if (one < "e") == (other < "e") else FAR

    assert closest("bcdh", 2, distance) == ("c", "d")
    assert closest("abcdefgh", 4, distance) == tuple("abcd")
    assert closest("aefgh", 3, distance) in {tuple("efg"), tuple("efh"), tuple("egh")}
    assert closest("ab", 1, distance) == ("a",)
    assert closest("ab", 3, distance) == ("a", "b")


def test_more_links_are_closer() -> None:
    assert linked(12) < linked(1) < 1


@given(st.integers(2, 20), st.data())
@settings(deadline=None)
def test_the_chosen_are_as_many_as_asked_for_and_in_order(n: int, data: st.DataObject) -> None:
    names = [f"{k:02d}" for k in range(n)]
    k = data.draw(st.integers(1, n))
    far = {frozenset((a, b)): (hash((int(a), int(b))) % 7) for a in names for b in names}
    chosen = closest(names, k, lambda one, other: far[frozenset((one, other))])
    assert len(chosen) == k
    assert list(chosen) == sorted(set(chosen))


def test_estimates_are_plain_data() -> None:
    seen = learned(({"a": 1, "b": "x"}, 5.0)).observations
    assert json.loads(json.dumps(seen[0].features)) == {"a": 1.0, "b": "'x'"}
    assert math.isfinite(seen[0].peak_bytes)
