"""What a pipeline is and how far it has come, in a file: ``ROOT/pipelines/NAME/pipeline.json``.

The steps themselves are sweeps like any other, ``ROOT/sweeps/NAME.STEP``; what has come of them is asked there.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hdcore.errors import InputError, RefusedError, StoreError
from hdcore.records import PipelineSpec, StepSpec
from hdcore.store.catalog import check_root, make_private, make_root
from hdcore.store.disk import sync_folder
from hdcore.store.lock import DriverLock

PIPELINES_NAME = "pipelines"
_FILE_NAME = "pipeline.json"
_VERSION = 1


class _Document(msgspec.Struct):
    hdcore_pipeline: int
    pipeline: PipelineSpec
    sweeps: dict[str, str]


class Plan:
    """A stored pipeline, held by the one process that runs it; `close` lets it go.

    Attributes
    ----------
    spec : PipelineSpec
    root : Path
    sweeps : dict
        Name of a step -> its sweep, for the steps that have begun; of a step that was begun anew the last one.
    """

    def __init__(self, root: Path, spec: PipelineSpec, sweeps: dict[str, str], lock: DriverLock) -> None:
        # Not for callers: use `create` or `open`.
        self.root, self.spec, self.sweeps = root, spec, sweeps
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
        """Take a stored pipeline to go on with it.

        Raises
        ------
        RefusedError
            If another process runs it, or the file is not what was stored.
        """
        check_root(root)
        document = _read(root, name)
        return cls(root, document.pipeline, document.sweeps, DriverLock.acquire(root / PIPELINES_NAME / name))

    def begin(self, step: str, sweep: str) -> None:
        """Note which sweep a step is; on the disk when this returns."""
        self.sweeps[step] = sweep
        self.save()

    def save(self) -> None:
        folder = self.root / PIPELINES_NAME / self.spec.name
        data = msgspec.json.format(msgspec.json.encode(_Document(_VERSION, self.spec, self.sweeps)))
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
