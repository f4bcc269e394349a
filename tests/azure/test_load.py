"""Good sweep files: what each key becomes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hdcore import policies
from hdcore.azure import load_sweep, missing_here
from hdcore.errors import InputError
from hdcore.records import Limits, SweepSpec
from hdcore.typing import Goal

FULL = """
$schema: https://example.com/sweepJob.schema.json
type: sweep
name: digits_1
display_name: Digits
experiment_name: nets
description: >-
  Two lines
  of text.
tags: {owner: me, tries: 3, ok: true}
properties: {a: b}
compute: azureml:cluster
identity: {type: managed}
queue_settings: {job_tier: spot, priority: low}
resources: {instance_count: 2}
inputs:
  data: {type: uri_file, path: data.csv, mode: ro_mount}
  far: {path: "azureml:far:1"}
  k: 0.5
  flag: true
  word: NO
outputs:
  model:
  table: {type: uri_file, mode: upload}
trial:
  code: src
  command: >-
    python train.py
      --lr ${{ search_space.lr }} --depth {search_space.depth}
      --data ${{inputs.data}} --k ${{inputs.k}} --out ${{outputs.model}}
  environment: azureml:env@latest
  environment_variables: {A: x, N: 3, F: 2.0, B: true}
  distribution: {type: mpi}
  resources: {instance_type: big}
search_space:
  lr: {type: LogUniform, min_value: -6, max_value: -1}
  depth: {type: randint, upper: 5}
  unused: {type: choice, values: [1, 1.5, a, true]}
sampling_algorithm: {type: Random, seed: 9, rule: Sobol}
objective: {goal: Maximize, primary_metric: accuracy}
limits: {max_total_trials: 10, max_concurrent_trials: 20, timeout: 3600, trial_timeout: 3}
early_termination: {type: MedianStopping, delay_evaluation: 5, evaluation_interval: 2}
hdcore:
  gpus_per_run: 0.5
  cpus_per_run: 2
  preload: [sklearn, numpy.linalg]
  shell: false
  retries: 1
  seed: 9
  executor: local
  resume_from: [earlier]
  resume_runs: [earlier/12]
