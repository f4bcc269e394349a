"""Nothing is left behind: every kind of descendant, every kind of end, every part of the machinery killed."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from executors.helpers import (
    children_of,
    descendants,
    events_until,
    executor,
    is_alive,
    make_launch,
    numbers_in,
    python,
    run_to_end,
    start_and_wait,
    wait_for,
)

from hdcore.errors import ExecutorError
from hdcore.executors import spawner, supervisors
from hdcore.executors.function import fork_spawner
from hdcore.executors.leftovers import end_leftovers
from hdcore.executors.local import LocalExecutor
from hdcore.executors.spawner import Spawner
from hdcore.records import RunEnd, RunStarted
from hdcore.typing import RunStatus

ROOT = Path(__file__).parents[2]


def gone(pids: list[int]) -> None:
    wait_for(lambda: not [pid for pid in pids if is_alive(pid)], "the end of all processes")


def the_end(it: LocalExecutor) -> RunEnd:
    return next(e for e in events_until(it, lambda event: isinstance(event, RunEnd)) if isinstance(e, RunEnd))


@contextmanager
def driver(folder: Path, argv: list[str], mark: str = "") -> Iterator[subprocess.Popen[bytes]]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    process = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("driver_program.py")),
            str(folder),
            mark or uuid.uuid4().hex,
            *argv,
        ],
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


# ---- the run ends


def test_descendants_are_gone_before_the_end_is_told(tmp_path: Path) -> None:
    argv, pids = descendants(tmp_path, "leave")
    with executor(1) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=argv))
        assert not [pid for pid in numbers_in(pids, 5) if is_alive(pid)]
    assert end.status is RunStatus.COMPLETED


def test_descendants_are_gone_after_a_run_timeout(tmp_path: Path) -> None:
    argv, pids = descendants(tmp_path, "stay")
    with executor(1) as it:
        end, _ = run_to_end(it, make_launch(tmp_path, argv=argv, timeout_s=1.0))
        assert not [pid for pid in numbers_in(pids, 5) if is_alive(pid)]
    assert end.reason == "run timeout of 1 s"


def test_descendants_are_gone_after_a_cancel(tmp_path: Path) -> None:
    argv, pids = descendants(tmp_path, "stay")
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=argv))
        alive = numbers_in(pids, 5)
        it.cancel(0, "stop")
        assert the_end(it).status is RunStatus.CANCELED
        assert not [pid for pid in alive if is_alive(pid)]


def test_descendants_are_gone_after_close(tmp_path: Path) -> None:
    argv, pids = descendants(tmp_path, "stay")
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=argv))
        alive = numbers_in(pids, 5)
    assert not [pid for pid in alive if is_alive(pid)]


def test_a_fork_bomb_ends(tmp_path: Path) -> None:
    bomb = python("""
import os, sys, time
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(out, b"%d\\n" % os.getpid())
born = 0
while born < 400:                     # each generation breeds; bounded, should the test fail
    born += 1
    if os.fork() == 0:
        os.setsid()
        os.write(out, b"%d\\n" % os.getpid())
        born = 398 if born < 60 else 400
    time.sleep(0.002)
time.sleep(60)
""")
    pids = tmp_path / "pids"
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=[*bomb, str(pids)]))
        numbers_in(pids, 40)
        it.cancel(0, "bomb", grace_s=0)
        the_end(it)
        assert not [pid for pid in numbers_in(pids, 40) if is_alive(pid)]


def test_a_process_whose_first_thread_has_ended_is_ended_too(tmp_path: Path) -> None:
    code = """
import ctypes, os, sys, threading, time
def live():
    while open(f"/proc/{os.getpid()}/stat").read().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.005)
    out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(out, b"%d\\n" % os.getpid())
    time.sleep(600)
if os.fork() == 0:
    os.setsid()
    threading.Thread(target=live).start()
    ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)     # exit of this thread alone
