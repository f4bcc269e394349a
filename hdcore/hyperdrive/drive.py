"""The driver of a submitted sweep: a process of its own, which outlives the script or notebook that submitted it.

`start_driver` starts ``python -c …`` in a session of its own. That process forks once and lets its parent go, so that
it is nobody's child, opens the store, makes the executor and says ``ready`` through a pipe: when `start_driver`
returns, the sweep is driven, or the error that prevented it is raised.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hdcore.errors import HdcoreError, StoreError
from hdcore.hyperdrive.exceptions import HyperDriveServiceException
from hdcore.hyperdrive.journal import make_private_folder
from hdcore.observer import EndedRun, Observer
from hdcore.records import Parent, SweepSpec
from hdcore.typing import Configuration, RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from hdcore.executors.base import Executor
    from hdcore.signals import StopSignals
    from hdcore.store import Store, StoredRun

LOG_NAME = "azureml-logs/hyperdrive.txt"
"""Name of the driver's log among the sweep's files."""

PIPELINE_LOG_NAME = "logs/azureml/executionlogs.txt"
"""Name of the driver's log among the files of a pipeline."""

STARTED_VARIABLE = "HDCORE_STARTED"
"""Names a file that gets the folder of each sweep that is started, a line each."""

_OWN_LOG = "driver.log"  # what the driver's process says on its own streams
_PACKAGE = Path(__file__).resolve().parent.parent.parent
# The path goes to the end: hdcore is found if it is not installed, and hides nothing that is.
_PROGRAM = (
    "import os, sys\n"
    "if os.fork(): os._exit(0)\n"
    "sys.path.append(sys.argv[1])\n"
    "from hdcore.hyperdrive.drive import main\n"
    "sys.exit(main(sys.argv[2], *map(int, sys.argv[3:])))\n"
)


def start_driver(folder: Path, document: bytes | None = None) -> None:
    """Start the driver of a sweep, or of a pipeline; return when it drives, or when another one does.

    Parameters
    ----------
    document : bytes, optional
        The steps of a pipeline of `Experiment.submit`. They are handed over in memory and nowhere else.

    Raises
    ------
    HyperDriveServiceException
        If it ended before that.
    """
    import subprocess

    from hdcore.store.lock import read_driver

    environment = dict(os.environ)
    if environment.get("MPLBACKEND", "").startswith("module://"):
        del environment["MPLBACKEND"]  # a notebook's own, which draws into its cells
    read, write = os.pipe()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    log = os.open(folder / _OWN_LOG, flags, 0o600)
    handed = -1 if document is None else _in_memory(document)
    numbers = [write] if document is None else [write, handed]
    try:
        began = os.fstat(log).st_size
        subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM, os.fspath(_PACKAGE), os.fspath(folder), *map(str, numbers)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=numbers,
            start_new_session=True,
            check=False,
        )
        os.close(write)
        write = -1
        with os.fdopen(read, "rb", closefd=False) as file:
            word = file.readline()
    finally:
        for fd in (read, log, write, handed):
            if fd >= 0:
                os.close(fd)
    driver = read_driver(folder)
    if word.strip() == b"ready" or (driver is not None and driver.alive):
        _note_started(folder)
        return
    text = (folder / _OWN_LOG).read_bytes()[began:].decode(errors="replace").strip()
    last = text.splitlines()[-1] if text else "it said nothing"
    raise HyperDriveServiceException(
        f"{folder.name}: its driver ended before it could start: {last}; `hdcore resume {folder.name}` tries again"
    )


def _in_memory(document: bytes) -> int:
    """Return a file descriptor to read a document from, which no folder has."""
    fd = os.memfd_create("hdcore")
    with os.fdopen(fd, "wb", closefd=False) as file:
        file.write(document)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _note_started(folder: Path) -> None:
    """Tell a program around this one, such as `hdcore azure`, which sweeps were started in it."""
    told = os.environ.get(STARTED_VARIABLE)
    if told:
        try:
            fd = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            return  # the program has ended, and a pipeline of its goes on
        try:
            os.write(fd, f"{folder}\n".encode())
        finally:
            os.close(fd)


