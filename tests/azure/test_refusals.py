"""Every way to damage a good sweep file that we know of, and the field that the error has to name."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdcore.azure import load_sweep, missing_here
from hdcore.azure.expressions import read_space
from hdcore.errors import InputError

GOOD: dict[str, Any] = {
    "type": "sweep",
    "name": "net-1",
    "trial": {
        "command": "python net.py --units ${{search_space.units}} --rate ${{search_space.rate}} --data ${{inputs.data}}"
    },
    "inputs": {"data": "digits"},
    "outputs": {"model": None},
    "search_space": {
        "units": {"type": "choice", "values": [16, 32, 64]},
        "rate": {"type": "quniform", "min_value": 0, "max_value": 4, "q": 0.5},
    },
    "sampling_algorithm": {"type": "random", "seed": 3},
    "objective": {"goal": "maximize", "primary_metric": "accuracy"},
    "limits": {"max_total_trials": 6, "max_concurrent_trials": 3, "timeout": 0, "trial_timeout": 5},
    "early_termination": {"type": "bandit", "slack_factor": 0.2, "evaluation_interval": 2, "delay_evaluation": 4},
    "hdcore": {"seed": 3},
}
GONE = object()
LONG = 10**25


def parameter(**expression: Any) -> Any:
    return ("search_space.rate", expression)


# where to write, what to write, the field of the error (None: where it was written)
DAMAGES: dict[str, list[tuple[str, Any, str | None]]] = {
    "top": [
        ("type", GONE, None), ("type", "pipeline", None), ("type", "command", None), ("type", "swep", None),
        ("type", None, None), ("type", True, None), ("type", 1, None), ("type", {"sweep": 1}, None),
        ("extra", 1, None), ("searchspace", {}, None), ("Type", "sweep", None), ("policy", {}, None),
        ("a\u202eb", 1, "a\\u202eb"), ("a\nb", 1, "a\\nb"), ("", 1, ""),
        ("display_name", 3, None), ("experiment_name", ["a"], None), ("description", {"a": 1}, None),
        ("description", "a\0b", None), ("$schema", 7, None), ("tags", ["a"], None), ("tags", {"a": [1]}, "tags.a"),
        ("properties", "x", None), ("compute", 5, None), ("identity", "me", None), ("queue_settings", [], None),
        ("resources", "gpu", None),
    ],
    "name": [
        ("name", bad, None)
        for bad in (None, True, 1, [], "", ".", "..", "../x", "/x", "a/b", "-a", "_a", ".a", "a b", "a\n", "a\0", "ä")
    ] + [
        ("name", "x" * 256, None),
    ],
    "trial": [
        ("trial", GONE, None), ("trial", None, None), ("trial", [], None), ("trial", "python net.py", None),
        ("trial", 1, None), ("trial.commands", "x", None), ("trial.limits", {}, None), ("trial.command", GONE, None),
        ("trial.command", None, None), ("trial.command", 3, None), ("trial.command", "", None),
        ("trial.command", "\n", None),
        ("trial.command", ["python"], None), ("trial.command", "python ${{search_space.unit}}", None),
        ("trial.command", "python ${{inputs.units}}", None), ("trial.command", "python ${{outputs.data}}", None),
        ("trial.command", "python ${{search_space.units", None), ("trial.command", "python ${{env.HOME}}", None),
        ("trial.command", "python ${{search_space.units.real}}", None), ("trial.command", "python ${{}}", None),
        ("trial.command", "python \"x", None), ("trial.command", "python x\0", None),
        ("trial.command", "python {search_space.unknown}", None),
        ("trial.command", "python x '${{search_space.units}}' | tee log", None),
        ("trial.code", 1, None), ("trial.code", "", None), ("trial.code", ["src"], None), ("trial.code", "a\0", None),
        ("trial.code", "not/there", None), ("trial.code", "azureml:net:1", None), ("trial.environment", 3, None),
        ("trial.distribution", "mpi", None), ("trial.resources", 1, None),
        ("trial.environment_variables", "A=1", None), ("trial.environment_variables", ["A"], None),
        ("trial.environment_variables", {"": "1"}, None), ("trial.environment_variables", {"A=": "1"}, None),
        ("trial.environment_variables", {"A\0": "1"}, None), ("trial.environment_variables", {"A": "\0"}, None),
        ("trial.environment_variables", {"A": None}, None), ("trial.environment_variables", {"A": []}, None),
        ("trial.environment_variables", {"HDCORE_REPORT": "x"}, None),
        ("trial.environment_variables", {"CUDA_VISIBLE_DEVICES": "0"}, None),
    ],
    "inputs": [
        ("inputs", [1], None), ("inputs.data", None, None), ("inputs.data", [1], None), ("inputs.data", "a\0", None),
        ("inputs.data", {}, "inputs.data.path"), ("inputs.data", {"path": ""}, "inputs.data.path"),
        ("inputs.data", {"path": "x", "type": "file"}, "inputs.data.type"),
        ("inputs.data", {"path": "x", "a": 1}, "inputs.data.a"),
        ("inputs.data", {"path": "x", "mode": "fast"}, "inputs.data.mode"), ("inputs.a b", 1, None),
        ("inputs.a/b", 1, None),
        ("outputs", "x", None), ("outputs.model", "x", None), ("outputs.model", {"paths": 1}, "outputs.model.paths"),
        ("outputs.../x", None, None), ("outputs.model", {"type": "zip"}, "outputs.model.type"),
    ],
    "space": [
        ("search_space", GONE, None), ("search_space", {}, None), ("search_space", None, None),
        ("search_space", [1], None),
        ("search_space.a-b", {"type": "choice", "values": [1]}, None),
        ("search_space.1a", {"type": "choice", "values": [1]}, None),
        ("search_space.rate", 1, None), ("search_space.rate", None, None),
        ("search_space.rate", ["uniform", [0, 1]], None),
        (*parameter(min_value=0, max_value=1), None), (*parameter(type="unifrom", min_value=0, max_value=1), None),
        (*parameter(type=1), None), (*parameter(type="uniform", min_value=0), None),
        (*parameter(type="uniform", min_value=0, max_value=1, q=1), None),
        (*parameter(type="uniform", min_value=2, max_value=1), None),
        (*parameter(type="uniform", min_value=1, max_value=1.0), None),
        (*parameter(type="uniform", min_value="0", max_value=1), None),
        (*parameter(type="uniform", min_value=False, max_value=1), None),
        (*parameter(type="uniform", min_value=None, max_value=1), None),
        (*parameter(type="uniform", min_value=0, max_value=10**400), "search_space.rate.max_value"),
        (*parameter(type="quniform", min_value=0, max_value=1, q=0), None),
        (*parameter(type="quniform", min_value=0, max_value=1, q=-1), None),
        (*parameter(type="loguniform", min_value=0, max_value=1), None),
        (*parameter(type="loguniform", min_value=0.001, max_value=0.1), None),
        (*parameter(type="loguniform", min_value=-1, max_value=-6), None),
        (*parameter(type="loguniform", min_value=1e-5, max_value=-2), None),
        (*parameter(type="loguniform", min_value=1, max_value=1000), None),
        (*parameter(type="qloguniform", min_value=0, max_value=5, q=0), None),
        (*parameter(type="quniform", min_value=0, max_value=1, q=1e-320), None),
        (*parameter(type="choice", values=[{"a": {"type": "qnormal", "mu": 0, "sigma": 1, "q": 1e-320}}]), None),
        (*parameter(type="normal", mu=0, sigma=-0.1), None), (*parameter(type="normal", mu=0), None),
        (*parameter(type="qnormal", mu=0, sigma=1, q="1"), None), (*parameter(type="lognormal", mu=1e4, sigma=1), None),
        (*parameter(type="randint", upper=0), None), (*parameter(type="randint", upper=3.0), None),
        (*parameter(type="randint", upper=True), None), (*parameter(type="randint", upper=LONG), None),
        (*parameter(type="choice"), None), (*parameter(type="choice", values=[]), None),
        (*parameter(type="choice", values=None), None),
        (*parameter(type="choice", values="abc"), None), (*parameter(type="choice", values=[None]), None),
        (*parameter(type="choice", values=[1, [2]]), None), (*parameter(type="choice", values=[1, 2, 1.0]), None),
        (*parameter(type="choice", values=["a", "a"]), None), (*parameter(type="choice", values=["\0"]), None),
        (*parameter(type="choice", values=[{}]), None), (*parameter(type="choice", values=[{"a": None}]), None),
        (*parameter(type="choice", values=[{"a": {"type": "uniform", "min_value": 3, "max_value": 1}}]), None),
        (*parameter(type="choice", values=[{"a": {"min_value": 3}}]), None),
        (*parameter(type="choice", values=[{"a b": 1}]), None),
        (*parameter(type="choice", values=[{"a": {"type": "choice", "values": [[]]}}]), None),
    ],
    "sampling": [
        ("sampling_algorithm", GONE, None), ("sampling_algorithm", None, None),
        ("sampling_algorithm", "hyperband", None),
        ("sampling_algorithm", "sobol", None), ("sampling_algorithm", ["random"], None),
        ("sampling_algorithm", 2, None),
        ("sampling_algorithm", "grid", "search_space.rate"),
        ("sampling_algorithm", {"type": "grid"}, "search_space.rate"),
        ("sampling_algorithm", {}, "sampling_algorithm.type"),
        ("sampling_algorithm", {"type": "tpe"}, "sampling_algorithm.type"),
        ("sampling_algorithm.seeds", 1, None), ("sampling_algorithm.seed", -1, None),
        ("sampling_algorithm.seed", 1.5, None),
        ("sampling_algorithm.seed", "7", None), ("sampling_algorithm.seed", True, None),
        ("sampling_algorithm.seed", 1 << 63, None),
        ("sampling_algorithm.rule", "latin", None), ("sampling_algorithm.logbase", 1, None),
        ("sampling_algorithm.logbase", "two", None),
        ("sampling_algorithm", {"type": "bayesian", "rule": "sobol"}, "sampling_algorithm.rule"),
    ],
    "objective": [
        ("objective", GONE, None), ("objective", "accuracy", None), ("objective", None, None),
        ("objective.goal", GONE, None),
        ("objective.goal", "maximise", None), ("objective.goal", "max", None), ("objective.goal", True, None),
        ("objective.goal", {}, None),
        ("objective.primary_metric", GONE, None), ("objective.primary_metric", " ", None),
        ("objective.primary_metric", 1, None),
        ("objective.primary_metric", "m" * 300, None), ("objective.metric", "x", None),
        ("objective.primary_metric", "a\0", None),
    ],
    "limits": [
        ("limits", GONE, None), ("limits", None, None), ("limits", 3, None), ("limits", {}, "limits.max_total_trials"),
        ("limits.max_total_runs", 3, None), ("limits.max_total_trials", 0, None), ("limits.max_total_trials", -1, None),
        ("limits.max_total_trials", 1.0, None), ("limits.max_total_trials", "3", None),
        ("limits.max_total_trials", False, None),
        ("limits.max_total_trials", LONG, None), ("limits.max_concurrent_trials", 0, None),
        ("limits.max_concurrent_trials", "2", None),
        ("limits.timeout", -5, None), ("limits.timeout", "1 hour", None), ("limits.timeout", True, None),
        ("limits.timeout", LONG, None),
        ("limits.trial_timeout", [1], None), ("limits.trial_timeout", -0.5, None),
    ],
    "policy": [
        ("early_termination", "bandit", None), ("early_termination", [], None), ("early_termination.type", GONE, None),
        ("early_termination.type", "hyperband", None), ("early_termination.type", 4, None),
        ("early_termination.slack_factor", GONE, "early_termination"),
        ("early_termination.slack_amount", 0.3, "early_termination"),
        ("early_termination.slack_factor", -0.2, None), ("early_termination.slack_factor", "0.1", None),
        ("early_termination.slack", 1, None),
        ("early_termination.evaluation_interval", 0, None), ("early_termination.evaluation_interval", 1.0, None),
        ("early_termination.evaluation_interval", True, None), ("early_termination.delay_evaluation", -1, None),
        ("early_termination.delay_evaluation", "5", None),
        ("early_termination.type", "median_stopping", "early_termination.slack_factor"),
        ("early_termination", {"type": "truncation_selection"}, "early_termination.truncation_percentage"),
        *(
            (
                "early_termination",
                {"type": "truncation_selection", "truncation_percentage": share},
                "early_termination.truncation_percentage",
            )
            for share in (0, 100, 20.0, "20", True, -1)
        ),
        (
            "early_termination",
            {"type": "truncation_selection", "truncation_percentage": 20, "exclude_finished_jobs": 1},
            "early_termination.exclude_finished_jobs",
        ),
    ],
    "hdcore": [
        ("hdcore", "fast", None), ("hdcore.gpu", 1, None), ("hdcore.gpus_per_run", -1, None),
        ("hdcore.gpus_per_run", 1.5, None),
        ("hdcore.gpus_per_run", "all", None), ("hdcore.gpus_per_run", True, None), ("hdcore.cpus_per_run", 0, None),
        ("hdcore.cpus_per_run", 1.5, None), ("hdcore.preload", 3, None), ("hdcore.preload", ["a-b"], None),
        ("hdcore.preload", [""], None),
        ("hdcore.preload", ["os;x"], None), ("hdcore.shell", "bash", None), ("hdcore.shell", 1, None),
        ("hdcore.retries", -1, None),
        ("hdcore.retries", "2", None), ("hdcore.seed", 4, None), ("hdcore.seed", "x", None),
        ("hdcore.executor", "slurm", None),
        ("hdcore.resume_from", ["../x"], None), ("hdcore.resume_rename", ["a"], None),
        ("hdcore.resume_rename", {"a": 1}, "hdcore.resume_rename.a"),
        ("hdcore.resume_defaults", 3, None), ("hdcore.population", "some", None),
        ("hdcore.exclude_finished_jobs", 1, None),
        ("hdcore.resume_from", ["a", "a"], None), ("hdcore.resume_runs", ["a"], None),
        ("hdcore.resume_runs", ["a/b"], None),
        ("hdcore.resume_runs", ["a/-1"], None), ("hdcore.resume_runs", 7, None),
    ],
}  # fmt: skip
CASES = [(where, what, field or where) for damages in DAMAGES.values() for where, what, field in damages]


def damaged(where: str, what: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    section, dot, key = where.partition(".")
    target = document[section] if dot else document
    if dot and section == "search_space" and isinstance(what, dict):
        target = document["search_space"]
    if what is GONE:
        del target[key or section]
    else:
        target[key or section] = what
    return document


def refusal(path: Any) -> InputError:
    """Load a file, look at what is missing here, return the one error."""
    try:
        spec = load_sweep(path)
    except InputError as error:
        return error
    missing = missing_here(spec)
    assert len(missing) == 1, f"loaded with {len(missing)} notes"
    return missing[0]


def assert_one_line(error: InputError, name: str) -> None:
    assert error.field is not None
    assert error.source is not None
    assert error.source.endswith(name)
    line = f"{error.field}: {error}"
    assert line.isprintable(), line
    assert len(line) <= 400, line


def test_the_good_file_is_good(tmp_path):
    path = tmp_path / "good.yml"
    path.write_text(json.dumps(GOOD))
    spec = load_sweep(path)
    assert missing_here(spec) == []
    assert spec.warnings == ()


@pytest.mark.parametrize(
    ("where", "what", "field"),
    CASES,
    ids=[f"{i}-{c[2][:40]}".encode("ascii", "replace").decode() for i, c in enumerate(CASES)],
)
def test_damage_is_refused_at_its_field(where, what, field, tmp_path):
    path = tmp_path / "bad.yml"
    path.write_text(json.dumps(damaged(where, what)))
    error = refusal(path)
    assert error.field == field
    assert_one_line(error, "bad.yml")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("where", "written", "field"),
    [
        ("search_space.rate.q", ".nan", "search_space.rate"),
        ("search_space.rate.max_value", ".inf", "search_space.rate"),
        ("search_space.rate.max_value", "1e999", "search_space.rate"),
        ("search_space.rate.min_value", "0o", "search_space.rate"),
        ("search_space.units.values", "[.nan]", "search_space.units"),
        ("limits.timeout", "-.inf", "limits.timeout"),
        ("limits.max_total_trials", "010", "limits.max_total_trials"),
        ("limits.max_total_trials", "1_000", "limits.max_total_trials"),
        ("limits.max_total_trials", "2024-02-30", "limits.max_total_trials"),
        ("limits.max_total_trials", "12:30", "limits.max_total_trials"),
        ("limits.max_total_trials", "9" * 5000, "limits.max_total_trials"),
        ("objective.goal", "NO", "objective.goal"),
        ("objective.goal", "on", "objective.goal"),
        ("hdcore.shell", "yes", "hdcore.shell"),
        ("name", "2024-01-01T00:00:00Z", "name"),
    ],
)
def test_what_old_yaml_would_read_as_something_else_is_refused_at_its_field(where, written, field, tmp_path):
    document = copy.deepcopy(GOOD)
    *parents, key = where.split(".")
    target = document
    for parent in parents:
        target = target[parent]
    target[key] = "@@"
    path = tmp_path / "bad.yml"
    path.write_text(json.dumps(document).replace('"@@"', written))
    assert refusal(path).field == field


RAW = {
    "nothing": b"",
    "comment": b"# later\n",
    "null": b"---\n",
    "word": b"sweep",
    "list": b"- type: sweep\n",
    "tab": b"trial:\n\tcommand: x\n",
    "latin-1": "type: sweep\ndescription: caf\u00e9\n".encode("latin-1"),
    "utf-16": "type: sweep\n".encode("utf-16"),
    "nul": b"type: sweep\nname: a\0b\n",
    "bell": b"type: sweep\nname: \x07\n",
    "torn": json.dumps(GOOD).encode()[:-20],
    "documents": b"type: sweep\n---\ntype: sweep\n",
    "tag": b"type: !sweep\n",
    "core tag": b"type: !!str sweep\n",
    "object": b"type: !!python/object/new:os.system [echo]\n",
    "binary": b"type: sweep\nname: !!binary aGVsbG8=\n",
    "anchor": b"type: &a sweep\n",
    "alias": b"type: sweep\nlimits: &l {max_total_trials: 1}\nhdcore: *l\n",
    "unknown alias": b"type: *nowhere\n",
    "laughs": b"a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n",
    "own child": b"&a a: *a\n",
    "deep flow": b"a: " + b"{b: " * 5000,
    "deep block": b"".join(b" " * i + b"a:\n" for i in range(80)),
    "large": b"#" * (1 << 20) + b"\ntype: sweep\n",
    "number key": b"type: sweep\n3: x\n",
    "bool key": b"type: sweep\ntrue: x\n",
    "null key": b"type: sweep\n~: x\n",
    "list key": b"type: sweep\n? [a]\n: x\n",
    "open quote": b"type: 'sweep\n",
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW.keys())
def test_what_is_no_plain_yaml_mapping_is_refused_as_a_file(data, tmp_path):
    path = tmp_path / "bad.yml"
    path.write_bytes(data)
    error = refusal(path)
    assert error.field == "file"
    assert_one_line(error, "bad.yml")


@pytest.mark.parametrize(("line", "field"), [("type: sweep", "type"), ('"limits": {}', "limits"), ("name: a", "name")])
def test_a_key_that_stands_twice_is_refused_at_its_name(line, field, tmp_path):
    path = tmp_path / "bad.yml"
    path.write_text(json.dumps(GOOD)[:-1] + f", {line}" + "}")
    assert refusal(path).field == field


def test_a_path_that_is_no_readable_file_is_refused(tmp_path):
    import os

    os.mkfifo(tmp_path / "fifo.yml")
    (tmp_path / "folder.yml").mkdir()
    for name in ("fifo.yml", "folder.yml", "missing.yml", "nul\0.yml"):
        error = refusal(os.path.join(tmp_path, name))
        assert error.field == "file"


def test_suggestions_name_the_nearest_key(tmp_path):
    path = tmp_path / "bad.yml"
    path.write_text(json.dumps(damaged("limits.max_total_trial", 3)))
    assert "max_total_trials" in str(refusal(path))
    path.write_text(json.dumps(damaged("serch_space", {})))
    assert "search_space" in str(refusal(path))


JUNK = [
    b"",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"'",
    b":",
    b"\n",
    b"\t",
    b"&x ",
    b"*x",
    b"!!",
    b"!",
    b"\xff",
    b"\0",
    b"-",
    b"7" * 40,
    b"~",
    b"? ",
    b"#",
    b"%",
]


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_random_damage_is_refused_with_an_input_error_or_harmless(seed, tmp_path_factory):
    rng = random.Random(seed)
    data = bytearray(json.dumps(GOOD, indent=1).encode())
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data))
        data[at : at + rng.randrange(4)] = rng.choice(JUNK)
    path = tmp_path_factory.getbasetemp() / "fuzz.yml"
    path.write_bytes(data)
    try:
        missing_here(load_sweep(path))
    except InputError as error:
        assert_one_line(error, "fuzz.yml")


def test_a_value_beside_an_exponent_is_told_as_its_exponent() -> None:
    space = {"lr": {"type": "loguniform", "min_value": 1e-5, "max_value": -2}}
    with pytest.raises(InputError, match=r"both are exponents, write -11\.5129 for 1e-05"):
        read_space(space)
    with pytest.raises(InputError, match="both are exponents, write -5 for 1e-05"):
        read_space(space, log_base=10)
