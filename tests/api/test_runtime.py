"""The in-run client: what a training script may do, and what it costs."""

from __future__ import annotations

import decimal
import fractions
import json
import math
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hdcore
from hdcore import runtime
from hdcore.runtime import Client
from hdcore.store.wire import MAX_LINE_BYTES, is_incomplete, parse_lines

REPOSITORY = Path(hdcore.__file__).parent.parent


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "reports.jsonl"
    for key in [key for key in os.environ if key.startswith(("HDCORE_", "AZUREML_"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("HDCORE_REPORT", str(path))
    monkeypatch.setenv("HDCORE_RUN_ID", "HD_abc_7")
    monkeypatch.setenv("HDCORE_ATTEMPT", "2")
    return path


@pytest.fixture
def client(report: Path) -> Client:
    return Client()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Client:
    for key in [key for key in os.environ if key.startswith(("HDCORE_", "AZUREML_"))]:
        monkeypatch.delenv(key)
    return Client()


def rows(path: Path) -> list[tuple[str, float | None, int | None, str | None]]:
    data = path.read_bytes()
    found, consumed, dropped = parse_lines(data, 0.0)
    assert (consumed, dropped) == (len(data), 0)
    return [(row.name, row.value, row.step, row.text) for row in found]


def python(script: str, report: Path | None) -> subprocess.CompletedProcess[str]:
    environment = {key: text for key, text in os.environ.items() if not key.startswith("HDCORE_")}
    environment["PYTHONPATH"] = str(REPOSITORY)
    if report is not None:
        environment |= {"HDCORE_REPORT": str(report), "HDCORE_RUN_ID": "HD_abc_7", "HDCORE_ATTEMPT": "1"}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True, check=False
    )


# ---------------------------------------------------------------------- values


def test_a_report_is_one_line_of_json_that_any_reader_takes(client: Client, report: Path) -> None:
    client.log("loss", 0.1)
    client.log("loss", 2, step=5)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(line["name"], line["value"], line.get("step")) for line in lines] == [
        ("loss", 0.1, None),
        ("loss", 2.0, 5),
    ]
    assert all(abs(line["at"] - os.stat(report).st_mtime) < 60 for line in lines)


@given(st.floats() | st.integers(-(10**30), 10**30))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_every_number_arrives_as_the_nearest_double(client: Client, report: Path, value: float) -> None:
    report.write_bytes(b"")
    client.log("loss", value)
    ((_, found, _, text),) = rows(report)
    assert text is None
    assert repr(found) == repr(float(value))


@given(st.text(max_size=300))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_every_name_arrives_as_given_or_is_a_value_error(client: Client, report: Path, name: str) -> None:
    report.write_bytes(b"")
    try:
        good = 0 < len(name.encode()) <= 256 and "\0" not in name
    except UnicodeEncodeError:
        good = False
    if good:
        client.log(name, 1.0)
        assert [row[0] for row in rows(report)] == [name]
    else:
        with pytest.raises(ValueError, match="metric name"):
            client.log(name, 1.0)
        assert report.read_bytes() == b""


class Scalar:
    """What a tensor of PyTorch, TensorFlow or JAX looks like from here."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.shape = ()

    def item(self) -> object:
        return self.value


class OnlyFloat:
    def __float__(self) -> float:
        return 2.5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(
            (np.float64(0.25), 0.25),
            (np.float32(0.5), 0.5),
            (np.float16(0.5), 0.5),
            (np.int64(3), 3.0),
            (np.uint8(255), 255.0),
        ),
        *((np.array(1.5), 1.5), (np.array([[2]]), 2.0), (Scalar(4.5), 4.5), (Scalar(7), 7.0), (OnlyFloat(), 2.5)),
        *(
            (decimal.Decimal("0.1"), 0.1),
            (fractions.Fraction(1, 4), 0.25),
            (np.float64("inf"), math.inf),
            (2**53 + 1, 2.0**53),
        ),
    ],
    ids=lambda value: f"{type(value).__name__}-{value}" if isinstance(value, int | float) else type(value).__name__,
)
def test_everything_that_is_one_real_number_is_taken(client: Client, report: Path, value: Any, expected: float) -> None:
    client.log("loss", value)
    assert rows(report) == [("loss", expected, None, None)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "abc"),
        ("12", "12"),
        ("", ""),
        ("ä\n\u202e\0", "ä\n\u202e\0"),
        (True, "true"),
        (np.bool_(False), "false"),
        (np.str_("x"), "x"),
    ],
)
def test_strings_and_booleans_are_texts(client: Client, report: Path, value: Any, text: str) -> None:
    client.log("phase", value)
    assert rows(report) == [("phase", None, None, text)]


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (None, TypeError, "NoneType None was given"),
        (b"x", TypeError, "bytes b'x'"),
        ([1.0], TypeError, r"list \[1.0\]"),
        ({"a": 1}, TypeError, "dict"),
        (1 + 2j, TypeError, "complex"),
        (np.complex128(1), TypeError, "complex"),
        (np.zeros(3), TypeError, r"shape \(3,\) was given; report one number"),
        (np.zeros((0,)), TypeError, r"shape \(0,\)"),
        (object(), TypeError, "object"),
        (float, TypeError, "type"),
        (10**400, OverflowError, "beyond the range of a double; scale it"),
        pytest.param(10**5000, OverflowError, "beyond the range of a double", id="5,001 digits"),
        (fractions.Fraction(10**400), OverflowError, "beyond the range"),
        ("x" * 5000, ValueError, "at most 4096 are taken"),
        ("\ud800", ValueError, "lone surrogates"),
    ],
)
def test_other_values_are_refused_with_what_to_do(
    client: Client, alone: Client, report: Path, value: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.log("loss", value)
    assert not report.exists()


@pytest.mark.parametrize("name", [None, 3, b"loss", ("a",)])
def test_names_that_are_no_strings_are_type_errors(client: Client, name: Any) -> None:
    with pytest.raises(TypeError, match="metric name is"):
        client.log(name, 1.0)


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0), (-1, -1), (2**63 - 1, 2**63 - 1), (-(2**63), -(2**63)), (np.int32(9), 9)]
)
def test_steps_are_integers_of_64_bits(client: Client, report: Path, step: Any, expected: int) -> None:
    client.log("loss", 1.0, step=step)
    assert rows(report) == [("loss", 1.0, expected, None)]


@pytest.mark.parametrize(
    ("step", "error"),
    [("7", TypeError), (1.5, TypeError), (True, TypeError), (2**63, OverflowError), (10**30, OverflowError)],
)
def test_other_steps_are_refused(client: Client, report: Path, step: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="step"):
        client.log("loss", 1.0, step=step)
    assert not report.exists()


def test_the_longest_report_is_a_line_that_the_reader_takes(client: Client, report: Path) -> None:
    for length in range(MAX_LINE_BYTES - 80, MAX_LINE_BYTES):
        try:
            client.log("t", "x" * length)
        except ValueError:
            break
    assert len(rows(report)) == length - (MAX_LINE_BYTES - 80)
    assert max(map(len, report.read_bytes().split(b"\n"))) == MAX_LINE_BYTES


def test_many_metrics_are_written_together_or_not_at_all(client: Client, report: Path) -> None:
    client.log_many({"loss": 1.0, "accuracy": np.float32(0.5), "phase": "x"}, step=3)
    assert rows(report) == [("loss", 1.0, 3, None), ("accuracy", 0.5, 3, None), ("phase", None, 3, "x")]
    with pytest.raises(TypeError):
        client.log_many({"loss": 1.0, "accuracy": None})  # type: ignore[dict-item]
    assert len(rows(report)) == 3
    client.log_many({})
    assert len(rows(report)) == 3


# ---------------------------------------------------------------------- outside of a sweep


def test_outside_of_a_sweep_reports_are_printed(alone: Client, capsys: pytest.CaptureFixture[str]) -> None:
    alone.log("accuracy", 0.91)
    alone.log("loss", np.float32(0.5), step=3)
    alone.log("n", 3)
    alone.log("phase", "warm-up")
    alone.log("done", True)
    alone.log("loss", math.nan)
    alone.log_many({"a": 1, "b": 2.5}, step=1)
    assert capsys.readouterr().out.splitlines() == [
        *("accuracy: 0.91", "loss: 0.5 (step 3)", "n: 3", "phase: warm-up", "done: true", "loss: nan"),
        *("a: 1 (step 1)", "b: 2.5 (step 1)"),
    ]
    for value in (None, [1], 10**400):
        with pytest.raises((TypeError, OverflowError)):
            alone.log("loss", value)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        alone.log_many({"a": 1, "b": None})  # type: ignore[dict-item]
    assert capsys.readouterr().out == ""


def test_outside_of_a_sweep_the_run_has_no_identity(
    alone: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    assert (alone.id, alone.number, alone.attempt, alone.is_in_sweep) == (None, None, 1, False)
    assert (alone.configuration, alone.resume_from) == ({}, None)
    assert alone.output_dir == str(tmp_path / "outputs")
    assert alone.checkpoint_dir == str(tmp_path / "checkpoints")
    assert (tmp_path / "outputs").is_dir()
    assert (tmp_path / "checkpoints").is_dir()
    assert "outside" in repr(alone)


# ---------------------------------------------------------------------- what the run is


def test_the_identity_comes_from_the_environment(client: Client) -> None:
    assert (client.id, client.number, client.attempt, client.is_in_sweep) == ("HD_abc_7", 7, 2, True)
    assert "HD_abc_7" in repr(client)


def test_folders_come_from_the_environment(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDCORE_OUTPUT_DIR", str(tmp_path / "runs" / "outputs"))
    assert client.output_dir == str(tmp_path / "runs" / "outputs")
    assert client.checkpoint_dir == str(tmp_path / "runs" / "checkpoints")
    monkeypatch.setenv("HDCORE_CHECKPOINT_DIR", str(tmp_path / "kept"))
    assert client.checkpoint_dir == str(tmp_path / "kept")
    assert (tmp_path / "kept").is_dir()


@pytest.mark.parametrize("argv", [["x", "--resume-from", "/old"], ["x", "--lr", "1", "--resume-from=/old"]])
def test_resume_from_is_read_from_the_command_line(
    client: Client, monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert client.resume_from == "/old"
    monkeypatch.setattr(sys, "argv", ["x", "--resume-from"])
    assert client.resume_from is None
    monkeypatch.setenv("HDCORE_RESUME_FROM", "/other")
    assert client.resume_from == "/other"


def test_the_configuration_comes_from_the_file_beside_the_reports_or_the_environment(
    client: Client, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZUREML_SWEEP_lr", "0.1")
    monkeypatch.setenv("AZUREML_SWEEP_opt", "adam")
    assert client.configuration == {"lr": 0.1, "opt": "adam"}
    (report.parent / "configuration.json").write_text("not json")
    assert client.configuration == {"lr": 0.1, "opt": "adam"}
    (report.parent / "configuration.json").write_text('{"lr": 0.25, "conv": {"units": 3}}')
    assert client.configuration == {"lr": 0.25, "conv": {"units": 3}}


def test_get_run_is_the_same_object_each_time(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_client", None)
    found: list[Client] = []
    threads = [threading.Thread(target=lambda: found.append(hdcore.get_run())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(run) for run in found}) == 1


# ---------------------------------------------------------------------- many writers


def test_eight_processes_and_their_threads_and_forks_report_into_one_file(report: Path) -> None:
    script = """
        import os, sys, threading
        from hdcore import get_run
        run = get_run()
        who = sys.argv[1] if len(sys.argv) > 1 else str(os.getpid())
        def work(name):
            for k in range(250):
                run.log(name, float(k), k)
        run.log("first", 1.0)   # the descriptor is open before the fork
        pid = os.fork()
        me = f"{os.getpid()}"
        threads = [threading.Thread(target=work, args=(f"{me}-{t}",)) for t in range(2)]
        for t in threads: t.start()
        for t in threads: t.join()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
    """
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HDCORE_REPORT": str(report)}
    writers = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], env=environment) for _ in range(8)]
    assert [writer.wait() for writer in writers] == [0] * 8
    found = rows(report)
    series: dict[str, list[float | None]] = {}
    for name, value, step, _ in found:
        assert name == "first" or value == step
        series.setdefault(name, []).append(value)
    assert len(series.pop("first")) == 8
    assert len(series) == 32
    assert all(values == [float(k) for k in range(250)] for values in series.values())


def test_a_descriptor_that_somebody_closed_is_opened_anew_and_no_other_file_is_written(
    client: Client, report: Path, tmp_path: Path
) -> None:
    client.log("loss", 1.0)
    other = tmp_path / "precious.txt"
    os.close(client._fd)
    fd = os.open(other, os.O_RDWR | os.O_CREAT)  # takes the number of the closed one, as a daemon's files would
    try:
        assert fd == client._fd
        client.log("loss", 2.0)
        assert other.read_bytes() == b""
    finally:
        os.close(fd)
    client.log("loss", 3.0)
    assert [row[1] for row in rows(report)] == [1.0, 2.0, 3.0]


def test_the_report_file_is_private(client: Client, report: Path) -> None:
    before = os.umask(0)
    try:
        client.log("loss", 1.0)
    finally:
        os.umask(before)
    assert report.stat().st_mode & 0o777 == 0o600


# ---------------------------------------------------------------------- full disk


def test_a_report_file_that_cannot_be_opened_is_an_error_that_names_it(client: Client, report: Path) -> None:
    report.mkdir()
    with pytest.raises(IsADirectoryError, match="is HDCORE_REPORT right"):
        client.log("loss", 1.0)


LIMITED = """
    import resource, sys
    from hdcore import get_run
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
    run = get_run()
    for k in range(300):
        run.log("loss", float(k), k)
    print("trained", flush=True)
    {then}
"""


def test_a_full_disk_does_not_end_the_training_and_the_gap_is_marked(report: Path) -> None:
    done = python(LIMITED.format(then=""), report)
    assert (done.returncode, done.stdout) == (0, "trained\n")
    warnings = done.stderr.splitlines()
    assert len(warnings) == 2
    assert "kept in memory and tried again" in warnings[0]
    assert "will not count as completed" in warnings[1]
    assert is_incomplete(report)
    found, consumed, dropped = parse_lines(report.read_bytes(), 0.0)
    assert dropped == 0
    assert [row.value for row in found] == [float(k) for k in range(len(found))]
    assert 0 < len(found) < 300
    assert len(report.read_bytes()) == 4000  # cut in the middle of a line, which is not consumed
    assert consumed < 4000


def test_when_there_is_room_again_every_report_arrives_once_and_in_order(report: Path) -> None:
    then = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"
    done = python(LIMITED.format(then=then), report)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert not is_incomplete(report)
    assert [row[1] for row in rows(report)] == [float(k) for k in range(300)]


def test_reports_go_on_by_themselves_after_a_full_disk(report: Path) -> None:
    then = """resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    run._next_try = 0.0
    for k in range(300, 310):
        run.log("loss", float(k), k)
    assert not run._backlog
    import os; os._exit(0)"""
    done = python(LIMITED.format(then=then), report)
    assert done.returncode == 0, done.stderr
    assert [row[1] for row in rows(report)] == [float(k) for k in range(310)]
    assert not is_incomplete(report)


def test_a_process_that_is_killed_on_a_full_disk_leaves_the_mark(report: Path) -> None:
    done = python(LIMITED.format(then="import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), report)
    assert done.returncode == -9
    assert is_incomplete(report)


def test_a_fork_does_not_write_what_its_parent_holds_back(report: Path) -> None:
    then = """resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    import os
    if os.fork() == 0:
        sys.exit(0)
    assert os.wait()[1] == 0"""
    done = python(LIMITED.format(then=then), report)
    assert done.returncode == 0, done.stderr
    assert [row[1] for row in rows(report)] == [float(k) for k in range(300)]


def test_memory_for_a_full_disk_is_bounded(report: Path) -> None:
    script = LIMITED.replace(
        "run = get_run()", "import hdcore.runtime as r; r.MAX_BACKLOG_BYTES = 2000; run = get_run()"
    )
    done = python(script.format(then="assert len(run._backlog) <= 2000; run._next_try = 0"), report)
    assert done.returncode == 0, done.stderr
    assert "they are lost" in done.stderr
    assert is_incomplete(report)


def test_a_file_without_the_mark_is_complete(client: Client, report: Path) -> None:
    assert not is_incomplete(report)
    client.log("loss", 1.0)
    assert not is_incomplete(report)
    assert not is_incomplete(client._fd)


# ---------------------------------------------------------------------- what it costs


def test_the_client_imports_next_to_nothing() -> None:
    script = """
        import sys
        before = set(sys.modules)
        from hdcore import get_run
        get_run().log("loss", 1.0)
        print(*sorted(set(sys.modules) - before))
    """
    for report in (None, REPOSITORY / "does" / "not" / "matter"):
        done = python(script.replace('get_run().log("loss", 1.0)', "get_run()") if report else script, report)
        assert done.stderr == ""
        loaded = set(done.stdout.splitlines()[-1].split())
        assert loaded == {"__future__", "_json", "errno", "hdcore", "hdcore.runtime"} & loaded, loaded
        assert "hdcore.runtime" in loaded
