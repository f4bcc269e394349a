"""One run made ready: its folder, its view of the code, its environment, its argument list.

::

    runs/0007/
        work/            working directory: a link to each top-level entry of the snapshot, outputs -> ../outputs
        outputs/         artefacts; outputs/NAME for each declared output
        checkpoints/     kept from one attempt to the next
        configuration.json, report-1.jsonl

Links are relative, so a root can be moved or copied.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from hdcore.command import Command, as_argument, plain
from hdcore.errors import ExecutorError, StoreError
from hdcore.records import Launch, SweepSpec
from hdcore.standins import with_standins
from hdcore.tracking.journal import journal_name
from hdcore.typing import Configuration
from hdcore.workspace.mlflow import lead_mlflow_here, name_mlflow_run

_NOT_INHERITED = frozenset(
    (
        "HDCORE_RUN",
        "HDCORE_RUN_ID",
        "HDCORE_REPORT",
        "HDCORE_ATTEMPT",
        "HDCORE_OUTPUT_DIR",
        "HDCORE_CHECKPOINT_DIR",
        "HDCORE_RESUME_FROM",
        "OLDPWD",
    )
)
_SWEPT = "AZUREML_SWEEP_"


def run_folder(sweep_folder: str | os.PathLike[str], number: int) -> Path:
    """Return the folder of a run: ``runs/0007``; numbers beyond 9999 get as many digits as they need."""
    return Path(sweep_folder, "runs", f"{number:04d}")


def prepare_run(
    spec: SweepSpec,
    sweep_folder: str | os.PathLike[str],
    number: int,
    attempt: int,
    configuration: Configuration,
    *,
    sweep_id: str,
    offset: int = 0,
    resume_from: str | os.PathLike[str] | None = None,
    inherited: Mapping[str, str] | None = None,
) -> Launch:
    """Make a run's folder and everything that starting it needs.

    What exists is kept, but for a report file of this attempt of which nothing was consumed: a second attempt finds the
    outputs and checkpoints of the first. The snapshot of the code
    has been made before (`snapshot_code`).

    Parameters
    ----------
    sweep_folder : path-like
        Folder of the sweep, ``ROOT/sweeps/NAME``.
    number, attempt : int
        Run number from 0; attempt from 1.
    configuration : dict
        Values of the search space.
    sweep_id : str
        The run's id is ``<sweep_id>_<number>``.
    offset : int
        Bytes of this attempt's report file that were consumed before.
    resume_from : path-like, optional
        Folder of an earlier run to continue: the command gets ``--resume-from FOLDER`` at its end, the environment
        ``HDCORE_RESUME_FROM``.
    inherited : mapping, optional
        Environment to start from; the process's own if not given.

    Raises
    ------
    InputError
        A value that no argument can carry.
    ExecutorError
        Another run, or an earlier attempt, has spoiled the run's folder.
    StoreError
        The disk is full or fails.

    Notes
    -----
    hdcore's own tokens are taken out of the environment. ``python`` finds the interpreter that hdcore runs in unless a
    virtual environment is active (``VIRTUAL_ENV`` or ``CONDA_PREFIX``): its folder is put in front of ``PATH``.
    """
    folder = os.path.abspath(run_folder(sweep_folder, number))
    work, outputs, checkpoints = (os.path.join(folder, name) for name in ("work", "outputs", "checkpoints"))
    report = os.path.join(folder, f"report-{attempt}.jsonl")
    output_paths = {name: os.path.join(outputs, name) for name in spec.outputs}
    input_values = {
        name: item.value if item.type == "literal" else (item.local or item.path) for name, item in spec.inputs.items()
    }
    previous = None if resume_from is None else os.path.abspath(resume_from)
    extra = () if previous is None else ("--resume-from", previous)
    argv: tuple[str, ...] = ()
    if spec.command:
        argv = Command.parse(spec.command, spec.shell).argv(configuration, input_values, output_paths, extra=extra)

    environment = shared_environment(spec, inherited)
    for kind, values in (("inputs", input_values), ("search_space", configuration)):
        for name, value in values.items():
            environment[_SWEPT + name] = as_argument(value, f"{kind}.{name}")
    environment.update(
        PWD=work,
        HDCORE_RUN_ID=f"{sweep_id}_{number}",
        AZUREML_RUN_ID=f"{sweep_id}_{number}",  # by which scripts and libraries see that they are submitted
        HDCORE_REPORT=report,
        HDCORE_ATTEMPT=str(attempt),
        HDCORE_OUTPUT_DIR=outputs,
        HDCORE_CHECKPOINT_DIR=checkpoints,
    )
    name_mlflow_run(environment, environment["HDCORE_RUN_ID"])
    if previous is not None:
        environment["HDCORE_RESUME_FROM"] = previous

    try:
        _make_parents(folder)
        for path in (folder, work, outputs, checkpoints):
            _make_folder(path)
        for name, declared in spec.outputs.items():
            if declared.get("type") != "uri_file":  # such an output is a file that the script writes
                _make_folder(output_paths[name])
        _make_view(os.path.join(sweep_folder, "code"), work)
        _write_private(os.path.join(folder, "configuration.json"), _configuration_text(configuration))
        # A driver that was killed between start and commit leaves a file of the same attempt: its lines never happened.
        _write_private(report, b"", keep=offset > 0)
        if not offset:
            _remove(os.path.join(folder, journal_name(attempt)))
    except OSError as error:
        if _is_own_doing(error, folder):
            where = os.path.relpath(os.fsdecode(error.filename or folder), folder)
            raise ExecutorError(f"its folder cannot be used again: {where}: {error.strerror}") from error
        raise StoreError(f"{folder}: cannot be made ready ({error.strerror}); free some space") from error
    return Launch(
        number=number,
        attempt=attempt,
        argv=argv,
        cwd=work,
        folder=folder,
        report=report,
        environment=environment,
        gpus=spec.gpus_per_run,
        cpus=spec.cpus_per_run,
        timeout_s=spec.limits.run_timeout_s,
        offset=offset,
        configuration=dict(configuration),
    )


def shared_environment(spec: SweepSpec, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what the environments of all runs of a sweep have in common."""
    environment = {**_inherit(os.environ if inherited is None else inherited), **spec.environment}
    lead_mlflow_here(environment, spec.environment)
    environment["PYTHONPATH"] = with_standins(environment.get("PYTHONPATH"))
    return environment


