"""What is left after a driver is killed, the power fails, or the disk is full: real processes, real files."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store.support import add, files_of_a_crash, fill, losses, make_spec, start

from hdcore.errors import StoreError
from hdcore.store import Store, StoreReader
from hdcore.store.batch import Batch
from hdcore.typing import RunStatus

TESTS = Path(__file__).parent.parent
REPOSITORY = TESTS.parent


def child(*words: object, module: str = "store.writer") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(REPOSITORY)])}
    return subprocess.Popen([sys.executable, "-m", module, *map(str, words)], stdout=subprocess.PIPE, env=environment)


def integrity(database: Path) -> str:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def assert_history_is_a_prefix(root: Path, name: str = "s1") -> dict[int, tuple[int, int]]:
    """Check every row against what the writer can have written; return finished run -> (attempt, reports)."""
    finished = {}
    with StoreReader.open(root / "sweeps" / name) as reader:
        runs = reader.runs()
        assert [run.number for run in runs] == list(range(len(runs)))
        for run in runs:
            series = reader.series(run.number).get("loss", [])
            assert [interval for interval, *_ in series] == list(range(1, len(series) + 1))
            assert [value for _, _, value, _ in series] == [run.number * 1000.0 + k for k in range(1, len(series) + 1)]
            assert (run.primary.count if run.primary else 0) == len(series)
            assert run.configuration == {"lr": run.number}
            if run.status is RunStatus.COMPLETED:
                assert run.value == run.number * 1000.0 + 1
                finished[run.number] = (run.attempt, len(series))
    return finished


def test_nothing_acknowledged_is_lost_when_the_driver_is_killed_at_random_moments(tmp_path: Path) -> None:
    rng = random.Random(20261123)
    root = tmp_path / "root"
    acknowledged: dict[int, tuple[int, int]] = {}
    for turn in range(8):
        process = child(root, "s1", turn)
        assert process.stdout is not None
        for _ in range(rng.randrange(1, 60)):  # kills at random points of its work, not of the clock
            line = process.stdout.readline()
            assert line.endswith(b"\n")
            number, attempt, count = map(int, line.split())
            assert number not in acknowledged, "an acknowledged run was run again"
            acknowledged[number] = (attempt, count)
        for _ in range(rng.randrange(20_000)):
            pass
        process.send_signal(signal.SIGKILL)
        for line in process.stdout.readlines():
            if line.endswith(b"\n"):
                number, attempt, count = map(int, line.split())
                acknowledged[number] = (attempt, count)
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        assert integrity(root / "sweeps" / "s1" / "sweep.db") == "ok"
        finished = assert_history_is_a_prefix(root)
        assert acknowledged.items() <= finished.items()
    with Store.open(root, "s1") as store:
        assert all(run.status in ("Completed", "Queued") for run in store.runs())
    assert sum(1 for _ in acknowledged) > 20


def test_a_killed_driver_while_making_the_sweep_leaves_all_or_nothing(tmp_path: Path) -> None:
    for delay in range(6):
        root = tmp_path / f"root{delay}"
        process = child(root, "s1", 0)
        sweeps = root / "sweeps"
        while not sweeps.exists() and process.poll() is None:
            pass
        for _ in range(delay * 30_000):
            pass
        process.kill()
        process.communicate()
        if (sweeps / "s1").exists():
            assert_history_is_a_prefix(root)
            Store.open(root, "s1").close()
        else:
            Store.create(root, make_spec(), sweep_id="HD_1").close()


def test_a_torn_wal_opens_with_a_prefix_of_the_history(tmp_path: Path) -> None:
    rng = random.Random(7)
    process = child(tmp_path / "root", "s1", 3)
    assert process.stdout is not None
    for _ in range(40):
        process.stdout.readline()
    process.kill()
    process.communicate()
    database = tmp_path / "root" / "sweeps" / "s1" / "sweep.db"
    wal = Path(f"{database}-wal")
    whole = wal.read_bytes()
    assert whole
    complete = assert_history_is_a_prefix(Path(shutil.copytree(tmp_path / "root", tmp_path / "whole")))
    for turn in range(24):
        root = Path(shutil.copytree(tmp_path / "root", tmp_path / f"torn{turn}"))
        torn = root / "sweeps" / "s1" / "sweep.db-wal"
        cut = rng.randrange(len(whole))
        torn.write_bytes(whole[:cut] + (rng.randbytes(len(whole) - cut) if turn % 2 else b""))
        torn.with_name("sweep.db-shm").unlink(missing_ok=True)
        before = (root / "sweeps" / "s1" / "sweep.db").read_bytes()
        finished = assert_history_is_a_prefix(root)
        assert finished.items() <= complete.items()
        assert (root / "sweeps" / "s1" / "sweep.db").read_bytes() == before, "a reader changed the database"
        with Store.open(root, "s1") as store:
            assert {run.number for run in store.runs() if run.status is RunStatus.COMPLETED} == set(finished)
        assert integrity(root / "sweeps" / "s1" / "sweep.db") == "ok"


def test_a_reader_reads_the_wal_of_a_crash_and_leaves_it(store: Store, tmp_path: Path) -> None:
    fill(store, 5)
    root = files_of_a_crash(store, tmp_path / "copy")
    database = root / "sweeps" / "s1" / "sweep.db"
    before = [database.read_bytes(), Path(f"{database}-wal").read_bytes()]
    assert before[1]
    for _ in range(2):
        with StoreReader.open(database.parent) as reader:
            assert [run.status for run in reader.runs()] == ["Completed"] * 5
            assert reader.driver() is not None
    assert [database.read_bytes(), Path(f"{database}-wal").read_bytes()] == before


FULL = """
import resource, signal, sys
from pathlib import Path
from hdcore.errors import StoreError
from hdcore.store import Store
from hdcore.typing import RunStatus
from store.support import add, losses, make_spec, start
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
store = Store.create(Path(sys.argv[1]), make_spec(), sweep_id="HD_1")
add(store, 100)
try:
    for number in range(100):
        start(store, number)
        for _ in range(20):
            store.add_reports(losses(number, [1.0] * 200))
        store.finish_run(number, RunStatus.COMPLETED, value=1.0, interval=1, at=1.0)
        print(number, flush=True)
