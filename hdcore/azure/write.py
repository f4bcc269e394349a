"""A sweep as the text of a sweep file: what `load_sweep` reads back, and Azure's own tools take.

What only hdcore has stands under the key ``hdcore``. What a sweep file cannot say (a Python function, a parameter
whose name has a dash) is refused; what hdcore reads and Azure's schema does not is told in notes.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import yaml

from hdcore.azure.expressions import KEYS, NAME
from hdcore.azure.fields import inner, refuse
from hdcore.azure.load import is_remote, sweep_of
from hdcore.azure.reader import clean, read_mapping
from hdcore.errors import InputError
from hdcore.records import InputSpec, Limits, SweepSpec
from hdcore.typing import Goal

SCHEMA = "https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json"
ENVIRONMENT = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
"""Azure asks for an environment and hdcore has none: a common one stands there to be replaced."""

_POLICY_TYPES = {
    "Bandit": "bandit",
    "MedianStopping": "median_stopping",
    "TruncationSelection": "truncation_selection",
}
_BLOCK = (
    *("gpus_per_run", "cpus_per_run", "preload", "shell", "retries", "executor"),
    *("resume_from", "resume_runs", "resume_rename", "resume_defaults"),
)
_EMPTY = SweepSpec(name="", space={}, metric="", goal=Goal.MINIMIZE, limits=Limits(max_total_runs=1))
_PLAIN = re.compile(r"(?:\.?/)?[A-Za-z_][A-Za-z0-9_./-]*")


def write_sweep(spec: SweepSpec, target: Path | None = None) -> tuple[str, list[str]]:
    """Return a sweep as YAML text, and notes on what Azure's own tools would refuse in it.

    Parameters
    ----------
    target : Path, optional
        The file that the text is for: paths below its folder are written relative to it, all others absolute.

    Raises
    ------
    InputError
        If no sweep file can say what the sweep is.
    """
    _check_can_be_said(spec)
    folder = None if target is None else Path(os.path.abspath(target)).parent
    notes: list[str] = []
    document: dict[str, Any] = {"$schema": SCHEMA, "type": "sweep", "name": spec.name}
    for key in ("display_name", "experiment_name", "description"):
        if getattr(spec, key):
            document[key] = getattr(spec, key)
    if spec.tags:
        document["tags"] = dict(spec.tags)
    if spec.inputs:
        document["inputs"] = {name: _input(item, folder) for name, item in spec.inputs.items()}
    if spec.outputs:
        document["outputs"] = {name: dict(item) for name, item in spec.outputs.items()}
    document["trial"] = {
        "command": spec.command,
        "code": _path(spec.code or ".", folder),
        "environment": ENVIRONMENT,
        **({"environment_variables": dict(spec.environment)} if spec.environment else {}),
    }
    document["search_space"] = {name: _expression(value, name, notes) for name, value in spec.space.items()}
    block = {key: _plain(getattr(spec, key)) for key in _BLOCK if getattr(spec, key) != getattr(_EMPTY, key)}
    document["sampling_algorithm"] = _sampling(spec, block)
    document["objective"] = {"goal": spec.goal.value, "primary_metric": spec.metric}
    if spec.policy is not None and spec.policy.get("name") != "Default":
        document["early_termination"] = _policy(spec.policy, block)
    document["limits"] = _limits(spec, notes)
    if block:
        document["hdcore"] = block
        notes.append(f"hdcore: Azure's tools refuse this key; without it Azure does not know {', '.join(block)}")
    text = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 20, default_flow_style=False
    )
    _check_reads_back(spec, text, target)
    return text, notes


def _check_can_be_said(spec: SweepSpec) -> None:
    if spec.function:
        raise InputError(f"sweep {spec.name} runs the Python function {spec.function}; a sweep file names a command")
    if not spec.command or not spec.metric:
        raise InputError(f"sweep {spec.name} has no {'metric' if spec.command else 'command'} that a file could name")
    for name in spec.space:
        if not NAME.fullmatch(name):
            refuse(inner("search_space", name), "is no name for Azure, which takes letters, digits and _")


def _check_reads_back(spec: SweepSpec, text: str, target: Path | None) -> None:
    """Refuse what a reader would understand in another way: nothing is written then."""
    source = target or Path("sweep.yml")
    try:
        read = sweep_of(read_mapping(text.encode("utf-8")), source, {}, {})
    except InputError as error:
        raise InputError(f"sweep {spec.name} cannot be written as a sweep file: {error.field}: {error}") from None
    for key in ("space", "metric", "goal", "limits", "sampler", "policy", "command", "code", "environment", "seed"):
        if getattr(read, key) != _normal(spec, key):
            raise InputError(f"sweep {spec.name} cannot be written as a sweep file: its {key} would not be the same")


def _normal(spec: SweepSpec, key: str) -> Any:
    if key == "code":
        return spec.code if spec.code is None or is_remote(spec.code) else os.path.abspath(spec.code)
    return getattr(spec, key)


def _expression(value: Any, place: str, notes: list[str]) -> Any:
    if not (isinstance(value, list) and len(value) == 2 and value[0] in KEYS):
        refuse(inner("search_space", place), "is a constant; write it into the command, or make it a choice of one")
    kind, arguments = value
    if kind == "choice":
        return {"type": kind, "values": [_option(option, place, notes) for option in arguments[0]]}
    return {"type": kind, **dict(zip(KEYS[kind], arguments, strict=True))}


def _option(option: Any, place: str, notes: list[str]) -> Any:
    if isinstance(option, dict):
        return {
            name: _expression(value, f"{place}.{name}", notes)
            if isinstance(value, list)
            else _option(value, place, notes)
            for name, value in option.items()
        }
    if isinstance(option, bool):
        note = f"search_space.{clean(place)}: Azure's tools refuse true and false among the values of a choice"
        if note not in notes:
            notes.append(note)
    return option


def _sampling(spec: SweepSpec, block: dict[str, Any]) -> Any:
    """Return the sampler; its seed where Azure's own form has a place for it."""
    kind = spec.sampler.get("type", "random")
    if set(spec.sampler) - {"type"}:
        raise InputError(f"sweep {spec.name} has a sampler with options of its own, which no sweep file can say")
    if kind in ("random", "sobol"):
        return {"type": "random", **({"rule": "sobol"} if kind == "sobol" else {}), "seed": spec.seed}
    block["seed"] = spec.seed
    return kind


