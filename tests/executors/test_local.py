"""LocalExecutor: the contract, starting, logs, reports, slots."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest
from contracts.executor import ExecutorContract
from executors.helpers import (
    descendants,
    events_until,
    executor,
    is_alive,
    make_launch,
    numbers_in,
    python,
    rows_of,
    run_to_end,
    start_and_wait,
    wait_for,
)

from hdcore.errors import ExecutorError
from hdcore.executors import cpus, tail
from hdcore.executors.cpus import THREAD_VARIABLES
from hdcore.executors.local import LocalExecutor
from hdcore.executors.shortage import Pause
from hdcore.records import RunEnd, RunStarted
from hdcore.typing import RunStatus

ENVIRONMENT = python("import json, os, sys; json.dump(dict(os.environ), open('environment.json', 'w'))")


class TestContract(ExecutorContract):
    make = staticmethod(executor)


def environment_of(folder: Path) -> dict[str, str]:
    return json.loads((folder / "environment.json").read_text())


# ---- starting


def test_two_hundred_quick_runs_are_all_accounted_for(tmp_path: Path) -> None:
    ends: dict[int, RunEnd] = {}
    launches = [make_launch(tmp_path, number) for number in range(200)]
    with executor(4) as it:
        while len(ends) < 200:
            while launches and it.capacity():
                it.start(launches.pop())
            for event in it.poll(10.0):
                if isinstance(event, RunEnd):
                    assert event.number not in ends
                    ends[event.number] = event
    assert {end.status for end in ends.values()} == {RunStatus.COMPLETED}


def test_arguments_and_environment_arrive_verbatim(tmp_path: Path) -> None:
    words = ["", " a  b ", "$(touch pwned)", "x\ny", "--help", "é\u202e", "'\"", "\udcff"]
    code = """
import os, sys
open("seen", "wb").write(b"\\0".join(os.fsencode(word) for word in [*sys.argv[1:], os.environ["ODD"]]))
"""
    with executor(1) as it:
        run_to_end(it, make_launch(tmp_path, argv=[*python(code), *words], environment={"ODD": "a=b\n"}))
    assert (tmp_path / "0000/seen").read_bytes() == b"\0".join(os.fsencode(word) for word in [*words, "a=b\n"])


def test_a_large_environment_arrives(tmp_path: Path) -> None:
    large = {f"LARGE_{k}": "x" * 100_000 for k in range(10)}
    with executor(1) as it:
        run_to_end(it, make_launch(tmp_path, argv=ENVIRONMENT, environment=large))
    assert environment_of(tmp_path / "0000").items() >= large.items()


def test_the_program_is_looked_up_on_the_runs_own_path(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "hdcore-test-program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 5\n")
    program.chmod(0o755)
    with executor(1) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=[program.name], environment={"PATH": str(program.parent)}))
    assert end.exit_code == 5


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"argv": ("/",)}, "cannot start '/': Permission denied"),
        ({"cwd": "/nowhere"}, "cannot start in '/nowhere': No such file or directory"),
        ({"folder": "/nowhere"}, "cannot write logs in '/nowhere': No such file or directory"),
        ({"argv": ("a\0b",)}, "cannot start 'a\\x00b': a NUL character in an argument, a path or the environment"),
        ({"report": "/nowhere/r"}, "cannot start 'true': its report file: No such file or directory"),
    ],
)
def test_what_cannot_start_says_why_and_frees_its_slot(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    with executor(1) as it:
        end, events = run_to_end(it, make_launch(tmp_path, **change))
        assert it.capacity() == 1
    assert (end.status, end.reason, end.exit_code) == (RunStatus.FAILED, reason, None)
    assert events == [end]


def test_a_run_has_its_own_session_standard_signals_and_only_standard_streams(tmp_path: Path) -> None:
    code = """
