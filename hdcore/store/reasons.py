"""What is stored about the reasons of a run: how it was proposed, why a policy ended it, how earlier attempts ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from hdcore.reasons import Proposal, Stop
from hdcore.store.queries import from_json
from hdcore.store.records import PastAttempt

_FIRST_VERSION = 5

ADD_PROPOSAL = "INSERT INTO proposal VALUES (?, ?)"
SET_STOP = "REPLACE INTO stop VALUES (?, ?)"
ADD_ATTEMPT = (
    "REPLACE INTO attempt SELECT number, attempt, ?, started, ?, devices FROM run WHERE number = ? AND attempt > 0"
)

_encode = msgspec.json.Encoder().encode
_read_proposal = msgspec.json.Decoder(Proposal).decode
_read_stop = msgspec.json.Decoder(Stop).decode


def to_text(told: Proposal | Stop) -> str:
    """Return JSON; what has its default value is left out."""
    return _encode(told).decode()


def read_proposal(connection: sqlite3.Connection, number: int) -> Proposal | None:
    """Return how a run was proposed; None if nobody wrote it down."""
    found = _rows(connection, "SELECT made FROM proposal WHERE run = ?", number)
    return _read_proposal(found[0][0]) if found else None


def read_stop(connection: sqlite3.Connection, number: int) -> Stop | None:
    """Return why the policy ended a run; None if it has not."""
    found = _rows(connection, "SELECT told FROM stop WHERE run = ?", number)
    return _read_stop(found[0][0]) if found else None


def read_attempts(connection: sqlite3.Connection, number: int) -> list[PastAttempt]:
    """Return the attempts of a run that were followed by another one, in order."""
    rows = _rows(
        connection,
        "SELECT attempt, reason, started, ended, devices FROM attempt WHERE run = ? ORDER BY attempt",
        number,
    )
    return [
        msgspec.convert(
            {"attempt": at, "reason": reason, "started": started, "ended": ended, "devices": from_json(devices)},
            PastAttempt,
        )
        for at, reason, started, ended, devices in rows
    ]


def _rows(connection: sqlite3.Connection, statement: str, number: int) -> Sequence[Any]:
    """Return what a statement finds; nothing in a store of a version without these tables."""
    if connection.execute("PRAGMA user_version").fetchone()[0] < _FIRST_VERSION:
        return []
    return connection.execute(statement, (number,)).fetchall()