_SLACK_OF_OTHERS = 1.0
"""A slack for readers that do not know `slack_iqr`: half of the best metric, which stops what is hopeless."""


def _policy(policy: dict[str, Any], block: dict[str, Any]) -> dict[str, Any]:
    kind = _POLICY_TYPES.get(str(policy.get("name")))
    if kind is None:
        refuse("early_termination", f"is the policy {clean(str(policy.get('name')))}, which no sweep file can say")
    properties = dict(policy.get("properties", {}))
    for key in ("population", "exclude_finished_jobs"):
        if value := properties.pop(key, None):
            block[key] = value
    if (slack := properties.pop("slack_iqr", None)) is not None:
        block["slack_iqr"] = slack
        properties["slack_factor"] = _SLACK_OF_OTHERS
    return {"type": kind, **properties}


def _limits(spec: SweepSpec, notes: list[str]) -> dict[str, Any]:
    limits = spec.limits
    written = {
        "max_total_trials": limits.max_total_runs,
        "max_concurrent_trials": limits.max_concurrent_runs,
        "timeout": limits.timeout_s,
        "trial_timeout": limits.run_timeout_s,
    }
    found: dict[str, Any] = {}
    for key, value in written.items():
        if value is None:
            continue
        found[key] = int(value) if float(value).is_integer() else value
        if isinstance(found[key], float):
            notes.append(f"limits.{key}: Azure's tools take whole seconds")
    return found


def _input(item: InputSpec, folder: Path | None) -> Any:
    if item.type == "literal":
        return item.value
    path = item.path or item.local or ""
    if item.local is not None and not is_remote(path):
        path = _path(item.local, folder)  # a relative one was relative to the file that it stood in
    return {"type": item.type, "path": path, **({"mode": item.mode} if item.mode else {})}


def _path(path: str, folder: Path | None) -> str:
    if folder is None or is_remote(path):
        return path
    inside = os.path.relpath(path, folder)
    return path if inside.startswith("..") else inside if inside == "." else f"./{inside}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class _Dumper(yaml.SafeDumper):
    """Text is quoted unless no reader can take it for anything else: YAML's versions differ in what is a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True  # the same list twice is written twice


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if _PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _float(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    digits = repr(value)  # Python's shortest form; YAML 1.1 needs a point before the exponent
    if "e" in digits and "." not in digits:
        digits = digits.replace("e", ".0e")
    if not math.isfinite(value):
        raise InputError(f"a number is {value}, which no sweep file can say")
    return dumper.represent_scalar("tag:yaml.org,2002:float", digits)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _float)
