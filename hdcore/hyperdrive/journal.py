"""What a run notes beside its metrics: tags, properties, tables, files that stand for metrics, errors.

One JSON line an entry, appended with one `write` to ``journal.jsonl`` in the folder of the run: scripts and notebooks
write at the same time, and nothing is lost when either dies. Standard library only, as all that a run loads.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

JOURNAL_NAME = "journal.jsonl"


class Journal:
    """The journal of one run.

    Parameters
    ----------
    folder : Path
        Of the run; made when the first entry is written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_NAME

    def add(self, kind: str, **fields: Any) -> None:
        """Append an entry."""
        line = json.dumps({"kind": kind, "at": round(time.time(), 3), **fields}, default=repr) + "\n"
        make_private_folder(self._path.parent)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self._path, flags, 0o600)
        try:
            os.write(fd, line.encode("utf-8", "surrogatepass"))
        finally:
            os.close(fd)

    def entries(self, *kinds: str, attempt: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield entries of some kinds in order; lines that are none are passed over.

        Parameters
        ----------
        attempt : int, optional
            Leave out what an attempt of another number of the run wrote.
        """
        try:
            data = self._path.read_bytes()
        except OSError:
            return
        for line in data.splitlines():
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if not isinstance(entry, dict) or entry.get("kind") not in kinds:
                continue
            if attempt is None or entry.get("attempt", attempt) == attempt:
                yield entry

    def last(self, kind: str) -> dict[str, Any] | None:
        """Return the newest entry of a kind."""
        found = None
        for entry in self.entries(kind):
            found = entry
        return found

    def tags(self) -> dict[str, str]:
        """Return the tags as they are now."""
        found: dict[str, str] = {}
        for entry in self.entries("tag", "untag"):
            if entry["kind"] == "tag":
                found[str(entry.get("name"))] = entry.get("value")  # type: ignore[assignment]
            else:
                found.pop(str(entry.get("name")), None)
        return found

    def properties(self) -> dict[str, str]:
        """Return the properties; the first value of each stays."""
        found: dict[str, str] = {}
        for entry in self.entries("property"):
            found.setdefault(str(entry.get("name")), str(entry.get("value")))
        return found


def make_private_folder(folder: Path) -> Path:
    """Make a folder and its parents, each for the user alone, whatever the umask."""
    missing = []
    at = folder
    while not at.is_dir():
        missing.append(at)
        at = at.parent
    for path in reversed(missing):
        try:
            path.mkdir(mode=0o700)
            path.chmod(0o700)
        except FileExistsError:
            pass
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a file for the user alone, whole or not at all."""
    make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
