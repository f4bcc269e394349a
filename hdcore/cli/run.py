"""`hdcore run` and `resume`."""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hdcore.cli.common import common_options, json_option, write
from hdcore.cli.earlier import earlier_options, read_maps
from hdcore.cli.main import forget_stdout
from hdcore.cli.tracking import Tracking, check_trackers, track_option
from hdcore.errors import InputError, StoreError
from hdcore.typing import RunStatus
from hdcore.views.text import can_draw, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hdcore.executors.base import Executor
    from hdcore.store import Store
    from hdcore.views.progress import Progress

_SWEEP_FILES = (".yml", ".yaml", ".json")
_SLOTS_HELP = "Runs at a time [default: what the sweep says, else as the CPUs allow]."
_LOWER_IS_BETTER = frozenset(("loss", "error", "err", "mse", "mae", "rmse", "nll", "perplexity"))


def _driving_options(function: Any) -> Any:
    """Options that `run` and `resume` share."""
    function = track_option(function)
    for option in (
        click.option("--strict", is_flag=True, help="Exit with 1 if any run failed."),
        click.option("--no-live", is_flag=True, help="Plain lines instead of the live table."),
        click.option("--gpus", metavar="LIST|none", help="Indices or UUIDs of the GPUs that runs may use, or none."),
        click.option("--max-concurrent", "-j", type=click.IntRange(min=1), metavar="N", help=_SLOTS_HELP),
    ):
        function = option(function)
    return function


