"""`hdcore import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hdcore.cli.common import common_options, write
from hdcore.cli.earlier import read_pairs
from hdcore.cli.run import warn_of_goal
from hdcore.errors import InputError
from hdcore.views.text import plural, printable

if TYPE_CHECKING:
    from hdcore.imports import ForeignSweep


@click.command("import")
@click.argument("source", metavar="FILE.csv|STORAGE|TRACKING")
@click.option("--name", metavar="NAME", help="Name of the sweep; by default the source's.")
@click.option("--metric", metavar="NAME", help="Primary metric.")
@click.option("--goal", metavar="maximize|minimize", help="What to do with it [default: maximize].")
@click.option("--space", type=click.Path(path_type=Path), metavar="SWEEP.yml", help="Space, metric and goal of a file.")
@click.option("--study", metavar="NAME", help="A study; SOURCE is an Optuna storage, URL or file.")
@click.option("--experiment", metavar="NAME", help="An experiment; SOURCE is MLflow's tracking URI or folder.")
@click.option("--param", "params", multiple=True, metavar="NAME=COLUMN", help="Column of a parameter of a CSV file.")
@click.option("--value", metavar="COLUMN", help="Column of the metric.")
@click.option("--run-column", metavar="COLUMN", help="Column that names the run; each row is then a report.")
@click.option("--step-column", metavar="COLUMN", help="Column of the reports' steps.")
@common_options
def import_command(
    source: str,
    name: str | None,
    metric: str | None,
    goal: str | None,
    space: Path | None,
    study: str | None,
    experiment: str | None,
    params: tuple[str, ...],
    value: str | None,
    run_column: str | None,
    step_column: str | None,
    root: Path | None,
) -> None:
    """Store a search that another program made as a sweep: to show, to export, to start from (--resume-from).

    \b
    hdcore import runs.csv --metric accuracy --param lr=learning_rate --param units=units
    hdcore import sqlite:///study.db --study tuning
    hdcore import ./mlruns --experiment digits --metric loss --goal minimize

    In a CSV file the columns params.NAME, params_NAME and parameter.NAME are parameters, unless --param says more. A
    space that nobody gives is inferred from the values.
    """
    from hdcore.azure import legal_name
    from hdcore.azure.schema import read_name
    from hdcore.imports import save
    from hdcore.store import find_root

    chosen = None if name is None else read_name(name, "--name")
    of_csv = {"--param": params, "--value": value, "--run-column": run_column, "--step-column": step_column}
    if study is not None or experiment is not None or is_storage(source):
        for option, given in of_csv.items():
            if given:
                raise InputError("is for CSV files", source="import", field=option)
    found = read_source(source, metric, goal, space, study, experiment, params, value, run_column, step_column)
    folder = save(find_root(root), found, chosen or legal_name(found.name), has_name=chosen is not None)
    write(f"{folder.name}: {plural(len(found.runs), 'run')} of {printable(found.source)}, "
          f"{found.goal.value} {printable(found.metric)}")  # fmt: skip
    for why, count in found.dropped.items():
        write(f"  left out  {plural(count, 'run')}: {why}")
    if found.inferred:
        from hdcore.space import SearchSpace

        write("  the space is inferred from the values:")
        for parameter, expression in SearchSpace(found.space).parameters.items():
            write(f"    {printable(parameter)} = {printable(repr(expression))}")


def is_storage(source: str) -> bool:
    return source.startswith(("sqlite://", "mysql", "postgresql")) or source.lower().endswith((".db", ".sqlite3"))


def read_source(
    source: str,
    metric: str | None,
    goal: str | None,
    space: Path | None,
    study: str | None,
    experiment: str | None,
    params: tuple[str, ...] | None,
    value: str | None,
    run_column: str | None,
    step_column: str | None,
    *,
    command: str = "import",
) -> ForeignSweep:
    """Read what another program made; `params` None: of a CSV file nothing but the curves."""
    from hdcore.imports import read_csv, read_experiment, read_study
    from hdcore.typing import Goal

    if study is not None and experiment is not None:
        raise InputError("does not go with --study; a source is one of the two", source=command, field="--experiment")
    if study is not None or (experiment is None and is_storage(source)):
        for option, given in {"--goal": goal, "--space": space}.items():
            if given is not None:
                raise InputError("is not needed: the study says it itself", source=command, field=option)
        return read_study(source, study, metric=metric)
    serialised: dict[str, Any] | None = None
    if space is not None:
        from hdcore.azure import load_sweep

        spec = load_sweep(space)
        serialised, metric, goal = spec.space, metric or spec.metric, goal or spec.goal.value
    if metric is None:
        raise InputError("is missing; name the metric", source=command, field="--metric")
    if goal is None:
        warn_of_goal(metric)
    direction = Goal.parse(goal or "maximize")
    if experiment is not None:
        return read_experiment(source, experiment, metric=metric, goal=direction, space=serialised)
    columns = None if params is None else read_pairs(tuple(map(_doubled, params)), command, "--param", "NAME=COLUMN")
    return read_csv(
        source,
        metric=metric,
        goal=direction,
        params={} if columns is None else columns or None,
        value=value,
        run=run_column,
        step=step_column,
        space=serialised,
    )


def _doubled(item: str) -> str:
    """Read a bare NAME as NAME=NAME."""
    return item if "=" in item else f"{item}={item}"
