"""Is this file a store of ours, whole and of a version that we know? Asked before anything is written to it.

Everything here works on a connection with ``mode=ro``, so a file that is refused is left as it was found.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote

import msgspec

from hdcore.errors import HdcoreError, RefusedError, StoreError

APPLICATION_ID = 0x68646372
"""``hdcr``; the bytes 68 to 71 of the file."""

VERSION = 5
"""``user_version`` of a database on which all of schema.sql was run."""

FULL_CHECK_BYTES = 64 << 20
"""Up to this size all pages are checked when a sweep is resumed; beyond it the tables that decide what runs.

Measured: 0.17 s for 26 MB (10,000 runs, a million reports); a sweep of 10,000 runs has to start in 2 s."""

_MAGIC = b"SQLite format 3\0"
_TABLES_THAT_DECIDE = ("sweep", "run", "name", "summary", "curve", "death")


def connect(
    database: Path, mode: str, *, timeout_s: float = 10.0, check_same_thread: bool = True
) -> sqlite3.Connection:
    """Open a connection with the settings of every connection to a store; `mode` as in SQLite's URIs."""
    connection = sqlite3.connect(
        f"file:{quote(os.fspath(database))}?mode={mode}",
        uri=True,
        timeout=timeout_s,
        isolation_level=None,  # transactions are explicit
        check_same_thread=check_same_thread,
    )
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        for pragma in ("trusted_schema=off", "cell_size_check=on", "mmap_size=0", "temp_store=memory"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn what SQLite, decoding and the operating system raise into one line for the user."""
    try:
        yield
    except HdcoreError:
        raise
    except sqlite3.Error as error:
        raise store_error(name, error) from error
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise StoreError(
            f"sweep {name!r}: {error.strerror or error}{where}; {_WHAT_TO_DO[error.errno == 28]}"
        ) from error
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        # TEXT that is no UTF-8, JSON that is none, a status that does not exist: bytes have changed on the disk.
        raise damaged(name, f"a row cannot be read ({_first_line(error)})") from error


_WHAT_TO_DO = {True: "make room and resume it", False: "look at the disk, then resume it"}


def store_error(name: str, error: sqlite3.Error) -> StoreError:
    """Return the error to raise for an error of SQLite; a `RefusedError` where the file is not usable."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    word = getattr(error, "sqlite_errorname", None) or type(error).__name__
    kind = code & 0xFF
    if kind == sqlite3.SQLITE_FULL:
        return StoreError(f"sweep {name!r}: the disk is full; make room, then `hdcore resume {name}`")
    if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(error, sqlite3.DataError):
        return damaged(name, _first_line(error))
    if kind == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"sweep {name!r}: the disk failed ({word}); check it and its free space, then `hdcore resume {name}`"
        )
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"sweep {name!r}: another program keeps its database locked; end that program, then `hdcore resume {name}`"
        )
    if kind in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return StoreError(
            f"sweep {name!r}: its database cannot be opened ({_first_line(error)}); check the rights of its folder"
        )
    if kind == 0 or (kind == sqlite3.SQLITE_ERROR and isinstance(error, sqlite3.OperationalError)):
        return damaged(name, _first_line(error))  # text that is no UTF-8; tables that are not what the schema says
    return StoreError(f"sweep {name!r}: {_first_line(error)} ({word})")


def damaged(name: str, what: str) -> RefusedError:
    return RefusedError(
        f"sweep {name!r}: its database is damaged: {what}; restore sweep.db from a copy, or start a new sweep"
    )


def _first_line(error: BaseException) -> str:
    text = str(error).splitlines()
    return "".join(c if c.isprintable() else "?" for c in (text[0] if text else type(error).__name__))[:200]


def check_header(database: Path) -> None:
    """Look at the first 100 bytes and the size, before SQLite touches the file.

    Raises
    ------
    RefusedError
        If this is no store, a part of one, or one that a newer hdcore made.
    """
    name = database.parent.name
    try:
        with open(
            database, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
        ) as file:
            head = file.read(100)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise damaged(name, "the file is missing") from None
    except OSError as error:
        raise RefusedError(f"sweep {name!r}: {database.name} cannot be read: {error.strerror}") from None
    if not head:
        raise damaged(name, "the file is empty")
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise RefusedError(f"sweep {name!r}: {database.name} is no SQLite database; restore it from a copy")
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise RefusedError(f"sweep {name!r}: {database.name} was not made by hdcore; move it away")
    version = int.from_bytes(head[60:64], "big")
    if version > VERSION:
        raise RefusedError(
            f"sweep {name!r}: a newer hdcore made this store (version {version}, known is {VERSION}); update hdcore"
        )
    if version < 1 or head[18:20] not in (b"\1\1", b"\2\2"):
        raise damaged(name, "the header is not ours")
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    if page < 512 or page & (page - 1):
        raise damaged(name, "the page size is impossible")
    if not _has_wal(database) and (size % page or size < page * int.from_bytes(head[28:32], "big")):
        # With a WAL the end of the file may still stand there; SQLite's own check sees the two together.
        raise damaged(name, f"the file is cut at {size} bytes")


def _has_wal(database: Path) -> bool:
    try:
        return os.stat(f"{database}-wal").st_size > 0
    except OSError:
        return False


def check_schema(connection: sqlite3.Connection, name: str) -> None:
    """Refuse a database whose tables are not exactly ours: triggers, views and virtual tables are code."""
    version = min(connection.execute("PRAGMA user_version").fetchone()[0], VERSION)
    found = set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))
    ours = expected_schema(version)
    if found != ours:
        odd = sorted({repr(str(row[1])[:40]) for row in found ^ ours})
        raise RefusedError(
            f"sweep {name!r}: its database has a schema that is not hdcore's ({', '.join(odd[:3])}); "
            "restore it from a copy"
        )
    rows = connection.execute("SELECT count(*), max(id) FROM sweep").fetchone()
    if rows != (1, 1):
        raise damaged(name, "the sweep's own row is missing")


@cache
def schema_sql() -> str:
    return (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")


@cache
def schema_steps() -> tuple[tuple[str, ...], ...]:
    """Statements of schema.sql by version: those of the first, then those that make each version of the one before.

    A new database runs all of them, an old one those it lacks, so the two end with the same text in sqlite_master.
    """
    parts = re.split(r"^-- version \d+\n", schema_sql(), flags=re.MULTILINE)
    return tuple(tuple(text.strip() for text in part.split(";") if text.strip()) for part in parts)


@cache
def expected_schema(version: int = VERSION) -> frozenset[tuple[str, str, str, str | None]]:
    """Rows of sqlite_master that a store of a version has."""
    memory = sqlite3.connect(":memory:")
    try:
        for statements in schema_steps()[:version]:
            for statement in statements:
                memory.execute(statement)
        return frozenset(memory.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))
    finally:
        memory.close()


def check_pages(connection: sqlite3.Connection, database: Path) -> None:
    """Run SQLite's integrity check, on all tables or, in a very large store, on those that decide what runs."""
    if database.stat().st_size <= FULL_CHECK_BYTES:
        pragmas = ["PRAGMA integrity_check(1)"]
    else:
        there = {row[2] for row in expected_schema(connection.execute("PRAGMA user_version").fetchone()[0])}
        pragmas = [f"PRAGMA integrity_check({table})" for table in _TABLES_THAT_DECIDE if table in there]
    for pragma in pragmas:
        found = connection.execute(pragma).fetchone()[0]
        if found != "ok":
            raise damaged(database.parent.name, _first_line(ValueError(found)))