@click.command("run")
@click.argument("target", type=click.Path(path_type=Path), metavar="SWEEP.yml|SCRIPT")
@click.argument("fixed", nargs=-1, type=click.UNPROCESSED, metavar="[-- FIXED ARGUMENTS]")
@click.option("--name", metavar="NAME", help="Name of the sweep; by default the file's.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=PATH", help="Local path of an input.")
@click.option("--executor", metavar="local|ray", help="Where runs run.")
@click.option("--preload", metavar="MODULES", help="Modules, with commas between, imported once for all runs.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="The same configurations each time.")
@click.option(
    "--param", "params", multiple=True, metavar="NAME=SPACE", help="As lr=log:1e-5:1e-1, opt=choice:sgd,adam."
)
@click.option("--metric", metavar="NAME", help="Primary metric of a script.")
@click.option("--goal", metavar="maximize|minimize", help="What to do with it [default: maximize].")
@click.option("--sampler", metavar="NAME", help="random, sobol, grid or bayesian [default: random].")
@click.option("--policy", metavar="POLICY", help="As median:delay=5 or bandit:slack_factor=0.1.")
@click.option("--max-runs", type=click.IntRange(min=1), metavar="N", help="Runs of a script [default: 50].")
@earlier_options
@_driving_options
@json_option
@common_options
def run_command(
    target: Path,
    fixed: tuple[str, ...],
    name: str | None,
    inputs: tuple[str, ...],
    executor: str | None,
    preload: str | None,
    seed: int | None,
    params: tuple[str, ...],
    metric: str | None,
    goal: str | None,
    sampler: str | None,
    policy: str | None,
    max_runs: int | None,
    resume_from: tuple[str, ...],
    resume_runs: tuple[str, ...],
    rename: tuple[str, ...],
    defaults: tuple[str, ...],
    max_concurrent: int | None,
    gpus: str | None,
    no_live: bool,
    strict: bool,
    trackers: tuple[str, ...],
    as_json: bool,
    root: Path | None,
) -> int:
    """Run a sweep file, a pipeline of sweeps and commands, or any script with --param options, to its end.

    \b
    hdcore run sweep.yml
    hdcore run train.py --param lr=log:1e-5:1e-1 --param units=quniform:16:512:16 --metric accuracy -j 2 -- --epochs 5

    Each run works in a folder of its own: write paths after -- absolute, such as --data "$PWD/data".

    --resume-from starts from what earlier sweeps found out, --resume-run goes on with single runs of theirs.

    Ctrl-C ends the runs within seconds and leaves the sweep so that `hdcore resume` goes on with it.
    """
    from hdcore.azure import is_pipeline, load_sweep, missing_here, spec_from_script
    from hdcore.azure.reader import read_file
    from hdcore.cli.validate import missing_script
    from hdcore.store import find_root
    from hdcore.sweep import check_runnable, create_sweep, local_executor, new_sweep_id

    check_target(target)
    check_trackers(trackers)
    where = find_root(root)
    overrides = {
        "name": name,
        "seed": seed,
        "max_concurrent": max_concurrent,
        "max_runs": max_runs,
        "executor": executor,
        "preload": preload,
        "resume_from": resume_from,
        "resume_runs": resume_runs,
        **read_maps(rename, defaults),
    }
    if target.suffix.lower() in _SWEEP_FILES:
        only_scripts = {"--param": params, "--metric": metric, "--goal": goal, "--sampler": sampler, "--policy": policy}
        for option, given in {**only_scripts, "arguments after --": fixed}.items():
            if given:
                raise InputError("is for scripts; a sweep file says it itself", source="run", field=option)
        if is_pipeline(target):
            from hdcore.cli.pipeline import run_pipeline

            drive = partial(
                drive_here,
                slots=max_concurrent,
                gpus=gpus,
                no_live=no_live,
                strict=strict,
                root=where,
                trackers=trackers,
            )
            return run_pipeline(where, target, parse_inputs(inputs), overrides, gpus, drive, as_json=as_json)
        spec = load_sweep(target, inputs=parse_inputs(inputs), overrides=overrides)
        has_name = name is not None or "name" in read_file(target)
    else:
        if inputs:
            raise InputError("is for sweep files; give a script its paths after --", source="run", field="--input")
        spec = spec_from_script(
            target,
            params,
            metric=metric,
            goal=goal or "maximize",
            sampler=sampler or "random",
            policy=policy,
            fixed=fixed,
            overrides=overrides,
        )
        has_name = name is not None
        if goal is None:
            warn_of_goal(spec.metric)
    for problem in missing_here(spec):
        raise problem
    try:
        check_runnable(spec, gpus)
    except InputError as error:
        error.source = error.source or target.name
        raise
    for warning in spec.warnings:
        warn(warning)
    for note in missing_script(spec):
        warn(note)
    _check_writable(where)
    sweep_id = new_sweep_id()
    local = None
    if spec.preload:  # a module that cannot be imported is refused before anything of the sweep exists
        local = local_executor(spec, sweep_id, slots=max_concurrent, gpus=gpus)
    try:
        store = create_sweep(where, spec, sweep_id=sweep_id, takes_free_name=not has_name)
    except BaseException:
        if local is not None:
            local.close()
        raise
    with store:
        return drive_here(
            store, max_concurrent, gpus, no_live, strict, where, as_json=as_json, executor=local, trackers=trackers
        )[1]


@click.command("resume")
@click.argument("name")
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="Go on with this ended run, in a new sweep.",
)
@click.option("--name", "new_name", metavar="NAME", help="Name of that new sweep.")
@_driving_options
@json_option
@common_options
def resume_command(
    name: str,
    runs: tuple[int, ...],
    new_name: str | None,
    max_concurrent: int | None,
    gpus: str | None,
    no_live: bool,
    strict: bool,
    trackers: tuple[str, ...],
    as_json: bool,
    root: Path | None,
) -> int:
    """Go on with a sweep that was stopped or crashed: finished runs stay, what was in flight runs again.

    NAME may be that of a pipeline: its steps that are not done run.

    With --run a run that has ended goes on in a new sweep, from a copy of its outputs and checkpoints.
    """
    from hdcore.pipeline import find_plan, plan_of_sweep
    from hdcore.store import Store, StoreReader, find_root, resolve
    from hdcore.sweep import check_has_command

    check_trackers(trackers)
    where = find_root(root)
    pipeline = name if find_plan(where, name) else None
    folder = resolve(where, name) if pipeline is None else where
    if runs:
        return _resume_runs(
            where,
            [f"{folder.name}/{n}" for n in runs],
            new_name,
            max_concurrent,
            gpus,
            no_live,
            strict,
            as_json,
            trackers,
        )
    if new_name is not None:
        raise InputError("is for runs that go on in a new sweep; add --run N", source="resume", field="--name")
    pipeline = pipeline or plan_of_sweep(where, folder.name)
    if pipeline is not None:
        from hdcore.cli.pipeline import resume_pipeline

        drive = partial(
            drive_here, slots=max_concurrent, gpus=gpus, no_live=no_live, strict=strict, root=where, trackers=trackers
        )
        return resume_pipeline(where, pipeline, drive, as_json=as_json)
    with StoreReader.open(folder) as reader:  # before the store is opened for writing, which changes it
        check_has_command(reader.sweep().spec)
    with Store.open(where, folder.name) as store:
        return drive_here(
            store, max_concurrent, gpus, no_live, strict, where, as_json=as_json, is_resumed=True, trackers=trackers
        )[1]


