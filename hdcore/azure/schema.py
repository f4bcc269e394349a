"""The closed schema of a sweep file's sections; `load` joins them to a specification."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from hdcore.azure.fields import (
    MOST_RUNS,
    inner,
    integer,
    mapping,
    number,
    one_of,
    optional_text,
    refuse,
    required,
    seconds,
    shown,
    text,
    texts,
)
from hdcore.command import format_value
from hdcore.records import InputSpec, Limits

SWEEP_KEYS = (
    "$schema",
    "type",
    "name",
    "display_name",
    "experiment_name",
    "description",
    "tags",
    "properties",
    "compute",
    "identity",
    "inputs",
    "outputs",
    "trial",
    "sampling_algorithm",
    "search_space",
    "objective",
    "early_termination",
    "limits",
    "queue_settings",
    "resources",
    "hdcore",
)
TRIAL_KEYS = (
    "command",
    "code",
    "environment",
    "environment_variables",
    "distribution",
    "resources",
    "queue_settings",
)
HDCORE_KEYS = (
    "gpus_per_run",
    "cpus_per_run",
    "preload",
    "shell",
    "retries",
    "seed",
    "executor",
    "resume_from",
    "resume_runs",
    "resume_rename",
    "resume_defaults",
    "population",
    "slack_iqr",
    "exclude_finished_jobs",
)
EXECUTORS = ("local", "ray")
HIGHEST_SEED = (1 << 63) - 1
RESERVED_VARIABLES = frozenset(
    [
        "HDCORE_RUN",
        "HDCORE_RUN_ID",
        "HDCORE_REPORT",
        "HDCORE_ATTEMPT",
        "HDCORE_OUTPUT_DIR",
        "HDCORE_CHECKPOINT_DIR",
        "HDCORE_RESUME_FROM",
        "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER",
    ]
)

SWEEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_IO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
_MODES = ("mount", "ro_mount", "rw_mount", "download", "upload", "direct", "eval_mount", "eval_download")
_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_POLICY_KEYS = {
    "bandit": ("slack_factor", "slack_amount"),
    "medianstopping": (),
    "truncationselection": ("truncation_percentage", "exclude_finished_jobs"),
}
_POLICY_TYPES = ("bandit", "median_stopping", "truncation_selection")
_SAMPLERS = ("random", "grid", "bayesian")


def read_name(value: Any, field: str = "name") -> str:
    """Check the name of a sweep, which is also the name of its folder."""
    if not isinstance(value, str) or not SWEEP_NAME.fullmatch(value):
        refuse(
            field, f"is {shown(value)}; use 1 to 255 letters, digits, '_', '.' and '-', starting with a letter or digit"
        )
    return value


def read_sampling(value: Any) -> tuple[dict[str, Any], int | None, float | None]:
    """Return the sampler, its seed and the base of the log types (None: e)."""
    field = "sampling_algorithm"
    if isinstance(value, str):
        if value.lower() == "sobol":
            refuse(field, "is 'sobol'; write {type: random, rule: sobol}")
        return {"type": one_of(value, field, _SAMPLERS)}, None, None
    if not isinstance(value, dict):
        refuse(field, f"is {shown(value)}; write one of {', '.join(_SAMPLERS)}")
    kind = one_of(required(value, "type", field, f"write one of {', '.join(_SAMPLERS)}"), f"{field}.type", _SAMPLERS)
    mapping(value, field, ("type", "seed", "rule", "logbase") if kind == "random" else ("type",))
    seed = value.get("seed")
    if seed is not None:
        integer(seed, f"{field}.seed", 0, HIGHEST_SEED)
    rule = value.get("rule")
    if rule is not None and one_of(rule, f"{field}.rule", ("random", "sobol")) == "sobol":
        kind = "sobol"
    return {"type": kind}, seed, _log_base(value.get("logbase"), f"{field}.logbase")


def _log_base(value: Any, field: str) -> float | None:
    if value is None or value in ("e", "E"):
        return None
    base = number(value, field)
    if base <= 1:
        refuse(field, f"is {shown(value)}; write a number above 1 or e")
    return None if math.isclose(base, math.e, rel_tol=1e-12) else base


def read_objective(value: Any) -> tuple[str, str]:
    """Return the primary metric and the goal."""
    objective = mapping(value, "objective", ("goal", "primary_metric"))
    metric = required(objective, "primary_metric", "objective", "name the metric that the script reports")
    text(metric, "objective.primary_metric", may_be_empty=False)
    if len(metric.encode("utf-8", "replace")) > 256:
        refuse("objective.primary_metric", "is longer than 256 bytes; shorten it")
    goal = required(objective, "goal", "objective", "write minimize or maximize")
    return metric, one_of(goal, "objective.goal", ("minimize", "maximize"))


def read_limits(value: Any) -> Limits:
    """Return the bounds of the sweep; more concurrent runs than runs are as many as there are runs."""
    limits = mapping(value, "limits", ("max_total_trials", "max_concurrent_trials", "timeout", "trial_timeout"))
    total = required(limits, "max_total_trials", "limits", "write the number of runs")
    integer(total, "limits.max_total_trials", 1, MOST_RUNS)
    concurrent = limits.get("max_concurrent_trials")
    if concurrent is not None:
        concurrent = min(total, integer(concurrent, "limits.max_concurrent_trials", 1, MOST_RUNS))
    return Limits(
        max_total_runs=total,
        max_concurrent_runs=concurrent,
        timeout_s=seconds(limits, "timeout", "limits"),
        run_timeout_s=seconds(limits, "trial_timeout", "limits"),
    )


def read_policy(value: Any) -> dict[str, Any] | None:
    """Return the early termination policy in serialised form."""
    field = "early_termination"
    if value is None:
        return None
    policy = mapping(value, field)
    word = required(policy, "type", field, f"write one of {', '.join(_POLICY_TYPES)}")
    kind = word.lower().replace("_", "") if isinstance(word, str) else ""
    if kind not in _POLICY_KEYS:
        one_of(word, f"{field}.type", _POLICY_TYPES)  # refuses
    mapping(policy, field, ("type", "evaluation_interval", "delay_evaluation", *_POLICY_KEYS[kind]))
    given = {key: item for key, item in policy.items() if item is not None}
    properties: dict[str, Any] = {
        "evaluation_interval": integer(given.get("evaluation_interval", 1), f"{field}.evaluation_interval", 1, 1 << 31),
        "delay_evaluation": integer(given.get("delay_evaluation", 0), f"{field}.delay_evaluation", 0, 1 << 31),
    }
    if kind == "medianstopping":
        return {"name": "MedianStopping", "properties": properties}
    if kind == "bandit":
        return {"name": "Bandit", "properties": {**properties, **_slack(given, field)}}
    share = required(given, "truncation_percentage", field, "write a whole number from 1 to 99")
    properties["truncation_percentage"] = integer(share, f"{field}.truncation_percentage", 1, 99)
    exclude = _truth(given.get("exclude_finished_jobs", False), f"{field}.exclude_finished_jobs")
    return {"name": "TruncationSelection", "properties": {**properties, "exclude_finished_jobs": exclude}}


def _truth(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        refuse(field, f"is {shown(value)}; write true or false")
    return value


def _slack(given: dict[str, Any], field: str) -> dict[str, float]:
    slack: dict[str, float] = {key: given[key] for key in ("slack_factor", "slack_amount") if key in given}
    for key, item in slack.items():
        if number(item, f"{field}.{key}") < 0:
            refuse(f"{field}.{key}", f"is {shown(item)}; write 0 or more")
    if not slack:
        refuse(field, "is a bandit without slack; give slack_factor or slack_amount")
    if len(slack) == 2:  # a zero beside a slack is the default that Azure's tools write out
        slack = {key: item for key, item in slack.items() if item} or {"slack_factor": 0}
    if len(slack) == 2:
        refuse(field, "is a bandit with slack_factor and slack_amount; keep one of them")
    return slack


def read_inputs(value: Any) -> dict[str, InputSpec]:
    """Return the inputs as written; paths are not looked at here."""
    if value is None:
        return {}
    inputs: dict[str, InputSpec] = {}
    for name, item in mapping(value, "inputs").items():
        field = _io_field("inputs", name)
        if not isinstance(item, dict):
            inputs[name] = InputSpec(type="literal", value=literal(item, field))
            continue
        mapping(item, field, ("type", "path", "mode"))
        path = text(required(item, "path", field, "write a path"), f"{field}.path", may_be_empty=False)
        kind, mode = _data_type(item, field)
        inputs[name] = InputSpec(type=kind, path=path, mode=mode)
    return inputs


def literal(value: Any, field: str) -> Any:
    """Check a literal input: a number, a text or a truth value."""
    if isinstance(value, (bool, str)):
        return text(value, field) if isinstance(value, str) else value
    if value is None or isinstance(value, list):
        refuse(field, f"is {shown(value)}; write a number, a text, true, false, or {{type: uri_file, path: …}}")
    return number(value, field)


def read_outputs(value: Any) -> dict[str, dict[str, Any]]:
    """Return the declared outputs: name -> what was written (nothing: a folder)."""
    if value is None:
        return {}
    outputs: dict[str, dict[str, Any]] = {}
    for name, item in mapping(value, "outputs").items():
        field = _io_field("outputs", name)
        declared = {} if item is None else mapping(item, field, ("type", "path", "mode"))
        kind, mode = _data_type(declared, field)
        path = optional_text(declared, "path", field)
        outputs[name] = {"type": kind, **({"path": path} if path else {}), **({"mode": mode} if mode else {})}
    return outputs


def _io_field(section: str, name: str) -> str:
    field = inner(section, name)
    if not _IO_NAME.fullmatch(name):
        refuse(field, "is no name of an input or output; use letters, digits, _ and -, starting with a letter or _")
    return field


def _data_type(item: dict[str, Any], field: str) -> tuple[str, str | None]:
    kind, mode = item.get("type"), item.get("mode")
    return (
        "uri_folder" if kind is None else one_of(kind, f"{field}.type", _DATA_TYPES),
        None if mode is None else one_of(mode, f"{field}.mode", _MODES),
    )


def read_variables(value: Any) -> dict[str, str]:
    """Return the environment variables of the runs."""
    field = "trial.environment_variables"
    if value is None:
        return {}
    variables: dict[str, str] = {}
    for name, item in mapping(value, field).items():
        if not name or "=" in name or "\0" in name:
            refuse(field, f"has the variable {shown(name)}; a name is not empty and holds neither '=' nor NUL")
        if name in RESERVED_VARIABLES:
            refuse(field, f"sets {name}, which hdcore sets for each run; remove it")
        if item is None or isinstance(item, (dict, list)):
            refuse(field, f"sets {shown(name)} to {shown(item)}; write a text")
        if isinstance(item, str) and "\0" in item:
            refuse(field, f"sets {shown(name)} to a text with a NUL character; remove it")
        variables[name] = format_value(item)
    return variables


def read_scalars(value: Any, field: str) -> dict[str, str]:
    """Return tags or properties, all as text."""
    if value is None:
        return {}
    found: dict[str, str] = {}
    for key, item in mapping(value, field).items():
        if isinstance(item, (dict, list)):
            refuse(inner(field, key), f"is {shown(item)}; write a text")
        found[key] = "" if item is None else text(format_value(item), inner(field, key))
    return found


def ignored_sections(data: Mapping[str, Any], field: str, allowed: dict[str, tuple[type, ...]]) -> None:
    """Check the kind of what has no meaning on one machine."""
    words: dict[type, str] = {str: "text", dict: "a mapping"}
    for key, kinds in allowed.items():
        value = data.get(key)
        if value is not None and not isinstance(value, kinds):
            expected = " or ".join(words[kind] for kind in kinds)
            refuse(inner(field, key), f"is {shown(value)}; write {expected}, or remove it")


def read_hdcore(value: Any) -> dict[str, Any]:
    """Return the ``hdcore`` block as keyword arguments of a specification."""
    if value is None:
        return {}
    block = {key: item for key, item in mapping(value, "hdcore", HDCORE_KEYS).items() if item is not None}
    found: dict[str, Any] = {}
    if "gpus_per_run" in block:
        found["gpus_per_run"] = _gpus(block["gpus_per_run"])
    if "cpus_per_run" in block:
        found["cpus_per_run"] = integer(block["cpus_per_run"], "hdcore.cpus_per_run", 1, 4096)
    if "retries" in block:
        found["retries"] = integer(block["retries"], "hdcore.retries", 0, 1000)
    if "seed" in block:
        found["seed"] = integer(block["seed"], "hdcore.seed", 0, HIGHEST_SEED)
    if "shell" in block:
        shell = block["shell"]
        found["shell"] = shell if isinstance(shell, bool) else one_of(shell, "hdcore.shell", ("auto", "true", "false"))
        if isinstance(shell, str) and shell.lower() != "auto":
            found["shell"] = shell.lower() == "true"
    if "executor" in block:
        found["executor"] = one_of(block["executor"], "hdcore.executor", EXECUTORS)
    if "preload" in block:
        found["preload"] = read_modules(block["preload"], "hdcore.preload")
    if "population" in block:
        found["population"] = one_of(block["population"], "hdcore.population", ("all", "reached"))
    if "slack_iqr" in block:
        found["slack_iqr"] = number(block["slack_iqr"], "hdcore.slack_iqr")
        if found["slack_iqr"] < 0:
            refuse("hdcore.slack_iqr", f"is {shown(block['slack_iqr'])}; write 0 or more")
    if "exclude_finished_jobs" in block:
        found["exclude_finished_jobs"] = _truth(block["exclude_finished_jobs"], "hdcore.exclude_finished_jobs")
    if "resume_from" in block:
        found["resume_from"] = read_sweep_names(block["resume_from"], "hdcore.resume_from")
    if "resume_runs" in block:
        found["resume_runs"] = read_run_names(block["resume_runs"], "hdcore.resume_runs")
    if "resume_rename" in block:
        field = "hdcore.resume_rename"
        found["resume_rename"] = {
            old: text(new, inner(field, old), may_be_empty=False)
            for old, new in mapping(block["resume_rename"], field).items()
        }
    if "resume_defaults" in block:
        found["resume_defaults"] = mapping(block["resume_defaults"], "hdcore.resume_defaults")
    return found


def read_sweep_names(value: Any, field: str) -> tuple[str, ...]:
    """Return names of earlier sweeps; whether they exist is asked when the sweep is made."""
    names = texts(value, field)
    for name in names:
        read_name(name, field)
    return names


def read_run_names(value: Any, field: str) -> tuple[str, ...]:
    """Return names of single runs, ``SWEEP/NUMBER``."""
    names = texts(value, field)
    for item in names:
        name, _, run = item.rpartition("/")
        if not SWEEP_NAME.fullmatch(name) or not re.fullmatch(r"[0-9]{1,9}", run):
            refuse(field, f"has {shown(item)}; write SWEEP/NUMBER, such as earlier/12")
    return names


def read_modules(value: Any, field: str) -> tuple[str, ...]:
    """Return the names of modules to preload."""
    names = texts(value, field)
    for name in names:
        if not _MODULE.fullmatch(name):
            refuse(field, f"has {shown(name)}, which is no module name")
    return names


def _gpus(value: Any) -> float | str:
    field = "hdcore.gpus_per_run"
    if isinstance(value, str) and value.lower() == "auto":
        return "auto"
    count = number(value, field)
    if not 0 <= count <= 1024 or (count > 1 and count != int(count)):
        refuse(field, f"is {shown(value)}; write 0, 1, 2, …, a share such as 0.5, or auto")
    return count
