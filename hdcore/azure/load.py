"""A sweep file becomes a `SweepSpec`: everything that can be wrong is found before anything is made."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hdcore.azure import schema
from hdcore.azure.component import is_component, read_component
from hdcore.azure.expressions import check_grid, read_space
from hdcore.azure.fields import MOST_RUNS, integer, mapping, optional_text, refuse, required, shown, text
from hdcore.azure.reader import clean, read_file
from hdcore.command import Command, modernise, without_installs
from hdcore.errors import InputError
from hdcore.records import InputSpec, Limits, SweepSpec
from hdcore.typing import Goal

_REMOTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+)://|azureml:|git\+")
_OVERRIDES = frozenset(
    (
        *("name", "seed", "max_concurrent", "max_runs", "executor", "preload"),
        *("resume_from", "resume_runs", "resume_rename", "resume_defaults"),
    )
)


def load_sweep(
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> SweepSpec:
    """Read a sweep file.

    Parameters
    ----------
    path : path-like
        The YAML file; relative paths in it are relative to its folder.
    inputs : mapping, optional
        Local paths (or values, for literal inputs) that replace inputs of the file, by name; relative to the working
        directory.
    overrides : mapping, optional
        What the command line sets: ``name``, ``seed``, ``max_concurrent``, ``max_runs``, ``executor``, ``preload``,
        and the four keys that begin with ``resume_``. A value of None, or one that is empty, counts as not given.

    Returns
    -------
    SweepSpec
        With absolute paths, a seed, and the warnings that a user should read. A code folder or an input that is
        written correctly but is not on this machine is no error here: see `missing_here`.

    Raises
    ------
    InputError
        `source` is the path, `field` the dotted key, or ``file``.
    """
    source = os.fspath(path)
    try:
        return _specification(Path(path), inputs or {}, overrides or {})
    except InputError as error:
        if error.source is None:
            error.source = source
        raise


def missing_here(spec: SweepSpec) -> list[InputError]:
    """Return what the sweep needs and this machine does not have; a sweep can run when the list is empty."""
    missing: list[InputError] = []

    def note(field: str, message: str) -> None:
        missing.append(InputError(message, field=field, source=_near(spec.source) or None))

    if spec.code is not None:
        if is_remote(spec.code):
            note("trial.code", f"is {shown(spec.code)}, which is not on this machine; give a local folder")
        elif not os.path.isdir(spec.code):
            what = "is not a folder" if os.path.exists(spec.code) else "does not exist"
            note("trial.code", f"{clean(_near(spec.code), 200)} {what}; give the folder of the script")
    for name, given in spec.inputs.items():
        if given.type == "literal":
            continue
        if given.local is None:
            where = clean(given.path or "", 80)
            note(f"inputs.{name}", f"is in the cloud ({where}); give a local copy with --input {name}=PATH")
        elif not os.path.exists(given.local):
            note(
                f"inputs.{name}",
                f"{clean(_near(given.local), 200)} does not exist; correct it or give --input {name}=PATH",
            )
    return missing


def is_remote(path: str) -> bool:
    """Return whether a path of a sweep file names something that is not on this machine."""
    return _REMOTE.match(path) is not None and not path.startswith("file://")


def legal_name(text: str) -> str:
    """Make a sweep's name of any text."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:100].rstrip("-._")
    return name or "sweep"


def _specification(path: Path, local_inputs: Mapping[str, str], overrides: Mapping[str, Any]) -> SweepSpec:
    data = read_file(path)
    _check_type(data)
    return sweep_of(data, path, local_inputs, overrides)