import os, signal, sys
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
print(os.getsid(0) == os.getpid() == os.getpgrp(), not blocked, sys.stdin.read() == "")
print(sorted(os.listdir("/proc/self/fd")))
ignored = [line.split()[1] for line in open("/proc/self/status") if line.startswith("SigIgn")][0]
print(int(ignored, 16) & (1 << signal.SIGHUP - 1 | 1 << signal.SIGTERM - 1))
"""
    signal_before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with executor(1) as it:
            run_to_end(it, make_launch(tmp_path, argv=python(code)))
    finally:
        signal.signal(signal.SIGHUP, signal_before)
    assert (tmp_path / "0000/stdout.log").read_text() == "True True True\n['0', '1', '2', '3']\n0\n"


def test_a_closed_executor_starts_nothing(tmp_path: Path) -> None:
    with executor(1) as it:
        it.close()
        with pytest.raises(ExecutorError, match="closed"):
            it.start(make_launch(tmp_path))


def test_no_slots_is_refused() -> None:
    with pytest.raises(ExecutorError, match="0 slots"):
        LocalExecutor(0)


def test_poll_returns_early_when_the_wake_descriptor_is_readable() -> None:
    read, write = os.pipe()
    try:
        with executor(1) as it:
            it.wake_on(read)
            os.write(write, b"!")
            begin = time.monotonic()
            assert it.poll(60.0) == []
            assert time.monotonic() - begin < 30
    finally:
        os.close(read)
        os.close(write)


def test_a_run_that_finds_no_descriptors_is_excused_and_others_wait_for_better_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("hdcore.executors.shortage.monotonic", lambda: now)
    with executor(2) as it:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for attempt, pause_s in ((1, 1.0), (2, 2.0), (3, 4.0)):
            launch = make_launch(tmp_path, attempt=attempt)
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free + 2, hard))  # the report file and one end of the socket
            try:
                assert it.start(launch) == ()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            [end] = it.poll(0.0)
            assert isinstance(end, RunEnd)
            assert (end.reason, end.is_excused) == ("cannot start 'true': Too many open files", True)
            now += pause_s - 0.1
            assert it.capacity() == 0
            now += 0.2
            assert it.capacity() == 1
        assert run_to_end(it, make_launch(tmp_path, attempt=4))[0].status is RunStatus.COMPLETED
        assert it.capacity() == 2


def test_pauses_grow_to_a_minute_and_a_start_ends_their_row(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("hdcore.executors.shortage.monotonic", lambda: now)
    pause = Pause()
    lengths = []
    for turn in range(10):
        if turn == 8:
            pause.forget()
        began = now
        for _ in range(4):  # runs that were started together and failed together
            pause.begin()
        while pause.is_on:
            now += 0.5
        lengths.append(now - began)
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 1, 2]


# ---- timeout and cancel


def test_a_run_timeout_is_a_failure_with_its_length(tmp_path: Path) -> None:
    with executor(1) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=["sleep", "600"], timeout_s=0.2))
    assert (end.status, end.reason, end.signal) == (RunStatus.FAILED, "run timeout of 0.2 s", "SIGTERM")
    assert end.duration_s >= 0.2


def test_a_canceled_run_may_save_its_work_within_the_grace(tmp_path: Path) -> None:
    code = """
