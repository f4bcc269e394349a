"""`hdcore replay`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hdcore.cli.common import common_options, is_terminal, json_option, open_reader, write
from hdcore.cli.importing import is_storage, read_source
from hdcore.errors import InputError
from hdcore.views.text import plural

if TYPE_CHECKING:
    from hdcore.policies import Comparison, Effect, Policy, Record

_WIDTH = 100  # where nobody looks


@click.command("replay")
@click.argument("names", nargs=-1, required=True, metavar="NAME|FILE.csv|STORAGE...")
@click.option("--policy", "words", multiple=True, metavar="POLICY", help="As median:delay=5; repeat for several.")
@click.option("--suggest", type=click.Choice(["bandit"]), help="Try bandits with slacks close together.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Runs at a time, taking turns in their order.")
@click.option("--orders", type=click.IntRange(min=0), default=100, show_default=True, help="Start orders to try.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the start orders.")
@click.option("--all", "show_all", is_flag=True, help="Show all settings, not just those worth it.")
@click.option("--metric", metavar="NAME", help="Metric of a file, study or experiment.")
@click.option("--goal", metavar="maximize|minimize", help="What to do with it [default: maximize].")
@click.option("--study", metavar="NAME", help="A study; NAME is an Optuna storage, URL or file.")
@click.option("--experiment", metavar="NAME", help="An experiment; NAME is MLflow's tracking URI or folder.")
@click.option("--run-column", metavar="COLUMN", help="Column of a CSV file that names the run of each report.")
@click.option("--step-column", metavar="COLUMN", help="Column of the reports' steps.")
@json_option
@common_options
def replay_command(
    names: tuple[str, ...],
    words: tuple[str, ...],
    suggest: str | None,
    workers: int | None,
    orders: int,
    seed: int,
    show_all: bool,
    metric: str | None,
    goal: str | None,
    study: str | None,
    experiment: str | None,
    run_column: str | None,
    step_column: str | None,
    as_json: bool,
    root: Path | None,
) -> None:
    """Show what early-termination policies would have saved in past sweeps, and what they would have lost.

    \b
    hdcore replay tonight
    hdcore replay tonight yesterday --policy median:delay=5 --policy bandit:slack_factor=0.1,delay=5
    hdcore replay curves.csv --metric accuracy --run-column run --step-column epoch
    hdcore replay tonight --suggest bandit

    A sweep of ours is replayed report by report as it happened, then in other start orders, so that a lucky one does
    not mislead. In the table » is the setting that saves most and is safe, * one that no other beats in both saving and
    loss, r the policy that ran.
    """
    from hdcore.policies import compare, parse
    from hdcore.policies.grid import bandit_grid, default_grid

    records, ran = [], None
    for name in names:
        is_foreign = study is not None or experiment is not None or is_storage(name) or name.endswith(".csv")
        if is_foreign:
            found = read_source(
                name, metric, goal, None, study, experiment, None, None, run_column, step_column, command="replay"
            )
            records.append(_record_of_foreign(found, name))
        else:
            records.append(_record_of_sweep(root, name))
            ran = records[-1].policy if len(names) == 1 else None
    if len({record.goal for record in records}) > 1:
        raise InputError("some are maximized and some minimized; replay them apart", source="replay")
    if workers is not None:
        records = [_taking_turns(record, workers) for record in records]
    longest = max(record.curves.shape[1] for record in records)
    policies = [parse(word) for word in words]
    if suggest is not None:
        policies += bandit_grid(longest)
    elif not policies:
        policies = default_grid(longest)
    if ran is not None and ran not in policies:
        policies.append(ran)
    comparison = compare(policies, records, orders=orders, seed=seed)
    if as_json:
        from hdcore.document import to_json_text
        from hdcore.views.comparison import document

        write(to_json_text(document(comparison, ran)))
        return
    chosen = comparison.effects
    if not show_all and (suggest is not None or not words):
        named = [parse(word) for word in words] + ([] if ran is None else [ran])
        chosen = [e for e in chosen if e.on_front or e is comparison.recommended or e.policy in named]
    _show(comparison, chosen, ran)


def _record_of_sweep(root: Path | None, name: str) -> Record:
    from hdcore.sweep import record_of

    with open_reader(root, name) as reader:
        return record_of(reader)


def _record_of_foreign(found: Any, source: str) -> Record:
    from hdcore.sweep import record_of_runs
    from hdcore.typing import RunStatus

    return record_of_runs(
        found.name or source,
        found.goal,
        [[value for _, value in run.series.get(found.metric, ())] for run in found.runs],
        [(run.started, run.ended) for run in found.runs],
        [run.status is RunStatus.CANCELED for run in found.runs],
    )


def _taking_turns(record: Record, workers: int) -> Record:
    """Forget in which order the reports came."""
    from dataclasses import replace

    if record.earlier:
        raise InputError(
            "started from earlier sweeps, whose runs take no turns; leave --workers out", source=record.name
        )
    return replace(record, workers=workers, events=None)


def _show(comparison: Comparison, chosen: list[Effect], ran: Policy | None) -> None:
    from hdcore.views.comparison import notes, sentence, table, title

    write(title(comparison))
    for line in table(comparison, chosen, ran, shutil.get_terminal_size().columns if is_terminal() else _WIDTH):
        write(line)
    left = len(comparison.effects) - len(chosen)
    if left:
        write(f"{plural(left, 'other setting')} saved less or lost more; --all shows them")
    for line in notes(comparison, ran):
        write(line)
    write(sentence(comparison))
