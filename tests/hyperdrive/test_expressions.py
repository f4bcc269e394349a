"""Expressions, samplings and policies: what they serialise to and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hdcore import hyperdrive as hd


@pytest.mark.parametrize(
    ("made", "serialised"),
    [
        (hd.choice(1, 2), ["choice", [[1, 2]]]),
        (hd.choice([1, 2]), ["choice", [[1, 2]]]),
        (hd.choice(range(1, 5)), ["choice", [[1, 2, 3, 4]]]),
        (hd.choice(np.arange(1, 3)), ["choice", [[1, 2]]]),
        (hd.choice((1, 2)), ["choice", [[(1, 2)]]]),
        (hd.choice([True, None, {"a": 1}, [1]]), ["choice", [[True, None, {"a": 1}, [1]]]]),
        (hd.randint(5), ["randint", [5]]),
        (hd.uniform(0, 1), ["uniform", [0, 1]]),
        (hd.uniform(low=0, high=1), ["uniform", [0, 1]]),
        (hd.quniform(1, 10, 2.0), ["quniform", [1, 10, 2.0]]),
        (hd.quniform(0, 1, 0.1), ["quniform", [0, 1, 0.1]]),
        (hd.loguniform(-6, -1), ["loguniform", [-6, -1]]),
        (hd.loguniform(2, 2), ["loguniform", [2, 2]]),
        (hd.qloguniform(0, 2, 1), ["qloguniform", [0, 2, 1]]),
        (hd.normal(10, 3), ["normal", [10, 3]]),
        (hd.normal(10, 0), ["normal", [10, 0]]),
        (hd.qnormal(10, 3, 2), ["qnormal", [10, 3, 2]]),
        (hd.lognormal(0, 1), ["lognormal", [0, 1]]),
        (hd.qlognormal(0, 1, 5), ["qlognormal", [0, 1, 5]]),
        (hd.uniform(np.float64(0.5), np.int64(1)), ["uniform", [0.5, 1]]),
    ],
)
def test_expressions_are_plain_lists(made: Any, serialised: Any) -> None:
    assert type(made) is list
    assert made == serialised
    assert [type(value) for value in made[1]] == [type(value) for value in serialised[1]]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (hd.choice, ()),
        (hd.choice, ([],)),
        (hd.choice, (range(0),)),
        (hd.choice, (1, [2])),
        (hd.randint, (0,)),
        (hd.randint, (5.0,)),
        (hd.uniform, (1, 1)),
        (hd.uniform, (2, 1)),
        (hd.uniform, ("0", 1)),
        (hd.uniform, (0,)),
        (hd.quniform, (1, 1, 1)),
        (hd.quniform, (0, 1, 0)),
        (hd.quniform, (0, 1, -1)),
        (hd.quniform, (0, 1)),
        (hd.loguniform, (1, 0)),
        (hd.qloguniform, (1, 0, 1)),
        (hd.normal, (0, -1)),
        (hd.qnormal, (0, "1", 1)),
        (hd.lognormal, (0, -1)),
        (hd.qlognormal, (0, 1, 0)),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Any, arguments: Any) -> None:
    with pytest.raises(hd.HyperDriveConfigException, match=f"{call.__name__} expects"):
        call(*arguments)


def test_strict_knows_no_other_names_than_azures() -> None:
    assert hd.uniform(low=0, high=1) == ["uniform", [0, 1]]
    assert hd.TruncationSelectionPolicy(20, exclude_finished_jobs=True).exclude_finished_jobs
    hd.strict(True)
    with pytest.raises(TypeError, match="min_value and max_value"):
        hd.uniform(low=0, high=1)
    with pytest.raises(TypeError, match="exclude_finished_jobs"):
        hd.TruncationSelectionPolicy(20, exclude_finished_jobs=True)


def test_strict_wants_whole_steps() -> None:
    hd.strict(True)
    assert hd.quniform(1, 10, 2.0) == ["quniform", [1, 10, 2.0]]
    with pytest.raises(hd.HyperDriveConfigException, match="whole number"):
        hd.quniform(0, 1, 0.1)


SPACE = {"--C": ["uniform", [0, 1]], "kernel": ["choice", [["rbf", "linear"]]]}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (hd.RandomParameterSampling, "RANDOM"),
        (hd.BayesianParameterSampling, "BayesianOptimization"),
    ],
)
def test_samplings_as_documents(kind: Any, name: str) -> None:
    made = kind(SPACE)
    assert made.to_json() == {"name": name, "parameter_space": SPACE}
    assert kind(SPACE, properties={"seed": 3}).to_json()["properties"] == {"seed": 3}
    assert hd.HyperParameterSampling.from_json({"name": name.upper(), "parameter_space": SPACE}) == made
    assert made != kind({"--C": ["uniform", [0, 2]]})


def test_grid_takes_choices_only() -> None:
    space = {"a": hd.choice(1, 2)}
    assert hd.GridParameterSampling(space).to_json() == {"name": "GRID", "parameter_space": space}
    with pytest.raises(hd.HyperDriveConfigException, match=r"only the following distributions: \[choice\]"):
        hd.GridParameterSampling(SPACE)


def test_objects_of_the_engine_and_constants_stand_in_a_space() -> None:
    import hdcore

    made = hd.RandomParameterSampling({"a": hdcore.uniform(0, 1), "b": 5})
    assert made.parameter_space == {"a": ["uniform", [0, 1]], "b": 5}


@pytest.mark.parametrize(
    "space",
    [None, [1], {"a": ["uniform", [1, 0]]}, {"a=b": ["uniform", [0, 1]]}, {"a}}": ["uniform", [0, 1]]}],
)
def test_spaces_that_cannot_be_meant(space: Any) -> None:
    with pytest.raises(hd.HyperDriveConfigException):
        hd.RandomParameterSampling(space)


@pytest.mark.parametrize(
    ("space", "why"),
    [
        ({"a": ["loguniform", [0, 1]]}, "choice, uniform, quniform"),
        ({"a": ["normal", [0, 1]]}, "choice, uniform, quniform"),
        ({"a": 5}, "a constant"),
        ({"a": ["choice", [[True, False]]]}, "each an int, str or float"),
        ({"a": ["choice", [["x", 1]]]}, "either strings only or no string"),
        ({"a": ["quniform", [1, 10.0, 1]]}, "integers"),
        ({"a": ["quniform", [0, 1_000_000, 1]]}, "larger q"),
    ],
)
def test_bayesian_spaces_are_azures_only_when_strict(space: Any, why: str) -> None:
    hd.BayesianParameterSampling(space)
    hd.strict(True)
    with pytest.raises(hd.HyperDriveConfigException, match=why):
        hd.BayesianParameterSampling(space)


def test_an_empty_bayesian_space_is_accepted() -> None:
    hd.strict(True)
    assert hd.BayesianParameterSampling({}).parameter_space == {}


@pytest.mark.parametrize(
    ("policy", "document"),
    [
        (
            hd.BanditPolicy(2, 0.1),
            {"name": "Bandit", "properties": {"evaluation_interval": 2, "delay_evaluation": 0, "slack_factor": 0.1}},
        ),
        (
            hd.BanditPolicy(slack_amount=0.2, delay_evaluation=5),
            {"name": "Bandit", "properties": {"evaluation_interval": 1, "delay_evaluation": 5, "slack_amount": 0.2}},
        ),
        (
            hd.BanditPolicy(slack_factor=0.1, slack_amount=0),
            {"name": "Bandit", "properties": {"evaluation_interval": 1, "delay_evaluation": 0, "slack_factor": 0.1}},
        ),
        (
            hd.BanditPolicy(slack_factor=0),
            {"name": "Bandit", "properties": {"evaluation_interval": 1, "delay_evaluation": 0, "slack_factor": 0}},
        ),
        (
            hd.MedianStoppingPolicy(1, 5),
            {"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 5}},
        ),
        (
            hd.TruncationSelectionPolicy(25, 2),
            {
                "name": "TruncationSelection",
                "properties": {
                    "evaluation_interval": 2,
                    "delay_evaluation": 0,
                    "truncation_percentage": 25,
                    "exclude_finished_jobs": False,
                },
            },
        ),
        (hd.NoTerminationPolicy(), {"name": "Default"}),
    ],
)
def test_policies_as_documents(policy: Any, document: Any) -> None:
    assert policy.to_json() == document
    assert hd.EarlyTerminationPolicy.from_json(document) == policy


def test_policies_of_the_engine_are_taken_with_all_they_say() -> None:
    from hdcore.hyperdrive.policies import wrap
    from hdcore.policies import MedianStoppingPolicy

    policy = MedianStoppingPolicy(2, 5, population="reached")
    assert wrap(policy).to_json() == policy.to_json()
    assert wrap(None) == hd.NoTerminationPolicy()


@pytest.mark.parametrize(
    "call",
    [
        lambda: hd.BanditPolicy(),
        lambda: hd.BanditPolicy(slack_factor=0.1, slack_amount=0.1),
        lambda: hd.BanditPolicy(slack_factor=0, slack_amount=0),
        lambda: hd.BanditPolicy(slack_factor=-0.1),
        lambda: hd.BanditPolicy(1.5, 0.1),
        lambda: hd.MedianStoppingPolicy(delay_evaluation=5.0),
        lambda: hd.TruncationSelectionPolicy(20.0),
        lambda: hd.TruncationSelectionPolicy(0),
        lambda: hd.TruncationSelectionPolicy(100),
    ],
)
def test_policies_that_cannot_be_meant(call: Any) -> None:
    with pytest.raises(hd.HyperDriveConfigException, match="expects"):
        call()
