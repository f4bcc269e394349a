"""The code cells of a notebook file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdcore.errors import InputError

_OTHER_LANGUAGES = ("r", "ir", "julia", "scala", "bash", "javascript", "csharp", ".net-csharp")


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell; `number` counts all cells of the notebook from 1, as a reader would."""

    number: int
    source: str


def read_notebook(path: Path) -> list[Cell]:
    """Return the code cells of a notebook of format 3 or 4.

    Raises
    ------
    InputError
        If it is no notebook, or one of another language than Python.
    """
    source = str(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); check the path", source=source) from None
    except ValueError as error:
        raise InputError(f"is no notebook: {error}; save it again", source=source) from None
    metadata = document.get("metadata", {}) if isinstance(document, dict) else {}
    language = _language(metadata)
    if language.lower() in _OTHER_LANGUAGES:
        raise InputError(f"is a notebook in {language}; only Python notebooks can be run", source=source)
    cells = _cells(document)
    if cells is None:
        raise InputError("is no notebook: it has no list of cells; save it again", source=source)
    found = []
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        text = cell.get("source", cell.get("input", ""))
        text = "".join(str(line) for line in text) if isinstance(text, list) else str(text)
        if text.strip():
            found.append(Cell(number, text))
    return found


def _cells(document: Any) -> list[Any] | None:
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("cells"), list):
        return list(document["cells"])
    sheets = document.get("worksheets")  # format 3
    if isinstance(sheets, list):
        return [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells", [])]
    return None


def _language(metadata: Any) -> str:
    if not isinstance(metadata, dict):
        return ""
    for section, key in (("language_info", "name"), ("kernelspec", "language")):
        part = metadata.get(section)
        if isinstance(part, dict) and part.get(key):
            return str(part[key])
    return ""
