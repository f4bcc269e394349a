"""`hdcore explain`."""

from __future__ import annotations

from pathlib import Path

import click

from hdcore.cli.common import common_options, json_option, open_reader, write


@click.command("explain")
@click.argument("name")
@click.argument("run", type=click.IntRange(min=0))
@json_option
@common_options
def explain_command(name: str, run: int, as_json: bool, root: Path | None) -> None:
    """Explain a run: how its configuration came to be, and why it ended, as noted when it happened."""
    from hdcore.document import to_json_text
    from hdcore.explain import explain

    with open_reader(root, name) as reader:
        found = explain(reader, run)
    if as_json:
        write(to_json_text(found))
        return
    for index, line in enumerate(found["lines"]):
        write(f"  {line}" if index else line)
