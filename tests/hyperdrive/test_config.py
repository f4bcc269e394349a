"""The configuration of a sweep: its checks, its document, the limits that `strict` restores."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from hyperdrive.support import write_script

from hdcore import hyperdrive as hd

SPACE = {"lr": ["uniform", [0, 1]]}


def script(folder: str | Path = ".") -> hd.ScriptRunConfig:
    return hd.ScriptRunConfig(folder, "train.py")


def config(**changes: Any) -> hd.HyperDriveConfig:
    arguments: dict[str, Any] = {
        "hyperparameter_sampling": hd.RandomParameterSampling(SPACE),
        "primary_metric_name": "accuracy",
        "primary_metric_goal": hd.PrimaryMetricGoal.MAXIMIZE,
        "max_total_runs": 4,
        "run_config": script(),
    }
    return hd.HyperDriveConfig(**{**arguments, **changes})


def test_the_document_has_the_names_of_the_request() -> None:
    document = config(max_concurrent_runs=2, policy=hd.MedianStoppingPolicy()).to_json()
    assert document["generator_config"] == {"name": "RANDOM", "parameter_space": SPACE}
    assert document["policy_config"]["name"] == "MedianStopping"
    assert document["primary_metric_config"] == {"name": "accuracy", "goal": "maximize"}
    assert (document["max_total_jobs"], document["max_concurrent_jobs"]) == (4, 2)
    assert document["max_duration_minutes"] == 10080
    assert document["platform"] == "AML"


@pytest.mark.parametrize("policy", [None, hd.NoTerminationPolicy()])
def test_no_policy_and_the_default_one_are_the_same(policy: Any) -> None:
    assert config(policy=policy).to_json()["policy_config"] == {"name": "Default"}


@pytest.mark.parametrize("given", [None, 0])
def test_unset_concurrency_is_all_runs(given: Any) -> None:
    assert config(max_concurrent_runs=given).max_concurrent_runs == 4


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"run_config": None}, "exactly one of estimator, run_config or pipeline; found none"),
        ({"estimator": hd.Estimator(".", entry_script="t.py")}, "found estimator and run_config"),
        ({"run_config": hd.RunConfiguration()}, "give a ScriptRunConfig"),
        ({"hyperparameter_sampling": None}, "give a parameter sampling"),
        ({"primary_metric_name": ""}, "the name that the script logs"),
        ({"primary_metric_goal": "larger"}, "'maximize' or 'minimize'"),
        ({"max_total_runs": "4"}, "whole number"),
        ({"policy": "bandit"}, "give a policy"),
    ],
)
def test_configurations_that_cannot_be_meant(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(hd.HyperDriveConfigException, match=why):
        config(**changes)


@pytest.mark.parametrize("goal", ["maximize", "MAXIMIZE"])
def test_a_goal_may_be_a_word_unless_strict(goal: str) -> None:
    assert config(primary_metric_goal=goal).to_json()["primary_metric_config"]["goal"] == "maximize"
    hd.strict(True)
    with pytest.raises(AttributeError, match="PrimaryMetricGoal"):
        config(primary_metric_goal=goal)


def test_goals_are_read_in_any_case() -> None:
    assert hd.PrimaryMetricGoal.from_str("Minimize") is hd.PrimaryMetricGoal.MINIMIZE
    assert hd.PrimaryMetricGoal.MAXIMIZE.value == "MAXIMIZE"


def test_a_sweep_of_more_than_a_week_warns() -> None:
    with pytest.warns(UserWarning, match="will be overridden"):
        config(max_duration_minutes=10081)


def test_bayesian_sampling_recommends_its_numbers() -> None:
    with pytest.warns(UserWarning, match="at least 20 runs"):
        config(hyperparameter_sampling=hd.BayesianParameterSampling(SPACE))
    with pytest.warns(UserWarning, match="at most 20 are recommended"):
        config(hyperparameter_sampling=hd.BayesianParameterSampling(SPACE), max_total_runs=100, max_concurrent_runs=21)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config(hyperparameter_sampling=hd.BayesianParameterSampling(SPACE), max_total_runs=20, max_concurrent_runs=20)


def test_bayesian_sampling_with_a_policy_warns_and_is_refused_when_strict() -> None:
    changes = {
        "hyperparameter_sampling": hd.BayesianParameterSampling(SPACE),
        "max_total_runs": 20,
        "policy": hd.BanditPolicy(1, 0.1),
    }
    with pytest.warns(UserWarning, match="not supported by Azure"):
        config(**changes)
    hd.strict(True)
    with pytest.raises(hd.HyperDriveScenarioNotSupportedException, match="policy=None"):
        config(**changes)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"max_total_runs": 1001, "max_concurrent_runs": 4}, "max_total_runs is 1001; Azure takes 1 to 1000"),
        ({"max_total_runs": 101}, "max_concurrent_runs is 101; Azure takes 1 to 100"),
        ({"max_total_runs": 4, "max_duration_minutes": 43201}, "max_duration_minutes is 43201; Azure takes 1 to 43200"),
    ],
)
def test_limits_are_looked_at_when_a_strict_sweep_is_submitted(
    workspace: hd.Workspace, changes: dict[str, Any], why: str
) -> None:
    hd.strict(True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # more than a week
        made = config(**changes)
    with pytest.raises(hd.HyperDriveServiceException, match=why):
        hd.Experiment(workspace, "strict").submit(made)


def test_what_is_older_than_the_switch_is_looked_at_again(workspace: hd.Workspace) -> None:
    with pytest.warns(UserWarning, match="recommended"):
        made = config(hyperparameter_sampling=hd.BayesianParameterSampling({"lr": hd.loguniform(-6, -1)}))
    hd.strict(True)
    with pytest.raises(hd.HyperDriveConfigException, match="choice, uniform, quniform"):
        hd.Experiment(workspace, "strict").submit(made)


def test_an_experiment_may_be_called_as_the_newest_sweep_is(workspace: hd.Workspace) -> None:
    from hdcore.hyperdrive.submit import _specification

    write_script(Path("src"), "pass")
    for name, called in (("last", "last-experiment"), ("my exp.", "my-exp")):
        trial = hd.ScriptRunConfig("src", "train.py")._trial()
        assert _specification(workspace, hd.Experiment(workspace, name), trial, {}).name == called


def test_the_old_name_warns_and_gives_a_configuration() -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):
        made = hd.HyperDriveRunConfig(
            hd.Estimator(".", entry_script="t.py"),
            hd.RandomParameterSampling(SPACE),
            "mse",
            hd.PrimaryMetricGoal.MINIMIZE,
            8,
            policy=hd.BanditPolicy(evaluation_interval=2, slack_factor=0.1),
        )
    assert isinstance(made, hd.HyperDriveConfig)
    assert made.estimator is not None
    assert made.source_directory == "."
    with pytest.raises(TypeError):
        hd.HyperDriveRunConfig(resume_from=None)


def test_the_run_configuration_is_that_of_the_script() -> None:
    made = config()
    assert isinstance(made.run_config, hd.RunConfiguration)
    assert made.run_config.script == "train.py"
    assert made.pipeline is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"source_directory": "nowhere", "script": "train.py"}, "nowhere is no folder"),
        ({"source_directory": "src", "script": "other.py"}, "other.py does not exist in src"),
        ({"source_directory": "src", "script": "../train.py"}, "does not exist"),
        ({"source_directory": "src"}, "script is missing"),
        ({"source_directory": "src", "script": "train.py", "arguments": ["${{search_space.x}}"]}, "stands for a value"),
    ],
)
def test_what_is_not_there_is_told_before_anything_exists(
    workspace: hd.Workspace, changes: dict[str, Any], why: str
) -> None:
    write_script(Path("src"), "pass")
    with pytest.raises(hd.UserErrorException, match=why):
        hd.Experiment(workspace, "e").submit(hd.ScriptRunConfig(**changes))
    assert list(hd.Experiment(workspace, "e").get_runs()) == []


def test_only_configurations_are_submitted(workspace: hd.Workspace) -> None:
    with pytest.raises(hd.UserErrorException, match="a dict cannot be submitted"):
        hd.Experiment(workspace, "e").submit({"script": "train.py"})


@pytest.mark.parametrize("name", ["", "-a", 7, "a/b", "a" * 256])
def test_names_of_experiments(workspace: hd.Workspace, name: Any) -> None:
    with pytest.raises(hd.UserErrorException, match="the name is"):
        hd.Experiment(workspace, name)
