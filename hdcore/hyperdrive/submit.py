"""From a configuration to a stored sweep and its driver."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from hdcore.errors import InputError, RefusedError, SpaceError
from hdcore.hyperdrive.config import HyperDriveConfig
from hdcore.hyperdrive.consumption import INPUTS_VARIABLE, DatasetConsumptionConfig, OutputFileDatasetConfig
from hdcore.hyperdrive.dataset import FileDataset, TabularDataset, id_file
from hdcore.hyperdrive.details import option
from hdcore.hyperdrive.estimators import Estimator
from hdcore.hyperdrive.exceptions import (
    HyperDriveConfigException,
    HyperDriveServiceException,
    UserErrorException,
)
from hdcore.hyperdrive.experiment import Experiment
from hdcore.hyperdrive.homes import ABOUT_NAME, ROOT_RUN_VARIABLE
from hdcore.hyperdrive.journal import write_private
from hdcore.hyperdrive.limits import MOST_CONCURRENT, MOST_MINUTES, MOST_RUNS, is_strict
from hdcore.hyperdrive.policies import NoTerminationPolicy
from hdcore.hyperdrive.run import Run
from hdcore.hyperdrive.script import ScriptRunConfig, Trial
from hdcore.hyperdrive.stored import SweepHome
from hdcore.hyperdrive.workspace import Workspace
from hdcore.records import Limits, SweepSpec
from hdcore.typing import Goal

_CROWD = 4
"""Runs a CPU that are worth a warning."""

STEPS_VARIABLE = "HDCORE_PIPELINE_STEPS"
"""Set in runs that go through the steps of a pipeline: what their scripts log to the parent is the run's."""

NO_METRIC = "-"
"""Primary metric of a single run, which has none."""


def submit(experiment: Experiment, config: Any, tags: Mapping[str, Any] | None = None) -> Run:
    """Start a sweep or a single run; return at once.

    Raises
    ------
    HyperDriveConfigException
        If the sweep's configuration cannot be run.
    UserErrorException
        If the script or its data cannot be found.
    """
    if isinstance(config, HyperDriveConfig):
        return submit_sweep(experiment, config, tags)
    if isinstance(config, (ScriptRunConfig, Estimator)):
        return submit_script(experiment, config._trial(), tags)
    raise UserErrorException(
        f"Experiment.submit: a {type(config).__name__} cannot be submitted; give a HyperDriveConfig, a ScriptRunConfig"
        " or an estimator"
    )


def submit_sweep(
    experiment: Experiment,
    config: HyperDriveConfig,
    tags: Mapping[str, Any] | None = None,
    *,
    more_arguments: Sequence[Any] = (),
    parent_id: str | None = None,
) -> Run:
    """Start a sweep.

    Parameters
    ----------
    more_arguments : sequence
        Fixed arguments behind those of the configuration.
    parent_id : str, optional
        Of the pipeline that it is a step of.
    """
    from hdcore.hyperdrive.sweep_run import HyperDriveRun
    from hdcore.hyperdrive.warm_start import parent_names, resumed_names

    workspace = experiment.workspace
    sampling, policy = config._sampling, config._policy
    if is_strict():
        _check_strict(config)
    if config._max_total_runs < 1:
        raise HyperDriveConfigException(f"max_total_runs is {config._max_total_runs}; give 1 or more")
    if config.pipeline is not None:
        steps = config.pipeline._trials()
        trial = steps[0]
    else:
        what, steps = config._estimator or config._run_config, []
        trial = what._trial(sampling.parameter_space) if isinstance(what, Estimator) else what._trial()
        trial = replace(trial, arguments=(*trial.arguments, *more_arguments))
    spec = _specification(workspace, experiment, trial, sampling.parameter_space, steps, parent_id)
    properties = sampling.properties or {}
    spec = msgspec.structs.replace(
        spec,
        space=_space_of(sampling.parameter_space),
        metric=config._metric,
        goal=Goal(config._goal.value.lower()),
        limits=Limits(
            max_total_runs=config._max_total_runs,
            max_concurrent_runs=config.max_concurrent_runs if is_strict() else config._given_concurrent,
            timeout_s=config._max_duration_minutes * 60.0 or None,
            run_timeout_s=trial.timeout_s,
        ),
        sampler=sampling.sampler(),
        policy=None if isinstance(policy, NoTerminationPolicy) else policy.to_json(),
        seed=_seed(properties),
        resume_from=parent_names(config),
        resume_runs=resumed_names(config),
    )
    cpus = os.cpu_count() or 1
    if (spec.limits.max_concurrent_runs or 0) > _CROWD * cpus and not spec.gpus_per_run:
        word = f"max_concurrent_runs is {spec.limits.max_concurrent_runs}, and this machine has {cpus} CPUs"
        spec = msgspec.structs.replace(spec, warnings=(*spec.warnings, word))
    about = {"kind": "sweep", "config": config.to_json(), "trial": _trial_document(trial)}
    home = _start(workspace, spec, about, config._custom_run_id, tags)
    return HyperDriveRun(experiment, home.id, hyperdrive_config=config, _home=home)


