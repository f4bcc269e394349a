"""The objects of ``azure.ai.ml`` as Azure has them: signatures, defaults, what a sweep file would say of them."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from hdcore.azure.v2 import command as command_module
from hdcore.azure.v2 import credentials, entities, expressions, inputs, jobs, settings, sweep
from hdcore.azure.v2.assets import Shelf
from hdcore.azure.v2.client import MLClient
from hdcore.azure.v2.command import command
from hdcore.azure.v2.entities import AmlCompute, Data, Environment, Model
from hdcore.azure.v2.exceptions import ResourceNotFoundError, UnexpectedKeywordError, ValidationException
from hdcore.azure.v2.expressions import Choice, LogUniform, QUniform, Randint, Uniform
from hdcore.azure.v2.inputs import Input, Output
from hdcore.azure.v2.jobs import job_path
from hdcore.azure.v2.load import load_component, load_job
from hdcore.azure.v2.settings import (
    BanditPolicy,
    MedianStoppingPolicy,
    Objective,
    RandomSamplingAlgorithm,
    SweepJobLimits,
    TruncationSelectionPolicy,
)
from hdcore.azure.v2.submit import specification
from hdcore.azure.v2.sweep import SweepJob
from hdcore.errors import InputError, NotServedError, OutOfScopeError
from hdcore.typing import Goal

# From the SDK itself (azure-ai-ml 1.35), by inspect.signature; * stands before keyword-only parameters.
SIGNATURES = {
    expressions.Choice: "values=None",
    expressions.Randint: "upper=None",
    expressions.Uniform: "min_value=None max_value=None",
    expressions.QUniform: "min_value=None max_value=None q=None",
    expressions.LogUniform: "min_value=None max_value=None",
    expressions.QLogUniform: "min_value=None max_value=None q=None",
    expressions.Normal: "mu=None sigma=None",
    expressions.QNormal: "mu=None sigma=None q=None",
    expressions.LogNormal: "mu=None sigma=None",
    expressions.QLogNormal: "mu=None sigma=None q=None",
    settings.BanditPolicy: "* delay_evaluation=0 evaluation_interval=0 slack_amount=0 slack_factor=0",
    settings.MedianStoppingPolicy: "* delay_evaluation=0 evaluation_interval=1",
    settings.TruncationSelectionPolicy: "* delay_evaluation=0 evaluation_interval=0 truncation_percentage=0",
    settings.RandomSamplingAlgorithm: "* rule=None seed=None logbase=None",
    settings.GridSamplingAlgorithm: "",
    settings.BayesianSamplingAlgorithm: "",
    settings.Objective: "goal primary_metric=None",
    settings.SweepJobLimits: "* max_concurrent_trials=None max_total_trials=None timeout=None trial_timeout=None",
    sweep.SweepJob: "* name=None description=None tags=None display_name=None experiment_name=None identity=None "
    "inputs=None outputs=None compute=None limits=None sampling_algorithm=None search_space=None objective=None "
    "trial=None early_termination=None queue_settings=None resources=None",
    sweep.SweepJob.set_limits: "* max_concurrent_trials=None max_total_trials=None timeout=None trial_timeout=None",
    sweep.SweepJob.set_objective: "* goal=None primary_metric=None",
    inputs.Input: "* type='uri_folder' path=None mode=None default=None optional=None min=None max=None enum=None "
    "description=None",
    inputs.Output: "* type='uri_folder' path=None mode=None description=None",
    command_module.command: "* name=None description=None tags=None properties=None display_name=None command=None "
    "experiment_name=None environment=None environment_variables=None distribution=None compute=None inputs=None "
    "outputs=None instance_count=None instance_type=None locations=None docker_args=None shm_size=None timeout=None "
    "code=None identity=None is_deterministic=True services=None job_tier=None priority=None parent_job_name=None",
    command_module.CommandJob.sweep: "* primary_metric goal sampling_algorithm='random' compute=None "
    "max_concurrent_trials=None max_total_trials=None timeout=None trial_timeout=None early_termination_policy=None "
    "search_space=None identity=None queue_settings=None job_tier=None priority=None",
    jobs.JobOperations.create_or_update: "job * description=None compute=None tags=None experiment_name=None "
    "skip_validation=False",
    jobs.JobOperations.get: "name",
    jobs.JobOperations.stream: "name",
    jobs.JobOperations.begin_cancel: "name",
    jobs.JobOperations.list: "* parent_job_name=None",
    jobs.JobOperations.download: "name * download_path='.' output_name=None all=False",
    entities.Environment: "* name=None version=None description=None image=None build=None conda_file=None tags=None "
    "properties=None",
    entities.AmlCompute: "* name size=None min_instances=0 max_instances=4 idle_time_before_scale_down=120 tier=None",
    entities.Data: "* name=None version=None description=None tags=None properties=None path=None type='uri_folder'",
    MLClient: "credential subscription_id=None resource_group_name=None workspace_name=None registry_name=None",
}


@pytest.mark.parametrize("called", SIGNATURES, ids=lambda called: called.__qualname__)
def test_calls_take_what_azures_take(called: Any) -> None:
    words = SIGNATURES[called].split()
    positional = words[: words.index("*")] if "*" in words else words
    keywords = words[words.index("*") + 1 :] if "*" in words else []
    signature = inspect.signature(called)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    parameters = {name: p for name, p in signature.parameters.items() if name != "self"}
    assert [*parameters][: len(positional)] == [word.partition("=")[0] for word in positional]
    for word in (*positional, *keywords):
        name, _, default = word.partition("=")
        if name not in parameters:
            assert takes_any, name  # handed on to the class above
            continue
        if default:
            assert repr(parameters[name].default) == default, word
    for name, parameter in parameters.items():  # what is ours beside it has to be optional
        assert parameter.default is not parameter.empty or name in " ".join(words) or parameter.kind in (
            parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL
        )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "serialised"),
    [
        (Choice([1, 2]), ["choice", [[1, 2]]]),
        (Choice(values=range(1, 5)), ["choice", [[1, 2, 3, 4]]]),
        (Choice([{"a": Uniform(0, 1), "b": 2}]), ["choice", [[{"a": ["uniform", [0, 1]], "b": 2}]]]),
        (Randint(upper=3), ["randint", [3]]),
        (Uniform(1, 5), ["uniform", [1, 5]]),
        (QUniform(min_value=0, max_value=1, q=0.4), ["quniform", [0, 1, 0.4]]),
        (LogUniform(-6, -1), ["loguniform", [-6, -1]]),
        (expressions.QLogUniform(-6, -1, 2), ["qloguniform", [-6, -1, 2]]),
        (expressions.Normal(mu=0, sigma=1), ["normal", [0, 1]]),
        (expressions.LogNormal(0, 1), ["lognormal", [0, 1]]),
        (expressions.QNormal(0, 1, 0.4), ["qnormal", [0, 1, 0.4]]),
        (expressions.QLogNormal(0, 1, 2), ["qlognormal", [0, 1, 2]]),
    ],
)
def test_expressions_serialise_as_azures(made: Any, serialised: Any) -> None:
    assert made.to_json() == serialised
    assert expressions.expression(serialised) == made
    assert json.dumps(made.to_json()) == json.dumps(serialised)


def trial(**keywords: Any) -> Any:
    given = {"lr": 0.1, "opt": "sgd", **keywords.pop("inputs", {})}
    text = keywords.pop("command", "python t.py --lr ${{inputs.lr}} --opt ${{inputs.opt}}")
    return command(command=text, code=".", environment="x@latest", inputs=given, **keywords)


def made(tmp_path: Path, job: Any) -> Any:
    return specification(job, tmp_path / "root")


def test_a_called_command_becomes_a_sweep(tmp_path: Path) -> None:
    job = trial(display_name="my trees", experiment_name="trees", environment_variables={"A": 1}, timeout=90)
    found = job(lr=LogUniform(-6, -1), opt=Choice(["sgd", "adam"])).sweep(
        primary_metric="acc", goal="Maximize", max_total_trials=7, max_concurrent_trials=3, timeout=15,
        early_termination_policy=MedianStoppingPolicy(delay_evaluation=5, evaluation_interval=2),
    )  # fmt: skip
    assert job.inputs["lr"] == 0.1  # the call made a copy
    spec = made(tmp_path, found)
    assert spec.name == "my-trees"
    assert spec.experiment_name == "trees"
    assert spec.command == "python t.py --lr ${{search_space.lr}} --opt ${{search_space.opt}}"
    assert spec.space == {"lr": ["loguniform", [-6, -1]], "opt": ["choice", [["sgd", "adam"]]]}
    assert (spec.metric, spec.goal, spec.inputs) == ("acc", Goal.MAXIMIZE, {})
    limits = spec.limits
    assert (limits.max_total_runs, limits.max_concurrent_runs) == (7, 3)
    assert (limits.timeout_s, limits.run_timeout_s) == (60, 90)  # shorter ones are raised to a minute
    assert spec.policy == {"name": "MedianStopping", "properties": {"evaluation_interval": 2, "delay_evaluation": 5}}
    assert spec.environment == {"A": "1"}


def test_expressions_may_stand_in_the_command_and_in_the_sweep(tmp_path: Path) -> None:
    direct = trial(inputs={"lr": Uniform(0.1, 0.2)}).sweep(primary_metric="m", goal="minimize")
    assert made(tmp_path, direct).command.count("search_space") == 1
    space = {"lr": Uniform(0.1, 0.2), "opt": ["choice", [["a", "b"]]]}
    text = "python t.py ${{search_space.lr}} ${{search_space.opt}}"
    given = trial(command=text).sweep(primary_metric="m", goal="minimize", search_space=space)
    assert made(tmp_path, given).space == {"lr": ["uniform", [0.1, 0.2]], "opt": ["choice", [["a", "b"]]]}


def test_limits_change_one_by_one_and_default_to_azures(tmp_path: Path) -> None:
    job = trial(inputs={"lr": Uniform(0, 1)}).sweep(primary_metric="m", goal="minimize")
    assert made(tmp_path, job).limits.max_total_runs == 1000
    job.set_limits(max_total_trials=20)
    job.set_limits(max_concurrent_trials=10, timeout=7200)
    assert vars(job.limits) == {
        "max_total_trials": 20, "max_concurrent_trials": 10, "timeout": 7200, "trial_timeout": None
    }  # fmt: skip
    with pytest.raises(ValidationException, match="SweepJobLimits"):
        job.limits = {"max_total_trials": 3}


@pytest.mark.parametrize(
    ("policy", "properties", "warned"),
    [
        (BanditPolicy(slack_factor=0.1), {"slack_factor": 0.1, "evaluation_interval": 1, "delay_evaluation": 0}, ""),
        (BanditPolicy(slack_amount=2, delay_evaluation=-1),
         {"slack_amount": 2, "evaluation_interval": 1, "delay_evaluation": 0}, ""),
        (BanditPolicy(slack_amount=2, slack_factor=0.1),
         {"slack_factor": 0.1, "evaluation_interval": 1, "delay_evaluation": 0}, "slack_factor 0.1 is used"),
        (BanditPolicy(), {"slack_factor": 0, "evaluation_interval": 1, "delay_evaluation": 0}, "without slack"),
        ("bandit", {"slack_factor": 0, "evaluation_interval": 1, "delay_evaluation": 0}, ""),
        ("median_stopping", {"evaluation_interval": 1, "delay_evaluation": 0}, ""),
        (TruncationSelectionPolicy(truncation_percentage=20),
         {"truncation_percentage": 20, "exclude_finished_jobs": False, "evaluation_interval": 1, "delay_evaluation": 0},
         ""),
    ],
)  # fmt: skip
def test_policies_mean_what_azures_defaults_mean(tmp_path: Path, policy: Any, properties: Any, warned: str) -> None:
    job = trial(inputs={"lr": Uniform(0, 1)}).sweep(primary_metric="m", goal="minimize")
    job.early_termination = policy
    spec = made(tmp_path, job)
    assert spec.policy["properties"] == properties
    assert warned in " ".join(spec.warnings)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"early_termination": "truncation_selection"}, "early_termination.truncation_percentage"),
        ({"early_termination": TruncationSelectionPolicy()}, "early_termination.truncation_percentage"),
        ({"early_termination": 5}, "early_termination"),
        ({"objective": Objective("upwards", "m")}, "objective.goal"),
        ({"objective": None}, "objective"),
        ({"search_space": {}}, "search_space"),
        ({"search_space": {"lr": Uniform(2, 1)}}, "search_space.lr"),
        ({"search_space": {"lr": Choice([])}}, "search_space.lr"),
        ({"sampling_algorithm": "genetic"}, "sampling_algorithm"),
        ({"sampling_algorithm": "grid"}, "search_space.lr"),
        ({"trial": None}, "trial"),
        ({"limits": SweepJobLimits(max_total_trials=0)}, "limits.max_total_trials"),
    ],
)
def test_what_cannot_be_meant_names_its_field(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    job = trial(inputs={"lr": Uniform(0, 1)}).sweep(primary_metric="m", goal="minimize")
    for name, value in change.items():
        setattr(job, name, value)
    with pytest.raises(InputError) as caught:
        made(tmp_path, job)
    assert caught.value.field == field
    assert not MLClient().jobs.validate(job).passed


def test_python_may_say_more_than_a_file(tmp_path: Path) -> None:
    space = {"lr": LogUniform(1e-3, 0.2), "opt": Choice([None, True, 1, 1])}
    text = "python t.py ${{search_space.lr}} ${{search_space.opt}}"
    spec = made(tmp_path, trial(command=text).sweep(primary_metric="m", goal="minimize", search_space=space))
    assert spec.space["opt"] == ["choice", [[None, True, 1, 1]]]
    assert any("search_space.lr: min_value 0.001 and max_value 0.2 are exponents" in line for line in spec.warnings)


def test_samplers_are_strings_or_objects(tmp_path: Path) -> None:
    def sampler(value: Any) -> Any:
        job = trial(inputs={"lr": LogUniform(-4, -1)}).sweep(primary_metric="m", goal="minimize")
        job.sampling_algorithm = value
        return made(tmp_path, job)

    assert sampler("Bayesian").sampler == {"type": "bayesian"}
    sobol = sampler(RandomSamplingAlgorithm(rule="sobol", seed=7, logbase=10))
    assert (sobol.sampler, sobol.seed) == ({"type": "sobol"}, 7)
    assert sobol.space["lr"][1] == pytest.approx([-9.210340, -2.302585])


def test_inputs_of_every_kind_become_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1")
    by_url, by_name = str(tmp_path / "u"), str(tmp_path / "data")
    monkeypatch.setenv("HDCORE_AZURE_INPUTS", json.dumps({"remote": by_name, "u.csv": by_url}))
    Shelf(tmp_path / "root", "data").put(Data(name="rows", path="data/a.csv", type="uri_file"))
    given = {
        "number": 3, "word": "w", "flag": True,
        "file": Input(type="uri_file", path="data/a.csv"),
        "folder": Input(path=Path("data"), mode="ro_mount"),
        "table": Input(type="mltable", path="file://data"),
        "remote": Input(type="uri_file", path="azureml://datastores/d/paths/x"),
        "url": Input(type="uri_file", path="https://host/path/u.csv"),
        "registered": Input(type="uri_file", path="azureml:rows@latest"),
        "asset": Data(name="rows", version="1", path=str(tmp_path / "data"), type="uri_folder"),
        "literal": Input(type="number", default=0.5),
        "missing": Input(type="string", optional=True),
    }  # fmt: skip
    text = "python t.py " + " ".join(f"${{{{inputs.{name}}}}}" for name in given if name != "missing")
    job = command(command=text + " $[[--missing ${{inputs.missing}}]]", code=".", inputs=given)
    spec = made(tmp_path, job)
    local = {name: item.value if item.type == "literal" else item.local for name, item in spec.inputs.items()}
    assert local == {
        "number": 3, "word": "w", "flag": True, "file": str(tmp_path / "data/a.csv"), "folder": str(tmp_path / "data"),
        "table": str(tmp_path / "data"), "remote": by_name, "url": by_url,
        "registered": str(tmp_path / "data/a.csv"), "asset": str(tmp_path / "data"), "literal": 0.5,
    }  # fmt: skip
    assert "$[[" not in spec.command


def test_an_output_is_a_folder_of_the_run(tmp_path: Path) -> None:
    job = trial(
        command="python t.py ${{inputs.lr}} ${{outputs.model}}",
        outputs={"model": Output(type="mlflow_model", path="azureml://somewhere"), "more": None},
    )
    spec = made(tmp_path, job)
    assert spec.outputs == {"model": {"type": "mlflow_model"}, "more": {"type": "uri_folder"}}
    assert (spec.space, spec.limits.max_total_runs) == ({}, 1)


@pytest.mark.parametrize(
    ("keywords", "gpus"),
    [
        ({"compute": "gpu-cluster"}, 1),
        ({"compute": "cpu-cluster"}, 0),
        ({"instance_type": "Standard_NC6s_v3"}, 1),
        ({"instance_type": "Standard_DS3_v2"}, 0),
    ],
)
def test_jobs_for_gpus_get_one_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keywords: dict[str, Any], gpus: int
) -> None:
    monkeypatch.setattr("hdcore.azure.v2.submit.has_gpus", lambda: True)
    assert made(tmp_path, trial(**keywords)).gpus_per_run == gpus
    monkeypatch.setenv("HDCORE_AZURE_GPUS_PER_RUN", "0.5")
    assert made(tmp_path, trial(**keywords)).gpus_per_run == 0.5
    monkeypatch.delenv("HDCORE_AZURE_GPUS_PER_RUN")
    monkeypatch.setattr("hdcore.azure.v2.submit.has_gpus", lambda: False)
    assert made(tmp_path, trial(**keywords)).gpus_per_run == 0


def test_a_call_with_other_inputs_is_refused() -> None:
    with pytest.raises(UnexpectedKeywordError, match="has no input 'depth'; it has lr, opt"):
        trial()(depth=3)
    with pytest.raises(UnexpectedKeywordError, match="by name"):
        trial()(3)


def test_an_expression_without_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"call \.sweep"):
        made(tmp_path, trial()(lr=Uniform(0, 1)))


def test_a_sweep_file_becomes_a_job_and_a_sweep_again(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "a.csv").write_text("1")
    (tmp_path / "sweep.yml").write_text(
        "type: sweep\nname: given\ntrial:\n  code: src\n  command: python t.py ${{inputs.rows}} {search_space.lr}\n"
        "inputs:\n  rows: {type: uri_file, path: a.csv}\n  depth: 3\n"
        "sampling_algorithm: {type: random, seed: 5, rule: sobol}\n"
        "search_space:\n  lr: {type: uniform, min_value: 0, max_value: 1}\n"
        "objective: {goal: maximize, primary_metric: acc}\nlimits: {max_total_trials: 9}\n"
        "early_termination: {type: truncation_selection, truncation_percentage: 30}\n"
        "hdcore: {retries: 2}\n"
    )
    job = load_job(tmp_path / "sweep.yml", params_override=[{"display_name": "shown"}])
    assert isinstance(job, SweepJob)
    assert (job.name, job.display_name) == ("given", "shown")
    assert job.search_space == {"lr": Uniform(0, 1)}
    assert job.early_termination.truncation_percentage == 30
    assert job.inputs.rows.path == str(tmp_path / "a.csv")
    job.limits.max_total_trials = 4
    spec = made(tmp_path, job)
    assert (spec.limits.max_total_runs, spec.seed, spec.retries, spec.name) == (4, 5, 2, "given")
    assert spec.code == str(tmp_path / "src")
    assert spec.command == "python t.py ${{inputs.rows}} ${{search_space.lr}}"


def test_a_component_file_makes_jobs(tmp_path: Path) -> None:
    (tmp_path / "train.yml").write_text(
        "type: command\nname: train\ninputs:\n  data: {type: uri_file}\n  c: {type: number, default: 1.5}\n"
        "  depth: {type: integer, optional: true}\noutputs:\n  model: {type: uri_folder}\ncode: ./code\n"
        "environment: azureml:x@latest\n"
        "command: python t.py ${{inputs.data}} --c ${{inputs.c}} $[[--depth ${{inputs.depth}}]] ${{outputs.model}}\n"
    )
    (tmp_path / "rows.csv").write_text("1")
    (tmp_path / "code").mkdir()
    component = load_component(source=str(tmp_path / "train.yml"))
    step = component(data=Input(type="uri_file", path=str(tmp_path / "rows.csv")), c=Uniform(0.5, 0.9))
    spec = made(tmp_path, step.sweep(primary_metric="m", goal="maximize"))
    assert spec.command == "python t.py ${{inputs.data}} --c ${{search_space.c}}  ${{outputs.model}}"
    assert spec.code == str(tmp_path / "code")


def test_assets_have_versions_and_models_keep_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDCORE_ROOT", str(tmp_path / "root"))
    monkeypatch.chdir(tmp_path)
    client = MLClient.from_config(credentials.DefaultAzureCredential())
    (tmp_path / "model.txt").write_text("weights")
    first = client.models.create_or_update(Model(name="trees", path="model.txt", tags={"a": "b"}))
    (tmp_path / "model.txt").write_text("others")
    second = client.create_or_update(Model(name="trees", path=tmp_path / "model.txt"))
    assert (first.version, second.version) == ("1", "2")
    assert Path(client.models.get("trees", version="1").path).read_text() == "weights"
    assert client.models.get("trees", label="latest").version == "2"
    client.models.download("trees", "1", download_path="here")
    assert [path.read_text() for path in (tmp_path / "here").rglob("model.txt")] == ["weights"]
    with pytest.raises(ResourceNotFoundError, match="trees:9 is not registered"):
        client.models.get("trees", "9")
    with pytest.raises(ValidationException, match="does not exist"):
        client.models.create_or_update(Model(name="trees", path="gone.txt"))
    environment = client.environments.create_or_update(Environment(name="env", image="i", conda_file={"name": "c"}))
    assert (environment.version, client.environments.get("env").conda_file) == ("1", {"name": "c"})
    assert client.environments.get("AzureML-sklearn-1.5", label="latest").name == "AzureML-sklearn-1.5"
    assert [model.version for model in client.models.list(name="trees")] == ["2", "1"]


def test_every_compute_and_workspace_is_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDCORE_ROOT", str(tmp_path))
    client = MLClient(None, "s", "g", "w")
    assert client.compute.get("gpu-cluster").provisioning_state == "Succeeded"
    poller = client.begin_create_or_update(AmlCompute(name="cpu", size="S", max_instances=2))
    assert poller.done()
    assert poller.result().max_instances == 2
    assert client.compute.get("cpu").size == "S"
    assert client.workspaces.get("w").mlflow_tracking_uri
    assert client.datastores.get_default().name == "workspaceblobstore"


def test_a_configuration_of_a_workspace_is_found_in_a_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}
    (tmp_path / ".azureml").mkdir()
    (tmp_path / ".azureml" / "config.json").write_text(json.dumps(config))
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    client = MLClient.from_config(credential=None)
    assert (client.subscription_id, client.resource_group_name, client.workspace_name) == ("s", "g", "w")
    with pytest.raises(ValidationException, match=r"no config\.json"):
        MLClient.from_config(None, path="elsewhere")
    (tmp_path / ".azureml" / "config.json").write_text("{}")
    with pytest.raises(ValidationException, match="no configuration of a workspace"):
        MLClient.from_config(None)


def test_operations_of_deployment_are_out_of_scope() -> None:
    client = MLClient()
    with pytest.raises(OutOfScopeError, match=r"MLClient\.online_endpoints\.begin_create_or_update"):
        client.online_endpoints.begin_create_or_update(None)
    with pytest.raises(NotServedError, match=r"MLClient\.schedules\.list"):
        client.schedules.list()
    with pytest.raises(NotServedError, match="runs command, sweep and pipeline jobs"):
        client.jobs.create_or_update(object())


def test_credentials_never_sign_in() -> None:
    secret = credentials.ClientSecretCredential("tenant", "client", "secret")
    assert secret.get_token("scope").token == "local"
    assert "secret" not in repr(vars(secret))


def test_paths_of_jobs_that_are_none_are_left_alone(tmp_path: Path) -> None:
    for uri in ("data/a.csv", "azureml:rows:1", "azureml://jobs/gone/outputs/model", "runs:/gone/model"):
        assert job_path(tmp_path, uri) is None
