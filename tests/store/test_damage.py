"""Files that are no store of ours, or no longer: refused in one line, and left as they were."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from store.support import fill

from hdcore.errors import RefusedError, StoreError
from hdcore.store import Store, StoreReader
from hdcore.store import check as check_module

Damage = Callable[[bytes], bytes]


@pytest.fixture
def database(store: Store) -> Path:
    fill(store, 40, intervals=5)
    store.close()
    return store.folder / "sweep.db"


def flip(data: bytes, seed: int, lowest: int, highest: int, count: int) -> bytes:
    rng, result = random.Random(seed), bytearray(data)
    for _ in range(count):
        result[rng.randrange(lowest, highest)] ^= rng.randrange(1, 256)
    return bytes(result)


def foreign(_: bytes) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE users (a, b); INSERT INTO users VALUES (1, 2)")
    return connection.serialize()


def assert_refused(root: Path, opener: Callable[[], object]) -> str:
    database = root / "sweeps" / "s1" / "sweep.db"
    before = hashlib.sha256(database.read_bytes()).hexdigest() if database.exists() else ""
    with pytest.raises(StoreError) as caught:
        opener()
    assert caught.value.exit_code in (3, 4)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert "s1" in message
    after = hashlib.sha256(database.read_bytes()).hexdigest() if database.exists() else ""
    assert before == after
    return message


def assert_nobody_opens(root: Path) -> str:
    def read() -> None:
        with StoreReader.open(root / "sweeps" / "s1") as reader:
            reader.sweep()
            for run in reader.runs():
                reader.series(run.number)
                reader.proposal(run.number), reader.stop(run.number), reader.attempts(run.number)

    assert_refused(root, read)
    return assert_refused(root, lambda: Store.open(root, "s1"))


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda data: b"", "empty"),
        (lambda data: data[: len(data) // 2], "cut at"),
        (lambda data: data[:4096], "cut at"),
        (lambda data: data[:-1000], "cut at"),
        (lambda data: data[:50], "no SQLite database"),
        (lambda data: flip(data, 1, 0, 16, 4), "no SQLite database"),
        (lambda data: b"hello " * 1000, "no SQLite database"),
        (lambda data: bytes(len(data)), "no SQLite database"),
        (foreign, "not made by hdcore"),
        (lambda data: data[:60] + (check_module.VERSION + 1).to_bytes(4, "big") + data[64:], "newer hdcore"),
        (lambda data: data[:60] + (0).to_bytes(4, "big") + data[64:], "header"),
        (lambda data: data[:16] + b"\0\7" + data[18:], "page size"),
        (lambda data: data[:18] + b"\7\7" + data[20:], "header"),
        (lambda data: data[:100] + bytes(3996) + data[4096:], "damaged"),
        (lambda data: data[: len(data) // 4096 * 2048 // 4096 * 4096] + b"\xff" * 4096 * 40, "damaged|cut at"),
    ],
    ids=[
        *("empty", "half", "one page", "odd size", "50 bytes", "magic", "text", "zeros", "foreign", "newer"),
        *("version 0", "page size", "format", "first page", "half of it 0xff"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_and_not_changed(database: Path, root: Path, damage: Damage, word: str) -> None:
    database.write_bytes(damage(database.read_bytes()))
    assert re.search(word, assert_nobody_opens(root))


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_are_found_before_a_driver_writes(database: Path, root: Path, seed: int) -> None:
    data = database.read_bytes()
    database.write_bytes(flip(data, seed, 100, len(data), 300))
    assert_refused(root, lambda: Store.open(root, "s1"))
    with suppress(StoreError), StoreReader.open(database.parent) as reader:
        reader.sweep()  # may read what the flips spared, or refuse; nothing else is raised
        for run in reader.runs():
            reader.series(run.number)
            reader.notes(run.number)
            reader.proposal(run.number), reader.stop(run.number), reader.attempts(run.number)
        reader.best()


def change(database: Path, sql: str) -> None:
    """Change a store as somebody with an SQLite shell would; what is written stays valid SQLite."""
    connection = sqlite3.connect(database)
    connection.executescript(sql)
    connection.commit()
    connection.close()
    for name in ("sweep.db-wal", "sweep.db-shm"):
        database.with_name(name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER evil AFTER UPDATE ON run BEGIN DELETE FROM run; END",
        "CREATE VIEW evil AS SELECT * FROM run",
        "CREATE VIRTUAL TABLE evil USING fts5(a)",
        "CREATE TABLE evil (a)",
        "CREATE INDEX evil ON run (status)",
        "DROP TABLE note",
        "ALTER TABLE run ADD COLUMN evil TEXT",
        "ALTER TABLE run RENAME COLUMN reason TO evil",
    ],
)
def test_a_schema_that_is_not_exactly_ours_is_refused(database: Path, root: Path, sql: str) -> None:
    change(database, sql)
    assert "schema" in assert_nobody_opens(root)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM sweep",
        "UPDATE sweep SET spec = '{'",
        'UPDATE sweep SET spec = \'{"name": "s1"}\'',
        "UPDATE sweep SET spec = x'ff00'",
        "UPDATE sweep SET spec = CAST(x'fffe' AS TEXT)",
        "UPDATE sweep SET status = 'Paused'",
        "UPDATE run SET configuration = '[1]' WHERE number = 3",
        "UPDATE run SET configuration = '{\"lr\": NaN}' WHERE number = 3",
        "UPDATE run SET configuration = CAST(x'7bff7d' AS TEXT) WHERE number = 3",
        "UPDATE run SET configuration = '" + "[" * 100_000 + "' WHERE number = 3",
        "UPDATE run SET status = 'Sleeping' WHERE number = 3",
        "UPDATE run SET devices = '7' WHERE number = 3",
        "UPDATE run SET value = 'high' WHERE number = 3",
        "UPDATE run SET attempt = 'x' WHERE number = 3",
        "UPDATE summary SET count = 'x'",
    ],
)
def test_rows_that_cannot_be_read_are_damage(database: Path, root: Path, sql: str) -> None:
    change(database, sql)
    assert "damaged" in assert_nobody_opens(root)


def test_a_gap_in_the_run_numbers_is_damage(database: Path, root: Path) -> None:
    change(database, "DELETE FROM run WHERE number = 7")
    assert "gaps" in assert_refused(root, lambda: Store.open(root, "s1"))


def test_a_database_that_is_gone_is_damage_and_not_a_new_sweep(database: Path, root: Path) -> None:
    database.unlink()
    assert "missing" in assert_nobody_opens(root)
    assert not database.exists()


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_a_database_that_is_no_file_is_refused(database: Path, root: Path, tmp_path: Path, kind: str) -> None:
    moved = tmp_path / "elsewhere.db"
    shutil.move(database, moved)
    if kind == "folder":
        database.mkdir()
    elif kind == "link":
        database.symlink_to(moved)
    else:
        os.mkfifo(database)
    for opener in (lambda: Store.open(root, "s1"), lambda: StoreReader.open(database.parent)):
        with pytest.raises(RefusedError):
            opener()


def test_a_very_large_store_has_the_tables_checked_that_decide(
    database: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_module, "FULL_CHECK_BYTES", 0)
    Store.open(root, "s1").close()
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'run'").fetchone()[0]
    connection.close()
    data = database.read_bytes()
    at = (page - 1) * 4096
    database.write_bytes(flip(data, 5, at, at + 60, 30))
    assert_refused(root, lambda: Store.open(root, "s1"))


def test_after_a_refusal_the_lock_is_free_again(database: Path, root: Path) -> None:
    data = database.read_bytes()
    database.write_bytes(b"")
    assert_refused(root, lambda: Store.open(root, "s1"))
    database.write_bytes(data)
    with Store.open(root, "s1") as store:
        assert len(store.runs()) == 40