def submit_script(
    experiment: Experiment, trial: Trial, tags: Mapping[str, Any] | None = None, *, parent_id: str | None = None
) -> Run:
    """Start one run of a script, `parent_id` that of the pipeline that it is a step of."""
    from hdcore.hyperdrive.script_run import ScriptRun

    workspace = experiment.workspace
    spec = _specification(workspace, experiment, trial, {}, parent_id=parent_id)
    spec = msgspec.structs.replace(
        spec, metric=NO_METRIC, limits=Limits(max_total_runs=1, run_timeout_s=trial.timeout_s), seed=0
    )
    run_id = f"{spec.name.replace('.', '-')}_{int(time.time())}_{uuid.uuid4().hex[:8]}"
    home = _start(workspace, spec, {"kind": "run", "trial": _trial_document(trial)}, run_id, tags)
    return ScriptRun(experiment, f"{home.id}_0", _home=home.child(0))


def _start(
    workspace: Workspace,
    spec: SweepSpec,
    about: Mapping[str, Any],
    sweep_id: str | None,
    tags: Mapping[str, Any] | None,
) -> SweepHome:
    from hdcore.hyperdrive.drive import start_driver
    from hdcore.hyperdrive.stored import sweep_home
    from hdcore.sweep import check_runnable, create_sweep

    if sweep_id is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}", sweep_id):
        raise HyperDriveConfigException(f"custom_run_id is {sweep_id!r}; use letters, digits, '_' and '-'")
    if sweep_id is not None and sweep_home(workspace._root, sweep_id) is not None:
        raise HyperDriveServiceException(f"a run with the id {sweep_id!r} exists; give another custom_run_id")
    try:
        check_runnable(spec)
        with create_sweep(workspace._root, spec, sweep_id=sweep_id, takes_free_name=True) as store:
            folder, stored_id = store.folder, store.sweep_id
            write_private(folder / ABOUT_NAME, json.dumps(about, indent=2, default=str))
    except RefusedError:
        raise
    except InputError as error:
        where = f"{error.field}: " if error.field else ""
        raise HyperDriveConfigException(f"{where}{error}") from None
    home = sweep_home(workspace._root, stored_id)
    assert home is not None, "it was made right here"
    journal = home.child(0).journal if home.is_single else home.journal
    for key, value in (tags or {}).items():
        journal.add("tag", name=str(key), value=None if value is None else str(value))
    start_driver(folder)
    return home


# ---------------------------------------------------------------------- what runs