"""
SMALL: dict[str, Any] = {
    "type": "sweep",
    "trial": {"command": "true ${{search_space.x}}"},
    "search_space": {"x": {"type": "choice", "values": [1, 2]}},
    "sampling_algorithm": "grid",
    "objective": {"goal": "minimize", "primary_metric": "loss"},
    "limits": {"max_total_trials": 5},
}


def load(tmp_path: Path, document: dict[str, Any] | str, name: str = "my sweep.yml", **options: Any) -> SweepSpec:
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return load_sweep(path, **options)


def test_every_key_reaches_the_specification(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "data.csv").write_text("")
    spec = load(tmp_path, FULL)
    assert (spec.name, spec.display_name, spec.experiment_name) == ("digits_1", "Digits", "nets")
    assert spec.description == "Two lines of text."
    assert spec.tags == {"owner": "me", "tries": "3", "ok": "True"}
    assert spec.space == {
        "lr": ["loguniform", [-6, -1]],
        "depth": ["randint", [5]],
        "unused": ["choice", [[1, 1.5, "a", True]]],
    }
    assert (spec.metric, spec.goal) == ("accuracy", Goal.MAXIMIZE)
    assert spec.limits == Limits(max_total_runs=10, max_concurrent_runs=10, timeout_s=3600, run_timeout_s=3)
    assert spec.sampler == {"type": "sobol"}
    assert spec.policy == {"name": "MedianStopping", "properties": {"evaluation_interval": 2, "delay_evaluation": 5}}
    assert spec.command.split() == [
        *("python", "train.py", "--lr", "${{", "search_space.lr", "}}", "--depth", "${{search_space.depth}}"),
        *("--data", "${{inputs.data}}", "--k", "${{inputs.k}}", "--out", "${{outputs.model}}"),
    ]
    assert spec.code == str(tmp_path / "src")
    assert spec.inputs["data"].local == str(tmp_path / "data.csv")
    assert (spec.inputs["data"].type, spec.inputs["data"].mode) == ("uri_file", "ro_mount")
    assert (spec.inputs["far"].type, spec.inputs["far"].local) == ("uri_folder", None)
    assert [spec.inputs[name].value for name in ("k", "flag", "word")] == [0.5, True, "NO"]
    assert spec.outputs == {"model": {"type": "uri_folder"}, "table": {"type": "uri_file", "mode": "upload"}}
    assert spec.environment == {"A": "x", "N": "3", "F": "2", "B": "True"}
    assert (spec.gpus_per_run, spec.cpus_per_run, spec.shell, spec.retries) == (0.5, 2, False, 1)
    assert spec.preload == ("sklearn", "numpy.linalg")
    assert (spec.seed, spec.executor) == (9, "local")
    assert (spec.resume_from, spec.resume_runs) == (("earlier",), ("earlier/12",))
    assert spec.source == str(tmp_path / "my sweep.yml")
    assert [warning.split(":")[0] for warning in spec.warnings] == [
        "trial.command",
        "search_space.unused",
        "resources.instance_count",
    ]
    assert [error.field for error in missing_here(spec)] == ["inputs.far"]


def test_a_small_file_gets_the_defaults(tmp_path):
    spec = load(tmp_path, SMALL)
    assert spec.name == "my-sweep"
    assert spec.limits == Limits(max_total_runs=5)
    assert (spec.policy, spec.sampler, spec.shell) == (None, {"type": "grid"}, "auto")
    assert spec.code == str(tmp_path)
    assert missing_here(spec) == []
    assert load(tmp_path, SMALL).seed != spec.seed


def test_a_display_name_becomes_a_legal_name(tmp_path):
    assert load(tmp_path, {**SMALL, "display_name": "../Größe & mehr!"}).name == "Gr-e-mehr"


def test_what_is_not_on_this_machine_is_noted_and_not_an_error(tmp_path):
    inputs = {"near": {"path": "no.csv"}, "far": {"path": "wasbs://c@a.blob/x.csv"}, "url": {"path": "https://a/b"}}
    spec = load(tmp_path, {**SMALL, "trial": {**SMALL["trial"], "code": "azureml:code:1"}, "inputs": inputs})
    notes = missing_here(spec)
    assert [note.field for note in notes] == ["trial.code", "inputs.near", "inputs.far", "inputs.url"]
    assert all(note.source is not None and note.source.endswith("my sweep.yml") for note in notes)
    assert "--input far=PATH" in str(notes[2])


def test_inputs_can_be_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.csv").write_text("")
    document = {**SMALL, "inputs": {"far": {"path": "azureml:x:1"}, "k": 0.5, "n": 3, "on": True, "word": "a"}}
    given = {"far": "here.csv", "k": "1e-3", "n": "4", "on": "FALSE", "word": "7"}
    spec = load(tmp_path, document, inputs=given)
    assert spec.inputs["far"].local == str(tmp_path / "here.csv")
    assert [spec.inputs[name].value for name in ("k", "n", "on", "word")] == [0.001, 4, False, "7"]
    assert missing_here(spec) == []
    for name, value in {"near": "here.csv", "far": "gone.csv", "k": "x", "n": "nan", "on": "1"}.items():
        with pytest.raises(InputError) as caught:
            load(tmp_path, document, inputs={name: value})
        assert (caught.value.source, caught.value.field) == ("--input", f"inputs.{name}")


def test_the_command_line_wins_over_the_file(tmp_path):
    spec = load(
        tmp_path,
        FULL,
        overrides={"name": "n", "seed": 5, "max_concurrent": 2, "max_runs": 4, "executor": "ray", "preload": "os,json"},
    )
    assert (spec.name, spec.seed, spec.executor, spec.preload) == ("n", 5, "ray", ("os", "json"))
    assert (spec.limits.max_total_runs, spec.limits.max_concurrent_runs) == (4, 2)
    assert load(tmp_path, FULL, overrides={"max_concurrent": 99}).limits.max_concurrent_runs == 10
    assert load(tmp_path, FULL, overrides={"name": None, "seed": None}).name == "digits_1"


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("name", "../x", "--name"),
        ("seed", -1, "--seed"),
        ("max_concurrent", 0, "--max-concurrent"),
        ("max_runs", 0, "--max-runs"),
        ("executor", "slurm", "--executor"),
        ("preload", "a b", "--preload"),
    ],
)
def test_a_bad_option_is_refused_by_its_name(key, value, field, tmp_path):
    with pytest.raises(InputError) as caught:
        load(tmp_path, FULL, overrides={key: value})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("block", "serialised"),
    [
        (None, None),
        ({"type": "bandit", "slack_factor": 0.1}, ("Bandit", {"slack_factor": 0.1})),
        ({"type": "Bandit", "slack_amount": 0.2, "slack_factor": 0}, ("Bandit", {"slack_amount": 0.2})),
        ({"type": "bandit", "slack_factor": 0}, ("Bandit", {"slack_factor": 0})),
        ({"type": "median_stopping", "evaluation_interval": None}, ("MedianStopping", {})),
        (
            {"type": "truncation_selection", "truncation_percentage": 20},
            ("TruncationSelection", {"truncation_percentage": 20, "exclude_finished_jobs": False}),
        ),
        (
            {"type": "TruncationSelection", "truncation_percentage": 1, "exclude_finished_jobs": True},
            ("TruncationSelection", {"truncation_percentage": 1, "exclude_finished_jobs": True}),
        ),
    ],
)
def test_policies_are_written_in_the_serialised_form(block, serialised, tmp_path):
    policy = load(tmp_path, {**SMALL, "early_termination": block}).policy
    if serialised is None:
        assert policy is None
        return
    name, properties = serialised
    assert policy == {"name": name, "properties": {"evaluation_interval": 1, "delay_evaluation": 0, **properties}}
    built = policies.from_json(policy)
    assert built is not None
    assert built.to_json() == policy


@pytest.mark.parametrize(
    ("expression", "serialised"),
    [
        ({"type": "uniform", "min_value": 0, "max_value": 1}, ["uniform", [0, 1]]),
        ({"type": "uniform", "low": 0, "high": 1}, ["uniform", [0, 1]]),
        ({"type": "QUniform", "min_value": 0, "max_value": 1, "q": 0.4}, ["quniform", [0, 1, 0.4]]),
        ({"type": "loguniform", "min_value": -6, "max_value": -1}, ["loguniform", [-6, -1]]),
        ({"type": "loguniform", "min_value": 0, "max_value": 5}, ["loguniform", [0, 5]]),
        ({"type": "loguniform", "min_value": -1, "max_value": 1}, ["loguniform", [-1, 1]]),
        ({"type": "loguniform", "min_value": 0.5, "max_value": 2}, ["loguniform", [0.5, 2]]),
        ({"type": "loguniform", "min_value": 2, "max_value": 2}, ["loguniform", [2, 2]]),
        ({"type": "qloguniform", "min_value": 0, "max_value": 5, "q": 2}, ["qloguniform", [0, 5, 2]]),
        ({"type": "normal", "mu": -3, "sigma": 0}, ["normal", [-3, 0]]),
        ({"type": "qnormal", "mu": 0.5, "sigma": 1, "q": 0.1}, ["qnormal", [0.5, 1, 0.1]]),
        ({"type": "lognormal", "mu": 0, "sigma": 1}, ["lognormal", [0, 1]]),
        ({"type": "qlognormal", "mu": 0, "sigma": 1, "q": 1}, ["qlognormal", [0, 1, 1]]),
        ({"type": "randint", "upper": 1}, ["randint", [1]]),
        ({"type": "choice", "values": ["1", 1, True, "True"]}, ["choice", [["1", 1, True, "True"]]]),
        (
            {
                "type": "choice",
                "values": [
                    {"kind": "tree", "depth": {"type": "randint", "upper": 9}},
                    {
                        "kind": "net",
                        "layer": {"type": "choice", "values": [{"w": {"type": "normal", "mu": 0, "sigma": 1}}]},
                    },
                    "none",
                ],
            },
            [
                "choice",
                [
                    [
                        {"kind": "tree", "depth": ["randint", [9]]},
                        {"kind": "net", "layer": ["choice", [[{"w": ["normal", [0, 1]]}]]]},
                        "none",
                    ]
                ],
            ],
        ),
    ],
)
def test_expressions_are_serialised_as_azure_does(expression, serialised, tmp_path):
    document = {**SMALL, "sampling_algorithm": "random", "search_space": {"x": expression}}
    assert load(tmp_path, document).space == {"x": serialised}


def test_logbase_scales_the_four_log_types_only(tmp_path):
    space = {
        "a": {"type": "loguniform", "min_value": -4, "max_value": 0},
        "b": {"type": "qloguniform", "min_value": 0, "max_value": 2, "q": 1},
        "c": {"type": "lognormal", "mu": 1, "sigma": 0.5},
        "d": {"type": "qlognormal", "mu": 1, "sigma": 0.5, "q": 2},
        "x": {"type": "uniform", "min_value": 0, "max_value": 1},
        "y": {"type": "loguniform", "min_value": 0, "max_value": 1},
    }
    document = {**SMALL, "search_space": space, "sampling_algorithm": {"type": "random", "logbase": 10}}
    spec = load(tmp_path, document)
    e = math.log(10)
    assert spec.space == {
        "a": ["loguniform", [-4 * e, 0]],
        "b": ["qloguniform", [0, 2 * e, 1]],
        "c": ["lognormal", [e, 0.5 * e]],
        "d": ["qlognormal", [e, 0.5 * e, 2]],
        "x": ["uniform", [0, 1]],
        "y": ["loguniform", [0, e]],
    }
    assert spec.sampler == {"type": "random"}
    del space["y"]
    for base in ("e", math.e, None):
        same = load(tmp_path, {**document, "sampling_algorithm": {"type": "random", "logbase": base}})
        assert same.space["a"] == ["loguniform", [-4, 0]]


def test_a_trial_can_be_a_component_in_its_own_file(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "train.yml").write_text(
        """