time.sleep(600)
"""
    pids = tmp_path / "pids"
    with executor(1) as it:
        it.start(make_launch(tmp_path, argv=[*python(code), str(pids)]))
        [pid] = numbers_in(pids, 1)
        threads = Path(f"/proc/{pid}/task")
        assert threads.exists()
        it.cancel(0, "stop", grace_s=0)
        the_end(it)
        assert not threads.exists()


def test_a_tree_that_will_not_die_is_reported_and_keeps_its_slot_until_it_is_gone(tmp_path: Path) -> None:
    with executor(1, give_up_s=0.0) as it:  # no process is gone 0 s after SIGKILL was sent
        started = start_and_wait(it, make_launch(tmp_path, argv=["sleep", "600"]))
        it.cancel(0, "stop", grace_s=0)
        end = the_end(it)
        assert end.status is RunStatus.CANCELED
        assert end.reason == f"unkillable: process {started.pid} lives 0 s after SIGKILL (stop)"
        wait_for(lambda: it.poll(0.01) == [] and it.capacity() == 1, "the slot")
        assert not is_alive(started.pid)


# ---- the machinery is killed


def test_nothing_lives_after_the_driver_is_killed(tmp_path: Path) -> None:
    argv, pids = descendants(tmp_path, "stay")
    with driver(tmp_path, argv) as process:
        alive = numbers_in(pids, 5)
        [spawner] = numbers_in(tmp_path / "spawner", 1)
        machinery = [spawner, *children_of(spawner)]
        process.kill()
        gone([*alive, *machinery])


def test_nothing_lives_after_driver_and_spawner_are_killed(tmp_path: Path) -> None:
    argv, pids = descendants(tmp_path, "stay")
    with driver(tmp_path, argv) as process:
        alive = numbers_in(pids, 5)
        [spawner] = numbers_in(tmp_path / "spawner", 1)
        shims = children_of(spawner)
        os.kill(spawner, signal.SIGKILL)
        process.kill()
        gone([*alive, *shims])


def test_the_spawner_ends_what_a_killed_shim_leaves_and_the_run_has_failed(tmp_path: Path) -> None:
    argv, pids = descendants(tmp_path, "stay")
    with executor(2) as it:
        other = start_and_wait(it, make_launch(tmp_path, 1, ["sleep", "600"]))
        before = set(children_of(it._supervisors.spawner.pid))
        it.start(make_launch(tmp_path, 0, argv))
        alive = numbers_in(pids, 5)
        [shim] = set(children_of(it._supervisors.spawner.pid)) - before
        os.kill(shim, signal.SIGKILL)
        end = the_end(it)
        assert (end.number, end.status) == (0, RunStatus.FAILED)
        assert end.reason == "supervisor ended by SIGKILL; its processes were ended"
        assert not [pid for pid in alive if is_alive(pid)]
        assert is_alive(other.pid)
        assert it.capacity() == 1


def test_runs_outlive_a_killed_spawner_and_a_new_one_starts_more(tmp_path: Path) -> None:
    code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nos._exit(3)"
    with executor(2) as it:
        start_and_wait(it, make_launch(tmp_path, 0, python(code)))
        os.kill(it._supervisors.spawner.pid, signal.SIGKILL)
        end, _ = run_to_end(it, make_launch(tmp_path, 1))
        assert end.status is RunStatus.COMPLETED
        (tmp_path / "0000/go").touch()
        assert the_end(it).exit_code == 3


def test_a_spawner_that_dies_where_no_process_can_be_started_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(control: socket.socket, ours: socket.socket, errors: int) -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
    with executor(2) as it:
        start_and_wait(it, make_launch(tmp_path, 0, python(code)))
        spawner = it._supervisors.spawner
        os.kill(spawner.pid, signal.SIGSTOP)  # it takes nothing up any more
        it.start(make_launch(tmp_path, 1))
        with monkeypatch.context() as lack:
            lack.setattr(spawner, "_begin_process", refuse)
            os.kill(spawner.pid, signal.SIGKILL)
            end = the_end(it)
        assert (end.number, end.is_excused) == (1, True)
        assert end.reason == "cannot start 'true': Resource temporarily unavailable"
        (tmp_path / "0000/go").touch()
        assert the_end(it).status is RunStatus.COMPLETED
        assert run_to_end(it, make_launch(tmp_path, 1, attempt=2))[0].status is RunStatus.COMPLETED


def test_a_run_handed_to_a_dying_spawner_is_started_once(tmp_path: Path) -> None:
    with executor(1) as it:
        spawner = it._supervisors.spawner.pid
        os.kill(spawner, signal.SIGSTOP)  # it takes nothing up any more
        it.start(make_launch(tmp_path, argv=["sh", "-c", "echo started >> count"]))
        os.kill(spawner, signal.SIGKILL)
        events = events_until(it, lambda event: isinstance(event, RunEnd))
    assert [type(event) for event in events] == [RunStarted, RunEnd]
    assert (tmp_path / "0000/count").read_text() == "started\n"


def test_a_cancel_holds_for_a_run_that_is_handed_over_again(tmp_path: Path) -> None:
    with executor(1) as it:
        os.kill(it._supervisors.spawner.pid, signal.SIGSTOP)
        it.start(make_launch(tmp_path, argv=["sleep", "600"]))
        it.cancel(0, "stop")
        os.kill(it._supervisors.spawner.pid, signal.SIGKILL)
        end = the_end(it)
    assert (end.status, end.reason) == (RunStatus.CANCELED, "stop")


def test_a_shim_killed_after_its_spawner_leaves_nothing_with_the_mark(tmp_path: Path) -> None:
    with executor(1) as it:
        code = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} ")
time.sleep(600)
"""
        it.start(make_launch(tmp_path, argv=[*python(code), str(tmp_path / "pids")]))
        alive = numbers_in(tmp_path / "pids", 2)
        [shim] = children_of(it._supervisors.spawner.pid)
        os.kill(it._supervisors.spawner.pid, signal.SIGKILL)
        os.kill(shim, signal.SIGKILL)
        end = the_end(it)
        assert end.reason == "supervisor lost; its processes were ended"
        assert not [pid for pid in alive if is_alive(pid)]


