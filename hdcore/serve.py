"""An optimizer behind JSON lines: one request a line, one reply a line, in order.

`examples/serve/PROTOCOL.md` describes the lines. With a state file every request that changes something is written
there before it is acknowledged, so that a server that was killed goes on where it was: the file is a journal, of which
the first line describes the sweep and each further one is a change. A last line that was cut was never acknowledged.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, TypeAlias

import msgspec

from hdcore.engine import Optimizer
from hdcore.errors import ExhaustedError, HdcoreError, InputError, RefusedError, StateError, StoreError
from hdcore.space import SearchSpace

VERSION = 1
LONGEST_LINE = 16 << 20

Value: TypeAlias = float | Literal["nan", "inf", "-inf"] | None
"""A metric value; null and the words are values that are not finite."""
Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Create(msgspec.Struct, tag_field="op", tag="create", forbid_unknown_fields=True):
    """Begin a sweep, or go on with the one of the state file, which must be the same."""

    space: dict[str, Any]
    sampler: str | dict[str, Any] = "random"
    goal: str = "maximize"
    policy: str | dict[str, Any] | None = None
    seed: Number | None = None


class Ask(msgspec.Struct, tag_field="op", tag="ask", forbid_unknown_fields=True):
    n: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 1


class Report(msgspec.Struct, tag_field="op", tag="report", forbid_unknown_fields=True):
    number: Number
    value: Value


class Tell(msgspec.Struct, tag_field="op", tag="tell", forbid_unknown_fields=True):
    number: Number
    value: Value | msgspec.UnsetType = msgspec.UNSET
    status: str = "completed"


class Restart(msgspec.Struct, tag_field="op", tag="restart", forbid_unknown_fields=True):
    number: Number


class Add(msgspec.Struct, tag_field="op", tag="add", forbid_unknown_fields=True):
    configuration: dict[str, Any]
    value: Value
    reports: list[Value] = []
    source: str | None = None


class Best(msgspec.Struct, tag_field="op", tag="best", forbid_unknown_fields=True):
    pass


class Runs(msgspec.Struct, tag_field="op", tag="runs", forbid_unknown_fields=True):
    status: str | None = None


Change: TypeAlias = Report | Tell | Restart | Add
Request: TypeAlias = Create | Ask | Change | Best | Runs
_read_request = msgspec.json.Decoder(Request).decode


class _Begun(msgspec.Struct, forbid_unknown_fields=True):
    """First line of a journal."""

    hdcore_serve: int
    space: dict[str, Any]
    sampler: str | dict[str, Any]
    goal: str
    policy: str | dict[str, Any] | None
    seed: str  # text: it may be larger than a reader's integers


class _Asked(msgspec.Struct, tag_field="op", tag="asked"):
    """Runs that were proposed; none are when the space was used up."""

    configurations: list[dict[str, Any]]
    exhausted: bool


_read_change = msgspec.json.Decoder(_Asked | Change).decode


class Server:
    """Answers requests for one optimizer.

    Parameters
    ----------
    state : Path or None
        The journal; it is made by the first `create`. One server at a time may use it.

    Raises
    ------
    RefusedError
        If another server has the journal, or it is damaged or of a newer version.
    """

    def __init__(self, state: Path | None = None) -> None:
        self._optimizer: Optimizer | None = None
        self._begun: _Begun | None = None
        self._journal = None if state is None else _Journal(state)
        if self._journal is not None:
            self._replay(self._journal.read())

    def answer(self, line: bytes) -> bytes:
        """Return the reply to one request, with its line feed; errors are replies.

        Raises
        ------
        StoreError
            If the journal cannot be written: nothing may be acknowledged any more.
        """
        word: dict[str, Any] = {}
        try:
            given = msgspec.json.decode(line)
            if not isinstance(given, dict):
                raise InputError("a request is a JSON object")
            if "id" in given:
                word["id"] = given.pop("id")
            word |= {"ok": True} | self._serve(_read_request(msgspec.json.encode(given)))
        except StoreError:
            raise
        except (msgspec.MsgspecError, UnicodeError) as error:
            word |= {"ok": False, "error": f"not a request: {error}"}
        except (HdcoreError, OverflowError, RecursionError) as error:
            field = getattr(error, "field", None)
            word |= {"ok": False, "error": f"{field}: {error}" if field else str(error)}
        except Exception as error:  # a bug of ours must not take the client's sweep along
            word |= {"ok": False, "error": f"internal error: {type(error).__name__}: {error}"}
        return msgspec.json.encode(word, enc_hook=_plain) + b"\n"

    def _serve(self, request: Request) -> dict[str, Any]:
        if isinstance(request, Create):
            return self._create(request)
        optimizer = self._optimizer
        if optimizer is None:
            raise StateError("there is no sweep yet; send create first")
        if isinstance(request, Ask):
            runs = optimizer.ask(request.n)
            if runs or optimizer.exhausted:
                self._write(_Asked([run.configuration for run in runs], optimizer.exhausted), must_last=True)
            if not runs and request.n:
                raise ExhaustedError("all configurations of the space were proposed; stop, or widen the space")
            return {"runs": [{"number": run.number, "configuration": run.configuration} for run in runs]}
        if isinstance(request, Best):
            best = optimizer.best
            return {"best": None if best is None else msgspec.structs.asdict(best)}
        if isinstance(request, Runs):
            found = [msgspec.structs.asdict(run) for run in optimizer.runs]
            for run in found:
                run["reports"] = [value if math.isfinite(value) else None for value in run["reports"]]
            wanted = None if request.status is None else request.status.lower()
            return {"runs": [run for run in found if wanted is None or run["status"].lower() == wanted]}
        reply = _apply(optimizer, request)
        self._write(request, must_last=not isinstance(request, Report))
        return reply

    def _create(self, request: Create) -> dict[str, Any]:
        if self._optimizer is not None and self._begun is not None:
            self._check_same(request, self._begun)
            return {"seed": self._optimizer.seed, "known_runs": len(self._optimizer.runs)}
        optimizer = Optimizer(
            request.space, sampler=request.sampler, goal=request.goal, policy=request.policy, seed=request.seed
        )
        goal = optimizer.goal.value
        begun = _Begun(VERSION, request.space, request.sampler, goal, request.policy, str(optimizer.seed))
        self._write(begun, must_last=True)
        self._optimizer, self._begun = optimizer, begun
        return {"seed": optimizer.seed, "known_runs": 0}

    def _check_same(self, request: Create, begun: _Begun) -> None:
        differing = [name for name in ("sampler", "policy") if getattr(request, name) != getattr(begun, name)]
        if SearchSpace(request.space) != SearchSpace(begun.space):
            differing.insert(0, "space")
        if request.goal.lower() != begun.goal:
            differing.append("goal")
        if request.seed is not None and str(request.seed) != begun.seed:
            differing.append("seed")
        if differing:
            raise StateError(f"there is a sweep with another {', '.join(differing)}; use another server or state file")

    # ------------------------------------------------------------------ the journal

    def _write(self, entry: msgspec.Struct, *, must_last: bool) -> None:
        """Keep an entry; `must_last` brings it to the disk, so that it survives a power cut too."""
        if self._journal is not None:
            self._journal.append(msgspec.json.encode(entry, enc_hook=_plain), must_last)

    def _replay(self, lines: list[bytes]) -> None:
        assert self._journal is not None
        for number, line in enumerate(lines, 1):
            try:
                if number == 1:
                    self._begin_again(msgspec.json.decode(line, type=_Begun))
                else:
                    assert self._optimizer is not None
                    self._redo(self._optimizer, _read_change(line))
            except RefusedError:
                raise
            except (msgspec.MsgspecError, HdcoreError, ValueError, OverflowError) as error:
                raise RefusedError(
                    f"{self._journal.path}: line {number} is damaged ({error}); put back a copy, or use another file"
                ) from None

    def _begin_again(self, begun: _Begun) -> None:
        assert self._journal is not None
        if begun.hdcore_serve > VERSION:
            raise RefusedError(f"{self._journal.path}: written by a newer hdcore; update hdcore")
        self._begun = begun
        self._optimizer = Optimizer(
            begun.space, sampler=begun.sampler, goal=begun.goal, policy=begun.policy, seed=int(begun.seed)
        )
        self._count = 0

    def _redo(self, optimizer: Optimizer, change: _Asked | Change) -> None:
        if not isinstance(change, _Asked):
            _apply(optimizer, change)
            return
        for configuration in change.configurations:  # not proposed anew: that would cost what it cost
            optimizer.restore(self._count, configuration)
            self._count += 1
        optimizer.exhausted = change.exhausted

    def close(self) -> None:
        """Give the journal free."""
        if self._journal is not None:
            self._journal.close()


def serve(server: Server, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until they end. A reply is flushed before the next request is read."""
    while line := requests.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = requests.readline(LONGEST_LINE)
            reply = (
                msgspec.json.encode({"ok": False, "error": f"a line is longer than {LONGEST_LINE >> 20} MiB"}) + b"\n"
            )
        elif not line.strip():
            continue
        else:
            reply = server.answer(line)
        replies.write(reply)
        replies.flush()