def _specification(
    workspace: Workspace,
    experiment: Experiment,
    trial: Trial,
    space: Mapping[str, Any],
    steps: Sequence[Trial] = (),
    parent_id: str | None = None,
) -> SweepSpec:
    """Return the specification of everything but the search.

    Parameters
    ----------
    steps : sequence of Trial
        Of a pipeline, which a run goes through one after the other; `trial` is the first one then. Searched are
        parameters of the pipeline, where they stand.
    """
    from hdcore.azure.load import legal_name
    from hdcore.azure.settings import engine_block
    from hdcore.command import Command, without_installs

    code = os.path.abspath(trial.source_directory)
    if not os.path.isdir(code):
        raise UserErrorException(
            f"source_directory: {trial.source_directory} is no folder; give the folder of the script"
        )
    arguments = _Arguments(workspace, {name.lstrip("-"): name for name in space} if steps else {})
    for value in [value for one in steps or [trial] for value in one.inputs]:
        arguments.add_input(value)
    words = [arguments.word(value) for value in trial.arguments] if not steps else []
    searched = [part for name in space for part in (shlex.quote(option(name)), f"${{{{search_space.{name}}}}}")]
    not_run: list[str] = []
    if steps:
        command = " && ".join(
            " ".join([_program(one, code), *(arguments.word(value) for value in one.arguments)]) for one in steps
        )
        shell: bool | str = True
    elif trial.command is not None:
        text, installs = without_installs(arguments.command(trial.command))
        not_run = [f"{one!r} is not run; install what the script needs" for one in installs]
        command = " ".join([text, *words, *searched])
        shell = "auto"
    else:
        command = " ".join([_program(trial, code), *words, *searched])
        shell = False
    try:
        Command.parse(command, shell).check(search_space=space, outputs=arguments.outputs)
    except InputError as error:
        raise UserErrorException(f"arguments: the command {error}") from None
    environment = {name: str(value) for name, value in trial.environment.environment_variables.items()}
    if arguments.inputs:
        environment[INPUTS_VARIABLE] = json.dumps(arguments.inputs)
        for name, item in arguments.inputs.items():
            if "path" in item:
                environment[f"AZUREML_DATAREFERENCE_{name}"] = item["path"]
    if steps:
        environment[STEPS_VARIABLE] = str(len(steps))
    if parent_id is not None:
        environment[ROOT_RUN_VARIABLE] = parent_id
    environment.update(
        AZUREML_ARM_SUBSCRIPTION=workspace.subscription_id,
        AZUREML_ARM_RESOURCEGROUP=workspace.resource_group,
        AZUREML_ARM_WORKSPACE_NAME=workspace.name,
        AZUREML_ARM_PROJECT_NAME=experiment.name,
        AZUREML_EXPERIMENT_ID=experiment.id,
    )
    return SweepSpec(
        name=_unreserved(legal_name(experiment.name)),
        space={},
        metric=NO_METRIC,
        goal=Goal.MAXIMIZE,
        limits=Limits(max_total_runs=1),
        command=command,
        shell=shell,
        code=code,
        outputs=arguments.outputs,
        environment=environment,
        gpus_per_run=engine_block().get("gpus_per_run", 1 if trial.wants_gpu and has_gpus() else 0),
        experiment_name=experiment.name,
        display_name=experiment.name,
        warnings=(*not_run, *_what_is_not_done(trial)),
    )


def _what_is_not_done(trial: Trial) -> tuple[str, ...]:
    """Return what the configuration asks for and a run here does without; it goes to the sweep's log."""
    found = []
    environment, settings = trial.environment, trial.run_configuration
    packages = environment.python.conda_dependencies
    if environment.docker.base_image or (packages is not None and [*packages.pip_packages, *packages.conda_packages]):
        name = f"environment {environment.name!r}" if environment.name else "the environment"
        found.append(f"{name} is not built: runs have the packages of {environment._interpreter!r} on this machine")
    if trial.wants_gpu and not has_gpus():
        found.append("the configuration is for GPUs, and there is none here: runs are on the CPU")
    if settings.node_count > 1:
        found.append(f"node_count is {settings.node_count}: a run has one process here")
    return tuple(found)


def _unreserved(name: str) -> str:
    """Return a name for sweeps that does not mean the newest one in every command."""
    from hdcore.store.catalog import NEWEST

    return f"{name}-experiment" if name == NEWEST else name


def _program(trial: Trial, code: str) -> str:
    """Return the words that start the script."""
    script = trial.script
    if not script:
        raise UserErrorException("script is missing; give the path of the script in source_directory")
    inside = os.path.relpath(os.path.join(code, script), code)
    if inside.startswith("..") or not os.path.isfile(os.path.join(code, inside)):
        raise UserErrorException(f"script: {script} does not exist in {trial.source_directory}; give a path in it")
    return f"{shlex.quote(trial.environment._interpreter)} {shlex.quote(inside)}"


