"""Runs and sweeps in stores, and how they are found by their ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdcore.document import present_status
from hdcore.errors import InputError, StoreError
from hdcore.hyperdrive.consumption import INPUTS_VARIABLE
from hdcore.hyperdrive.details import run_definition, sweep_properties, sweep_tags
from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.homes import ABOUT_NAME, ROOT_RUN_VARIABLE, Home, as_logged, error_document, journal_home
from hdcore.store import Flag, StoreReader, list_sweeps, run_folder
from hdcore.store.control import CONTROL_NAME
from hdcore.sweep import cancel_stored

if TYPE_CHECKING:
    from hdcore.records import SweepSpec
    from hdcore.store import StoredRun, StoredSweep


class StoredHome(Home):
    """A run of a sweep. A sweep of `Experiment.submit(ScriptRunConfig)` has one run and is not shown itself."""

    type = "azureml.scriptrun"

    def __init__(self, sweep: SweepHome, number: int) -> None:
        super().__init__(f"{sweep.id}_{number}", sweep.root, run_folder(sweep.sweep_folder, number))
        self.sweep = sweep
        self.number = number
        self.experiment_name = sweep.experiment_name
        self.parent_id = sweep.parent_id if sweep.is_single else sweep.id

    def stored(self) -> StoredRun | None:
        """Return the run's row; None while the driver has not come to it."""
        with self.sweep.reader() as reader:
            return self._row(reader)

    def _row(self, reader: StoreReader) -> StoredRun | None:
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
        return run_definition(self.sweep, self.folder, self.configuration())

    def inputs(self) -> str | None:
        return self.sweep.spec.environment.get(INPUTS_VARIABLE)

    def cancel(self) -> bool:
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
        self.parent_id = sweep.spec.environment.get(ROOT_RUN_VARIABLE)

    @property
    def is_single(self) -> bool:
        """Whether it stands for one run without hyperparameters."""
        return self.about.get("kind") == "run"

    def reader(self) -> StoreReader:
        """Open the store for reading; the caller closes it."""
        return StoreReader.open(self.sweep_folder)

    def present(self, reader: StoreReader, status: Any) -> str:
        """Return the word for a stored status, by whether a driver lives."""
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
        return {**sweep_tags(self), **self.journal.tags()}

    def properties(self) -> dict[str, str]:
        return {**sweep_properties(self), **self.journal.properties()}

    def definition(self) -> dict[str, Any]:
        return run_definition(self, None, None)

    def child(self, number: int) -> StoredHome:
        return StoredHome(self, number)

    def children(self) -> Iterator[Home]:
        with self.reader() as reader:
            numbers = [run.number for run in reader.runs()]
        for number in numbers:
            yield self.child(number)

    def cancel(self) -> bool:
        cancel_stored(self.sweep_folder)
        return True


def read_scalars(reader: StoreReader, number: int) -> dict[str, list[Any]]:
    """Return all values that a run reported, by name; what was not finite as it was."""
    found: dict[str, list[Any]] = {}
    for name, points in reader.series(number).items():
        found[name] = [Flag(flag).restore(value) for _, _, value, flag in points]
    for name, notes in reader.notes(number).items():
        found.setdefault(name, []).extend(as_logged(text) for _, _, text in notes)
    return found


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
    for _, folder in list_sweeps(root):
        sweep = _stored_sweep(folder)
        if sweep is not None:
            yield SweepHome(folder, sweep)


def _stored_sweep(folder: Path) -> StoredSweep | None:
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
