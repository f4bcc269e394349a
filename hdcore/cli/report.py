"""`hdcore report`."""

from __future__ import annotations

from pathlib import Path

import click

from hdcore.cli.common import check_target, common_options, deliver, open_reader


@click.command("report")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE.html",
    help="'-' is stdout.",
)
@common_options
def report_command(name: str, output: Path, root: Path | None) -> None:
    """Write a sweep as one HTML file, to look at offline: the portal's views with the data inside.

    Training curves are thinned where there are thousands of runs. Logs and files of runs are not in it.
    """
    from hdcore.pages.report import report

    target = None if str(output) == "-" else output
    check_target(target, "report")
    with open_reader(root, name) as reader:
        text = report(reader)
    deliver(target, lambda file: file.write(text.encode()))
