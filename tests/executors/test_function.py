"""Runs of a Python function: forked, supervised like commands, nothing pickled."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from executors.helpers import (
    children_of,
    events_until,
    executor,
    is_alive,
    make_launch,
    numbers_in,
    rows_of,
    run_to_end,
    wait_for,
)

from hdcore.executors.leftovers import end_leftovers
from hdcore.executors.local import LocalExecutor
from hdcore.records import Launch, RunEnd
from hdcore.typing import RunStatus


def prepare(base: Path, number: int = 0, configuration: dict[str, Any] | None = None, **more: Any) -> Launch:
    launch = make_launch(base, number, (), **more)
    Path(launch.folder, "configuration.json").write_text(json.dumps(configuration or {}))
    return launch


@contextmanager
def running(function: Callable[..., Any], slots: int = 1, **more: Any) -> Iterator[LocalExecutor]:
    with executor(slots, function=function, **more) as it:
        yield it


def test_the_function_gets_configuration_and_run_and_sees_what_it_closes_over(tmp_path: Path) -> None:
    unpicklable = (lambda x: 2 * x, open(os.devnull))  # noqa: SIM115

    def function(configuration: dict[str, Any], run: Any) -> None:
        for k in range(3):
            run.log("loss", unpicklable[0](configuration["lr"]) + k)

    with unpicklable[1], running(function) as it:
        end, events = run_to_end(it, prepare(tmp_path, configuration={"lr": 0.5}))
    assert end.status is RunStatus.COMPLETED
    assert [(row.name, row.value) for row in rows_of(events)] == [("loss", 1.0), ("loss", 2.0), ("loss", 3.0)]


def fail() -> None:
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("action", "reason", "stderr"),
    [
        (fail, "exit code 1: RuntimeError: boom", "RuntimeError: boom"),
        (lambda: sys.exit(4), "exit code 4", ""),
        (lambda: sys.exit("no data"), "exit code 1: no data", "no data"),
        (lambda: sys.exit(), None, ""),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "signal SIGSEGV", ""),
        (lambda: os._exit(9), "exit code 9", ""),
    ],
)
def test_the_end_of_the_function_is_the_end_of_a_program(
    tmp_path: Path, action: Callable[[], Any], reason: str | None, stderr: str
) -> None:
    with running(lambda configuration, run: action()) as it:
        end, _ = run_to_end(it, prepare(tmp_path))
        assert it.capacity() == 1
    assert end.reason == reason
    assert stderr in (tmp_path / "0000/stderr.log").read_text()


def test_the_process_looks_like_a_fresh_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONLY_OF_THE_DRIVER", "1")
    handler = atexit.register(lambda: Path(tmp_path, "driver-exit-handler-ran").touch())

    def function(configuration: dict[str, Any], run: Any) -> None:
        atexit.register(lambda: print("own exit handler"))
        print(os.getcwd() == str(tmp_path / "0000"), os.environ["MINE"], "ONLY_OF_THE_DRIVER" in os.environ)
        print(sys.stdin.read() == "", os.getsid(0) == os.getpid(), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
        Path(os.environ["HDCORE_REPORT"] + ".random").write_text(repr(random.random()))

    environment = {"PATH": os.environ["PATH"], "MINE": "é", "HDCORE_REPORT": str(tmp_path / "0000/reports.jsonl")}
    try:
        with running(function) as it:
            launch = prepare(tmp_path)
            launch.environment.clear()
            launch.environment.update(environment)
            end, _ = run_to_end(it, launch)
            run_to_end(it, prepare(tmp_path, 1, environment={"MINE": ""}))
    finally:
        atexit.unregister(handler)
    assert end.status is RunStatus.COMPLETED
    log = (tmp_path / "0000/stdout.log").read_text()
    assert log == "True é False\nTrue True True\nown exit handler\n"
    assert not (tmp_path / "driver-exit-handler-ran").exists()
    assert (tmp_path / "0000/reports.jsonl.random").read_text() != (tmp_path / "0001/reports.jsonl.random").read_text()


def test_what_the_driver_has_not_flushed_is_not_written_by_runs(tmp_path: Path) -> None:
    with open(tmp_path / "text", "w") as stream:
        before, sys.stdout = sys.stdout, stream
        try:
            stream.write("once")
            with running(lambda configuration, run: None) as it:
                run_to_end(it, prepare(tmp_path))
                run_to_end(it, prepare(tmp_path, 1))
        finally:
            sys.stdout = before
    assert (tmp_path / "text").read_text() == "once"


def test_a_function_run_can_be_canceled_and_times_out(tmp_path: Path) -> None:
    with running(lambda configuration, run: time.sleep(600), 2) as it:
        it.start(prepare(tmp_path, 0))
        it.start(prepare(tmp_path, 1, timeout_s=0.2))
        it.cancel(0, "policy")
        ends: dict[int, RunEnd] = {}
        while len(ends) < 2:
            ends |= {e.number: e for e in it.poll(10.0) if isinstance(e, RunEnd)}
    assert (ends[0].status, ends[0].reason) == (RunStatus.CANCELED, "policy")
    assert (ends[1].status, ends[1].reason) == (RunStatus.FAILED, "run timeout of 0.2 s")


def fork_and_stay(configuration: dict[str, Any], run: Any) -> None:
    if os.fork() == 0:
        os.setsid()
    fd = os.open("pids", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, b"%d\n" % os.getpid())
    time.sleep(600)


def test_descendants_of_a_function_run_are_ended(tmp_path: Path) -> None:
    with running(fork_and_stay) as it:
        it.start(prepare(tmp_path))
        alive = numbers_in(tmp_path / "0000/pids", 2)
        it.cancel(0, "stop", grace_s=0)
        events_until(it, lambda event: isinstance(event, RunEnd))
        assert not [pid for pid in alive if is_alive(pid)]


def test_leftovers_of_a_function_run_are_found_by_name(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    with running(fork_and_stay, mark=mark) as it:
        it.start(prepare(tmp_path))
        alive = numbers_in(tmp_path / "0000/pids", 2)
        assert {leftover.pid for leftover in end_leftovers(mark)} == set(alive)
        events_until(it, lambda event: isinstance(event, RunEnd))


def test_a_dead_spawner_is_forked_anew(tmp_path: Path) -> None:
    with running(lambda configuration, run: None) as it:
        os.kill(it._supervisors.spawner.pid, signal.SIGKILL)
        end, _ = run_to_end(it, prepare(tmp_path))
    assert end.status is RunStatus.COMPLETED


def test_nothing_lives_after_the_driver_of_functions_is_killed_even_with_two_executors(tmp_path: Path) -> None:
    """The second spawner is a copy of a driver that has the first one's sockets, and its lock."""
    lock = tmp_path / "lock"
    driver = os.fork()
    if driver == 0:
        try:
            held = os.open(lock, os.O_RDWR | os.O_CREAT)
            fcntl.flock(held, fcntl.LOCK_EX)
            for number in range(2):
                it = LocalExecutor(1, function=fork_and_stay)
                it.start(prepare(tmp_path, number))
                numbers_in(tmp_path / f"{number:04d}/pids", 2)
                (tmp_path / f"spawner-{number}").write_text(f"{it._supervisors.spawner.pid}\n")
                globals()[f"keep_{number}"] = it
            signal.pause()
        finally:
            os._exit(1)
    try:
        spawners = [numbers_in(tmp_path / f"spawner-{number}", 1)[0] for number in range(2)]
        runs = [pid for number in range(2) for pid in numbers_in(tmp_path / f"{number:04d}/pids", 2)]
        machinery = [*spawners, *(shim for spawner in spawners for shim in children_of(spawner))]
    finally:
        os.kill(driver, signal.SIGKILL)
        os.waitpid(driver, 0)
    with open(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free at once: no copy holds it
    wait_for(lambda: not [pid for pid in [*runs, *machinery] if is_alive(pid)], "the end of all")
