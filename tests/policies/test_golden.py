"""Saving and loss on the shipped real curves, frozen: a change of any decision shows here.

``python -m policies.test_golden`` (in ``tests/``) prints the table anew; look at the difference before you keep it.
"""

from __future__ import annotations

import json

import pytest
from policies.helpers import TESTS, load_curves

from hdcore.policies import evaluate, parse, replay

FILE = TESTS / "golden" / "policies.json"
POLICIES = [
    "median:delay=5",
    "median:delay=5,population=reached",
    "median:delay=1",
    "truncation:percentage=20,delay=5",
    "truncation:percentage=50,delay=5",
    "truncation:percentage=20,delay=5,exclude_finished_jobs=true",
    "bandit:slack_factor=0.1,delay=5",
    "bandit:slack_amount=0.05,delay=5",
]


def figures(word):
    """Per task and metric: stops in lockstep, then stops, intervals kept, best kept, gap of replay with 4 workers."""
    policy, found = parse(word), {}
    for (task, metric), (curves, goal, durations) in load_curves().items():
        stopped = evaluate(policy, curves, goal)
        [even] = replay([policy], curves, goal, workers=4)
        [timed] = replay([policy], curves, goal, workers=4, durations=durations)
        found[f"{task}.{metric}"] = [
            int((stopped > 0).sum()),
            int(stopped.sum()),
            *(
                [int((r.stopped_at > 0).sum()), int(r.stopped_at.sum()), r.saved, r.best_kept, r.gap]
                for r in (even, timed)
            ),
        ]
    return found


@pytest.mark.parametrize("word", POLICIES)
def test_saving_and_loss_on_real_curves_stay_what_they_were(word):
    assert figures(word) == json.loads(FILE.read_text())[word]


def test_median_stopping_saves_a_quarter_and_loses_nothing():
    """The promise behind the recommended setting, on every task at once."""
    golden = json.loads(FILE.read_text())["median:delay=5"]
    saved = [row[2][2] for row in golden.values()]
    assert sum(saved) / len(saved) > 0.25
    assert all(row[2][3] for row in golden.values())


if __name__ == "__main__":
    text = ",\n".join(
        f" {json.dumps(word)}: {{\n"
        + ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in figures(word).items())
        + "\n }"
        for word in POLICIES
    )
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("{\n" + text + "\n}\n")
