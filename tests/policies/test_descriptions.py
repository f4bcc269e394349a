"""Descriptions: arguments, their checks, Azure's forms, the word on the command line, what importing costs."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from policies.helpers import DESCRIPTIONS, built

from hdcore.errors import InputError, PolicyError
from hdcore.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
    from_json,
    parse,
)


def test_arguments_stand_in_the_order_of_azure_v1():
    assert BanditPolicy(2, 0.1, None, 5) == BanditPolicy(evaluation_interval=2, slack_factor=0.1, delay_evaluation=5)
    assert MedianStoppingPolicy(2, 5) == MedianStoppingPolicy(evaluation_interval=2, delay_evaluation=5)
    assert TruncationSelectionPolicy(20, 2, 5, True) == TruncationSelectionPolicy(
        truncation_percentage=20, evaluation_interval=2, delay_evaluation=5, exclude_finished_jobs=True
    )
    for make in (
        MedianStoppingPolicy,
        lambda *a: TruncationSelectionPolicy(20, *a),
        lambda: BanditPolicy(slack_amount=1),
    ):
        assert (make().evaluation_interval, make().delay_evaluation) == (1, 0)


def test_the_zero_of_azure_v2_is_every_interval_and_a_negative_delay_none():
    assert MedianStoppingPolicy(0, -5) == MedianStoppingPolicy(1, 0)
    assert MedianStoppingPolicy(np.int64(3), np.int32(2)).evaluation_interval == 3


@pytest.mark.parametrize("policy", [built(d) for d in DESCRIPTIONS] + [NoTerminationPolicy()], ids=repr)
def test_descriptions_are_frozen_values(policy):
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.delay_evaluation = 3
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert {policy: 1}[policy] == 1


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: BanditPolicy(), "slack_factor"),
        (lambda: BanditPolicy(1, 0.1, 0.2), "slack_amount"),
        (lambda: BanditPolicy(slack_factor=-0.1), "slack_factor"),
        (lambda: BanditPolicy(slack_amount=-1), "slack_amount"),
        (lambda: BanditPolicy(slack_amount=float("nan")), "slack_amount"),
        (lambda: BanditPolicy(slack_factor=float("inf")), "slack_factor"),
        (lambda: BanditPolicy(slack_factor="0.1"), "slack_factor"),
        (lambda: BanditPolicy(slack_factor=True), "slack_factor"),
        (lambda: BanditPolicy(slack_factor=10**400), "slack_factor"),
        (lambda: BanditPolicy(-1, 0.1), "evaluation_interval"),
        (lambda: BanditPolicy(1.0, 0.1), "evaluation_interval"),
        (lambda: BanditPolicy(True, 0.1), "evaluation_interval"),
        (lambda: BanditPolicy(slack_factor=0.1, population="some"), "population"),
        (lambda: MedianStoppingPolicy("1"), "evaluation_interval"),
        (lambda: MedianStoppingPolicy(1, 2.5), "delay_evaluation"),
        (lambda: MedianStoppingPolicy(1, None), "delay_evaluation"),
        (lambda: MedianStoppingPolicy(population=None), "population"),
        (lambda: TruncationSelectionPolicy(0), "truncation_percentage"),
        (lambda: TruncationSelectionPolicy(100), "truncation_percentage"),
        (lambda: TruncationSelectionPolicy(20.0), "truncation_percentage"),
        (lambda: TruncationSelectionPolicy(20, exclude_finished_jobs="yes"), "exclude_finished_jobs"),
        (lambda: TruncationSelectionPolicy(20, exclude_finished_jobs=1), "exclude_finished_jobs"),
    ],
)
def test_wrong_arguments_are_named(make, field):
    with pytest.raises(PolicyError) as caught:
        make()
    assert caught.value.field == field
    assert field in str(caught.value) or field == "slack_amount"
    assert isinstance(caught.value, ValueError)


def test_of_two_slacks_the_zero_says_nothing():
    assert BanditPolicy(slack_factor=0.1, slack_amount=0) == BanditPolicy(slack_factor=0.1)
    assert BanditPolicy(slack_factor=0, slack_amount=2) == BanditPolicy(slack_amount=2)
    assert BanditPolicy(slack_factor=0, slack_amount=0) == BanditPolicy(slack_factor=0)
    assert BanditPolicy(slack_factor=0).slack_factor == 0.0


@pytest.mark.parametrize(
    ("policy", "form"),
    [
        (
            BanditPolicy(slack_factor=0.1),
            {"name": "Bandit", "properties": {"evaluation_interval": 1, "delay_evaluation": 0, "slack_factor": 0.1}},
        ),
        (
            BanditPolicy(2, None, 0.3, 5, population="reached"),
            {
                "name": "Bandit",
                "properties": {
                    "evaluation_interval": 2,
                    "delay_evaluation": 5,
                    "slack_amount": 0.3,
                    "population": "reached",
                },
            },
        ),
        (
            MedianStoppingPolicy(1, 5),
            {"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 5}},
        ),
        (
            TruncationSelectionPolicy(20),
            {
                "name": "TruncationSelection",
                "properties": {
                    "evaluation_interval": 1,
                    "delay_evaluation": 0,
                    "truncation_percentage": 20,
                    "exclude_finished_jobs": False,
                },
            },
        ),
        (NoTerminationPolicy(), {"name": "Default"}),
    ],
)
def test_the_serialised_form_is_that_of_azure(policy, form):
    assert policy.to_json() == form
    assert list(policy.to_json().get("properties", {})) == list(form.get("properties", {}))
    assert from_json(form) == policy


@pytest.mark.parametrize(
    ("form", "policy"),
    [
        (None, None),
        ({"name": "DEFAULT"}, NoTerminationPolicy()),
        ({"name": "bandit", "properties": {"slack_factor": 0.2}}, BanditPolicy(slack_factor=0.2)),
        ({"type": "bandit", "slack_amount": 0.2, "slack_factor": 0}, BanditPolicy(slack_amount=0.2)),
        ({"type": "Bandit", "slack_factor": 0.2, "evaluation_interval": 0}, BanditPolicy(slack_factor=0.2)),
        ({"type": "median_stopping", "delay_evaluation": 5}, MedianStoppingPolicy(1, 5)),
        ({"type": "MedianStopping", "evaluation_interval": None}, MedianStoppingPolicy()),
        ({"name": "MedianStopping", "evaluation_interval": 1, "delay_evaluation": 5}, MedianStoppingPolicy(1, 5)),
        ({"name": "MedianStoppingPolicy", "properties": None}, MedianStoppingPolicy()),
        ({"type": "truncation_selection", "truncation_percentage": 20}, TruncationSelectionPolicy(20)),
        (
            {"name": "TRUNCATIONSELECTION", "properties": {"truncation_percentage": 9, "exclude_finished_jobs": True}},
            TruncationSelectionPolicy(9, exclude_finished_jobs=True),
        ),
    ],
)
def test_forms_of_all_versions_are_read(form, policy):
    assert from_json(form) == policy


def test_a_bandit_with_two_slacks_uses_the_factor_and_says_so():
    with pytest.warns(UserWarning, match="slack_factor is used"):
        assert from_json({"type": "bandit", "slack_factor": 0.1, "slack_amount": 0.2}) == BanditPolicy(slack_factor=0.1)


@pytest.mark.parametrize("slacks", [{}, {"slack_amount": None}, {"slack_factor": 0.0, "slack_amount": 0.0}])
def test_a_bandit_without_slack_has_none_and_says_so(slacks):
    with pytest.warns(UserWarning, match="no slack"):
        assert from_json({"type": "bandit", **slacks}) == BanditPolicy(slack_factor=0.0)


def test_a_slack_of_zero_that_was_meant_is_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_json({"name": "Bandit", "properties": {"slack_amount": 0}}) == BanditPolicy(slack_amount=0)


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({}, "name", "no name"),
        ({"name": "Bandid"}, "name", "did you mean 'bandit'"),
        ({"type": 5}, "type", "not known"),
        ({"name": "Bandit", "type": "bandit"}, "type", "both"),
        ({"name": "Median", "properties": {"delay_evalution": 5}}, "delay_evalution", "'delay_evaluation'"),
        ({"name": "Median", "properties": {"slack_factor": 5}}, "slack_factor", "no argument"),
        ({"name": "Default", "properties": {"delay_evaluation": 5}}, "delay_evaluation", "takes none"),
        ({"name": "Median", "properties": [5]}, "properties", "mapping"),
        ({"name": "Median", "delay_evaluation": 1, "properties": {"delay_evaluation": 5}}, "delay_evaluation", "twice"),
        ({"name": "Truncation"}, "truncation_percentage", "missing"),
        (
            {"name": "Truncation", "properties": {"truncation_percentage": "20"}},
            "truncation_percentage",
            "whole number",
        ),
        ({"type": "bandit", "slack_factor": -0.1}, "slack_factor", "not negative"),
        (["Bandit"], None, "mapping"),
    ],
)
def test_forms_that_cannot_be_meant_are_refused(form, field, message):
    with pytest.raises(PolicyError, match=message) as caught:
        from_json(form)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("none", NoTerminationPolicy()),
        ("default", NoTerminationPolicy()),
        ("median", MedianStoppingPolicy()),
        ("median:", MedianStoppingPolicy()),
        ("median:delay=5", MedianStoppingPolicy(1, 5)),
        (" Median_Stopping : interval = 2 , delay_evaluation = 5 ", MedianStoppingPolicy(2, 5)),
        ("median:population=reached", MedianStoppingPolicy(population="reached")),
        ("bandit:slack_factor=0.1,evaluation_interval=2", BanditPolicy(2, 0.1)),
        ("bandit:slack_amount=1e-3", BanditPolicy(slack_amount=0.001)),
        ("truncation:percentage=20", TruncationSelectionPolicy(20)),
        (
            "truncation_selection:truncation_percentage=20,exclude_finished_jobs=True",
            TruncationSelectionPolicy(20, exclude_finished_jobs=True),
        ),
    ],
)
def test_words_of_the_command_line_are_read(text, policy):
    assert parse(text) == policy


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("", "policy", "not known"),
        ("medain", "policy", "did you mean 'median'"),
        ("median:delay", "delay", "argument=value"),
        ("median:delay=", "delay", "argument=value"),
        ("median:=5", None, "argument=value"),
        ("median:delay=5,,", None, "argument=value"),
        ("median:delay=five", "delay_evaluation", "whole number"),
        ("median:delay=5,delay_evaluation=6", "delay_evaluation", "twice"),
        ("median:slack=0.1", "slack", "takes interval, delay"),
        ("bandit", "slack_factor", "slack_factor or slack_amount"),
        ("bandit:slack_facto=0.1", "slack_facto", "did you mean 'slack_factor'"),
        ("bandit:slack_factor=much", "slack_factor", "number"),
        ("bandit:slack_factor=nan", "slack_factor", "finite"),
        ("truncation", "truncation_percentage", "missing"),
        ("truncation:percentage=120", "truncation_percentage", "1 to 99"),
        ("truncation:percentage=20,exclude_finished_jobs=1", "exclude_finished_jobs", "true or false"),
        ("none:delay=5", "delay_evaluation", "takes none"),
        ("median:population=most", "population", "'all' or 'reached'"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(text, field, message):
    with pytest.raises(PolicyError, match=message) as caught:
        parse(text)
    assert caught.value.field == field
    assert isinstance(caught.value, InputError)
    assert caught.value.exit_code == 2


def test_descriptions_load_no_numpy():
    program = (
        "import sys; from hdcore import policies; p = policies.parse('bandit:slack_factor=0.1'); "
        "policies.from_json(p.to_json()); dir(policies); sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import hdcore.policies

    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        hdcore.policies.evalute  # noqa: B018
    for name in hdcore.policies.__all__:
        assert hasattr(hdcore.policies, name)