def sweep_of(
    data: dict[str, Any],
    path: Path,
    local_inputs: Mapping[str, str],
    overrides: Mapping[str, Any],
    *,
    is_file: bool = True,
) -> SweepSpec:
    """Return what a mapping with the keys of a sweep file specifies; `path` is the file that it stands in.

    `is_file` is False for a job that was described in Python: expressions may be serialised lists, a choice may hold
    None and repeat itself, exponents in [0, 1] get a warning, and without ``code`` a run has no code.
    """
    mapping(data, "", schema.SWEEP_KEYS)
    folder = Path(os.path.abspath(path)).parent
    warnings: list[str] = []

    name = None if data.get("name") is None and "name" not in data else schema.read_name(data["name"])
    labels = read_labels(data)
    schema.ignored_sections(
        data,
        "",
        {"compute": (str, dict), "identity": (dict,), "queue_settings": (dict,), "resources": (dict,)},
    )
    sampler, sampler_seed, log_base = schema.read_sampling(
        required(data, "sampling_algorithm", "", "write random, grid or bayesian")
    )
    space = read_space(
        required(data, "search_space", "", "declare the parameters to search"),
        log_base=log_base,
        warnings=None if is_file else warnings,
    )
    if sampler["type"] == "grid":
        check_grid(space)
    metric, goal = schema.read_objective(required(data, "objective", "", "write goal and primary_metric"))
    limits = schema.read_limits(required(data, "limits", "", "write at least max_total_trials"))
    policy = schema.read_policy(data.get("early_termination"))
    block = schema.read_hdcore(data.get("hdcore"))
    _extend_policy(policy, block)
    trial = required(data, "trial", "", "write the command that trains once, trial: {command: …}")
    execution = read_execution(
        trial, data, folder, searched=space, shell=block.get("shell", "auto"), given=local_inputs, warnings=warnings
    )
    if not is_file and isinstance(trial, dict) and trial.get("code") is None:
        execution["code"] = None

    seed = chosen_seed(sampler_seed, block.pop("seed", None), overrides.get("seed"))
    limits, block = apply_overrides(limits, block, overrides)
    if overrides.get("name") is not None:
        name = schema.read_name(overrides["name"], "--name")
    return SweepSpec(
        name=name or legal_name(labels["display_name"] or path.stem),
        space=space,
        metric=metric,
        goal=Goal(goal),
        limits=limits,
        sampler=sampler,
        policy=policy,
        seed=seed,
        source=os.path.abspath(path),
        warnings=tuple(warnings),
        **execution,
        **labels,
        **block,
    )


def _extend_policy(policy: dict[str, Any] | None, block: dict[str, Any]) -> None:
    """Move options of policies that Azure's files do not have from the ``hdcore`` block to the policy."""
    for key, default, has_it in (
        ("population", "all", policy is not None),
        ("exclude_finished_jobs", False, policy is not None and policy["name"] == "TruncationSelection"),
    ):
        value = block.pop(key, default)
        if value == default:
            continue
        if policy is None or not has_it:
            refuse(f"hdcore.{key}", "is for a policy that early_termination does not name")
        policy["properties"][key] = value
    if (slack := block.pop("slack_iqr", None)) is None:
        return
    if policy is None or policy["name"] != "Bandit":
        refuse("hdcore.slack_iqr", "is for a bandit, which early_termination does not name")
    # In the place of the slack that Azure goes by.
    policy["properties"] = {k: v for k, v in policy["properties"].items() if k not in ("slack_factor", "slack_amount")}
    policy["properties"]["slack_iqr"] = slack


def read_labels(data: dict[str, Any]) -> dict[str, Any]:
    """Return what a job says about itself, as keyword arguments of a specification."""
    optional_text(data, "$schema")
    schema.read_scalars(data.get("properties"), "properties")
    labels: dict[str, Any] = {
        key: optional_text(data, key) for key in ("display_name", "experiment_name", "description")
    }
    return {**labels, "tags": schema.read_scalars(data.get("tags"), "tags")}


