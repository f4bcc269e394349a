"""Inside a training process: ``get_run().log("accuracy", 0.91)``.

Standard library only, and little of it: a training script that reports metrics pays a few milliseconds for the
import and a few microseconds a report. Each report is one line of JSON, appended with one `write` to the file that
the environment names, so threads, forks and several processes may report at once and nothing is lost when the
process dies.

**A full disk does not end the training.** Reports that cannot be written are kept in memory, a warning goes to
stderr, and each later report and the end of the process try again. While reports are outstanding the report file
carries the sticky bit, which needs no room on the disk: a run that ends like this is not taken for a completed one.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from _thread import RLock

TYPE_CHECKING = False  # typing.TYPE_CHECKING without importing typing, which is most of the cost
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

    Value: TypeAlias = SupportsFloat | str | bool

_quote: Callable[[str], str]
try:  # the C function behind json.dumps; the json package would import re
    from _json import encode_basestring_ascii as _quote
except ImportError:  # pragma: no cover - not CPython
    from json.encoder import py_encode_basestring_ascii as _quote

__all__ = ["Client", "get_run"]

MAX_NAME_BYTES = 256
MAX_LINE_BYTES = 4096
MAX_BACKLOG_BYTES = 8 << 20
"""Reports kept for a full disk; about 100,000 of them."""

_RETRY_S = 0.05
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


class Client:
    """The run that this process belongs to; `get_run` returns it.

    All methods may be called from any thread and after a fork. Outside of a sweep the identity is None,
    `configuration` is empty, and reports are printed.

    Attributes
    ----------
    id : str or None
        ``HD_…_7``; unique for all sweeps.
    number : int or None
        Number of the run in its sweep.
    attempt : int
        1 for the first start, one more for each restart.
    """

    def __init__(self) -> None:
        environment = os.environ
        self.id: str | None = environment.get("HDCORE_RUN_ID") or None
        self.number: int | None = _trailing_number(self.id)
        self.attempt: int = _number_or(environment.get("HDCORE_ATTEMPT"), 1)
        self._path: str | None = environment.get("HDCORE_REPORT") or None
        self._fd = -1
        self._identity: tuple[int, int] | None = None
        self._heads: dict[str, str] = {}
        self._lock = RLock()
        self._backlog = bytearray()
        self._lost = 0
        self._next_try = 0.0

    def __repr__(self) -> str:
        return f"<hdcore run {self.id}, attempt {self.attempt}>" if self.id else "<hdcore run outside of a sweep>"

    # ------------------------------------------------------------------ reporting

    def log(self, name: str, value: Value, step: SupportsIndex | None = None) -> None:
        """Report a value of a metric.

        The k-th report of the sweep's primary metric is interval k of the run, whatever `step` says.

        Parameters
        ----------
        name : str
            Not empty, at most 256 bytes as UTF-8, no NUL.
        value : number, str or bool
            Any real number: int, float, a NumPy scalar, an array or tensor with one element. NaN and infinities are
            kept and are never the best. Strings and booleans are stored as texts, which no policy looks at.
        step : int, optional
            Position on the x axis of plots, within 64 bits.

        Raises
        ------
        TypeError, ValueError, OverflowError
            If name, value or step are none of these. Nothing is reported then.
        OSError
            If the report file cannot be opened. A full disk is no error, see the module.
        """
        if self._path is None:
            _print(name, _plain(name, value), _check_step(step))
            return
        self._write(self._line(name, value, step, time.time()).encode())

    def log_many(self, values: Mapping[str, Value], step: SupportsIndex | None = None) -> None:
        """Report several metrics in one write: all of them, or none if one is wrong."""
        if self._path is None:
            plain = [(name, _plain(name, value)) for name, value in values.items()]
            number = _check_step(step)
            for name, word in plain:
                _print(name, word, number)
            return
        now = time.time()
        lines = [self._line(name, value, step, now) for name, value in values.items()]
        if lines:
            self._write("".join(lines).encode())

    def _line(self, name: str, value: Value, step: SupportsIndex | None, now: float) -> str:
        # Written by hand: json.dumps of the same line costs more than all the rest of a report.
        head = self._heads.get(name) if type(name) is str else None
        if head is None:
            head = self._head(name)
        if type(value) is float and value - value == 0.0:  # finite, the usual case
            word = f',"value":{value!r}'
        else:
            plain = _plain(name, value)
            if isinstance(plain, str):
                word = f',"text":{_quote(plain)}'
            elif plain - plain == 0.0:
                word = f',"value":{plain!r}'
            else:
                word = f',"value":"{plain!r}"'  # "nan", "inf", "-inf"
        place = "" if step is None else f',"step":{_check_step(step)}'
        line = f'{head}{word}{place},"at":{now:.3f}}}\n'
        if len(line) > MAX_LINE_BYTES + 1:
            raise ValueError(
                f"metric {_short(name)}: the report is {len(line) - 1} bytes long, at most {MAX_LINE_BYTES} are taken; "
                "write long texts to a file in output_dir"
            )
        return line

    def _head(self, name: str) -> str:
        _check_name(name)
        head = f'{{"name":{_quote(name)}'
        if len(self._heads) < 1000:  # a script that makes up names must not grow this for ever
            self._heads[name] = head
        return head

    # ------------------------------------------------------------------ writing

    def _write(self, data: bytes) -> None:
        with self._lock:
            if self._backlog:
                self._keep(data)
                self._drain()
                return
            written = 0
            try:
                written = os.write(self._open(), data)
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
            if written < len(data):  # a full disk also shows as a short write
                self._keep(data[written:])

    def _open(self) -> int:
        """Return the descriptor of the report file, opened anew if somebody closed it or put another in its place."""
        if self._fd >= 0:
            try:
                found = os.fstat(self._fd)
                if (found.st_dev, found.st_ino) == self._identity:
                    return self._fd
            except OSError:
                pass
        assert self._path is not None
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OSError(
                error.errno, f"the report file cannot be opened ({error.strerror}); is HDCORE_REPORT right?", self._path
            ) from None
        found = os.fstat(self._fd)
        self._identity = (found.st_dev, found.st_ino)
        return self._fd

    def _keep(self, data: bytes) -> None:
        """Take what could not be written into memory and mark the file."""
        if not self._backlog:
            self._mark(True)
            if not self._lost:
                _warn(f"reports cannot be written to {self._path}: no room; they are kept in memory and tried again")
                import atexit

                atexit.register(self._drain, True)
            self._next_try = time.monotonic() + _RETRY_S
        if len(self._backlog) + len(data) <= MAX_BACKLOG_BYTES:
            self._backlog += data
            return
        if not self._lost:
            _warn("the memory for reports that cannot be written is full; from here on they are lost")
        self._lost += data.count(b"\n")

    def _drain(self, is_last: bool = False) -> None:
        """Write what is outstanding, in order. What was cut in the middle of a line goes on from there."""
        with self._lock:
            now = time.monotonic()
            if not self._backlog or (now < self._next_try and not is_last):
                return
            self._next_try = now + _RETRY_S
            try:
                written = os.write(self._open(), self._backlog)
                del self._backlog[:written]
            except OSError:
                pass
            if not self._backlog and not self._lost:
                self._mark(False)
            elif is_last:
                missing = self._backlog.count(b"\n") + self._lost
                _warn(f"{missing} reports could not be written; this run will not count as completed")

    def _mark(self, on: bool) -> None:
        """Set or clear the sticky bit of the report file: it says that its end is missing, and needs no room."""
        try:
            fd = self._open()
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            os.fchmod(fd, mode | stat.S_ISVTX if on else mode & ~stat.S_ISVTX)
        except OSError:
            if on:
                raise  # nobody would ever learn of the gap

    def _after_fork(self) -> None:
        """In the child: the lock may be held by a thread that is not here, and the backlog is the parent's to write."""
        self._lock = RLock()
        self._backlog = bytearray()

    # ------------------------------------------------------------------ what the run is

    @property
    def is_in_sweep(self) -> bool:
        """True if reports go to a sweep, False if they are printed."""
        return self._path is not None

    @property
    def output_dir(self) -> str:
        """Folder for what the run leaves behind; ``./outputs`` outside of a sweep. It exists."""
        folder = os.environ.get("HDCORE_OUTPUT_DIR") or os.path.abspath("outputs")
        os.makedirs(folder, exist_ok=True)
        return folder

    @property
    def checkpoint_dir(self) -> str:
        """Folder that is kept when the run is started again (`attempt` > 1); ``./checkpoints`` outside. It exists."""
        folder = os.environ.get("HDCORE_CHECKPOINT_DIR")
        if not folder:
            output = os.environ.get("HDCORE_OUTPUT_DIR")
            folder = os.path.join(os.path.dirname(output.rstrip("/")), "checkpoints") if output else "checkpoints"
        folder = os.path.abspath(folder)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return folder

    @property
    def resume_from(self) -> str | None:
        """Folder that this run is to continue from: the value of ``--resume-from`` on the command line, or None."""
        for at, word in enumerate(sys.argv):
            if word in ("--resume-from", "--resume_from") and at + 1 < len(sys.argv):
                return sys.argv[at + 1]
            if word.startswith(("--resume-from=", "--resume_from=")):
                return word.split("=", 1)[1]
        return os.environ.get("HDCORE_RESUME_FROM") or None

    @property
    def configuration(self) -> dict[str, Any]:
        """Parameter values of the run; a new dictionary each time, empty outside of a sweep."""
        import json

        if self._path is not None:
            try:
                with open(os.path.join(os.path.dirname(self._path), "configuration.json"), encoding="utf-8") as file:
                    found = json.load(file)
                if isinstance(found, dict):
                    return found
            except (OSError, ValueError):
                pass
        prefix = "AZUREML_SWEEP_"
        result: dict[str, Any] = {}
        for key, text in os.environ.items():
            if key.startswith(prefix):
                try:
                    result[key[len(prefix) :]] = json.loads(text)
                except ValueError:
                    result[key[len(prefix) :]] = text
        return result


