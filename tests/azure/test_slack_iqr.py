"""A slack that Azure's files do not have: `hdcore: slack_iqr`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hdcore.azure import load_sweep, write_sweep
from hdcore.errors import InputError
from hdcore.hyperdrive.policies import EarlyTerminationPolicy
from hdcore.policies import BanditPolicy, from_json

SWEEP = """
type: sweep
trial: {command: "python t.py ${{search_space.x}}", environment: "azureml:e@latest"}
sampling_algorithm: random
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: accuracy}
limits: {max_total_trials: 4}
"""
BANDIT = "early_termination: {type: bandit, slack_factor: 0.2, delay_evaluation: 5}\n"


def load(folder: Path, text: str) -> BanditPolicy:
    path = folder / "sweep.yml"
    path.write_text(SWEEP + text)
    policy = from_json(load_sweep(path).policy)
    assert isinstance(policy, BanditPolicy)
    return policy


def test_it_takes_the_place_of_the_slack_that_azure_goes_by(tmp_path: Path) -> None:
    found = load(tmp_path, BANDIT + "hdcore: {slack_iqr: 1.5}\n")
    assert found == BanditPolicy(1, delay_evaluation=5, slack_iqr=1.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hdcore: {slack_iqr: 1}\n", "for a bandit"),
        ("early_termination: {type: median_stopping}\nhdcore: {slack_iqr: 1}\n", "for a bandit"),
        (BANDIT + "hdcore: {slack_iqr: -1}\n", "0 or more"),
        (BANDIT + "hdcore: {slack_iqr: much}\n", "number"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, text)
    assert caught.value.field == "hdcore.slack_iqr"


def test_it_is_written_and_read_back_and_azure_has_a_slack_of_its_own(tmp_path: Path) -> None:
    load(tmp_path, BANDIT + "hdcore: {slack_iqr: 1.5}\n")
    text, _ = write_sweep(load_sweep(tmp_path / "sweep.yml"))
    assert "slack_factor: 1.0" in text
    (tmp_path / "again.yml").write_text(text)
    assert from_json(load_sweep(tmp_path / "again.yml").policy) == BanditPolicy(1, delay_evaluation=5, slack_iqr=1.5)


def test_hyperdrives_class_keeps_it() -> None:
    document = BanditPolicy(2, delay_evaluation=5, slack_iqr=1.5, population="reached").to_json()
    assert EarlyTerminationPolicy.from_json(document).to_json() == document