import signal, sys, time
def save(*_):
    open("saved", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
open("ready", "w").close()
time.sleep(600)
"""
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=python(code)))
        wait_for((tmp_path / "0000/ready").exists)
        it.cancel(0, "stop")
        end = events_until(it, lambda event: isinstance(event, RunEnd))[-1]
    assert (tmp_path / "0000/saved").exists()
    assert (end.status, end.reason, end.exit_code) == (RunStatus.CANCELED, "stop", 0)


IGNORE = python("""
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("ready", "w").close()
time.sleep(600)
""")


def test_a_run_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=IGNORE))
        wait_for((tmp_path / "0000/ready").exists)
        it.cancel(0, "stop", grace_s=0.1)
        end = events_until(it, lambda event: isinstance(event, RunEnd))[-1]
    assert (end.status, end.reason, end.signal) == (RunStatus.CANCELED, "stop", "SIGKILL")


def test_a_second_cancel_shortens_the_grace_and_keeps_the_first_reason(tmp_path: Path) -> None:
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=IGNORE))
        wait_for((tmp_path / "0000/ready").exists)
        it.cancel(0, "first", grace_s=3600)
        it.cancel(0, "second", grace_s=0)
        end = events_until(it, lambda event: isinstance(event, RunEnd))[-1]
    assert (end.status, end.reason) == (RunStatus.CANCELED, "first")


def test_a_stopped_run_ends_at_its_timeout(tmp_path: Path) -> None:
    with executor(1, kill_grace_s=0.2) as it:
        started = start_and_wait(it, make_launch(tmp_path, argv=IGNORE, timeout_s=0.5))
        os.kill(started.pid, signal.SIGSTOP)
        end = events_until(it, lambda event: isinstance(event, RunEnd))[-1]
    assert end.reason == "run timeout of 0.5 s"
    assert not is_alive(started.pid)


def test_endless_times_are_allowed(tmp_path: Path) -> None:
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=IGNORE, timeout_s=float("inf")))
        wait_for((tmp_path / "0000/ready").exists)
        it.cancel(0, "stop", grace_s=float("inf"))
        it.cancel(0, "stop", grace_s=-1)
        assert events_until(it, lambda event: isinstance(event, RunEnd))[-1].status is RunStatus.CANCELED


def test_a_run_canceled_before_it_began_ends_canceled(tmp_path: Path) -> None:
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=["sleep", "600"]))
        it.cancel(0, "at once")
        end = events_until(it, lambda event: isinstance(event, RunEnd))[-1]
    assert (end.status, end.reason) == (RunStatus.CANCELED, "at once")


# ---- logs


def flood(lines: int, stream: int = 1) -> list[str]:
    return python(f"import os\nfor k in range({lines}): os.write({stream}, b'%015d\\n' % k)")


def test_streams_go_to_their_own_files_which_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with executor(1) as it:
            run_to_end(it, make_launch(tmp_path, argv=["sh", "-c", "echo out; echo err >&2"]))
    finally:
        os.umask(before)
    for name in ("out", "err"):
        log = tmp_path / f"0000/std{name}.log"
        assert log.read_text() == f"{name}\n"
        assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("stream", [1, 2])
def test_a_log_flood_keeps_its_first_and_last_part_and_counts_the_rest(tmp_path: Path, stream: int) -> None:
    cap, lines = 64_000, 50_000
    with executor(1, log_cap_bytes=cap) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=flood(lines, stream)))
    data = (tmp_path / f"0000/std{'out' if stream == 1 else 'err'}.log").read_bytes()
    each, total = cap // 4, 16 * lines
    written = b"".join(b"%015d\n" % k for k in range(lines))
    marker = b"\n[hdcore: %d bytes left out here]\n" % (total - 2 * each)
    assert data == written[:each] + marker + written[-each:]
    assert end.log_dropped_bytes == total - 2 * each
    assert end.status is RunStatus.COMPLETED
    assert {path.name for path in (tmp_path / "0000").iterdir()} == {"stdout.log", "stderr.log", "reports.jsonl"}


@pytest.mark.parametrize("lines", [1_000, 1_001, 1_999, 2_000])
def test_a_log_up_to_its_cap_is_kept_whole(tmp_path: Path, lines: int) -> None:
    with executor(1, log_cap_bytes=64_000) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=flood(lines)))
    assert (tmp_path / "0000/stdout.log").read_bytes() == b"".join(b"%015d\n" % k for k in range(lines))
    assert end.log_dropped_bytes == 0


def test_a_log_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("keep")
    launch = make_launch(tmp_path, argv=["echo", "text"])
    log = Path(launch.folder, "stdout.log")
    log.symlink_to(target)
    with executor(1) as it:
        run_to_end(it, launch)
    assert target.read_text() == "keep"
    assert not log.is_symlink()
    assert log.read_text() == "text\n"


def test_a_full_disk_for_logs_does_not_stop_the_run(tmp_path: Path) -> None:
    # The size limit of this process is inherited by spawner and shim, whose writes then fail as on a full disk.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        it = LocalExecutor(1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=python("import os; os.write(1, b'x' * 100_000)")))
    assert end.status is RunStatus.COMPLETED
    assert end.log_dropped_bytes == 50_000


def test_a_daemon_that_holds_the_streams_does_not_hold_the_end(tmp_path: Path) -> None:
    argv, pids = descendants(tmp_path, "leave")
    with executor(1) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=argv))
    assert end.status is RunStatus.COMPLETED
    assert not [pid for pid in numbers_in(pids, 5) if is_alive(pid)]


# ---- reports

WRITE = "import os\nfd = os.open(os.environ['HDCORE_REPORT'], os.O_WRONLY | os.O_APPEND)\n"


def test_a_backlog_comes_in_bounded_chunks_each_row_once(tmp_path: Path) -> None:
    count = 60_000
    code = WRITE + f'os.write(fd, b\'\'.join(b\'{{"name": "loss", "value": %d}}\\n\' % k for k in range({count})))'
    with executor(1) as it:
        _, events = run_to_end(it, make_launch(tmp_path, argv=python(code)))
    assert [row.value for row in rows_of(events)] == list(range(count))
    reports = [event for event in events if not isinstance(event, RunStarted | RunEnd)]
    assert max(len(event.rows) for event in reports) <= tail.CHUNK_BYTES // 25
    offsets = [event.offset for event in reports]
    assert offsets == sorted(set(offsets))


def test_reports_arrive_while_the_run_lives(tmp_path: Path) -> None:
    code = (
        WRITE
        + """
import time
os.write(fd, b'{"name": "loss", "value": 1}\\n')
while not os.path.exists("go"):
    time.sleep(0.01)
os.write(fd, b'{"name": "loss", "value": 2}\\n')
time.sleep(600)
"""
    )
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=python(code)))
        first = events_until(it, lambda event: bool(rows_of([event])))
        (tmp_path / "0000/go").touch()
        second = events_until(it, lambda event: bool(rows_of([event])))
    assert [row.value for row in rows_of([*first, *second])] == [1, 2]


def test_reports_arrive_without_inotify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(24, "too many")

    monkeypatch.setattr(tail.shim, "watch_open", refuse)
    self_contained = WRITE + 'import time\nos.write(fd, b\'{"name": "loss", "value": 1}\\n\')\ntime.sleep(600)'
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=python(self_contained)))
        assert [row.value for row in rows_of(events_until(it, lambda event: bool(rows_of([event]))))] == [1]


@pytest.mark.parametrize(
    ("last", "values", "dropped"), [('{"name": "loss", "value": 2}', [1, 2], 0), ('{"name": "lo', [1], 1)]
)
def test_an_unfinished_last_line_counts_if_it_is_whole(
    tmp_path: Path, last: str, values: list[int], dropped: int
) -> None:
    code = WRITE + f'os.write(fd, b\'{{"name": "loss", "value": 1}}\\n\' + {last.encode()!r})'
    with executor(1) as it:
        _, events = run_to_end(it, make_launch(tmp_path, argv=python(code)))
    assert [row.value for row in rows_of(events)] == values
    assert sum(getattr(event, "dropped", 0) for event in events) == dropped


@pytest.mark.parametrize(
    ("text", "is_spoiled"),
    [
        ('echo "$L" >> "$HDCORE_REPORT"; echo "$S" >> "$HDCORE_REPORT"', False),
        ('echo "$L" >> "$HDCORE_REPORT"; until [ -e seen ]; do sleep 0.01; done; echo "$S" > "$HDCORE_REPORT"', True),
        ('echo "$L" >> "$HDCORE_REPORT"; rm "$HDCORE_REPORT"; echo "$S" >> "$HDCORE_REPORT"', True),
    ],
)
def test_a_report_file_that_was_written_anew_is_told(tmp_path: Path, text: str, is_spoiled: bool) -> None:
    lines = {"S": '{"name": "loss", "value": 2}', "L": '{"name": "loss", "value": 1, "more": "' + 50 * "x" + '"}'}
    events: list[object] = []
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=["sh", "-c", text], environment=lines))
        while not any(isinstance(event, RunEnd) for event in events):
            events += it.poll(1.0)
            if rows_of(events):
                (tmp_path / "0000" / "seen").touch()
    (end,) = (event for event in events if isinstance(event, RunEnd))
    assert end.is_report_spoiled == is_spoiled


def test_a_line_longer_than_a_chunk_is_dropped_and_the_next_one_read(tmp_path: Path) -> None:
    code = WRITE + f'os.write(fd, b\'x\' * {3 * tail.CHUNK_BYTES + 5} + b\'\\n{{"name": "loss", "value": 1}}\\n\')'
    with executor(1) as it:
        _, events = run_to_end(it, make_launch(tmp_path, argv=python(code)))
    assert [row.value for row in rows_of(events)] == [1]
    assert sum(getattr(event, "dropped", 0) for event in events) == 1


def test_the_end_of_a_run_that_could_not_write_its_reports_says_so(tmp_path: Path) -> None:
    """The client sets the sticky bit of the report file while it holds reports that the disk had no room for."""
    with executor(1) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=["sh", "-c", 'chmod +t "$HDCORE_REPORT"']))
    assert end.are_reports_lost
    with executor(1) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, number=1, argv=["true"]))
    assert not end.are_reports_lost


def test_the_primary_metric_comes_through_behind_any_number_of_names(tmp_path: Path) -> None:
    """How many names a run may have is the store's rule, which knows the primary metric."""
    code = WRITE + 'os.write(fd, b\'\'.join(b\'{"name": "n%d", "value": 1}\\n\' % k for k in range(1200)))'
    with executor(1) as it:
        _, events = run_to_end(it, make_launch(tmp_path, argv=python(code)))
    assert [row.name for row in rows_of(events)] == [f"n{k}" for k in range(1200)]
    assert sum(getattr(event, "dropped", 0) for event in events) == 0


# ---- slots


def test_threads_are_those_the_run_asks_for_unless_the_user_set_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with executor(1) as it:
        run_to_end(it, make_launch(tmp_path, argv=ENVIRONMENT, cpus=3, environment={"OMP_NUM_THREADS": "7"}))
    seen = environment_of(tmp_path / "0000")
    assert {name: seen[name] for name in THREAD_VARIABLES} == dict.fromkeys(THREAD_VARIABLES, "3") | {
        "OMP_NUM_THREADS": "7"
    }


AFFINITY = python("""
import os, time
with open("cpus.tmp", "w") as file:
    file.write(" ".join(map(str, os.sched_getaffinity(0))))
os.rename("cpus.tmp", "cpus")
time.sleep(600)
""")


def test_each_slot_has_its_share_of_cpus_and_a_freed_one_is_used_again(tmp_path: Path) -> None:
    usable = cpus.usable_cpus()
    shares = [set(share) or os.sched_getaffinity(0) for share in cpus.shares(usable, 2, 1)]
    seen = []
    with executor(2) as it:
        for number in range(3):
            if number == 2:
                it.cancel(1, "free it")
                events_until(it, lambda event: isinstance(event, RunEnd))
            it.start(make_launch(tmp_path, number, AFFINITY))
            wait_for((tmp_path / f"{number:04d}/cpus").exists)
            seen.append({int(cpu) for cpu in (tmp_path / f"{number:04d}/cpus").read_text().split()})
    assert seen == [shares[0], shares[1], shares[1]]


@pytest.mark.parametrize(
    ("count", "slots", "each", "shares"),
    [
        (4, 2, 1, [(0, 1), (2, 3)]),
        (4, 4, 1, [(0,), (1,), (2,), (3,)]),
        (5, 2, 2, [(0, 1), (2, 3)]),
        (4, 5, 1, [()] * 5),  # more runs than CPUs: left alone
        (4, 2, 3, [()] * 2),  # they ask for more than there is
        (4, 1, 1, [()]),  # one run may use all
    ],
)
def test_shares_are_disjoint_and_equal_or_absent(
    count: int, slots: int, each: int, shares: list[tuple[int, ...]]
) -> None:
    assert cpus.shares(list(range(count)), slots, each) == shares


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "5000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu.max": "nonsense\n"}, None),
    ],
)
def test_a_containers_quota_bounds_the_cpus(tmp_path: Path, files: dict[str, str], count: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    every = os.sched_getaffinity(0)
    usable = cpus.usable_cpus(cgroup=tmp_path)
    assert len(usable) == (len(every) if count is None else count)
    assert set(usable) <= every


def test_cpus_of_one_core_stand_together(tmp_path: Path) -> None:
    every = sorted(os.sched_getaffinity(0))
    for k, cpu in enumerate(
        every
    ):  # the first half and the second half of the numbers are siblings, as on most machines
        folder = tmp_path / f"cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text("0\n")
        (folder / "core_id").write_text(f"{-k}\n")
    assert cpus.usable_cpus(sys=tmp_path, cgroup=tmp_path) == every[::-1]


def test_a_second_sweep_leaves_the_affinity_alone_where_the_first_one_has_the_cpus(tmp_path: Path) -> None:
    every = sorted(os.sched_getaffinity(0))
    shares = cpus.shares(every, max(2, len(every)), 1)
    with cpus.own(shares) as first, cpus.own(shares) as second:
        assert first.shares == shares
        assert second.shares == [()] * len(shares)
    with cpus.own(shares) as third:
        assert third.shares == shares


def test_default_slots_are_cpus_by_cpus_of_a_run() -> None:
    assert [cpus.default_slots(*pair) for pair in ((8, 1), (8, 3), (2, 4))] == [8, 2, 1]


NO_MEMORY = ": the machine ran out of memory and the kernel killed a process"


@pytest.mark.parametrize("argv", [(), ("",)])
def test_a_run_without_a_command_is_never_forked(tmp_path: Path, argv: tuple[str, ...]) -> None:
    with executor(1) as it:
        with pytest.raises(ExecutorError, match="run 0 has no command"):
            it.start(make_launch(tmp_path, argv=argv))
        assert it.capacity() == 1
        assert run_to_end(it, make_launch(tmp_path))[0].status is RunStatus.COMPLETED


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (
            b"Traceback:\n  x\nModuleNotFoundError: No module named 'x'\n\n \n",
            ": ModuleNotFoundError: No module named 'x'",
        ),
        (b"", ""),
        (b"\n\r\n", ""),
        (b"10%\r20%\rno\tmemory", ": no memory"),
        (b"\x1b[31mred\x1b[0m \x07\xff \xe2\x80\xae", ": red \ufffd\ufffd \ufffd"),
        (b"x" * 100_000, f": {'x' * 159}…"),
        (b"early\n" + b"\n" * 5000, ""),
    ],
)
def test_a_failed_run_says_its_last_words(tmp_path: Path, stderr: bytes, said: str) -> None:
    (tmp_path / "words").write_bytes(stderr)
    with executor(1) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=["sh", "-c", "cat ../words >&2; exit 3"]))
    assert (end.reason, end.exit_code) == (f"exit code 3{said}", 3)


