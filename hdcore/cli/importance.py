"""`hdcore importance`."""

from __future__ import annotations

from pathlib import Path

import click

from hdcore.cli.common import common_options, json_option, open_reader, write
from hdcore.errors import InputError

_WIDTH = 30
_FEW = 5


@click.command("importance")
@click.argument("name")
@click.option(
    "--method",
    type=click.Choice(["ped-anova", "fanova"]),
    default="ped-anova",
    show_default=True,
    help="What tells the best runs from all, or what explains the variance of the metric over the whole space.",
)
@click.option(
    "--top",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="What counts as good: this share of the runs, the best ones.",
)
@json_option
@common_options
def importance_command(name: str, method: str, top: float, as_json: bool, root: Path | None) -> None:
    """Show how much each parameter matters for being among the best runs (PED-ANOVA), or for the metric (fANOVA).

    Runs without a value do not count; a run that a policy stopped counts with the best value it had reached.
    """
    from hdcore.document import to_json_text
    from hdcore.sweep import importance_of
    from hdcore.views.text import plural, printable

    with open_reader(root, name) as reader:
        found = importance_of(reader, method=method, target_quantile=top)
    if as_json:
        document = {
            "method": method,
            "runs": found.n_runs,
            "good_runs": found.n_good,
            "target_quantile": top,
            "importance": found.shares,
        }
        write(to_json_text(document))
        return
    if not found.n_runs:
        raise InputError("no run has a finite value of the primary metric, so that none is good", source=found.sweep)
    if method == "fanova":
        write(f"{found.sweep}: what explains the variance of the metric over {plural(found.n_runs, 'run')}")
    else:
        write(f"{found.sweep}: what tells the best {plural(found.n_good, 'run')} from all {found.n_runs}")
    width = max((len(printable(parameter)) for parameter in found.shares), default=0)
    longest = max(found.shares.values(), default=0.0) or 1.0
    for parameter, share in found.shares.items():
        bar = "█" * round(_WIDTH * share / longest)
        write(f"  {printable(parameter):<{width}}  {share:4.0%}  {bar}".rstrip())
    if not any(found.shares.values()):
        write("no parameter tells good runs from the others" if method != "fanova" else "nothing explains it")
    elif found.n_good < _FEW:
        write(f"only {plural(found.n_good, 'good run')}: mostly chance; have more runs, or a larger --top")