# ---------------------------------------------------------------------- checks


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"metric name is {type(name).__name__} {_short(name)}; give a string")
    if not name:
        raise ValueError("metric name is empty; give the metric a name")
    if "\0" in name:
        raise ValueError(f"metric name {_short(name)} holds a NUL character; leave it out")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError(f"metric name {_short(name)} is no valid Unicode; leave lone surrogates out") from None
    if size > MAX_NAME_BYTES:
        raise ValueError(f"metric name {_short(name)} has {size} bytes, at most {MAX_NAME_BYTES} are taken; shorten it")


def _check_step(step: SupportsIndex | None) -> int | None:
    if step is None:
        return None
    if isinstance(step, bool) or not hasattr(step, "__index__"):
        raise TypeError(f"step is {type(step).__name__} {_short(step)}; give an integer or leave it out")
    number = step.__index__()
    if not _LOWEST <= number <= _HIGHEST:
        raise OverflowError(f"step {_short(number)} does not fit into 64 bits; count from 0")
    return number


def _plain(name: object, value: object) -> float | str:
    """Return what is stored of a value: a double, or a text."""
    _check_name(name)
    item: Callable[[], object] | None = None
    if not isinstance(value, int | float | str):
        item = getattr(value, "item", None)  # NumPy, PyTorch, JAX, CuPy: scalars and arrays with one element
    if callable(item):
        try:
            value = item()
        except (ValueError, RuntimeError, TypeError):
            shape = getattr(value, "shape", "?")
            raise TypeError(
                f"metric {_short(name)}: an array of shape {tuple(shape) if shape != '?' else shape} was given; "
                "report one number, for example its mean"
            ) from None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"metric {_short(name)}: the text is no valid Unicode; leave lone surrogates out"
            ) from None
        return str(value)
    convert = getattr(type(value), "__float__", None)
    if convert is None:
        raise TypeError(
            f"metric {_short(name)}: {type(value).__name__} {_short(value)} was given; "
            "report a number, a string or a bool"
        )
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise OverflowError(
            f"metric {_short(name)}: {_short(value)} is beyond the range of a double; scale it"
        ) from None


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # integers of more than 4,300 digits
        text = "a very large integer"
    return text if len(text) <= 60 else text[:57] + "..."


def _trailing_number(run_id: str | None) -> int | None:
    tail = (run_id or "").rpartition("_")[2]
    return int(tail) if tail.isascii() and tail.isdigit() else None


def _number_or(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else default


def _print(name: object, word: float | str, step: int | None) -> None:
    if isinstance(word, float) and word.is_integer() and 0 < abs(word) < 2**53:
        word = str(int(word))
    print(f"{name}: {word}" if step is None else f"{name}: {word} (step {step})")


def _warn(text: str) -> None:
    try:
        print(f"hdcore: {text}", file=sys.stderr, flush=True)
    except OSError:  # stderr may be on the same full disk
        pass


_client: Client | None = None
_client_lock = RLock()


def get_run() -> Client:
    """Return the run that this process belongs to; the same object each time."""
    global _client
    if _client is None:
        with _client_lock:
            if _client is None:
                _client = Client()
    return _client


def _in_child() -> None:
    global _client_lock
    _client_lock = RLock()
    if _client is not None:
        _client._after_fork()


os.register_at_fork(after_in_child=_in_child)
