"""What a pipeline is and how far it has come, in a file: ``ROOT/pipelines/NAME/pipeline.json``.

The steps themselves are sweeps like any other, ``ROOT/sweeps/NAME.STEP``; what has come of them is asked there.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hdcore.errors import InputError, RefusedError, StoreError
from hdcore.records import PipelineSpec, StepSpec
from hdcore.store import StoreReader
from hdcore.store.catalog import check_root, make_private, make_root
from hdcore.store.disk import sync_folder
from hdcore.store.lock import LOCK_NAME, DriverLock, read_driver
from hdcore.sweep import cancel_stored
from hdcore.typing import RunStatus

PIPELINES_NAME = "pipelines"
_FILE_NAME = "pipeline.json"
_CANCEL_NAME = "cancel"
_VERSION = 1
_CANCEL_POLL_S = 0.05


class _Document(msgspec.Struct):
    hdcore_pipeline: int
    pipeline: PipelineSpec
    sweeps: dict[str, str]
    error: str = ""


@dataclass(frozen=True, slots=True)
class PlanState:
    """How a stored pipeline stands.

    Attributes
    ----------
    folder : Path
    sweeps : dict
        Name of a step -> its sweep, for the steps that have begun.
    status : RunStatus
        QUEUED where nobody runs it and `hdcore resume` would go on.
    error : str
        Why it has stopped, empty if it has not.
    """

    folder: Path
    spec: PipelineSpec
    sweeps: dict[str, str]
    status: RunStatus
    error: str
    is_driven: bool


class Plan:
    """A stored pipeline, held by the one process that runs it; `close` lets it go.

    Attributes
    ----------
    spec : PipelineSpec
    root : Path
    sweeps : dict
        Name of a step -> its sweep, for the steps that have begun; of a step that was begun anew the last one.
    folder : Path
    """

    def __init__(self, root: Path, spec: PipelineSpec, sweeps: dict[str, str], lock: DriverLock) -> None:
        # Not for callers: use `create` or `open`.
        self.root, self.spec, self.sweeps = root, spec, sweeps
        self.folder = root / PIPELINES_NAME / spec.name
        self._error = ""
        self._lock = lock

    @classmethod
    def create(cls, root: Path, spec: PipelineSpec, *, takes_free_name: bool = False) -> Plan:
        """Store a new pipeline.

        Parameters
        ----------
        takes_free_name : bool
            Nobody chose the name: where it is in use, the next free one is taken.

        Raises
        ------
        RefusedError
            If there is a pipeline of this name, or a sweep of the name of one of its steps.
        """
        make_root(root)
        folder = root / PIPELINES_NAME
        make_private(folder, exist_ok=True)
        wanted, n = spec.name, 1
        while (used := _name_in_use(root, spec)) is not None:
            if not takes_free_name:
                raise used
            n += 1
            spec = _renamed(spec, f"{wanted}-{n}")
        make_private(folder / spec.name)
        plan = cls(root, spec, {}, DriverLock.acquire(folder / spec.name))
        try:
            plan.save()
        except BaseException:
            plan.close()
            raise
        return plan

    @classmethod
    def open(cls, root: Path, name: str) -> Plan:
        """Take a stored pipeline to go on with it; also one that was canceled.

        Raises
        ------
        RefusedError
            If another process runs it, or the file is not what was stored.
        """
        check_root(root)
        document = _read(root, name)
        plan = cls(root, document.pipeline, document.sweeps, DriverLock.acquire(root / PIPELINES_NAME / name))
        (plan.folder / _CANCEL_NAME).unlink(missing_ok=True)
        return plan

    @property
    def is_canceled(self) -> bool:
        """Whether somebody has asked for the end of the pipeline."""
        return (self.folder / _CANCEL_NAME).exists()

    def note_error(self, text: str) -> None:
        """Keep why the pipeline has stopped, for those who look at it later; empty once it goes on."""
        if text != self._error:
            self._error = text
            self.save()

    def begin(self, step: str, sweep: str) -> None:
        """Note which sweep a step is; on the disk when this returns."""
        self.sweeps[step] = sweep
        self.save()

    def save(self) -> None:
        folder = self.folder
        data = msgspec.json.format(msgspec.json.encode(_Document(_VERSION, self.spec, self.sweeps, self._error)))
        draft = folder / f".{_FILE_NAME}.new"
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(fd)
            os.replace(draft, folder / _FILE_NAME)
            sync_folder(folder)
        except OSError as error:
            raise StoreError(f"pipeline {self.spec.name}: {error.strerror}; make room, then resume it") from error

    def close(self) -> None:
        self._lock.release()

    def __enter__(self) -> Plan:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def find_plan(root: Path, name: str) -> bool:
    """Return whether a pipeline of this very name is stored."""
    return bool(name) and os.sep not in name and (root / PIPELINES_NAME / name / _FILE_NAME).is_file()


def list_plans(root: Path) -> list[str]:
    """Return the names of the stored pipelines, the one that was begun or resumed last first."""
    locks = (root / PIPELINES_NAME).glob(f"*/{LOCK_NAME}")
    found = sorted(locks, key=lambda path: path.lstat().st_mtime_ns, reverse=True)
    return [path.parent.name for path in found if find_plan(root, path.parent.name)]


def read_plan(root: Path, name: str) -> PlanState:
    """Return how a stored pipeline stands, whoever runs it."""
    folder = root / PIPELINES_NAME / name
    # Who drives comes first: a pipeline that ends meanwhile has written all that is read below.
    driver = read_driver(folder)
    is_driven = driver is not None and driver.alive
    document = _read(root, name)
    steps = {status_of_sweep(root, document.sweeps.get(step.name)) for step in document.pipeline.steps}
    if is_driven:
        status = RunStatus.RUNNING
    elif steps == {RunStatus.COMPLETED}:
        status = RunStatus.COMPLETED
    elif (folder / _CANCEL_NAME).exists() or RunStatus.CANCELED in steps:
        status = RunStatus.CANCELED
    else:
        status = RunStatus.FAILED if document.error else RunStatus.QUEUED
    return PlanState(folder, document.pipeline, document.sweeps, status, document.error, is_driven)


def cancel_plan(root: Path, name: str) -> str:
    """End a pipeline and the step that runs; return when nobody runs it, with what was done."""
    state = read_plan(root, name)
    if state.status.is_terminal:
        return f"pipeline {name} is {state.status.value} already"
    fd = os.open(state.folder / _CANCEL_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.close(fd)
    while True:
        for sweep in state.sweeps.values():
            status = status_of_sweep(root, sweep)
            if status is not None and not status.is_terminal:
                try:
                    cancel_stored(root / "sweeps" / sweep)
                except RefusedError:  # its driver has just begun: it is asked next time
                    pass
        if not state.is_driven:
            return f"pipeline {name}: canceled"
        time.sleep(_CANCEL_POLL_S)
        state = read_plan(root, name)


def status_of_sweep(root: Path, sweep: str | None) -> RunStatus | None:
    """Return where the sweep of a step stands; None if there is none."""
    if sweep is None or not (root / "sweeps" / sweep).exists():
        return None
    with StoreReader.open(root / "sweeps" / sweep) as reader:
        return reader.sweep().status


def plan_of_sweep(root: Path, sweep: str) -> str | None:
    """Return the pipeline that a sweep is a step of; None for a sweep of its own."""
    before, dot, _ = sweep.rpartition(".")
    if not dot or not find_plan(root, before):
        return None
    return before if sweep in _read(root, before).sweeps.values() else None


def _read(root: Path, name: str) -> _Document:
    path = root / PIPELINES_NAME / name / _FILE_NAME
    try:
        with open(path, "rb") as file:
            document = msgspec.json.decode(file.read(), type=_Document)
    except FileNotFoundError:
        raise InputError(f"no pipeline is named {name!r}; `hdcore list` shows the sweeps of its steps") from None
    except msgspec.MsgspecError as error:
        raise RefusedError(f"pipeline {name!r}: its file is damaged ({error}); run the pipeline anew") from None
    if document.hdcore_pipeline > _VERSION:
        raise RefusedError(f"pipeline {name!r} was made by a newer hdcore; update hdcore")
    return document


def _name_in_use(root: Path, spec: PipelineSpec) -> RefusedError | None:
    if os.path.lexists(root / "sweeps" / spec.name):
        return RefusedError(f"a sweep named {spec.name!r} exists; give the pipeline another name with --name")
    if os.path.lexists(root / PIPELINES_NAME / spec.name):
        return RefusedError(f"a pipeline named {spec.name!r} exists; `hdcore resume {spec.name}` goes on with it")
    for step in spec.steps:
        if os.path.lexists(root / "sweeps" / step.spec.name):
            return RefusedError(f"a sweep named {step.spec.name!r} exists; give the pipeline another name with --name")
    return None


def _renamed(spec: PipelineSpec, name: str) -> PipelineSpec:
    steps: list[StepSpec] = [
        msgspec.structs.replace(step, spec=msgspec.structs.replace(step.spec, name=f"{name}.{step.name}"))
        for step in spec.steps
    ]
    return msgspec.structs.replace(spec, name=name, steps=tuple(steps))
