"""The first configurations of every sampler as written down; run this file to write them anew.

A change here changes what existing sweeps propose after a resume; the diff is to be reviewed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hdcore.history import RunTable
from hdcore.sampling import make_sampler
from hdcore.space import SearchSpace

GOLDEN = Path(__file__).parent.parent / "golden" / "configurations.json"
SEEDS = [0, 7, 2**128 + 1]
SPACES: dict[str, dict[str, Any]] = {
    "mixed": {
        "lr": ["loguniform", [-9, -2]],
        "momentum": ["uniform", [0.5, 0.99]],
        "units": ["quniform", [16, 512, 16]],
        "optimizer": ["choice", [["sgd", {"name": "adam", "beta": ["uniform", [0.9, 0.999]]}, None]]],
        "depth": ["randint", [7]],
        "shift": ["normal", [0, 1]],
        "scale": ["lognormal", [0, 2]],
        "steps": ["qlognormal", [2, 1, 0.5]],
        "bias": ["qnormal", [0, 1, 0.4]],
        "width": ["qloguniform", [0, 5, 8]],
        "fixed": "value",
    },
    "finite": {
        "a": ["choice", [[1, 2, 2.5]]],
        "b": ["choice", [["x", {"c": ["choice", [[True, False]]]}]]],
        "d": ["choice", [[3, 1]]],
    },
}
CASES = [(space, sampler, seed) for space in SPACES for sampler in ("random", "sobol") for seed in SEEDS]
CASES.append(("finite", "grid", 0))


def first(space_name: str, sampler_name: str, seed: int) -> list[Any]:
    space, sampler = SearchSpace(SPACES[space_name]), make_sampler(sampler_name)
    sampler.bind(space, seed)
    return space.decode(sampler.propose(RunTable(len(space.columns)), 0, 20))


@pytest.mark.parametrize(("space", "sampler", "seed"), CASES)
def test_the_first_configurations_are_those_written_down(space: str, sampler: str, seed: int) -> None:
    written = json.loads(GOLDEN.read_text())[f"{space} {sampler} {seed}"]
    assert json.dumps(first(space, sampler, seed)) == json.dumps(written)


if __name__ == "__main__":
    data = {f"{space} {sampler} {seed}": first(space, sampler, seed) for space, sampler, seed in CASES}
    lines = [f"{json.dumps(key)}: [\n  " + ",\n  ".join(map(json.dumps, rows)) + "\n]" for key, rows in data.items()]
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
