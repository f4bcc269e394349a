"""What `hdcore azure` was told, for the processes that it starts: environment variables."""

from __future__ import annotations

import json
import os
from typing import Any

from hdcore.errors import InputError

INPUTS_VARIABLE = "HDCORE_AZURE_INPUTS"
GPUS_VARIABLE = "HDCORE_AZURE_GPUS_PER_RUN"


def local_paths() -> dict[str, str]:
    """Return what the user gave as ``--input NAME=PATH``: name, or cloud path, -> absolute local path."""
    text = os.environ.get(INPUTS_VARIABLE)
    if not text:
        return {}
    try:
        found = json.loads(text)
        return {str(name): str(path) for name, path in found.items()}
    except (ValueError, AttributeError):
        raise InputError("is no JSON object of names and paths", field=INPUTS_VARIABLE) from None


def given_path(what: str) -> str | None:
    """Return the local copy that the user gave of what has this name, or this path in the cloud."""
    given = local_paths()
    last = _last_part(what)
    return next((given[key] for key in (what, last, last.partition(".")[0]) if key in given), None)


def input_name(what: str) -> str:
    """Return the name under which the user may give a local copy of a path in the cloud."""
    return _last_part(what).partition(".")[0] or "NAME"


def _last_part(what: str) -> str:
    """Return the last part of a path that names something: of ``…/airline/*.parquet`` it is ``airline``."""
    parts = [part for part in what.partition("?")[0].split("/") if part and not set("*[") & set(part)]
    return parts[-1] if parts else what


def engine_block() -> dict[str, Any]:
    """Return the ``hdcore`` block that the user's options stand for."""
    text = os.environ.get(GPUS_VARIABLE)
    if not text:
        return {}
    return {"gpus_per_run": "auto" if text == "auto" else float(text)}
