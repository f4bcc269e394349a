"""`hdcore validate`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hdcore.cli.common import json_option, write
from hdcore.cli.main import debug_option, describe
from hdcore.views.text import plural, printable

if TYPE_CHECKING:
    from hdcore.records import SweepSpec

_PYTHON = re.compile(r"python[0-9.]*")


@click.command("validate")
@click.argument("sweep_file", type=click.Path(path_type=Path), metavar="SWEEP.yml")
@json_option
@debug_option
def validate_command(sweep_file: Path, as_json: bool) -> None:
    """Check a sweep or pipeline file. Nothing is run or created.

    Code and inputs that this machine lacks are noted and do not count as errors: the machine that runs the sweep may
    have them.
    """
    from hdcore.azure import is_pipeline, load_sweep, missing_here
    from hdcore.space import SearchSpace

    if is_pipeline(sweep_file):
        from hdcore.cli.pipeline import validate_pipeline

        validate_pipeline(sweep_file, as_json)
        return
    spec = load_sweep(sweep_file)
    size = SearchSpace(spec.space).size
    notes = [*spec.warnings, *(describe(error)[1] for error in missing_here(spec)), *missing_script(spec)]
    if as_json:
        from hdcore.document import to_json_text

        write(to_json_text({"file": str(sweep_file), "valid": True, "notes": notes, "configurations": size}))
        return
    runs = plural(spec.limits.max_total_runs, "run")
    configurations = "" if size is None else f", {plural(size, 'configuration')}"
    parameters = plural(len(spec.space), "parameter")
    write(
        f"{printable(str(sweep_file))}: valid; {spec.goal.value} {printable(spec.metric)}, "
        f"{spec.sampler.get('type', 'random')} sampler, {parameters}{configurations}, at most {runs}"
    )
    for note in notes:
        write(f"note: {printable(note)}")


def missing_script(spec: SweepSpec) -> list[str]:
    """Note that the command is ``python FILE …`` and FILE is not in the code folder, if that folder is here."""
    words = spec.command.split()
    if len(words) < 2 or spec.code is None or not os.path.isdir(spec.code) or not _PYTHON.fullmatch(words[0]):
        return []
    script = words[1].strip("'\"")
    if not re.fullmatch(r"[\w./-]+\.py", script) or os.path.isabs(script):
        return []
    path = Path(spec.code, script)
    if path.exists():
        return []
    from difflib import get_close_matches

    try:
        near = get_close_matches(path.name, [name for name in os.listdir(path.parent) if name.endswith(".py")], 1)
    except OSError:
        near = []
    hint = f"; did you mean {os.path.join(os.path.dirname(script), near[0])!r}?" if near else ""
    return [f"trial.command: {script!r} is not in the code folder{hint}"]
