"""Where a run is, by its id: in a sweep's store, or in a journal alone.

What `Run` shows comes from its home. Homes that read stores import the store when they are asked; a training script
never gets there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.journal import Journal
from hdcore.hyperdrive.workspace import legal_file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.records import SweepSpec
    from hdcore.store import StoredRun, StoredSweep, StoreReader

ABOUT_NAME = "hyperdrive.json"
"""File in the folder of a sweep: what the API has to know beside the specification."""

_TERMINAL = frozenset(("Completed", "Failed", "Canceled"))


class Home:
    """Base of the homes.

    Attributes
    ----------
    id : str
    root : Path
        Of hdcore; the workspace.
    folder : Path
        Of the run; it may not exist yet.
    experiment_name : str
    type : str
        Azure's word: ``hyperdrive``, ``azureml.scriptrun``, ``azureml.run``.
    parent_id : str or None
    number : int
    """

    type = "azureml.run"
    parent_id: str | None = None
    number = 0

    def __init__(self, run_id: str, root: Path, folder: Path) -> None:
        self.id, self.root, self.folder = run_id, root, folder
        self.journal = Journal(folder)
        self.experiment_name = ""

    def status(self) -> str:
        """Return Azure's word for where the run stands."""
        raise NotImplementedError

    def times(self) -> tuple[float | None, float | None]:
        """Return start and end, seconds since the epoch."""
        raise NotImplementedError

    def scalars(self) -> dict[str, list[Any]]:
        """Return the values that were reported, by name."""
        return {}

    def attempt(self) -> int | None:
        """Return the number of the attempt whose metrics count; None where there is but one."""
        return None

    def error(self) -> dict[str, Any] | None:
        """Return Azure's document of what went wrong, None if nothing did."""
        entry = self.journal.last("error")
        return None if entry is None else error_document(str(entry.get("message")), entry.get("code"))

    def tags(self) -> dict[str, str]:
        return self.journal.tags()

    def properties(self) -> dict[str, str]:
        return self.journal.properties()

    def definition(self) -> dict[str, Any] | None:
        """Return the run's definition, None if nothing was submitted."""
        return None

    def children(self) -> Iterator[Home]:
        """Yield the runs under this one."""
        for entry in self.journal.entries("child"):
            child = str(entry.get("id"))
            yield journal_home(self.root, child) or find_home(self.root, child)

    def cancel(self) -> bool:
        """Ask for the end of the run."""
        raise UserErrorException(f"run {self.id} cannot be canceled from here; end its process")


class JournalHome(Home):
    """A run that exists only by what it noted: from `Experiment.start_logging` and `Run.child_run`."""

    def __init__(self, run_id: str, root: Path) -> None:
        super().__init__(run_id, root, root / "azure" / "runs" / legal_file_name(run_id))
        begin: dict[str, Any] = next(self.journal.entries("begin"), {})
        self.id = str(begin.get("id", run_id))
        self.experiment_name = str(begin.get("experiment", ""))
        self.parent_id = begin.get("parent")
        self.number = int(begin.get("number") or 0)
        self._began: float | None = begin.get("at")

    def status(self) -> str:
        entry = self.journal.last("status")
        return "Running" if entry is None else str(entry.get("value"))

    def times(self) -> tuple[float | None, float | None]:
        entry = self.journal.last("status")
        return self._began, None if entry is None else entry.get("at")

    def cancel(self) -> bool:
        if self.status() not in _TERMINAL:
            self.journal.add("status", value="Canceled")
        return True