def _resume_runs(
    root: Path,
    runs: list[str],
    name: str | None,
    slots: int | None,
    gpus: str | None,
    no_live: bool,
    strict: bool,
    as_json: bool,
    trackers: tuple[str, ...],
) -> int:
    from hdcore.azure import missing_here
    from hdcore.sweep import check_runnable, create_sweep, resuming_spec

    spec = resuming_spec(root, runs, name=name)
    for problem in missing_here(spec):
        raise problem
    check_runnable(spec, gpus)
    with create_sweep(root, spec, takes_free_name=name is None) as store:
        return drive_here(store, slots, gpus, no_live, strict, root, as_json=as_json, trackers=trackers)[1]


def drive_here(
    store: Store,
    slots: int | None,
    gpus: str | None,
    no_live: bool,
    strict: bool,
    root: Path,
    *,
    as_json: bool = False,
    is_quiet: bool = False,
    is_resumed: bool = False,
    executor: Executor | None = None,
    trackers: Sequence[str] = (),
) -> tuple[RunStatus, int]:
    """Drive a sweep under the eyes of the user; return its status and the exit code.

    Parameters
    ----------
    as_json : bool
        Nothing but the sweep as JSON goes to stdout.
    is_quiet : bool
        Nothing at all does.
    trackers : sequence of str
        Where ended runs are copied to; a failure there is told and changes nothing else.
    """
    from hdcore.signals import StopSignals
    from hdcore.sweep import run_sweep

    view = _view(no_live, as_json or is_quiet)
    told: list[Callable[[str], None]] = [view.notice]
    tracking = Tracking(store.folder, trackers, lambda line: told[-1](line)) if trackers else None
    try:
        with StopSignals() as stop:
            status = run_sweep(
                store, slots=slots, gpus=gpus, observer=view, stop=stop, executor=executor, is_resumed=is_resumed
            )
    finally:
        view.close()
        if tracking is not None:
            told.append(warn)
            tracking.wait()
    if as_json:
        from hdcore.document import sweep_document, to_json_text
        from hdcore.store import StoreReader

        with StoreReader.open(store.folder) as reader:
            write(to_json_text(sweep_document(reader)))
    elif not is_quiet:
        from hdcore.store import find_root
        from hdcore.views.plain import summary

        try:
            for line in summary(view, root=None if root == find_root() else root):
                write(line)
        except OSError:  # nobody reads any more; the exit code still tells how it went
            forget_stdout()
    if status is RunStatus.QUEUED and stop.first is not None:
        return status, stop.exit_code
    failed = view.count[RunStatus.FAILED]
    return status, 1 if not view.count[RunStatus.COMPLETED] or (strict and failed) else 0


def _view(no_live: bool, as_json: bool) -> Progress:
    """Return the live table for a person at a terminal, plain lines for everybody else, nothing beside JSON."""
    from hdcore.views.plain import PlainView

    if as_json:
        return PlainView(lambda line: None, warn)
    if no_live or not can_draw(sys.stdout):
        return PlainView(write, warn)
    from hdcore.views.live import LiveView

    return LiveView()


def check_target(target: Path) -> None:
    """Refuse what is no file before anything else is said about it."""
    source = str(target)
    if not os.path.lexists(target):
        import difflib

        try:
            near = difflib.get_close_matches(target.name, os.listdir(target.parent), 1)
        except OSError:
            near = []
        hint = f"did you mean {str(target.parent / near[0])!r}?" if near else "check the path"
        raise InputError(f"no such file; {hint}", source=source)
    if target.is_dir():
        raise InputError("is a folder; give a sweep file or a script", source=source)


def _check_writable(root: Path) -> None:
    """Refuse a root that cannot be made, before anything of the sweep exists."""
    folder = root
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{folder} cannot be written; choose another root with --root")


def warn_of_goal(metric: str) -> None:
    """Say that a metric is maximized if its name speaks against it."""
    if _is_lower_better(metric):
        warn(f"{metric!r} is maximized; if less of it is better, say --goal minimize")


def _is_lower_better(metric: str) -> bool:
    words = re.split(r"[^a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", metric).lower())
    return any(word in _LOWER_IS_BETTER or word.endswith("loss") for word in words)


def parse_inputs(inputs: tuple[str, ...]) -> dict[str, str]:
    """Return ``--input NAME=PATH`` as a dictionary."""
    found = {}
    for item in inputs:
        name, equals, path = item.partition("=")
        if not name or not equals:
            raise InputError(f"is {item!r}; write NAME=PATH", field="--input")
        found[name] = path
    return found


def warn(text: str) -> None:
    try:
        print(f"hdcore: warning: {printable(' '.join(text.split()))}", file=sys.stderr, flush=True)
    except OSError:
        pass
