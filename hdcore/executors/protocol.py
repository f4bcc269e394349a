"""The wire between driver, spawner and shims: the structs of ``ext/_shim.h`` as Python sees them."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

MAGIC = 0x31534448
REQUEST = struct.Struct("=6I5q16s")
COMMAND = struct.Struct("=IIq")
RECORD = struct.Struct("=IiiiiIiI6q")
NOTICE = struct.Struct("=IiQiI")
TOKEN = struct.Struct("=Q")
CANCEL = 1
NS = 1_000_000_000


class Kind(IntEnum):
    """What a shim's record tells."""

    HELLO = 1
    STARTED = 2
    ENDED = 3
    GONE = 4


class NoticeKind(IntEnum):
    """What a spawner's notice tells."""

    SHIM_LOST = 1
    FORK_FAILED = 2
    THREADED = 3


class Stage(IntEnum):
    """Where starting a run failed."""

    NONE = 0
    REQUEST = 1
    LOG = 2
    FORK = 3
    CWD = 4
    EXEC = 5


class Flags(IntFlag):
    """How a run came to its end."""

    TIMED_OUT = 1
    CANCELED = 2
    UNKILLABLE = 4
    DRIVER_GONE = 8


@dataclass(frozen=True, slots=True)
class Record:
    """One message of a shim; the fields are those of ``hd_record``."""

    kind: int
    pid: int
    status: int
    stage: int
    error: int
    flags: int
    survivor: int
    killed: int
    duration_ns: int
    user_us: int
    system_us: int
    max_rss_kib: int
    dropped_out: int
    dropped_err: int

    @classmethod
    def unpack(cls, data: bytes) -> Record:
        return cls(*RECORD.unpack(data))


@dataclass(frozen=True, slots=True)
class Notice:
    """One message of the spawner about the shim of `token`."""

    kind: int
    status: int
    token: int
    survivor: int
    killed: int

    @classmethod
    def unpack(cls, data: bytes) -> Notice:
        return cls(*NOTICE.unpack(data))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits that hold for every run of an executor.

    Attributes
    ----------
    grace_s : float
        Between SIGTERM and SIGKILL at the run timeout.
    give_up_s : float
        After the first SIGKILL; then the tree is called unkillable.
    log_cap_bytes : int
        Of one run: half for each of its two streams, of which the first and the last half are kept.
    """

    grace_s: float
    give_up_s: float
    log_cap_bytes: int


def pack_request(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    cwd: str,
    out: str,
    err: str,
    timeout_s: float | None,
    bounds: Bounds,
    cpus: Sequence[int] = (),
    function: bool = False,
    name: str = "",
) -> bytes:
    """Return the bytes that a shim needs to start a run.

    Raises
    ------
    ValueError
        If a string holds a NUL or an environment name an equals sign; no process can be given such a string.
    """
    words = [cwd, out, err, *argv, *(f"{key}={value}" for key, value in environment.items())]
    if any("\0" in word for word in words):
        raise ValueError("a NUL character in an argument, a path or the environment")
    if not all(key and "=" not in key for key in environment):
        raise ValueError("an environment name that is empty or holds '='")
    mask = 0
    for cpu in cpus:
        mask |= 1 << cpu
    cpu_words = -(-mask.bit_length() // 64)
    each = max(0, bounds.log_cap_bytes) // 4  # two streams, a head and a tail of each
    head = REQUEST.pack(
        MAGIC,
        len(argv),
        len(environment),
        function,
        cpu_words,
        0,
        0 if timeout_s is None else max(1, int(timeout_s * NS)),
        int(bounds.grace_s * NS),
        int(bounds.give_up_s * NS),
        each,
        each,
        name.encode()[:15],
    )
    return b"".join((head, mask.to_bytes(8 * cpu_words, "little"), os.fsencode("\0".join(words)), b"\0"))


def unpack_environment(request: bytes) -> dict[bytes, bytes]:
    """Return the environment out of a request; for the child of a function run."""
    _, argc, envc, _, cpu_words, *_ = REQUEST.unpack_from(request)
    words = request[REQUEST.size + 8 * cpu_words :].split(b"\0")
    pairs = (word.partition(b"=") for word in words[3 + argc : 3 + argc + envc])
    return {key: value for key, _, value in pairs}