except StoreError as error:
    print("error", error, error.exit_code, flush=True)
    store.close()
    sys.exit(error.exit_code)
"""


def fill_until_full(root: Path, limit: int) -> tuple[int, str]:
    """Write until the disk is full; return the last acknowledged run and the message."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(REPOSITORY)])}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(root), str(limit)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert done.stderr == ""
    *numbers, message = done.stdout.splitlines()
    assert [int(number) for number in numbers] == list(range(len(numbers)))
    assert message.startswith("error ")
    return len(numbers), message


def assert_resumable(root: Path, acknowledged: int) -> None:
    assert integrity(root / "sweeps" / "s1" / "sweep.db") == "ok"
    with Store.open(root, "s1") as store:
        runs = store.runs()
        assert {run.status for run in runs[:acknowledged]} <= {RunStatus.COMPLETED}
        assert all(run.primary and run.primary.count == 4000 for run in runs if run.status is RunStatus.COMPLETED)
        number = next(run.number for run in runs if run.status is RunStatus.QUEUED)
        start(store, number, attempt=2)
        store.add_reports(losses(number, [1.0] * 4000, attempt=2))
        store.finish_run(number, RunStatus.COMPLETED, value=1.0, interval=1, at=1.0)


def test_a_file_size_limit_ends_with_one_line_and_an_intact_store(tmp_path: Path) -> None:
    acknowledged, message = fill_until_full(tmp_path / "root", 2_000_000)
    assert "the disk failed (SQLITE_IOERR_WRITE)" in message
    assert acknowledged >= 1
    assert_resumable(tmp_path / "root", acknowledged)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A tmpfs of a few MiB where we may mount one, else none: a file size limit then stands in."""
    mounted: list[Path] = []

    def mount(mebibytes: int) -> Path:
        folder = tmp_path / "small"
        if not mounted:
            folder.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                mounted.append(folder)
        else:
            subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", str(folder)], check=True)
        return folder

    mount.is_real = lambda: bool(mounted)  # type: ignore[attr-defined]
    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_with_one_line_and_the_sweep_goes_on_when_there_is_room(
    small_disk: Callable[[int], Path],
) -> None:
    folder = small_disk(3)
    is_real = small_disk.is_real()  # type: ignore[attr-defined]
    acknowledged, message = fill_until_full(folder, 0 if is_real else 2_000_000)
    assert "make room" in message or not is_real
    if is_real:
        with StoreReader.open(folder / "sweeps" / "s1") as reader:  # show works on the full disk
            assert reader.sweep().counts[RunStatus.COMPLETED] >= acknowledged
        folder = small_disk(50)
    assert_resumable(folder, acknowledged)


def test_the_ballast_lets_the_last_state_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own page limit stands for the disk: it gives the same error, and room again when the ballast goes."""
    add(store, 1)
    start(store, 0)
    connection = store._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")

    def more_room(folder: Path) -> bool:
        connection.execute(f"PRAGMA max_page_count={pages + 100}")
        return True

    monkeypatch.setattr("hdcore.store.batch.drop_ballast", more_room)
    store.add_reports(losses(0, [1.0] * 900, offset=77))
    with pytest.raises(StoreError, match="disk is full; make room, then `hdcore resume s1`"):
        store.finish_run(0, RunStatus.COMPLETED, value=1.0, interval=1, at=1.0)
    run = store.runs()[0]
    assert (run.status, run.offset) == ("Completed", 77)
    assert run.primary is not None
    assert run.primary.count == 900


