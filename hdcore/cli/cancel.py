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
    """Cancel a sweep, or one of its runs.

    A living driver ends what runs within seconds. Of a sweep without one the state is changed right here.
    """
    from hdcore.sweep import cancel_stored

    write(cancel_stored(sweep_folder(root, name), number))
