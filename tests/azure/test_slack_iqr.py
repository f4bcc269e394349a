"""A slack that Azure's files do not have: `hdcore: slack_iqr`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hdcore.azure import load_sweep
from hdcore.errors import InputError
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