def read_execution(
    trial: Any,
    data: dict[str, Any],
    folder: Path,
    *,
    searched: Mapping[str, Any],
    shell: bool | str,
    given: Mapping[str, str],
    warnings: list[str],
) -> dict[str, Any]:
    """Return what a run executes, as keyword arguments of a specification.

    Parameters
    ----------
    trial : mapping or str
        As in a sweep file: the command and what belongs to it, or the path of a component.
    data : mapping
        The job, for its inputs and outputs.
    searched : mapping
        The search space.
    given : mapping
        Local paths or values of inputs.
    """
    inputs, outputs = schema.read_inputs(data.get("inputs")), schema.read_outputs(data.get("outputs"))
    base = folder
    if is_component(trial):
        component = read_component(trial, folder, searched=searched, given=inputs)
        trial, base = component.trial, component.folder
        inputs = {**component.inputs, **inputs}
        outputs = {**component.outputs, **outputs}
    mapping(trial, "trial", schema.TRIAL_KEYS)
    command, code, variables = _read_trial(trial, base, warnings)
    _check_command(command, shell, searched, inputs, outputs, warnings)
    _check_instances(data, trial, warnings)
    return {
        "command": command,
        "code": code,
        "inputs": _localise(inputs, given, folder),
        "outputs": outputs,
        "environment": variables,
    }


def _check_type(data: dict[str, Any]) -> None:
    if "type" not in data:
        if "command" in data:
            refuse("type", "is missing; this looks like a command job, a sweep file has 'type: sweep'")
        refuse("type", "is missing; write 'type: sweep'")
    kind = data["type"]
    if isinstance(kind, str) and kind.lower() == "sweep":
        return
    if kind == "pipeline":
        refuse("type", "is 'pipeline'; `hdcore run` takes it, here a file with 'type: sweep' is needed")
    if kind == "command":
        what = "a component" if "inputs" in data and "trial" not in data else "a command job"
        refuse("type", f"is 'command', which makes this {what}; a sweep file has 'type: sweep'")
    refuse("type", f"is {shown(kind)}; write 'sweep'")


def _read_trial(trial: dict[str, Any], folder: Path, warnings: list[str]) -> tuple[str, str, dict[str, str]]:
    command = text(required(trial, "command", "trial", "write the command that trains once"), "trial.command")
    command, rewritten = modernise(command)
    warnings += (f"trial.command: {{{clean(path)}}} is an old form; write ${{{{{clean(path)}}}}}" for path in rewritten)
    command, installs = without_installs(command)
    warnings += (f"trial.command: '{clean(one, 80)}' is not run; install what the script needs" for one in installs)
    code = trial.get("code")
    if code is not None:
        code = text(code, "trial.code", may_be_empty=False)
    schema.ignored_sections(
        trial,
        "trial",
        {"environment": (str, dict), "distribution": (dict,), "resources": (dict,), "queue_settings": (dict,)},
    )
    return command, _located(code or ".", folder), schema.read_variables(trial.get("environment_variables"))


def _check_command(
    command: str,
    shell: bool | str,
    space: Mapping[str, Any],
    inputs: Mapping[str, InputSpec],
    outputs: Mapping[str, Any],
    warnings: list[str],
) -> None:
    parsed = Command.parse(command, shell)
    parsed.check(search_space=space, inputs=inputs, outputs=outputs)
    used = {reference.name for reference in parsed.references if reference.kind == "search_space"}
    warnings += (
        f"search_space.{name}: the command does not use it (it is in the environment as AZUREML_SWEEP_{name})"
        for name in space
        if name not in used
    )


def _check_instances(data: Mapping[str, Any], trial: Mapping[str, Any], warnings: list[str]) -> None:
    for field, section in (("resources", data.get("resources")), ("trial.resources", trial.get("resources"))):
        count = (section or {}).get("instance_count")
        if count not in (None, 1):
            warnings.append(f"{field}.instance_count: a run has one machine here; {shown(count)} is not used")


def _located(path: str, folder: Path) -> str:
    """Return the absolute path of a local path of the file; a remote one as it is."""
    if is_remote(path):
        return path
    path = path.removeprefix("file://").removeprefix("file:")
    return os.path.abspath(folder / os.path.expanduser(path))


