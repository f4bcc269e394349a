"""The trial that this process belongs to, as MLflow's calls see it: one run, with others nested in it.

Standard library only. **Outside of nesting, every run that a script starts is the trial's run**, whichever process or
thread starts it: its metrics are the trial's reports. A nested run (a fold, a candidate of a grid search) has metrics,
parameters and artifacts of its own, which no policy looks at.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid
from pathlib import Path

from hdcore.runtime import get_run
from hdcore.shelf import Shelf
from hdcore.tracking import URI
from hdcore.tracking.journal import Journal, Lines, LoggedRun, append_line, journal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Trial:
    """Where what a script logs goes to.

    Raises
    ------
    RuntimeError
        Outside of a sweep.
    """

    def __init__(self) -> None:
        report = os.environ.get("HDCORE_REPORT")
        self._client = get_run()
        if not report or self._client.id is None:
            raise RuntimeError(
                f"the MLflow tracking URI {URI!r} works in runs of a sweep only; start the script with `hdcore run`, "
                "or unset MLFLOW_TRACKING_URI"
            )
        self.id: str = self._client.id
        self.sweep_id: str = self.id.rpartition("_")[0] or self.id
        self.folder: str = os.path.dirname(os.path.abspath(report))
        self.outputs: str = os.path.abspath(self._client.output_dir)
        self._report = report
        self._journal_path = os.path.join(self.folder, journal_name(self._client.attempt))
        self._at_zero: set[str] = set()
        self._changed: set[str] = set()
        self._pid = 0

    # ------------------------------------------------------------------ writing

    def report(self, name: str, value: Any, step: int | None) -> None:
        """Report a metric of the trial.

        MLflow says step 0 when the script gave none, so a 0 that comes again for a metric says nothing and is left out.
        """
        if step == 0:
            if name in self._at_zero:
                step = None
            self._at_zero.add(name)
        self._client.log(name, value, step)

    def write(self, **record: Any) -> None:
        """Append a record to the journal."""
        append_line(self._journal_path, record)

    def log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Keep parameters. The last value of one stands: another attempt, process or fit of a script may differ."""
        known = self.logged_run(run_id).params
        for name, text in params.items():
            if known.get(name, text) != text and name not in self._changed:
                self._changed.add(name)
                warn(f"the mlflow parameter {name!r} is logged anew with another value; the last one stands")
        self.write(run=run_id, params=dict(params))

    def start_nested(self, parent: str, name: str | None, started: int) -> str:
        """Begin a nested run; return its id."""
        run_id = uuid.uuid4().hex
        info = {"name": name or f"nested-{run_id[:8]}", "status": "RUNNING", "start": started, "parent": parent}
        self.write(run=run_id, info=info)
        return run_id

    # ------------------------------------------------------------------ reading

    def logged_run(self, run_id: str) -> LoggedRun:
        """Return what is known of a run now; its metrics included.

        Raises
        ------
        KeyError
            If the trial has no such run.
        """
        self._after_fork()
        with self._lock:
            self._journal.refresh()
            if run_id != self.id:
                return self._journal.runs[run_id].copy()
            own = self._journal.runs.setdefault(run_id, LoggedRun())
            for line in self._reports.read():
                name, value, at = line.get("name"), _number(line.get("value")), line.get("at")
                if isinstance(name, str) and value is not None:
                    own.add_metric(name, value, line.get("step") or 0, round(at * 1000) if at else 0)
            return own.copy()

    def read_journal(self) -> Journal:
        """Return the journal as it stands now. Its dictionaries grow under other threads: copy before walking them."""
        self._after_fork()
        with self._lock:
            self._journal.refresh()
        return self._journal

    def artifacts_of(self, run_id: str) -> str:
        """Return the folder of a run's artifacts."""
        return self.outputs if run_id == self.id else os.path.join(self.outputs, "nested", run_id)

    def relative(self, path: str) -> str:
        """Return a path relative to the run's folder, as the journal has them: a root may be moved."""
        return os.path.relpath(path, self.folder)

    def shelve(self, name: str, path: str, run_id: str | None, **about: Any) -> int | None:
        """Register a model of the trial, which stays where it is, on the shelf of the sweep's root; return its version.

        None where the root is not at hand, as on another machine.
        """
        runs = Path(self.folder).parent
        root = runs.parent.parent.parent
        if runs.name != "runs" or not (root / "sweeps" / runs.parent.name).is_dir() or not os.path.exists(path):
            return None
        try:
            put = Shelf(root).put(Path(path), name, is_linked=True, type="mlflow_model", run_id=run_id, **about)
        except OSError as error:
            warn(f"model {name!r} is kept with the run and not registered for others: {error.strerror}")
            return None
        return put.number

    def _after_fork(self) -> None:
        """Begin anew in a forked process: the lock may be held by a thread that is not here."""
        if self._pid != os.getpid():
            self._lock = threading.RLock()
            self._journal = Journal(self._journal_path)
            self._reports = Lines(self._report)
            self._pid = os.getpid()


def warn(text: str) -> None:
    """Say something on stderr, in one line."""
    print(f"hdcore: {text}", file=sys.stderr, flush=True)


def _number(value: object) -> float | None:
    """Return a reported value as a number; None if it is a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)  # also "nan", "inf"
    except ValueError:
        return None
