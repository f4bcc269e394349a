"""What every executor promises; a test class inherits this and supplies `make`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from executors.helpers import events_until, make_launch, python, rows_of, run_to_end, start_and_wait

from hdcore.errors import ExecutorError
from hdcore.executors.base import Executor
from hdcore.records import Launch, Reports, RunEnd, RunStarted
from hdcore.typing import RunStatus

REPORT = """
import json, os, sys
fd = os.open(os.environ["HDCORE_REPORT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for k in range(int(sys.argv[1])):
    os.write(fd, (json.dumps({"name": "loss", "value": k}) + "\\n").encode())
"""


class ExecutorContract:
    """The protocol of `hdcore.executors.base.Executor`, on real processes."""

    make: Callable[..., AbstractContextManager[Executor]]
    """``make(slots)`` -> context manager of an executor; closes it."""

    def test_it_has_the_protocol(self) -> None:
        with self.make(1) as executor:
            assert isinstance(executor, Executor)

    def test_a_run_that_ends_well_is_completed(self, tmp_path: Path) -> None:
        with self.make(1) as executor:
            end, events = run_to_end(executor, make_launch(tmp_path))
        assert (end.status, end.reason, end.exit_code, end.signal) == (RunStatus.COMPLETED, None, 0, None)
        assert [type(event) for event in events] == [RunStarted, RunEnd]
        assert events[0].pid > 0
        assert end.duration_s > 0

    def test_an_exit_code_is_named(self, tmp_path: Path) -> None:
        with self.make(1) as executor:
            end, _ = run_to_end(executor, make_launch(tmp_path, argv=["sh", "-c", "exit 3"]))
        assert (end.status, end.reason, end.exit_code) == (RunStatus.FAILED, "exit code 3", 3)

    def test_a_signal_is_named(self, tmp_path: Path) -> None:
        with self.make(1) as executor:
            end, _ = run_to_end(executor, make_launch(tmp_path, argv=["sh", "-c", "kill -SEGV $$"]))
        assert (end.status, end.reason, end.signal) == (RunStatus.FAILED, "signal SIGSEGV", "SIGSEGV")

    def test_a_command_that_does_not_exist_ends_the_run_and_raises_nothing(self, tmp_path: Path) -> None:
        with self.make(1) as executor:
            end, events = run_to_end(executor, make_launch(tmp_path, argv=["pyhton", "train.py"]))
            assert executor.capacity() == 1
        assert (end.status, end.reason) == (RunStatus.FAILED, "cannot start 'pyhton': No such file or directory")
        assert events == [end]

    def test_slots_are_counted_and_given_back(self, tmp_path: Path) -> None:
        with self.make(2) as executor:
            assert executor.capacity() == 2
            executor.start(make_launch(tmp_path, 0, ["sleep", "600"]))
            executor.start(make_launch(tmp_path, 1, ["sleep", "600"]))
            assert executor.capacity() == 0
            with pytest.raises(ExecutorError, match="no free slot for run 2"):
                executor.start(make_launch(tmp_path, 2))
            executor.cancel(0, "enough")
            events_until(executor, lambda event: isinstance(event, RunEnd))
            assert executor.capacity() == 1

    def test_a_canceled_run_carries_the_reason(self, tmp_path: Path) -> None:
        with self.make(1) as executor:
            start_and_wait(executor, make_launch(tmp_path, argv=["sleep", "600"]))
            executor.cancel(0, "median stopping at interval 5")
            [end] = events_until(executor, lambda event: isinstance(event, RunEnd))
        assert (end.status, end.reason) == (RunStatus.CANCELED, "median stopping at interval 5")

    def test_canceling_unknown_and_ended_runs_does_nothing(self, tmp_path: Path) -> None:
        with self.make(1) as executor:
            executor.cancel(7, "never started")
            run_to_end(executor, make_launch(tmp_path))
            executor.cancel(0, "too late")
            assert executor.poll(0.0) == []

    def test_reports_come_in_order_between_start_and_end(self, tmp_path: Path) -> None:
        with self.make(1) as executor:
            _, events = run_to_end(executor, make_launch(tmp_path, argv=[*python(REPORT), "3000"]))
        assert [row.value for row in rows_of(events)] == list(range(3000))
        assert isinstance(events[0], RunStarted)
        assert isinstance(events[-1], RunEnd)
        assert {type(event) for event in events[1:-1]} == {Reports}
        assert events[-2].offset == (tmp_path / "0000/reports.jsonl").stat().st_size

    def test_reading_goes_on_from_the_offset(self, tmp_path: Path) -> None:
        launch = make_launch(tmp_path, argv=[*python(REPORT), "2"])
        old = b'{"name": "loss", "value": -1}\n'
        Path(launch.report).write_bytes(old)
        with self.make(1) as executor:
            _, events = run_to_end(
                executor, Launch(**{f: getattr(launch, f) for f in launch.__struct_fields__} | {"offset": len(old)})
            )
        assert [row.value for row in rows_of(events)] == [0, 1]

    def test_a_number_can_come_again_with_another_attempt(self, tmp_path: Path) -> None:
        with self.make(1) as executor:
            for attempt in (1, 2):
                end, _ = run_to_end(executor, make_launch(tmp_path, attempt=attempt))
                assert end.attempt == attempt

    def test_nothing_comes_from_an_idle_executor(self) -> None:
        with self.make(1) as executor:
            assert executor.poll(0.0) == []

    def test_close_is_idempotent(self, tmp_path: Path) -> None:
        with self.make(1) as executor:
            executor.start(make_launch(tmp_path, argv=["sleep", "600"]))
            executor.close()
            executor.close()
            assert executor.capacity() == 0
