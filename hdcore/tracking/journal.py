"""The journal of a run: one line of JSON for each thing that its script logs through MLflow, metrics apart.

Standard library only, as it is written inside training scripts. A line has the key ``run`` or ``model`` with an id, and
one or more of these::

    {"run": ID, "info": {"name": …, "status": …, "start": ms, "end": ms, "parent": ID}}
    {"run": ID, "params": {NAME: TEXT}, "tags": {NAME: TEXT or null}}
    {"run": ID, "metrics": [[NAME, VALUE, STEP, ms]]}          nested runs only
    {"run": ID, "datasets": [{…}], "used": [MODEL ID], "made": [[MODEL ID, STEP]]}
    {"model": ID, "info": {…}, "params": {…}, "tags": {…}}
    {"registered": NAME, "version": NUMBER, "info": {…}, "tags": {…}, "aliases": {ALIAS: NUMBER}}

Later lines win. Lines are appended with one ``write`` each, so threads and processes of a run may log at once.
"""

from __future__ import annotations

import json
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MOST_BYTES = 64 << 20
"""Of a journal or report file that is read at a time; what is beyond waits for the next time."""


def journal_name(attempt: int) -> str:
    """Return the name of the journal in a run's folder. Each attempt has its own, as it has its own reports."""
    return f"mlflow-{attempt}.jsonl"


class LoggedModel:
    """What is known of one model; `info` has its name, its folder, its status."""

    def __init__(self) -> None:
        self.info: dict[str, Any] = {}
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}

    def fold(self, record: Mapping[str, Any]) -> None:
        """Take over what a record says."""
        self.info.update(_mapping(record.get("info")))
        _merge(self.params, record.get("params"))
        _merge(self.tags, record.get("tags"))


class LoggedRun(LoggedModel):
    """What is known of one run: the trial's own, or one nested in it.

    Attributes
    ----------
    info : dict
        Name, status, start, end, parent; what is not known is absent.
    metrics : list
        ``[name, value, step, milliseconds]`` in the order of reports. Those of the trial's own run are in its report
        file instead.
    latest : dict
        Of each metric the row with the highest step; of several the last.
    used, made : list
        Models that went in, and ``[model, step]`` that came out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.metrics: list[list[Any]] = []
        self.latest: dict[str, list[Any]] = {}
        self.datasets: list[dict[str, Any]] = []
        self.used: list[str] = []
        self.made: list[list[Any]] = []

    def fold(self, record: Mapping[str, Any]) -> None:
        """Take over what a record says."""
        super().fold(record)
        for row in _sequence(record.get("metrics")):
            if _is_metric(row):
                self.add_metric(*row)
        self.datasets += [row for row in _sequence(record.get("datasets")) if isinstance(row, dict)]
        self.used += [row for row in _sequence(record.get("used")) if isinstance(row, str)]
        self.made += [row for row in _sequence(record.get("made")) if isinstance(row, list) and len(row) == 2]

    def add_metric(self, name: str, value: float, step: int, at: int) -> None:
        """Take over one value of a metric."""
        row = [name, value, step, at]
        self.metrics.append(row)
        known = self.latest.get(name)
        if known is None or step >= known[2]:
            self.latest[name] = row

    def copy(self) -> LoggedRun:
        """Return a copy that stays as it is; the rows of metrics, which are only ever added to, are shared."""
        new = LoggedRun()
        for name, value in vars(self).items():
            setattr(new, name, value if name == "metrics" else value.copy())
        return new


class RegisteredName(LoggedModel):
    """A name of the model registry, with its versions from 1 on."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[int, LoggedModel] = {}
        self.aliases: dict[str, str] = {}

    def fold(self, record: Mapping[str, Any]) -> None:
        """Take over what a record says."""
        version = record.get("version")
        if isinstance(version, int):
            self.versions.setdefault(version, LoggedModel()).fold(record)
        else:
            super().fold(record)
            _merge(self.aliases, record.get("aliases"))


class Journal:
    """The runs and models of a journal, as far as it has been read.

    Attributes
    ----------
    runs, models, registered : dict
        By id or name, in the order in which they came up.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.runs: dict[str, LoggedRun] = {}
        self.models: dict[str, LoggedModel] = {}
        self.registered: dict[str, RegisteredName] = {}
        self._lines = Lines(path)

    def refresh(self) -> None:
        """Read what has been written since the last time, by whichever process."""
        for record in self._lines.read():
            run, model, name = record.get("run"), record.get("model"), record.get("registered")
            if isinstance(run, str):
                self.runs.setdefault(run, LoggedRun()).fold(record)
            elif isinstance(model, str):
                self.models.setdefault(model, LoggedModel()).fold(record)
            elif isinstance(name, str):
                self.registered.setdefault(name, RegisteredName()).fold(record)


class Lines:
    """The whole lines of a growing file, each a JSON object. What is none is passed over: a writer may have died."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._offset = 0

    def read(self) -> list[dict[str, Any]]:
        """Return what has come since the last call."""
        try:
            # A run owns its folder: what it has put there instead must not lead a reader elsewhere, or hold it.
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return []
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return []
            data = os.pread(handle, MOST_BYTES, self._offset)
        finally:
            os.close(handle)
        data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        found = []
        for line in data.splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                found.append(record)
        return found


def append_line(path: str, record: Mapping[str, Any]) -> None:
    """Append a record to a journal.

    Raises
    ------
    OSError
        If it could not be written whole.
    """
    data = (json.dumps(record, default=str) + "\n").encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        written = os.write(handle, data)
    finally:
        os.close(handle)
    if written < len(data):
        raise OSError(f"{path}: no room for what the script logs; free some space")


def _merge(known: dict[str, str], new: object) -> None:
    """Take new texts over; None removes one."""
    for name, text in _mapping(new).items():
        if text is None:
            known.pop(name, None)
        else:
            known[name] = str(text)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_metric(row: object) -> bool:
    if not isinstance(row, list) or len(row) != 4:
        return False
    name, value, *numbers = row
    return (
        isinstance(name, str)
        and isinstance(value, int | float | None)
        and all(isinstance(number, int) for number in numbers)
    )


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
