"""Where a run is. What `Run` shows comes from its home: here the base, and runs that are a journal and nothing else.

Standard library only; runs and sweeps in stores are in `hdcore.hyperdrive.stored`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.journal import Journal
from hdcore.shelf import file_name

ABOUT_NAME = "hyperdrive.json"
"""File in the folder of a sweep: what the API has to know beside the specification."""

ROOT_RUN_VARIABLE = "AZUREML_ROOT_RUN_ID"
"""Environment variable of a run that is, or is below, a step of a pipeline: the id of the pipeline's run."""

_START_S = 60.0
"""How long the driver of a pipeline may take to come up before its run counts as abandoned."""

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
        Azure's word: ``hyperdrive``, ``azureml.scriptrun``, ``azureml.PipelineRun``, ``azureml.run``.
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

    def inputs(self) -> str | None:
        """Return the inputs as their environment variable has them."""
        return None

    def children(self) -> Iterator[Home]:
        """Yield the runs under this one."""
        for entry in self.journal.entries("child"):
            from hdcore.hyperdrive.stored import find_home

            child = str(entry.get("id"))
            yield journal_home(self.root, child) or find_home(self.root, child)

    def cancel(self) -> bool:
        """Ask for the end of the run."""
        raise UserErrorException(f"run {self.id} cannot be canceled from here; end its process")


class JournalHome(Home):
    """A run that exists only by what it noted: from `Experiment.start_logging` and `Run.child_run`."""

    def __init__(self, run_id: str, root: Path) -> None:
        super().__init__(run_id, root, root / "azure" / "runs" / file_name(run_id))
        begin: dict[str, Any] = next(self.journal.entries("begin"), {})
        self.id = str(begin.get("id", run_id))
        self.experiment_name = str(begin.get("experiment", ""))
        self.parent_id = begin.get("parent")
        self.number = int(begin.get("number") or 0)
        self._began: float | None = begin.get("at")
        self._has_driver = bool(begin.get("driven"))

    @property
    def type(self) -> str:  # type: ignore[override]
        """Azure's word: a pipeline, or a run that its program logs to."""
        return "azureml.PipelineRun" if self._has_driver else "azureml.run"

    def status(self) -> str:
        if self._is_orphan():
            return "Failed"
        entry = self.journal.last("status")
        return "Running" if entry is None else str(entry.get("value"))

    def error(self) -> dict[str, Any] | None:
        found = super().error()
        if found is None and self._is_orphan():
            return error_document("the driver of its steps was killed; submit it again", None)
        return found

    def _is_orphan(self) -> bool:
        """Whether a program had to go on with the run, holding the lock of its folder, and is gone."""
        if not self._has_driver or self.journal.last("status") is not None:
            return False
        if self.journal.last("driven") is None and time.time() - (self._began or 0) < _START_S:
            return False  # its driver is about to take the lock
        from hdcore.store.lock import read_driver

        driver = read_driver(self.folder)
        # In this order: what the program has noted last, it has noted before it let go of the lock.
        return (driver is None or not driver.alive) and self.journal.last("status") is None

    def times(self) -> tuple[float | None, float | None]:
        entry = self.journal.last("status")
        return self._began, None if entry is None else entry.get("at")

    def cancel(self) -> bool:
        if self.status() not in _TERMINAL:
            if self._has_driver:
                self.journal.add("cancel")  # the driver looks for it
            else:
                self.journal.add("status", value="Canceled")
        return True


def is_pipeline_run(folder: Path) -> bool:
    """Return whether a folder is that of a pipeline of `Experiment.submit`."""
    return folder.parent.name == "runs" and folder.parent.parent.name == "azure"


def as_logged(text: str) -> Any:
    """Return what was logged for a text in the store, where booleans are words."""
    return {"true": True, "false": False}.get(text, text)


def error_document(message: str, code: Any) -> dict[str, Any]:
    """Return an error in the form of Azure's service."""
    return {"error": {"code": str(code or "UserError"), "message": message, "details": [], "severity": None}}


def journal_home(root: Path, run_id: str) -> JournalHome | None:
    """Return the home of a run that only has a journal."""
    home = JournalHome(run_id, root)
    return home if home._began is not None else None


def begin_journal_run(
    root: Path,
    run_id: str,
    experiment: str,
    *,
    parent: Home | None = None,
    name: str | None = None,
    is_driven: bool = False,
) -> JournalHome:
    """Make a run that has only a journal; `is_driven` says that the caller holds the lock of its folder."""
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
        **({"driven": True} if is_driven else {}),
    )
    if parent is not None:
        parent.journal.add("child", id=run_id)
    return JournalHome(run_id, root)