def test_a_failed_sync_is_never_tried_again(store: Store, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 3)
    tries: list[Batch] = []

    def fail(batch: Batch) -> None:
        tries.append(batch)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise error

    monkeypatch.setattr(Batch, "_write", fail)
    files = [store.folder / "sweep.db", store.folder / "sweep.db-wal"]
    before = [path.read_bytes() for path in files]
    with pytest.raises(StoreError, match=r"the disk failed \(SQLITE_IOERR_FSYNC\)"):
        store.add_runs([(3, {"lr": 0.5})])
    with pytest.raises(StoreError, match="the disk failed"):
        store.set_sweep(RunStatus.FAILED, None, 1.0)
    assert len(tries) == 1
    store.close()
    assert [path.read_bytes() for path in files] == before  # nor did closing write or sync anything
    monkeypatch.undo()
    with Store.open(root, "s1") as again:
        assert [run.status for run in again.runs()] == ["Completed"] * 3


def test_too_little_room_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdcore.store.disk.MIN_FREE_BYTES", 1 << 62)
    with pytest.raises(StoreError, match="KiB left"):
        Store.create(tmp_path / "root", make_spec(), sweep_id="HD_1")
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("fate", ["moved", "removed", "replaced"])
def test_a_sweep_whose_folder_goes_away_ends_and_what_was_moved_is_whole(
    store: Store, root: Path, tmp_path: Path, fate: str
) -> None:
    fill(store, 2)
    if fate == "replaced":
        shutil.copytree(root, tmp_path / "copy")
    shutil.move(root, tmp_path / "elsewhere")
    if fate == "removed":
        shutil.rmtree(tmp_path / "elsewhere")
    elif fate == "replaced":
        shutil.move(tmp_path / "copy", root)
    with pytest.raises(StoreError, match="was moved or removed while the sweep ran"):
        store.add_runs([(2, {"lr": 0.5, "units": 16})])
    store.close()
    if fate != "removed":
        with Store.open(tmp_path / "elsewhere", "s1") as again:
            assert [run.status for run in again.runs()] == ["Completed", "Completed", "Queued"]


def test_a_program_that_keeps_the_database_locked_is_told_and_the_sweep_can_be_resumed(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 2)
    store._connection.execute("PRAGMA busy_timeout=1")
    monkeypatch.setattr("hdcore.store.batch._CLOSING_TIMEOUT_S", 0.001)
    other = sqlite3.connect(store.folder / "sweep.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="keeps its database locked; end that program, then `hdcore resume s1`"):
            store.set_sweep(RunStatus.RUNNING, None, 1.0)
        store.close()
        with StoreReader.open(root / "sweeps" / "s1") as reader:
            assert reader.sweep().counts[RunStatus.COMPLETED] == 2
    finally:
        other.close()
    with Store.open(root, "s1") as again:
        assert [run.status for run in again.runs()] == ["Completed"] * 2