class _Arguments:
    """Turns arguments into words of a command; collects inputs and outputs on the way."""

    def __init__(self, workspace: Workspace, searched: Mapping[str, str]) -> None:
        self._workspace = workspace
        self._searched = searched  # parameters of a pipeline, by name, and what the search space calls them
        self.inputs: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, dict[str, Any]] = {}

    def word(self, value: Any) -> str:
        """Return one argument, quoted."""
        if isinstance(value, OutputFileDatasetConfig):
            self.outputs[value.name] = {"type": "uri_folder"}
            return f"${{{{outputs.{value.name}}}}}"
        if hasattr(value, "training_output") and value._path is None:  # handed on from step to step of the same run
            self.outputs[value.name] = {"type": "uri_folder"}
            return f"${{{{outputs.{value.name}}}}}"
        if hasattr(value, "default_value") and value.name in self._searched:
            return f"${{{{search_space.{self._searched[value.name]}}}}}"
        text = self._with_references(self._text(value))
        if "${{" in text or "$[[" in text:
            raise UserErrorException(f"arguments: {text!r} holds '${{{{', which stands for a value here; leave it out")
        return shlex.quote(text)

    def command(self, command: Any) -> str:
        """Return the text of a command; the words of a list are joined, as Azure does, and data become paths."""
        if isinstance(command, str):
            return command
        return " ".join(
            item if isinstance(item, str) and not (" " in item and len(command) > 1) else self.word(item)
            for item in command
        )

    def _with_references(self, text: str) -> str:
        """Put the paths of data references in the place of their names, which ``str`` makes of them."""
        for name in sorted(self.inputs, key=len, reverse=True):
            text = text.replace(f"$AZUREML_DATAREFERENCE_{name}", self.inputs[name].get("path", ""))
        return text

    def add_input(self, value: Any) -> None:
        """Note an input that is no argument."""
        if not isinstance(value, (str, int, float, bool, type(None))):
            self._text(value)

    def _text(self, value: Any) -> str:
        from hdcore.command import format_value

        if isinstance(value, FileDataset):
            value = value.as_mount()
        elif isinstance(value, TabularDataset):
            value._workspace = value._workspace or self._workspace
            return str(value._remember(self._workspace))
        if isinstance(value, DatasetConsumptionConfig):
            return self._dataset(value)
        if hasattr(value, "_local_path"):
            path = str(value._local_path())
            name = getattr(value, "data_reference_name", None)
            if name:
                self.inputs[name] = {"path": path}
            return path
        if isinstance(value, os.PathLike):
            return str(os.fspath(value))
        default = getattr(value, "default_value", None)  # a PipelineParameter stands for its value
        return format_value(value if default is None else default)

    def _dataset(self, value: DatasetConsumptionConfig) -> str:
        dataset = value.dataset
        dataset._workspace = dataset._workspace or self._workspace
        if value.mode != "direct" and isinstance(dataset, FileDataset):
            path = dataset._local_path()
            if not os.path.exists(path):
                raise UserErrorException(
                    f"input {value.name!r}: {path} is not on this machine; copy the data there, or give a local path"
                )
            self.inputs[value.name] = {"path": path}
            return str(path)
        found = str(dataset._remember(self._workspace))
        self.inputs[value.name] = {"file": os.fspath(id_file(self._workspace, found))}
        return found


def _trial_document(trial: Trial) -> dict[str, Any]:
    """Return what `get_details` says of the submission."""
    return {
        "script": trial.script,
        "command": trial.command if isinstance(trial.command, str) else None,
        "arguments": [str(getattr(value, "name", value)) for value in trial.arguments],
        "framework": trial.run_configuration.framework,
        "target": trial.target,
        "environment": trial.environment._document(),
        "sourceDirectory": trial.source_directory,
    }


# ---------------------------------------------------------------------- the search


def _space_of(space: Mapping[str, Any]) -> dict[str, Any]:
    from hdcore.space import SearchSpace

    try:
        return SearchSpace(space).to_json()
    except SpaceError as error:
        raise HyperDriveConfigException(str(error)) from None


def _seed(properties: Mapping[str, Any]) -> int:
    seed = properties.get("seed")
    if seed is None:
        return int.from_bytes(os.urandom(4), "big")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise HyperDriveConfigException(f"properties: seed is {seed!r}; give a whole number, 0 or more")
    return seed


def _check_strict(config: HyperDriveConfig) -> None:
    config._sampling._check()  # it may be older than the switch
    config._check_policy()
    for word, value, most in (
        ("max_total_runs", config._max_total_runs, MOST_RUNS),
        ("max_concurrent_runs", config.max_concurrent_runs, MOST_CONCURRENT),
        ("max_duration_minutes", config._max_duration_minutes, MOST_MINUTES),
    ):
        if not 1 <= value <= most:
            raise HyperDriveServiceException(f"{word} is {value}; Azure takes 1 to {most}")


def has_gpus() -> bool:
    """Return whether this machine has GPUs that may be used."""
    from hdcore.executors.devices import Devices

    devices = Devices.find(None)
    try:
        return bool(devices.alive)
    finally:
        devices.close()