class StoredHome(Home):
    """A run of a sweep. A sweep of `Experiment.submit(ScriptRunConfig)` has one run and is not shown itself."""

    type = "azureml.scriptrun"

    def __init__(self, sweep: SweepHome, number: int) -> None:
        from hdcore.store import run_folder

        super().__init__(f"{sweep.id}_{number}", sweep.root, run_folder(sweep.sweep_folder, number))
        self.sweep = sweep
        self.number = number
        self.experiment_name = sweep.experiment_name
        self.parent_id = None if sweep.is_single else sweep.id

    def stored(self) -> StoredRun | None:
        """Return the run's row; None while the driver has not come to it."""
        with self.sweep.reader() as reader:
            return self._row(reader)

    def _row(self, reader: StoreReader) -> StoredRun | None:
        from hdcore.errors import InputError

        try:
            return reader.run(self.number)
        except InputError:
            return None

    def status(self) -> str:
        with self.sweep.reader() as reader:
            row = self._row(reader)
            if row is None:  # a sweep that is over will never come to it
                status = reader.sweep().status
                return status.value if status.is_terminal else "NotStarted"
            return self.sweep.present(reader, row.status)

    def times(self) -> tuple[float | None, float | None]:
        row = self.stored()
        return (None, None) if row is None else (row.started, row.ended)

    def attempt(self) -> int | None:
        row = self.stored()
        return None if row is None else row.attempt

    def scalars(self) -> dict[str, list[Any]]:
        with self.sweep.reader() as reader:
            return read_scalars(reader, self.number)

    def error(self) -> dict[str, Any] | None:
        row = self.stored()
        if row is None or row.status.value != "Failed":
            return super().error()
        noted = self.journal.last("error")
        if noted is not None:
            return error_document(str(noted.get("message")), noted.get("code"))
        return error_document(row.reason or "failed", "UserError")

    def tags(self) -> dict[str, str]:
        own = {"hyperparameters": json.dumps(self.configuration(), default=str)} if not self.sweep.is_single else {}
        return {**own, **self.journal.tags()}

    def configuration(self) -> dict[str, Any]:
        """Return the hyperparameters."""
        row = self.stored()
        return {} if row is None else row.configuration

    def definition(self) -> dict[str, Any]:
        from hdcore.hyperdrive.details import run_definition

        return run_definition(self.sweep, self.folder, self.configuration())

    def cancel(self) -> bool:
        from hdcore.sweep import cancel_stored

        cancel_stored(self.sweep.sweep_folder, None if self.sweep.is_single else self.number)
        return True


class SweepHome(Home):
    """A sweep as a whole.

    Attributes
    ----------
    sweep_folder : Path
    spec : SweepSpec
    about : dict
        What `ABOUT_NAME` holds; empty for a sweep that a file or the command line started.
    """

    type = "hyperdrive"

    def __init__(self, sweep_folder: Path, sweep: StoredSweep) -> None:
        super().__init__(sweep.sweep_id, sweep_folder.parent.parent, sweep_folder)
        self.sweep_folder = sweep_folder
        self.spec: SweepSpec = sweep.spec
        self.about = _read_about(sweep_folder)
        self.experiment_name = sweep.spec.experiment_name or sweep.spec.name

    @property
    def is_single(self) -> bool:
        """Whether it stands for one run without hyperparameters."""
        return self.about.get("kind") == "run"

    def reader(self) -> StoreReader:
        """Open the store for reading; the caller closes it."""
        from hdcore.store import StoreReader

        return StoreReader.open(self.sweep_folder)

    def present(self, reader: StoreReader, status: Any) -> str:
        """Return the word for a stored status, by whether a driver lives."""
        from hdcore.document import present_status

        driver = reader.driver()
        return present_status(status, driver is not None and driver.alive).value

    def is_driven(self) -> bool:
        """Return whether a driver lives."""
        with self.reader() as reader:
            driver = reader.driver()
            return driver is not None and driver.alive

    def status(self) -> str:
        with self.reader() as reader:
            stored = reader.sweep().status
            driver = reader.driver()
        if stored.is_terminal:
            return stored.value
        if driver is None or not driver.alive:
            return "Queued"  # it waits for `hdcore resume`, or for somebody who waits for it
        return "CancelRequested" if self._is_cancel_requested() else "Running"

    def _is_cancel_requested(self) -> bool:
        from hdcore.store.control import CONTROL_NAME

        try:
            return b'"cancel": "sweep"' in (self.sweep_folder / CONTROL_NAME).read_bytes()
        except OSError:
            return False

    def times(self) -> tuple[float | None, float | None]:
        with self.reader() as reader:
            sweep = reader.sweep()
        return sweep.started or sweep.created, sweep.ended if sweep.status.is_terminal else None

    def error(self) -> dict[str, Any] | None:
        with self.reader() as reader:
            sweep = reader.sweep()
            if sweep.status.value != "Failed":
                return None
            failed = [run.reason for run in reader.runs() if run.status.value == "Failed"]
        last = f"; the last one: {failed[-1]}" if failed else ""
        return error_document(f"{len(failed)} runs failed and none completed{last}", "UserError")

    def tags(self) -> dict[str, str]:
        from hdcore.hyperdrive.details import sweep_tags

        return {**sweep_tags(self), **self.journal.tags()}

    def properties(self) -> dict[str, str]:
        from hdcore.hyperdrive.details import sweep_properties

        return {**sweep_properties(self), **self.journal.properties()}

    def definition(self) -> dict[str, Any]:
        from hdcore.hyperdrive.details import run_definition

        return run_definition(self, None, None)

    def child(self, number: int) -> StoredHome:
        return StoredHome(self, number)

    def children(self) -> Iterator[Home]:
        with self.reader() as reader:
            numbers = [run.number for run in reader.runs()]
        for number in numbers:
            yield self.child(number)

    def cancel(self) -> bool:
        from hdcore.sweep import cancel_stored

        cancel_stored(self.sweep_folder)
        return True