type: command
name: train
version: 1
inputs:
  data: {type: uri_folder, description: the images}
  rate: {type: number, default: 1.0}
  depth: {type: integer, default: 3}
  kind: {type: string, default: deep}
outputs:
  model: {type: mlflow_model, description: the best}
code: ./src
environment: azureml:env:1
command: >-
  python train.py ${{inputs.data}} --rate ${{inputs.rate}} --depth ${{inputs.depth}} --kind ${{inputs.kind}}
  --model ${{outputs.model}}
"""
    )
    document = {
        **SMALL,
        "trial": "./parts/train.yml",
        "inputs": {"data": {"path": "images"}, "kind": "flat"},
        "search_space": {"rate": {"type": "choice", "values": [0.1, 0.2]}},
    }
    spec = load(tmp_path, document)
    assert spec.command == (
        "python train.py ${{inputs.data}} --rate ${{search_space.rate}} --depth ${{inputs.depth}} "
        "--kind ${{inputs.kind}} --model ${{outputs.model}}"
    )
    assert spec.code == str(tmp_path / "parts" / "src")
    assert {name: item.value for name, item in spec.inputs.items()} == {"depth": 3, "data": None, "kind": "flat"}
    assert spec.outputs == {"model": {"type": "mlflow_model"}}
    for change, field in (
        ({"inputs": {"kind": "flat"}}, "inputs.data"),
        ({"inputs": {"data": {"path": "images"}, "size": 3}}, "inputs.size"),
        ({"trial": "parts/absent.yml"}, "trial"),
        ({"trial": "my sweep.yml"}, "trial"),
    ):
        with pytest.raises(InputError) as caught:
            load(tmp_path, {**document, **change})
        assert caught.value.field == field


def test_loading_a_file_imports_nothing_heavy(tmp_path):
    (tmp_path / "s.yml").write_text(json.dumps(SMALL))
    code = (
        "import sys; from hdcore.azure import load_sweep, missing_here; missing_here(load_sweep(sys.argv[1]));"
        "print([m for m in ('numpy', 'scipy', 'numba', 'rich', 'sklearn', 'asyncio') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    out = subprocess.check_output([sys.executable, "-c", code, str(tmp_path / "s.yml")], cwd=root, text=True)
    assert out.strip() == "[]"