def test_a_signal_to_the_shim_does_not_end_the_run(tmp_path: Path) -> None:
    with executor(1) as it:
        start_and_wait(it, make_launch(tmp_path, argv=["sh", "-c", "while [ ! -e go ]; do sleep 0.01; done; exit 3"]))
        [shim] = children_of(it._supervisors.spawner.pid)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            os.kill(shim, number)
        (tmp_path / "0000/go").touch()
        assert the_end(it).reason == "exit code 3"


# ---- leftovers


def test_what_outlived_driver_spawner_and_shim_is_found_by_its_mark_and_ended(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    argv, pids = descendants(tmp_path, "stay")
    stranger = subprocess.Popen(["sleep", "600"], env={**os.environ, "HDCORE_RUN": f"{mark}2/0/1 other/0/1"})
    try:
        with driver(tmp_path, argv, mark) as process:
            alive = numbers_in(pids, 5)
            [spawner] = numbers_in(tmp_path / "spawner", 1)
            for pid in [process.pid, spawner, *children_of(spawner)]:
                os.kill(pid, signal.SIGSTOP)  # none of them acts on the death of another
            for pid in [*children_of(spawner), spawner, process.pid]:
                os.kill(pid, signal.SIGKILL)
            process.wait()
            without_mark = [
                p for p in alive if is_alive(p) and b"HDCORE_RUN" not in Path(f"/proc/{p}/environ").read_bytes()
            ]
            ended = {leftover.pid for leftover in end_leftovers(mark)}
            assert not [pid for pid in alive if is_alive(pid) and pid not in without_mark]
            assert ended <= set(alive)
            assert end_leftovers(mark) == []
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        for pid in without_mark:
            os.kill(pid, signal.SIGKILL)


def test_leftovers_below_a_marked_process_are_ended_without_a_mark() -> None:
    mark = uuid.uuid4().hex
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '600'], env={}); print(p.pid, flush=True); p.wait()"
    parent = subprocess.Popen(
        python(code), env={**os.environ, "HDCORE_RUN": f"outer/1/1 {mark}/0/1"}, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    with parent:
        child = int(parent.stdout.readline())
        ended = end_leftovers(mark, run=(0, 1))
        assert {leftover.pid for leftover in ended} == {parent.pid, child}
        assert "sleep 600" in {leftover.command for leftover in ended}
        assert parent.wait() == -signal.SIGKILL


def test_the_caller_is_not_its_own_leftover() -> None:
    mark = uuid.uuid4().hex
    code = f"from hdcore.executors.leftovers import end_leftovers; print(end_leftovers('{mark}'))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HDCORE_RUN": f"{mark}/0/1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (0, "[]\n")


DAEMONS = """
sleep 600 & echo $! >> pids
setsid sh -c 'echo $$ >> pids; exec sleep 600' &
(setsid sh -c 'echo $$ >> pids; exec env -i sleep 600' &)
while [ $(wc -l < pids) -lt 3 ]; do sleep 0.01; done
"""


def as_nobody(base: Path) -> None:
    """Start, end and look, in a process of another user; for who is no root, of this one."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    # The interpreter may lie in a folder that only root can enter, so the spawner is a fork, as for functions.
    supervisors.Spawner = lambda _: Spawner(lambda control, ours, errors: fork_spawner(control, print, [ours.fileno()]))  # type: ignore[assignment,misc]
    with executor(1) as it:
        end, _ = run_to_end(it, make_launch(base, argv=["sh", "-c", DAEMONS]))
        assert end.status is RunStatus.COMPLETED, end
        assert not [pid for pid in numbers_in(base / "0000/pids", 3) if is_alive(pid)]
        start_and_wait(it, make_launch(base, 1, ["sleep", "600"], environment={"HDCORE_RUN": "nothing"}))
        assert [leftover.command for leftover in end_leftovers(it.mark)] == ["sleep 600"]
        assert the_end(it).signal == "SIGKILL"


def test_an_ordinary_user_needs_nothing_more(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as base:  # pytest's own folder is closed to others
        if os.geteuid() == 0:
            os.chown(base, 65534, 65534)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                as_nobody(Path(base))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_spawner_that_cannot_live_is_given_up_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"not a library")
    with executor(1) as it:
        monkeypatch.setattr(spawner.shim, "__file__", str(broken))
        os.kill(it._supervisors.spawner.pid, signal.SIGKILL)
        end, _ = run_to_end(it, make_launch(tmp_path))
        assert end.reason is not None
        assert end.reason.startswith("cannot start 'true': the process that starts runs died: ImportError: ")
        with pytest.raises(ExecutorError, match=r"died 10 times within 60 s: ImportError: .*broken\.so"):
            events_until(it, lambda event: False)
        with pytest.raises(ExecutorError, match="died 10 times"):
            it.start(make_launch(tmp_path, 1))
        assert it.capacity() == 1
