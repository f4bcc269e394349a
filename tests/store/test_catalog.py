"""Roots, names, privacy."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from store.support import fill, make_spec

from hdcore.errors import InputError, RefusedError
from hdcore.store import Store, StoreReader, find_root, list_sweeps, request_cancel, resolve
from hdcore.store import disk as disk_module
from hdcore.store.catalog import check_root
from hdcore.store.lock import DriverLock

STORE = Path(disk_module.__file__).parent


def test_the_root_is_the_option_then_the_environment_then_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HDCORE_ROOT", raising=False)
    assert find_root() == tmp_path / ".hdcore"
    monkeypatch.setenv("HDCORE_ROOT", "/somewhere")
    assert find_root() == Path("/somewhere")
    assert find_root("else") == tmp_path / "else"
    monkeypatch.setenv("HOME", "/home/me")
    assert find_root("~/sweeps") == Path("/home/me/sweeps")


def test_sweeps_are_listed_newest_first_whatever_the_clock_says(new_store: Callable[..., Store], root: Path) -> None:
    assert list_sweeps(root) == []
    for name in ("b", "c", "a"):
        new_store(name)
        os.utime(root / "sweeps" / name, (ord(name), ord(name)))
    (root / "sweeps" / ".draft.new").mkdir()
    (root / "sweeps" / "file").write_text("")
    assert list_sweeps(root) == [(name, root / "sweeps" / name) for name in ("a", "c", "b")]


def test_what_a_death_left_of_a_sweep_in_the_making_is_removed_and_what_is_being_made_stays(
    new_store: Callable[..., Store], root: Path
) -> None:
    new_store("a")
    sweeps = root / "sweeps"
    old, locked, fresh = (sweeps / f".{k * 12}.new" for k in "0ab")
    other = sweeps / ".keep"
    for folder in (old, locked, fresh, other):
        folder.mkdir()
        (folder / "sweep.db").write_bytes(b"x")
    lock = DriverLock.acquire(locked)
    for folder in (old, locked, other):
        os.utime(folder, (1e9, 1e9))
    assert [name for name, _ in list_sweeps(root)] == ["a"]
    assert [folder.exists() for folder in (old, locked, fresh, other)] == [False, True, True, True]
    lock.release()
    os.utime(locked, (1e9, 1e9))
    new_store("b")
    assert [folder.exists() for folder in (locked, fresh, other)] == [False, True, True]


def test_names_may_be_shortened_to_a_unique_prefix(new_store: Callable[..., Store], root: Path) -> None:
    with pytest.raises(InputError, match="no sweeps"):
        resolve(root, "last")
    for name in ("iris", "iris-2", "digits"):
        new_store(name)
    assert resolve(root, "iris").name == "iris"
    assert resolve(root, "iris-").name == "iris-2"
    assert resolve(root, "d").name == "digits"
    assert resolve(root, "last").name == "digits"
    with pytest.raises(InputError, match="'iris-2', 'iris'"):
        resolve(root, "ir")
    with pytest.raises(InputError, match="'digits'"):
        resolve(root, "digit5")
    for wild in ("", "..", "../sweeps/iris", "iris/"):
        with pytest.raises(InputError):
            resolve(root, wild)


def test_a_new_sweep_may_not_be_called_last_and_an_old_one_goes_on(new_store: Callable[..., Store], root: Path) -> None:
    with pytest.raises(InputError, match="newest") as caught:
        new_store("last")
    assert caught.value.field == "name"
    old = new_store("old")
    old.close()
    old.folder.rename(old.folder.with_name("last"))
    new_store("newer")
    assert resolve(root, "last").name == "last"
    Store.open(root, "last").close()


@pytest.mark.parametrize("umask", [0, 0o777])
def test_everything_is_private_whatever_the_umask(root: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with Store.create(root, make_spec(), sweep_id="HD_1") as store:
            fill(store, 3)
            request_cancel(store.folder, 1)
            with StoreReader.open(store.folder) as reader:
                reader.runs()
            paths = [root, *root.rglob("*")]
            names = {path.name for path in paths}
            modes = {path.relative_to(root): path.lstat().st_mode & 0o777 for path in paths}
    finally:
        os.umask(before)
    assert names >= {
        "sweep.db",
        "sweep.db-wal",
        "sweep.db-shm",
        "driver.lock",
        "control.jsonl",
        "ballast",
        "runs",
        ".order",
    }
    assert {mode for path, mode in modes.items() if (root / path).is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if not (root / path).is_dir()} == {0o600}


def test_a_root_that_others_may_write_is_refused(root: Path) -> None:
    root.mkdir()
    for mode in (0o777, 0o770, 0o722):
        root.chmod(mode)
        with pytest.raises(RefusedError, match="chmod go-w"):
            Store.create(root, make_spec(), sweep_id="HD_1")
        with pytest.raises(RefusedError, match="chmod go-w"):
            list_sweeps(root)
    assert list(root.iterdir()) == []
    root.chmod(0o1777)  # as /tmp: nobody can replace what is ours
    Store.create(root, make_spec(), sweep_id="HD_1").close()
    (root / "sweeps").chmod(0o1777)
    with pytest.raises(RefusedError, match="chmod go-w"):
        Store.open(root, "s1")


def test_a_root_of_somebody_else_is_refused(store: Store, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(RefusedError, match="belongs to user"):
        check_root(root)
    with pytest.raises(RefusedError, match="belongs to user"):
        StoreReader.open(store.folder)


def test_a_root_that_is_a_file_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="no folder"):
        Store.create(tmp_path / "file", make_spec(), sweep_id="HD_1")
    with pytest.raises(RefusedError, match="Not a directory"):
        list_sweeps(tmp_path / "file" / "below")


MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /net rw shared:1 - nfs4 server:/export rw
31 30 0:41 / /net/local\\040disk rw - ext4 /dev/sdb1 rw
32 22 0:42 / /over rw - nfs server:/x rw
33 22 0:43 / /over rw - tmpfs tmpfs rw
34 22 0:44 / /mnt/share rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *(
            ("/home", "ext4"),
            ("/net", "nfs4"),
            ("/net/a/b", "nfs4"),
            ("/network", "ext4"),
            ("/net/local disk/x", "ext4"),
        ),
        *(("/over/x", "tmpfs"), ("/mnt/share/.hdcore", "cifs")),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert disk_module.file_system_of(Path(path), str(tmp_path / "mountinfo")) == kind
    assert disk_module.file_system_of(Path(path), str(tmp_path / "none")) == ""


def test_network_file_systems_are_refused_unless_the_user_insists(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HDCORE_ALLOW_NETWORK_FS", raising=False)
    monkeypatch.setattr(disk_module, "file_system_of", lambda folder: "nfs4")
    with pytest.raises(RefusedError, match=r"network file system \(nfs4\)"):
        Store.create(root, make_spec(), sweep_id="HD_1")
    assert not root.exists()
    monkeypatch.setenv("HDCORE_ALLOW_NETWORK_FS", "1")
    with Store.create(root, make_spec(), sweep_id="HD_1") as store:
        assert store.warning is not None
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        fill(store, 3)
        with StoreReader.open(store.folder) as reader:
            assert len(reader.runs()) == 3
    with Store.open(root, "s1") as store:
        assert len(store.runs()) == 3


def test_the_environment_is_in_no_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "sekret-0123456789")
    with Store.create(root, make_spec(), sweep_id="HD_1") as store:
        fill(store, 3)
    assert not [path for path in root.rglob("*") if path.is_file() and b"sekret" in path.read_bytes()]


def test_no_stored_byte_can_be_executed() -> None:
    """Read the source of the store: none of the ways to turn bytes into code or into another file."""
    forbidden_modules = {"pickle", "cPickle", "joblib", "torch", "dill", "marshal", "shelve", "yaml", "cloudpickle"}
    forbidden_names = {"eval", "exec", "compile", "__import__", "enable_load_extension", "load_extension"}
    for path in [*STORE.glob("*.py"), STORE.parent / "runtime.py"]:
        source = path.read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & forbidden_modules, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in forbidden_modules, path
            elif isinstance(node, ast.Name):
                assert node.id not in forbidden_names, path
            elif isinstance(node, ast.Attribute):
                assert node.attr not in forbidden_names - {"compile"}, path
        assert "ATTACH " not in source, path
    assert "ATTACH" not in (STORE / "schema.sql").read_text()


def test_the_store_imports_nothing_heavy() -> None:
    script = "import sys, hdcore.store; print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(STORE.parent.parent)},
        capture_output=True,
        check=True,
    )
    assert not {"numpy", "scipy", "numba", "sklearn", "rich", "yaml", "click", "pynvml", "psutil"} & set(
        done.stdout.decode().split()
    )