def _apply(optimizer: Optimizer, change: Change) -> dict[str, Any]:
    if isinstance(change, Report):
        return {"stop": optimizer.report(change.number, _number(change.value))}
    if isinstance(change, Tell):
        value = None if change.value is msgspec.UNSET else _number(change.value)
        optimizer.tell(change.number, value, change.status)
    elif isinstance(change, Restart):
        optimizer.restart(change.number)
    else:
        reports = [_number(value) for value in change.reports]
        optimizer.add(change.configuration, _number(change.value), reports=reports, source=change.source)
    return {}


def _number(value: Value | msgspec.UnsetType) -> float:
    assert not isinstance(value, msgspec.UnsetType)
    return math.nan if value is None else float(value)


def _plain(value: object) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise StateError(f"a {type(value).__name__} cannot be written as JSON")


class _Journal:
    """An append-only file of lines, held by one process.

    Raises
    ------
    RefusedError
        If another process holds it.
    StoreError
        If it cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
                os.close(self._fd)
                raise RefusedError(f"{path}: another server uses it; end that one, or use another file") from None
            raise StoreError(f"{path}: {error.strerror}; check the path and its permissions") from None

    def read(self) -> list[bytes]:
        """Return the complete lines, and cut what comes after them: it was never acknowledged."""
        with open(self._fd, "rb", closefd=False) as file:
            whole = file.read()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):
            os.ftruncate(self._fd, end)
        return whole[:end].splitlines()

    def append(self, line: bytes, must_last: bool) -> None:
        """Write a line; all of it, or the server ends."""
        data = line + b"\n"
        try:
            if os.write(self._fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if must_last:
                os.fdatasync(self._fd)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}; make room, and start the server again") from None

    def close(self) -> None:
        os.close(self._fd)