@pytest.mark.parametrize(
    ("command", "kills", "reasons"),
    [
        ("kill -9 $$", 0, ["signal SIGKILL"] * 3),
        ("kill -9 $$", 2, [f"signal SIGKILL{NO_MEMORY}", f"signal SIGKILL{NO_MEMORY}", "signal SIGKILL"]),
        ("exit 137", 1, [f"exit code 137{NO_MEMORY}", "exit code 137", "exit code 137"]),
        ("kill -15 $$", 3, ["signal SIGTERM"] * 3),
    ],
)
def test_a_kill_for_lack_of_memory_explains_one_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, kills: int, reasons: list[str]
) -> None:
    counts = tmp_path / "vmstat"
    monkeypatch.setattr("hdcore.executors.oom.VMSTAT", str(counts))
    counts.write_text("nr_free_pages 1\noom_kill 41\ndrop_pagecache 0\n")  # before this sweep
    with executor(1) as it:
        counts.write_text(f"nr_free_pages 1\noom_kill {41 + kills}\ndrop_pagecache 0\n")
        found = [run_to_end(it, make_launch(tmp_path, n, ["sh", "-c", command]))[0].reason for n in range(3)]
    assert found == reasons


def test_the_last_words_are_not_looked_for_in_what_a_run_put_in_place_of_its_log(tmp_path: Path) -> None:
    code = "rm stderr.log; mkfifo stderr.log; exit 3"
    with executor(1) as it:
        assert run_to_end(it, make_launch(tmp_path, argv=["sh", "-c", code]))[0].reason == "exit code 3"