def _localise(inputs: Mapping[str, InputSpec], given: Mapping[str, str], folder: Path) -> dict[str, InputSpec]:
    """Give each data input its local path: the user's, else the file's own."""
    for name in given:
        if name not in inputs:
            known = ", ".join(inputs) or "none"
            raise InputError(
                f"the sweep has no such input; it has: {known}", field=f"inputs.{clean(name)}", source="--input"
            )
    found: dict[str, InputSpec] = {}
    for name, item in inputs.items():
        if item.type == "literal":
            value = _retyped(item.value, given[name], name) if name in given else item.value
            found[name] = InputSpec(type="literal", value=value)
            continue
        if name in given:
            local: str | None = os.path.abspath(os.path.expanduser(given[name]))
            if not given[name] or "\0" in given[name] or not os.path.exists(local or ""):
                raise InputError(
                    f"'{clean(given[name], 200)}' does not exist; give the path of a file or folder",
                    field=f"inputs.{name}",
                    source="--input",
                )
        else:
            located = _located(item.path or "", folder)
            local = None if is_remote(located) else located
        found[name] = InputSpec(type=item.type, path=item.path, mode=item.mode, local=local)
    return found


def _retyped(before: Any, words: str, name: str) -> Any:
    """Read a literal given as text as what the file's value is."""
    if isinstance(before, str):
        return text(words, f"inputs.{name}")
    lowered = words.lower()
    if isinstance(before, bool) and lowered in ("true", "false"):
        return lowered == "true"
    if not isinstance(before, bool):
        for kind in (int, float):
            try:
                return schema.literal(kind(words), f"inputs.{name}")
            except ValueError:
                continue
    expected = "true or false" if isinstance(before, bool) else "a finite number"
    raise InputError(f"'{clean(words)}' is not {expected}", field=f"inputs.{name}", source="--input")


def chosen_seed(of_sampler: int | None, of_block: int | None, of_option: Any) -> int:
    """Return the option's seed, else the file's, else a new one: a stored sweep always has a seed."""
    if of_option is not None:
        return integer(of_option, "--seed", 0, schema.HIGHEST_SEED)
    if of_sampler is not None and of_block is not None and of_sampler != of_block:
        refuse("hdcore.seed", f"is {of_block} and sampling_algorithm.seed is {of_sampler}; keep one of them")
    for seed in (of_sampler, of_block):
        if seed is not None:
            return seed
    return int.from_bytes(os.urandom(4), "big")


def apply_overrides(
    limits: Limits, block: dict[str, Any], overrides: Mapping[str, Any]
) -> tuple[Limits, dict[str, Any]]:
    """Put the command line's values over the file's limits and ``hdcore`` block."""
    for key in overrides:
        if key not in _OVERRIDES:
            raise TypeError(f"unknown override {key!r}")
    block = dict(block)
    total, concurrent = limits.max_total_runs, limits.max_concurrent_runs
    if overrides.get("max_runs") is not None:
        total = integer(overrides["max_runs"], "--max-runs", 1, MOST_RUNS)
    if overrides.get("max_concurrent") is not None:
        concurrent = integer(overrides["max_concurrent"], "--max-concurrent", 1, MOST_RUNS)
    if overrides.get("executor") is not None:
        executor = overrides["executor"]
        if executor not in schema.EXECUTORS:
            refuse("--executor", f"is {shown(executor)}; write one of {', '.join(schema.EXECUTORS)}")
        block["executor"] = executor
    if overrides.get("preload") is not None:
        modules = overrides["preload"]
        modules = [m.strip() for m in modules.split(",")] if isinstance(modules, str) else list(modules)
        block["preload"] = schema.read_modules(modules, "--preload")
    if overrides.get("resume_from"):
        block["resume_from"] = schema.read_sweep_names(list(overrides["resume_from"]), "--resume-from")
    if overrides.get("resume_runs"):
        block["resume_runs"] = schema.read_run_names(list(overrides["resume_runs"]), "--resume-run")
    for key in ("resume_rename", "resume_defaults"):
        if overrides.get(key):
            block[key] = {**block.get(key, {}), **overrides[key]}
    return (
        Limits(
            max_total_runs=total,
            max_concurrent_runs=None if concurrent is None else min(total, concurrent),
            timeout_s=limits.timeout_s,
            run_timeout_s=limits.run_timeout_s,
        ),
        block,
    )


def _near(path: str) -> str:
    """Shorten a path that lies under the working directory."""
    try:
        here = os.getcwd()
    except OSError:
        return path
    return os.path.relpath(path, here) if path.startswith(here.rstrip("/") + "/") else path