def main(folder: str, ready: int, handed: int | None = None) -> int:
    """Drive a sweep, or the steps of a pipeline, to the end; the driver's process."""
    from hdcore.pipeline.plan import PIPELINES_NAME

    path = Path(folder)
    os.set_inheritable(ready, False)  # runs must not hold it open

    def begun() -> None:
        os.write(ready, b"ready\n")
        os.close(ready)

    try:
        if handed is not None:
            _drive_steps(path, handed, begun)
        elif path.parent.name == PIPELINES_NAME:
            _drive_pipeline(path, begun)
        else:
            _drive_sweep(path, begun)
        return 0
    except HdcoreError as error:
        print(f"hdcore: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except OSError as error:
        print(f"hdcore: {error.filename or path}: {error.strerror}", file=sys.stderr, flush=True)
        return StoreError.exit_code


def _drive_sweep(path: Path, begun: Callable[[], None]) -> None:
    from hdcore.signals import StopSignals
    from hdcore.store import Store
    from hdcore.sweep import local_executor

    with Store.open(path.parent.parent, path.name) as store:
        executor = local_executor(store.spec, store.sweep_id)
        begun()
        with StopSignals() as stop:
            _drive_store(store, executor, stop)


def _drive_pipeline(path: Path, begun: Callable[[], None]) -> None:
    from hdcore.pipeline import Plan, run_steps
    from hdcore.signals import StopSignals
    from hdcore.sweep import local_executor

    with Plan.open(path.parent.parent, path.name) as plan, StopSignals() as stop:
        begun()

        def drive(store: Store, is_resumed: bool) -> RunStatus:
            return _drive_store(store, local_executor(store.spec, store.sweep_id), stop)

        log = path / "files" / PIPELINE_LOG_NAME
        make_private_folder(log.parent)
        with open(log, "a", encoding="utf-8", buffering=1) as file:

            def say(line: str) -> None:
                file.write(f"[{_now()}] {line}\n")

            try:
                status = run_steps(plan, drive, say)
            except HdcoreError as error:
                say(str(error))
                raise
            say("Finishing experiment: no runs left and nothing to schedule." if status.is_terminal else "stopped")


def _drive_steps(path: Path, handed: int, begun: Callable[[], None]) -> None:
    from hdcore.hyperdrive.pipeline_run import drive_pipeline
    from hdcore.signals import StopSignals
    from hdcore.store.lock import DriverLock

    with os.fdopen(handed, "rb") as file:
        document = file.read()
    lock = DriverLock.acquire(path)
    try:
        begun()
        with StopSignals() as stop:
            drive_pipeline(path, document, lambda: stop.count > 0)
    finally:
        lock.release()


def _drive_store(store: Store, executor: Executor, stop: StopSignals) -> RunStatus:
    from hdcore.sweep import run_sweep

    log = HyperDriveLog(store.folder, store.sweep_id)
    try:
        return run_sweep(store, executor=executor, observer=log, stop=stop, is_resumed=True)
    finally:
        log.close()


class HyperDriveLog(Observer):
    """Writes what happens to ``azureml-logs/hyperdrive.txt``, in the words of Azure's service."""

    def __init__(self, folder: Path, sweep_id: str) -> None:
        self._id = sweep_id
        path = folder / "files" / LOG_NAME
        make_private_folder(path.parent)
        self._file: IO[str] | None = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - see `close`
        self._most = 0
        self._started = 0

    def sweep_started(
        self, spec: SweepSpec, folder: Path, earlier: Sequence[StoredRun], curves: Mapping[int, Sequence[float]]
    ) -> None:
        """Say that the sweep starts or goes on."""
        self._most = spec.limits.max_total_runs
        self._started = len(earlier)
        if any(run.attempt for run in earlier):
            self._line("API", f"Experiment resumed, {len(earlier)} jobs were generated before")
            return
        self._line("API", "Experiment created")
        at_once = min(spec.limits.max_concurrent_runs or self._most, self._most)
        self._line("GENERATOR", f"Trying to sample '{at_once}' jobs from the hyperparameter space")
        for warning in spec.warnings:
            self._line("CONTROLLER", warning, level="WARNING")

    def started_from(self, parent: Parent) -> None:
        """Say how much of an earlier sweep was taken over."""
        self._line("GENERATOR", f"Warm start: {parent.line}")

    def run_started(self, number: int, configuration: Configuration, attempt: int, devices: tuple[str, ...]) -> None:
        """Say that a run starts."""
        if number >= self._started:
            self._started = number + 1
            self._line(
                "GENERATOR", "Successfully sampled '1' jobs, they will soon be submitted to the execution target."
            )
        self._line("SCHEDULER", f"Scheduling job, id='{self._id}_{number}'")
        if self._started == self._most:
            self._started += 1  # said once
            self._line("GENERATOR", f"Max number of jobs '{self._most}' reached for experiment.")
            self._line("GENERATOR", "All jobs generated.")

    def run_ended(self, run: EndedRun) -> None:
        """Say how a run ended."""
        value = "" if run.value is None else f", best metric {run.value:g} at interval {run.interval}"
        reason = f" ({run.reason})" if run.reason else ""
        self._line("CONTROLLER", f"Job ended, id='{self._id}_{run.number}', status {run.status.value}{reason}{value}")

    def run_requeued(self, number: int, reason: str | None) -> None:
        """Say that a run will start again."""
        self._line("CONTROLLER", f"Job will be started again, id='{self._id}_{number}' ({reason or 'failed'})")

    def notice(self, text: str) -> None:
        """Warn."""
        self._line("CONTROLLER", text, level="WARNING")

    def sweep_ended(self, status: RunStatus, reason: str) -> None:
        """Say how the sweep ended."""
        self._line("CONTROLLER", f"Experiment was marked as {status.value}: {reason}")

    def close(self) -> None:
        """Idempotent."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError:
                pass
            self._file = None

    def _line(self, part: str, text: str, *, level: str = "INFO") -> None:
        try:
            if self._file is not None:
                self._file.write(f"[{_now()}][{part}][{level}]{' '.join(text.split())}\n")
        except OSError:  # a full disk must not end the sweep here: the store tells of it
            pass


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