def _inherit(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that a run gets from its surroundings."""
    environment = {name: value for name, value in inherited.items() if not _is_own(name)}
    if not (environment.get("VIRTUAL_ENV") or environment.get("CONDA_PREFIX")):
        environment["PATH"] = _path_with_python(environment.get("PATH", os.defpath), sys.executable)
    return environment


def _is_own(name: str) -> bool:
    """Return whether a variable is hdcore's: of a run around this process, or a token."""
    if name.startswith(_SWEPT):
        return True
    return name in _NOT_INHERITED or (name.startswith("HDCORE_") and "TOKEN" in name.upper())


@lru_cache(maxsize=8)
def _path_with_python(path: str, executable: str) -> str:
    """Return a search path on which ``python`` is the interpreter that hdcore runs in."""
    if not executable:
        return path
    folder = os.path.dirname(executable)
    found = shutil.which("python", path=path)
    if found is not None and os.path.dirname(found) == folder:
        return path
    return os.pathsep.join([folder, path]) if path else folder


def _make_view(code: str, work: str) -> None:
    """Link each top-level entry of the snapshot into the working directory."""
    _link("../outputs", os.path.join(work, "outputs"))
    try:
        names = os.listdir(code)
    except FileNotFoundError:  # a sweep over a function has no code folder
        return
    for name in names:
        if name not in ("outputs", "__pycache__"):
            _link(f"../../../code/{name}", f"{work}/{name}")


def _link(target: str, path: str) -> None:
    try:
        os.symlink(target, path)
    except FileExistsError:
        pass  # an earlier attempt made it, or put a file of its own there


def _make_parents(folder: str) -> None:
    parent = os.path.dirname(folder)
    if not os.path.isdir(parent):
        _make_folder(parent)


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    os.chmod(path, 0o700)  # the umask may have taken bits away


def _write_private(path: str, data: bytes, *, keep: bool = False) -> None:
    if not keep:
        _remove(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | (0 if keep else os.O_EXCL)
    handle = os.open(path, flags, 0o600)
    try:
        os.fchmod(handle, 0o600)
        while data:
            data = data[os.write(handle, data) :]
    finally:
        os.close(handle)


def _remove(path: str) -> None:
    """Take away what an earlier attempt left: a FIFO there would hold the driver, a link lead it elsewhere."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        shutil.rmtree(path)


def _is_own_doing(error: OSError, folder: str) -> bool:
    """Return whether a run spoiled its own folder; else the disk is at fault, and no other run would fare better."""
    runs = os.path.dirname(folder)
    if not (os.path.isdir(runs) and os.access(runs, os.W_OK | os.X_OK)):
        return False
    return error.errno in (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP)


def _configuration_text(configuration: Mapping[str, Any]) -> bytes:
    return json.dumps(configuration, ensure_ascii=False, default=plain).encode("utf-8", "surrogateescape")
