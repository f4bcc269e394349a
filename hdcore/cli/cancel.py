"""`hdcore cancel`."""

from __future__ import annotations

from pathlib import Path

import click

from hdcore.cli.common import common_options, sweep_folder, write


@click.command("cancel")
@click.argument("name")
@click.option("--run", "number", type=click.IntRange(min=0), metavar="N", help="Cancel this run only.")
@common_options
def cancel_command(name: str, number: int | None, root: Path | None) -> None:
    """Cancel a sweep, one of its runs, or a pipeline.

    A living driver ends what runs within seconds. Of a sweep without one the state is changed right here.
    """
    from hdcore.pipeline import cancel_plan, find_plan
    from hdcore.store import find_root
    from hdcore.sweep import cancel_stored

    where = find_root(root)
    if number is None and find_plan(where, name):
        write(cancel_plan(where, name))
        return
    write(cancel_stored(sweep_folder(root, name), number))