def read_scalars(reader: StoreReader, number: int) -> dict[str, list[Any]]:
    """Return all values that a run reported, by name; what was not finite as it was."""
    from hdcore.store import Flag

    found: dict[str, list[Any]] = {}
    for name, points in reader.series(number).items():
        found[name] = [Flag(flag).restore(value) for _, _, value, flag in points]
    for name, notes in reader.notes(number).items():
        found.setdefault(name, []).extend(as_logged(text) for _, _, text in notes)
    return found


def as_logged(text: str) -> Any:
    """Return what was logged for a text in the store, where booleans are words."""
    return {"true": True, "false": False}.get(text, text)


def error_document(message: str, code: Any) -> dict[str, Any]:
    """Return an error in the form of Azure's service."""
    return {"error": {"code": str(code or "UserError"), "message": message, "details": [], "severity": None}}


def find_home(root: Path, run_id: str) -> Home:
    """Return the home of a run or sweep.

    Raises
    ------
    UserErrorException
        If there is none of this id.
    """
    if not isinstance(run_id, str):
        raise UserErrorException(f"run id {run_id!r} is a {type(run_id).__name__}; give a string")
    parent, _, tail = run_id.rpartition("_")
    is_numbered = bool(parent) and tail.isascii() and tail.isdigit()
    found = sweep_home(root, run_id, parent if is_numbered else None)
    if found is not None and (found.id != parent or not is_numbered):
        return found.child(0) if found.is_single else found
    if found is not None:
        home = found.child(int(tail))
        if found.is_single or home.stored() is not None:
            return home
    noted = journal_home(root, run_id)
    if noted is not None:
        return noted
    raise UserErrorException(f"Run {run_id} was not found in {root}; is $HDCORE_ROOT the root that it was made in?")


def sweep_home(root: Path, sweep_id: str, other_id: str | None = None) -> SweepHome | None:
    """Return the home of the newest sweep of one of two ids or, where no id fits, of this name.

    Looks from the newest sweep on and stops at the first that fits: the one that was submitted last is found at once.
    """
    by_name = None
    for sweep in all_sweeps(root):
        if sweep.id in (sweep_id, other_id):
            return sweep
        if sweep.spec.name == sweep_id:
            by_name = sweep
    return by_name


def all_sweeps(root: Path) -> Iterator[SweepHome]:
    """Yield the sweeps of a root, the newest first; those that cannot be read are left out."""
    from hdcore.store import list_sweeps

    for _, folder in list_sweeps(root):
        sweep = _stored_sweep(folder)
        if sweep is not None:
            yield SweepHome(folder, sweep)


def journal_home(root: Path, run_id: str) -> JournalHome | None:
    """Return the home of a run that only has a journal."""
    home = JournalHome(run_id, root)
    return home if home._began is not None else None


def begin_journal_run(
    root: Path, run_id: str, experiment: str, *, parent: Home | None = None, name: str | None = None
) -> JournalHome:
    """Make a run that has only a journal."""
    home = JournalHome(run_id, root)
    number = int(time.time())
    home.journal.add(
        "begin",
        id=run_id,
        experiment=experiment,
        parent=None if parent is None else parent.id,
        name=name,
        number=number,
        pid=os.getpid(),
    )
    if parent is not None:
        parent.journal.add("child", id=run_id)
    return JournalHome(run_id, root)


def _stored_sweep(folder: Path) -> StoredSweep | None:
    from hdcore.errors import StoreError
    from hdcore.store import StoreReader

    try:
        with StoreReader.open(folder) as reader:
            return reader.sweep()
    except StoreError:  # damaged ones are told about by the command line
        return None


def _read_about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / ABOUT_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}
