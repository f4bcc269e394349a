"""One driver a sweep, and what others may know of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from store.support import add
from store.test_crash import child

from hdcore.errors import RefusedError
from hdcore.store import ControlReader, Store, StoreReader, request_cancel
from hdcore.store.lock import DriverLock, read_driver


def test_a_second_driver_is_refused_with_pid_host_and_since_and_disturbs_nothing(store: Store, root: Path) -> None:
    add(store, 1)
    with pytest.raises(RefusedError, match=rf"pid {os.getpid()} on \S+ since 2\S+Z; ") as caught:
        Store.open(root, "s1")
    assert caught.value.exit_code == 3
    store.start_run(0, 1, (), 1.0)
    assert store.runs()[0].status == "Running"


def test_the_lock_is_free_the_moment_its_driver_is_killed(tmp_path: Path) -> None:
    process = child(tmp_path / "root", "s1", 1)
    assert process.stdout is not None
    process.stdout.readline()
    folder = tmp_path / "root" / "sweeps" / "s1"
    driver = read_driver(folder)
    assert driver is not None
    assert (driver.alive, driver.pid) == (True, process.pid)
    with pytest.raises(RefusedError, match=f"pid {process.pid} "):
        Store.open(tmp_path / "root", "s1")
    process.kill()
    process.communicate()
    driver = read_driver(folder)
    assert driver is not None
    assert (driver.alive, driver.pid) == (False, process.pid)
    Store.open(tmp_path / "root", "s1").close()


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"[1]", b'{"pid": "x", "host": 1}', b'{"pid": 1, "host": "a\\nb"}'])
def test_the_text_of_the_lock_file_decides_nothing(store: Store, root: Path, text: bytes) -> None:
    store.close()
    (store.folder / "driver.lock").write_bytes(text)
    driver = read_driver(store.folder)
    assert driver is not None
    assert (driver.alive, driver.host) == (False, None)
    with Store.open(root, "s1"):
        (store.folder / "driver.lock").write_bytes(text)
        with pytest.raises(RefusedError, match="driven by"):
            Store.open(root, "s1")
        alive = read_driver(store.folder)
        assert alive is not None
        assert alive.alive


def test_a_lock_file_that_names_a_living_foreign_process_blocks_nothing_and_harms_nobody(
    store: Store, root: Path
) -> None:
    store.close()
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as other:
        (store.folder / "driver.lock").write_text(f'{{"pid": {other.pid}, "start": 1}}')
        Store.open(root, "s1").close()
        assert other.poll() is None
        other.send_signal(signal.SIGKILL)


def test_asking_for_the_driver_never_gets_in_the_way_of_one(store: Store, root: Path) -> None:
    store.close()
    script = (
        "import sys; from pathlib import Path; from hdcore.store.lock import read_driver\n"
        "print('ready', flush=True)\n"
        "while True: read_driver(Path(sys.argv[1]))"
    )
    repository = Path(__file__).parent.parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", script, str(store.folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(repository)},
    ) as asker:
        assert asker.stdout is not None
        asker.stdout.readline()
        for _ in range(30):
            Store.open(root, "s1").close()
        asker.kill()


def test_a_child_of_a_driver_does_not_keep_the_lock(store: Store, root: Path) -> None:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    os.close(read_end)
    try:
        store.close()
        Store.open(root, "s1").close()
    finally:
        os.close(write_end)
        os.waitpid(pid, 0)


def test_the_lock_is_not_inherited_by_programs(store: Store) -> None:
    (held,) = (fd for fd in os.listdir("/proc/self/fd") if _points_to(fd, store.folder / "driver.lock"))
    assert not os.get_inheritable(int(held))


def _points_to(fd: str, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == str(path)
    except OSError:
        return False


def test_a_lock_file_that_was_replaced_is_locked_anew(tmp_path: Path) -> None:
    first = DriverLock.acquire(tmp_path)
    (tmp_path / "driver.lock").unlink()
    second = DriverLock.acquire(tmp_path)  # another file: nobody holds this one
    first.release()
    second.release()
    second.release()
    assert read_driver(tmp_path / "nowhere") is None


def test_requests_come_once_and_in_order(store: Store) -> None:
    reader = ControlReader(store.folder)
    assert reader.poll() == []
    request_cancel(store.folder, 3)
    request_cancel(store.folder)
    assert [request.run for request in reader.poll()] == [3, None]
    assert reader.poll() == []
    with (store.folder / "control.jsonl").open("ab") as file:
        file.write(b'junk\n[]\n{"cancel": -1}\n{"cancel": true}\n{"cancel": "x"}\n\xff\n{"cancel": 5}\n{"cancel": 6')
    assert [request.run for request in reader.poll()] == [5]
    with (store.folder / "control.jsonl").open("ab") as file:
        file.write(b"}\n")
    assert [request.run for request in reader.poll()] == [6]
    reader.close()
    reader.close()


def test_requests_to_an_earlier_driver_are_forgotten(store: Store, root: Path) -> None:
    request_cancel(store.folder)
    store.close()
    with Store.open(root, "s1") as again:
        reader = ControlReader(again.folder)
        assert reader.poll() == []
        request_cancel(again.folder, 1)
        assert [request.run for request in reader.poll()] == [1]
        reader.close()


def test_a_reader_tells_who_drives(store: Store) -> None:
    with StoreReader.open(store.folder) as reader:
        driver = reader.driver()
        assert driver is not None
        assert (driver.alive, driver.pid) == (True, os.getpid())
        store.close()
        driver = reader.driver()
        assert driver is not None
        assert not driver.alive
