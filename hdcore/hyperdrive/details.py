"""The documents that `Run.get_details` is made of."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.homes import Home
    from hdcore.hyperdrive.stored import SweepHome
    from hdcore.records import SweepSpec


_CONFIG_TAGS = (
    *("generator_config", "policy_config", "primary_metric_config", "max_total_jobs"),
    *("max_concurrent_jobs", "max_duration_minutes", "platform_config"),
)


class Details(dict[str, Any]):
    """A dictionary whose keys are found in any case: SDKs of different years write ``Arguments`` and ``arguments``."""

    def __missing__(self, key: object) -> Any:
        if isinstance(key, str):
            word = _word(key)
            for own in self:
                if _word(own) == word:
                    return dict.__getitem__(self, own)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or (isinstance(key, str) and _word(key) in {_word(own) for own in self})

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default


def details(home: Home) -> Details:
    """Return the details of a run: Azure's keys, found in any case."""
    from hdcore.hyperdrive.files import RunFiles

    started, ended = home.times()
    status = home.status()
    definition = home.definition()
    document = Details(
        runId=home.id,
        target="local" if definition is None else definition.get("target", "local"),
        status=status,
        startTimeUtc=utc_text(started),
    )
    if ended is not None and status in ("Completed", "Failed", "Canceled"):
        document["endTimeUtc"] = utc_text(ended)
    error = home.error()
    if error is not None:
        document["error"] = error
    document.update(warnings=[], services={}, properties=home.properties(), inputDatasets=[], outputDatasets=[])
    if definition is not None:
        document["runDefinition"] = Details(definition)
    files = RunFiles(home.folder)
    logs = [name for name in files.names() if name.startswith(("azureml-logs/", "user_logs/", "logs/"))]
    document["logFiles"] = {name: files.find(name).as_uri() for name in logs}
    document["submittedBy"] = "local"
    return document


def run_definition(sweep: SweepHome, folder: Path | None, configuration: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what was submitted.

    Parameters
    ----------
    folder, configuration
        Of a run, whose arguments are complete; None for the sweep, which has its fixed arguments only.
    """
    about = sweep.about.get("trial") or {}
    spec = sweep.spec
    if configuration is None or folder is None:
        arguments = list(about.get("arguments") or [])
    else:
        arguments = [*run_arguments(spec, folder, configuration), *_resumed(spec, folder)]
    return {
        "script": about.get("script"),
        "command": about.get("command") or ("" if about else spec.command),
        "useAbsolutePath": False,
        "arguments": arguments,
        "sourceDirectoryDataStore": None,
        "framework": about.get("framework") or "Python",
        "communicator": "None",
        "target": about.get("target") or "local",
        "dataReferences": {},
        "data": {},
        "outputData": {},
        "jobName": None,
        "maxRunDurationSeconds": spec.limits.run_timeout_s,
        "nodeCount": 1,
        "environment": Details(
            about.get("environment") or {"name": None, "python": {"interpreterPath": sys.executable}}
        ),
        "history": {"outputCollection": True, "directoriesToWatch": ["logs"]},
        "sourceDirectory": spec.code,
    }


def run_arguments(spec: SweepSpec, folder: Path, configuration: Mapping[str, Any]) -> list[str]:
    """Return the arguments of a run's script: the very strings that it got."""
    from hdcore.command import Command, format_value

    pairs = [word for name, value in configuration.items() for word in (option(name), format_value(value))]
    if not spec.command:
        return pairs
    command = Command.parse(spec.command, spec.shell)
    if command.uses_shell:  # one text, which only the shell takes apart
        return pairs
    inputs = {
        name: item.value if item.type == "literal" else (item.local or item.path) for name, item in spec.inputs.items()
    }
    outputs = {name: str(folder / "outputs" / name) for name in spec.outputs}
    argv = command.argv(configuration, inputs, outputs)
    is_script = len(argv) > 1 and Path(argv[0]).name.startswith("python") and not argv[1].startswith("-")
    return list(argv[2 if is_script else 1 :])


def _resumed(spec: SweepSpec, folder: Path) -> list[str]:
    """Return what the script of a run that goes on with an earlier one got at the end."""
    from hdcore.workspace import resumed_folder

    number = int(folder.name)
    if number >= len(spec.resume_runs):
        return []
    return ["--resume-from", str(resumed_folder(folder.parent.parent, number))]


def option(name: str) -> str:
    """Return the option that a hyperparameter is given by: ``lr`` and ``--lr`` both as ``--lr``."""
    return name if name.startswith("-") else f"--{name}"


def sweep_tags(sweep: SweepHome) -> dict[str, str]:
    """Return the tags that Azure's service gives a sweep: its configuration, and the hyperparameters of each run."""
    spec = sweep.spec
    config = sweep.about.get("config") or config_document(spec)
    tags = {}
    for key in _CONFIG_TAGS:  # the service has written them with and without the prefix
        tags[key] = tags[f"_aml_system_{key}"] = json.dumps(config.get(key))
    with sweep.reader() as reader:
        for run in reader.runs():
            tags[f"_aml_system_{sweep.id}_{run.number}"] = json.dumps(run.configuration)
    return {**tags, **spec.tags}


def config_document(spec: SweepSpec) -> dict[str, Any]:
    """Return the configuration of a sweep that a file or the command line started."""
    sampler = {"grid": "GRID", "bayesian": "BayesianOptimization"}.get(str(spec.sampler.get("type")), "RANDOM")
    seconds = spec.limits.timeout_s
    return {
        "generator_config": {"name": sampler, "parameter_space": spec.space},
        "policy_config": spec.policy or {"name": "Default"},
        "primary_metric_config": {"name": spec.metric, "goal": spec.goal.value},
        "max_total_jobs": spec.limits.max_total_runs,
        "max_concurrent_jobs": spec.limits.max_concurrent_runs or spec.limits.max_total_runs,
        "max_duration_minutes": None if seconds is None else int(seconds // 60),
    }


def sweep_properties(sweep: SweepHome) -> dict[str, str]:
    """Return the properties that Azure's service gives a sweep."""
    from hdcore.document import best_run
    from hdcore.space import SearchSpace

    spec = sweep.spec
    size = SearchSpace(spec.space).size
    properties = {
        "primary_metric_config": json.dumps({"name": spec.metric, "goal": spec.goal.value}),
        "resume_from": json.dumps(
            (sweep.about.get("config") or {}).get("resume_from") or list(spec.resume_from) or None
        ),
        "runTemplate": "HyperDrive",
        "azureml.runsource": "hyperdrive",
        "platform": "AML",
        "ContentSnapshotId": sweep.id,
        "space_size": "infinite_space_size" if size is None else str(size),
    }
    with sweep.reader() as reader:
        stored = reader.sweep()
        best = best_run(reader, stored)
    if best is not None:
        properties["score"] = str(best.value)
        properties["best_child_run_id"] = f"{sweep.id}_{best.number}"
        properties["best_metric_status"] = "Succeeded"
        properties["best_data_container_id"] = f"dcid.{sweep.id}_{best.number}"
    return properties


def utc_text(seconds: float | None) -> str | None:
    """Return a time as Azure writes it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _word(key: str) -> str:
    return key.replace("_", "").lower()
