"""The driver's store: what is written is what is read, in one transaction where that was promised."""

from __future__ import annotations

import errno
import math
import os
import sqlite3
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store.support import add, losses, make_spec, start

from hdcore.errors import InputError, RefusedError, StateError, StoreError
from hdcore.records import MetricRow, Reports
from hdcore.store import Flag, Store, StoreReader
from hdcore.store.batch import BATCH_ROWS
from hdcore.store.check import VERSION
from hdcore.typing import Goal, RunStatus

NewStore = Callable[..., Store]


def raw(store: Store, sql: str) -> list[tuple[object, ...]]:
    """What is committed, seen by a plain connection."""
    connection = sqlite3.connect(f"file:{store.folder / 'sweep.db'}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def curves_of(store: Store) -> dict[int, list[float]]:
    return {number: list(values) for number, values in store.curves().items()}


def test_a_new_sweep_is_queued_and_keeps_its_spec(store: Store, root: Path) -> None:
    with StoreReader.open(root / "sweeps" / "s1") as reader:
        sweep = reader.sweep()
    assert (sweep.name, sweep.sweep_id, sweep.status) == ("s1", "HD_s1", RunStatus.QUEUED)
    assert sweep.spec == make_spec()
    assert sweep.counts == dict.fromkeys(RunStatus, 0)
    assert store.folder == root / "sweeps" / "s1"
    assert store.run_folder(7) == root / "sweeps" / "s1" / "runs" / "0007"


def test_the_database_says_whose_it_is_and_is_checkpointed_before_the_first_run(store: Store) -> None:
    header = (store.folder / "sweep.db").read_bytes()[:100]
    assert header[68:72] == b"hdcr"
    assert struct.unpack(">I", header[60:64]) == (VERSION,)
    assert header[18:20] == b"\2\2"  # WAL
    wal = store.folder / "sweep.db-wal"
    assert not wal.exists() or wal.stat().st_size == 0
    assert raw(store, "SELECT status FROM sweep") == [("Queued",)]


def test_a_name_is_used_once(new_store: NewStore, root: Path) -> None:
    new_store("s1").close()
    before = (root / "sweeps" / "s1" / "sweep.db").read_bytes()
    with pytest.raises(RefusedError, match="'s1' exists"):
        Store.create(root, make_spec("s1"), sweep_id="HD_2")
    assert (root / "sweeps" / "s1" / "sweep.db").read_bytes() == before
    assert sorted(entry.name for entry in (root / "sweeps").iterdir()) == [".order", "s1"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a b", "ä", "x" * 256, "a\n", ".hidden"])
def test_names_that_could_leave_the_root_are_refused_and_nothing_is_made(root: Path, name: str) -> None:
    with pytest.raises(InputError, match="not allowed"):
        Store.create(root, make_spec(name), sweep_id="HD_1")
    with pytest.raises(InputError, match="not allowed"):
        Store.open(root, name)
    assert not root.exists()


def test_a_sweep_that_is_not_there_is_wrong_input(store: Store, root: Path) -> None:
    with pytest.raises(InputError, match="'s2'"):
        Store.open(root, "s2")


def test_a_run_goes_from_queued_to_completed(store: Store) -> None:
    add(store, 2)
    assert [run.status for run in store.runs()] == ["Queued", "Queued"]
    store.start_run(0, 1, ("GPU-1", "GPU-2"), 10.0)
    run = store.runs()[0]
    assert (run.status, run.attempt, run.devices, run.started) == ("Running", 1, ("GPU-1", "GPU-2"), 10.0)
    store.add_reports(losses(0, [3.0, 1.0, 2.0], offset=90))
    store.finish_run(
        0, RunStatus.COMPLETED, reason=None, value=1.0, interval=2, exit_code=0, duration_s=2.5, at=12.5, dropped=1,
        log_dropped_bytes=7,
    )  # fmt: skip
    run, other = store.runs()
    assert (run.status, run.value, run.interval, run.exit_code) == ("Completed", 1.0, 2, 0)
    assert (run.duration_s, run.ended, run.offset, run.dropped, run.log_dropped_bytes) == (2.5, 12.5, 90, 1, 7)
    assert run.configuration == {"lr": 0.0, "units": 16}
    assert run.primary is not None
    assert (run.primary.count, run.primary.last, run.primary.lowest, run.primary.highest) == (3, 2.0, 1.0, 3.0)
    assert (run.primary.best(Goal.MINIMIZE), run.primary.best_interval(Goal.MINIMIZE)) == (1.0, 2)
    assert other.primary is None


def test_a_failed_run_keeps_its_reason(store: Store) -> None:
    add(store, 1)
    start(store, 0)
    store.finish_run(0, RunStatus.FAILED, reason="signal SIGSEGV", signal="SIGSEGV", at=11.0)
    run = store.runs()[0]
    assert (run.status, run.reason, run.signal, run.exit_code, run.value) == (
        "Failed",
        "signal SIGSEGV",
        "SIGSEGV",
        None,
        None,
    )


def test_a_queued_run_can_end_without_a_start(store: Store) -> None:
    add(store, 1)
    store.finish_run(0, RunStatus.CANCELED, reason="canceled by user", at=11.0)
    assert (store.runs()[0].status, store.runs()[0].attempt) == ("Canceled", 0)


def test_values_that_are_not_finite_are_no_final_values(store: Store) -> None:
    add(store, 2)
    store.finish_run(0, RunStatus.COMPLETED, value=math.nan, interval=1, at=1.0)
    store.finish_run(1, RunStatus.COMPLETED, value=math.inf, interval=1, at=1.0)
    assert [(run.value, run.interval) for run in store.runs()] == [(None, None)] * 2


def test_configurations_of_every_kind_come_back(store: Store) -> None:
    given = {
        "a": 1,
        "b": 0.1,
        "c": "ä\u202e\0'",
        "d": None,
        "e": True,
        "f": [1, [2]],
        "g": {"h": 10**30},
        "i": -0.0,
        "": 5e-324,
    }
    store.add_runs([(0, given)])
    found = store.runs()[0].configuration
    assert found == given
    assert math.copysign(1.0, found["i"]) == -1.0


def test_a_configuration_that_is_not_finite_is_refused_and_stores_nothing(store: Store) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.add_runs([(0, {"lr": math.nan})])
    assert store.runs() == []


@given(st.lists(st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 5e-324, 1e308, -1e308]), max_size=30))
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=30)
def test_every_double_comes_back_with_its_interval(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    with Store.create(tmp_path_factory.mktemp("root"), make_spec(), sweep_id="HD_1") as store:
        add(store, 1)
        start(store, 0)
        for value in values:
            store.add_reports(losses(0, [value]))
        restored = list(store.curves().get(0, ()))
        with StoreReader.open(store.folder) as reader:
            points = reader.series(0).get("loss", [])
            summary = reader.run(0).primary
    assert [repr(v + 0.0) for v in restored] == [repr(v + 0.0) for v in values]  # SQLite has no negative zero
    assert [interval for interval, *_ in points] == list(range(1, len(values) + 1))
    assert [value for _, _, value, _ in points] == [v if math.isfinite(v) else None for v in values]
    assert [Flag(flag) for *_, flag in points] == [Flag.of(v) for v in values]
    if values:
        finite = [v for v in values if math.isfinite(v)]
        assert summary is not None
        assert (summary.count, summary.lowest, summary.highest) == (
            len(values),
            min(finite, default=None),
            max(finite, default=None),
        )
        if finite:
            assert summary.lowest_interval == values.index(min(finite)) + 1
            assert summary.highest_interval == values.index(max(finite)) + 1


def test_texts_are_kept_apart_and_are_no_intervals(store: Store) -> None:
    add(store, 1)
    start(store, 0)
    rows = (
        MetricRow("loss", 1.0, step=5, at=1.0),
        MetricRow("loss", None, text="12", at=1.0),
        MetricRow("phase", None, step=3, text="warm-up", at=1.0),
        MetricRow("loss", 2.0, step=6, at=1.0),
    )
    store.add_reports(Reports(0, 1, rows, 100))
    store.flush()
    with StoreReader.open(store.folder) as reader:
        assert reader.series(0) == {"loss": [(1, 5, 1.0, 0), (2, 6, 2.0, 0)]}
        assert reader.notes(0) == {"loss": [(1, None, "12")], "phase": [(1, 3, "warm-up")]}
        assert [(s.name, s.count, s.notes) for s in reader.summaries(0)] == [("loss", 2, 1), ("phase", 0, 1)]
    assert curves_of(store) == {0: [1.0, 2.0]}


def test_wild_names_are_data(store: Store) -> None:
    add(store, 1)
    start(store, 0)
    names = ["a\nb", "'; DROP TABLE run;--", "../../x", "<img src=x>", "\u202egnp", " ", "%s%n", "__proto__", "ä" * 128]
    store.add_reports(Reports(0, 1, tuple(MetricRow(name, 1.0, at=1.0) for name in names), 10))
    store.flush()
    with StoreReader.open(store.folder) as reader:
        assert list(reader.series(0)) == names
        assert list(reader.series(0, names=["a\nb", "unknown"])) == ["a\nb"]


def test_a_run_has_at_most_a_thousand_names_and_the_primary_metric_always_fits(store: Store) -> None:
    add(store, 2)
    start(store, 0)
    rows = tuple(MetricRow(f"m{i}", 1.0, at=1.0) for i in range(1200))
    assert store.add_reports(Reports(0, 1, rows, 10, dropped=3)) == 1000
    assert store.add_reports(losses(0, [1.0], offset=20)) == 1
    start(store, 1)
    assert store.add_reports(losses(1, [1.0])) == 1
    store.flush()
    run = store.runs()[0]
    assert (run.dropped, run.offset) == (203, 20)
    assert run.primary is not None


def test_reports_wait_for_the_batch_and_come_with_their_offset(store: Store) -> None:
    add(store, 1)
    start(store, 0)
    store.add_reports(losses(0, [1.0, 2.0], offset=50))
    store.tick(100.0)
    store.tick(100.2)
    assert raw(store, "SELECT count(*), (SELECT report_offset FROM run) FROM metric") == [(0, 0)]
    store.tick(100.25)
    assert raw(store, "SELECT count(*), (SELECT report_offset FROM run) FROM metric") == [(2, 50)]


def test_a_full_batch_does_not_wait(store: Store) -> None:
    add(store, 1)
    start(store, 0)
    store.add_reports(losses(0, [0.0] * (BATCH_ROWS - 1), offset=1))
    assert raw(store, "SELECT count(*) FROM metric") == [(0,)]
    store.add_reports(losses(0, [0.0], offset=2))
    assert raw(store, "SELECT count(*), (SELECT report_offset FROM run) FROM metric") == [(BATCH_ROWS, 2)]


def test_a_change_of_state_takes_the_waiting_reports_along(store: Store) -> None:
    add(store, 2)
    start(store, 0)
    start(store, 1)
    store.add_reports(losses(0, [1.0], offset=5))
    store.finish_run(1, RunStatus.COMPLETED, at=1.0)
    assert raw(store, "SELECT count(*) FROM metric") == [(1,)]


def test_a_turn_is_one_commit(store: Store) -> None:
    add(store, 2)
    with store.turn():
        start(store, 0)
        with store.turn():
            start(store, 1)
        store.finish_run(0, RunStatus.COMPLETED, at=1.0)
        assert raw(store, "SELECT status FROM run") == [("Queued",), ("Queued",)]
    assert raw(store, "SELECT status FROM run") == [("Completed",), ("Running",)]


def test_a_full_batch_goes_out_with_its_turn(store: Store) -> None:
    add(store, 1)
    start(store, 0)
    with store.turn():
        store.add_reports(losses(0, [0.0] * BATCH_ROWS))
        store.add_reports(losses(0, [0.0]))
        assert raw(store, "SELECT count(*) FROM metric") == [(0,)]
    assert raw(store, "SELECT count(*) FROM metric") == [(BATCH_ROWS + 1,)]


def test_a_turn_that_ends_by_an_error_keeps_what_was_done(store: Store) -> None:
    add(store, 1)

    def fail() -> None:
        with store.turn():
            start(store, 0)
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert raw(store, "SELECT status FROM run") == [("Running",)]


def test_the_end_of_a_run_is_synced_and_the_end_of_the_sweep_before_it_returns(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Semaphore(0)
    files = []

    def fdatasync(fd: int) -> None:
        files.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        synced.release()

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    add(store, 1)
    start(store, 0)
    store.add_reports(losses(0, [1.0]))
    store.flush()
    assert not files
    store.finish_run(0, RunStatus.COMPLETED, at=1.0)
    assert synced.acquire(timeout=30.0)
    assert files == ["sweep.db-wal"]
    seen: list[str] = []
    store._connection.set_trace_callback(seen.append)
    store.set_sweep(RunStatus.COMPLETED, None, 1.0)
    assert seen[0] == "PRAGMA synchronous=FULL"
    assert seen[-1] == "COMMIT"


def test_nobody_waits_for_a_slow_disk_and_one_sync_serves_all_ends_before_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Semaphore(0), threading.Semaphore(0)

    def fdatasync(fd: int) -> None:
        begun.release()
        may_end.acquire()

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    add(store, 20)
    for number in range(20):
        start(store, number)
        store.finish_run(number, RunStatus.COMPLETED, at=1.0)
    assert raw(store, "SELECT count(*) FROM run WHERE status = 'Completed'") == [(20,)]
    assert begun.acquire(timeout=30.0)
    for _ in range(20):
        may_end.release()
    store._batch._syncer.wait()
    assert 1 <= 1 + sum(begun.acquire(blocking=False) for _ in range(20)) <= 2


def test_a_sync_that_fails_ends_the_sweep_with_one_line_and_is_never_tried_again(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def fdatasync(fd: int) -> None:
        tries.append(fd)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    add(store, 2)
    start(store, 0)
    store.finish_run(0, RunStatus.COMPLETED, at=1.0)
    store._batch._syncer.wait()
    with pytest.raises(StoreError, match=r"the disk failed \(Input/output error\); check it"):
        store.tick(0.0)
    with pytest.raises(StoreError, match="the disk failed"):
        start(store, 1)
    store.close()
    assert len(tries) == 1
    with Store.open(root, "s1") as again:
        assert [run.status for run in again.runs()] == ["Completed", "Queued"]


def test_a_sync_that_fails_while_the_store_is_closed_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    may_fail = threading.Event()

    def fdatasync(fd: int) -> None:
        may_fail.wait(30.0)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    add(store, 1)
    start(store, 0)
    store.finish_run(0, RunStatus.COMPLETED, at=1.0)
    store.set_sweep(RunStatus.QUEUED, "stopped", 2.0)
    wait = store._batch._syncer.wait

    def wait_and_fail() -> None:
        may_fail.set()
        wait()

    monkeypatch.setattr(store._batch._syncer, "wait", wait_and_fail)
    with pytest.raises(StoreError, match=r"the disk failed \(Input/output error\)"):
        store.close()


def test_a_store_that_was_moved_from_a_network_file_system_goes_on_without_a_wal(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        there.setattr("hdcore.store.sqlite.is_network", lambda folder: True)
        with Store.create(root, make_spec(), sweep_id="HD_s1") as store:
            add(store, 1)
    with Store.open(root, "s1") as store:
        start(store, 0)
        seen: list[str] = []
        store._connection.set_trace_callback(seen.append)
        store.finish_run(0, RunStatus.COMPLETED, at=1.0)
        store._connection.set_trace_callback(None)
        assert seen[-1] == "COMMIT"
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert store.runs()[0].status is RunStatus.COMPLETED


def test_a_curve_of_many_pieces_is_whole(store: Store, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdcore.store.batch.PIECE_VALUES", 4)
    add(store, 2)
    start(store, 0)
    start(store, 1)
    for k in range(11):
        store.add_reports(losses(0, [k, k + 0.5]))
        store.add_reports(losses(1, [-k]))
    values = [k / 2 for k in range(22)]
    assert curves_of(store) == {0: values, 1: [-k for k in range(11)]}
    store.finish_run(0, RunStatus.COMPLETED, at=1.0)
    store.requeue_run(1, "its GPU was lost")
    assert curves_of(store) == {0: values}
    start(store, 1, attempt=2)
    store.add_reports(losses(1, [5.0], attempt=2))
    store.finish_run(1, RunStatus.FAILED, at=1.0)
    store.close()
    with Store.open(root, "s1") as again:
        assert curves_of(again) == {0: values, 1: [5.0]}


def test_a_run_under_which_driver_after_driver_dies_is_given_up(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdcore.store.sqlite.MOST_DEATHS", 3)
    add(store, 2)
    for death in range(1, 4):
        assert store.given_up == ()
        start(store, 0, attempt=death)
        store.add_reports(losses(0, [5.0, 2.0, 3.0], attempt=death))
        store.close()  # and the run is still Running, as at the death of a driver
        store = Store.open(root, "s1")
    try:
        assert (store.given_up, store.requeued) == ((0,), ())
        given_up, other = store.runs()
        assert given_up.status is RunStatus.FAILED
        assert given_up.reason == "its driver died 3 times while it ran; it is not started again"
        assert (given_up.value, given_up.interval, given_up.attempt) == (2.0, 2, 3)
        assert curves_of(store) == {0: [5.0, 2.0, 3.0]}
        assert (other.status, other.attempt) == ("Queued", 0)
        with pytest.raises(StateError):
            start(store, 0, attempt=4)
    finally:
        store.close()


@pytest.mark.parametrize("values", [[5.0, math.inf, 3.0], [float(k) for k in range(11)]])
def test_a_queued_run_that_ends_keeps_what_its_last_attempt_reported(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch, values: list[float]
) -> None:
    monkeypatch.setattr("hdcore.store.batch.PIECE_VALUES", 4)
    add(store, 2)
    start(store, 0)
    store.add_reports(losses(0, values[:5]))
    store.flush()
    store.add_reports(losses(0, values[5:]))
    store.close()
    with Store.open(root, "s1") as again:
        for number in (0, 1):
            again.end_queued(number, RunStatus.CANCELED, reason="canceled by user", at=12.0)
        best, other = again.runs()
        assert (best.status, best.value) == (RunStatus.CANCELED, min(values))
        assert best.interval == values.index(min(values)) + 1
        assert (other.status, other.value) == (RunStatus.CANCELED, None)
        assert curves_of(again) == {0: values}
    with StoreReader.open(root / "sweeps" / "s1") as reader:
        assert reader.series(0, most=4)["loss"][0][:3] == (1, None, values[0])


def test_starting_again_drops_what_the_earlier_attempt_reported(store: Store) -> None:
    add(store, 2)
    start(store, 0)
    start(store, 1)
    store.add_reports(losses(0, [1.0, 2.0], offset=50))
    store.add_reports(Reports(0, 1, (MetricRow("word", None, text="x", at=1.0),), 60, dropped=4))
    store.add_reports(losses(1, [9.0], offset=50))
    store.requeue_run(0, "exit code 1")
    run = store.runs()[0]
    assert (run.status, run.reason, run.attempt) == ("Queued", "exit code 1", 1)
    assert run.primary is not None  # visible until it starts again
    store.start_run(0, 2, (), 20.0, offset=60)
    run = store.runs()[0]
    assert (run.status, run.attempt, run.offset, run.dropped, run.primary) == ("Running", 2, 60, 0, None)
    assert raw(store, "SELECT (SELECT count(*) FROM metric WHERE run = 0), (SELECT count(*) FROM note)") == [(0, 0)]
    store.add_reports(losses(0, [7.0], attempt=2, offset=80))
    assert curves_of(store) == {0: [7.0], 1: [9.0]}


def test_starting_again_in_the_same_turn_drops_reports_that_were_not_committed(store: Store) -> None:
    add(store, 1)
    start(store, 0)
    with store.turn():
        store.add_reports(losses(0, [1.0, 2.0], offset=50))
        store.requeue_run(0, None)
        start(store, 0, attempt=2)
        store.add_reports(losses(0, [3.0], attempt=2, offset=70))
    assert curves_of(store) == {0: [3.0]}
    assert store.runs()[0].offset == 70


def test_reports_of_another_attempt_or_of_an_ended_run_are_not_taken(store: Store) -> None:
    add(store, 1)
    assert store.add_reports(losses(0, [1.0])) == 0
    start(store, 0)
    assert store.add_reports(losses(0, [1.0], attempt=2)) == 0
    store.finish_run(0, RunStatus.COMPLETED, at=1.0)
    assert store.add_reports(losses(0, [1.0])) == 0
    assert store.add_reports(losses(9, [1.0])) == 0
    assert curves_of(store) == {}


def test_moves_that_are_not_legal_are_errors(store: Store) -> None:
    add(store, 2)
    with pytest.raises(StateError, match="run 5 was added where run 2"):
        store.add_runs([(5, {})])
    with pytest.raises(StateError, match="not running"):
        store.requeue_run(0, None)
    with pytest.raises(StateError, match="not queued or running"):
        store.finish_run(7, RunStatus.COMPLETED, at=1.0)
    with pytest.raises(StateError, match="cannot end as Running"):
        store.finish_run(0, RunStatus.RUNNING, at=1.0)
    start(store, 0)
    with pytest.raises(StateError, match="not queued"):
        start(store, 0)
    store.finish_run(0, RunStatus.COMPLETED, at=1.0)
    with pytest.raises(StateError, match="not queued"):
        start(store, 0)
    with pytest.raises(StateError, match="not queued or running"):
        store.finish_run(0, RunStatus.FAILED, at=1.0)


def test_the_sweep_notes_its_first_start_and_its_end(store: Store) -> None:
    def times() -> tuple[object, ...]:
        return raw(store, "SELECT status, reason, started, ended FROM sweep")[0]

    store.set_sweep(RunStatus.RUNNING, None, 5.0)
    assert times() == ("Running", None, 5.0, None)
    store.set_sweep(RunStatus.QUEUED, "stopped by SIGTERM", 6.0)
    store.set_sweep(RunStatus.RUNNING, None, 7.0)
    assert times() == ("Running", None, 5.0, None)
    store.set_sweep(RunStatus.COMPLETED, "all runs done", 9.0)
    assert times() == ("Completed", "all runs done", 5.0, 9.0)


def test_opening_again_continues_with_the_same_rows(new_store: NewStore, root: Path, stores: list[Store]) -> None:
    store = new_store()
    add(store, 3)
    for number in range(3):
        start(store, number)
        store.add_reports(losses(number, [number + 1.0, number + 2.0], offset=10))
    store.finish_run(0, RunStatus.COMPLETED, value=1.0, interval=1, at=1.0)
    store.close()
    again = Store.open(root, "s1")
    stores.append(again)
    assert again.requeued == (1, 2)
    assert (again.spec, again.sweep_id) == (make_spec(), "HD_s1")
    assert [(run.status, run.attempt) for run in again.runs()] == [("Completed", 1), ("Queued", 1), ("Queued", 1)]
    assert curves_of(again) == {0: [1.0, 2.0]}
    start(again, 1, attempt=2)
    again.add_reports(losses(1, [8.0], attempt=2))
    again.add_runs([(3, {"lr": 0.5})])
    assert curves_of(again) == {0: [1.0, 2.0], 1: [8.0]}


def test_closing_leaves_one_file_and_frees_the_lock(store: Store, root: Path, stores: list[Store]) -> None:
    add(store, 1)
    store.close()
    store.close()
    assert sorted(entry.name for entry in store.folder.iterdir()) == ["driver.lock", "runs", "sweep.db"]
    with pytest.raises(StateError, match="closed"):
        store.add_runs([(1, {})])
    stores.append(Store.open(root, "s1"))


def test_a_fork_cannot_write(store: Store) -> None:
    add(store, 1)
    pid = os.fork()
    if pid == 0:
        try:
            start(store, 0)
        except StateError:
            store.close()  # does nothing here
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert (store.folder / "ballast").exists()
    start(store, 0)
    assert store.runs()[0].status is RunStatus.RUNNING
