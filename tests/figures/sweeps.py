"""Stored sweeps with all that figures and pages have to bear."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

import hdcore as hd
from hdcore.records import Limits, MetricRow, Reports, SweepSpec
from hdcore.space import SearchSpace
from hdcore.store import Store
from hdcore.typing import Goal, RunStatus

HOSTILE = '</script><img src=x onerror="document.title=1"> $a$ <b>&amp;'
SPACE: dict[str, Any] = {
    "lr": hd.log_range(1e-5, 1e-1),
    "units": hd.quniform(16, 512, 16),
    "net": hd.choice({"kind": "mlp", "layers": hd.choice(1, 2, 3)}, {"kind": "conv", "width": hd.uniform(1, 2)}),
    HOSTILE: hd.choice("sgd", "a<dam", "$x$"),
    "constant": 5,
}
STOPPED = "median stopping at interval 6"


def loss(configuration: dict[str, Any]) -> float:
    net = configuration["net"]
    inner = 0.1 * net["layers"] if net["kind"] == "mlp" else 0.2 * net["width"]
    extra = {"sgd": 0.3, "a<dam": 0.0, "$x$": 0.1}[configuration[HOSTILE]]
    return 0.1 + 0.1 * (math.log10(configuration["lr"]) + 3) ** 2 + extra + configuration["units"] / 2000 + inner


def odd_sweep(root: Path, n: int = 40, *, goal: Goal = Goal.MINIMIZE, name: str = "odd", most: int = 12) -> Path:
    """Write a sweep with a nested choice, hostile names, NaN, a run that diverged, single reports, failures, two runs
    in flight; return its folder."""
    space = SearchSpace(SPACE)
    spec = SweepSpec(name=name, space=space.to_json(), metric="loss <i>", goal=goal, limits=Limits(max_total_runs=n))
    rng = np.random.default_rng(0)
    rows = space.decode(space.snap(rng.random((n, len(space.columns)))))
    with Store.create(root, spec, sweep_id="HD_odd") as store:
        store.set_sweep(RunStatus.RUNNING, None, 1.8e9)
        with store.turn():
            store.add_runs(list(enumerate(rows)))
            for number, row in enumerate(rows):
                _fill(store, spec, number, row, most, rng, is_living=number >= n - 2)
    return root / "sweeps" / name


def _fill(
    store: Store, spec: SweepSpec, number: int, row: dict[str, Any], most: int, rng: Any, *, is_living: bool
) -> None:
    at = 1.8e9 + number
    store.start_run(number, 1, (), at)
    final = 1e6 if number % 29 == 3 else loss(row)
    is_long = final < 0.9
    sign = -spec.goal.sign
    values = [sign * (final * (1 + 3 * 0.8**k) + 0.01 * rng.standard_normal()) for k in range(most if is_long else 6)]
    if number % 13 == 5:
        values[2] = math.nan
    if number % 17 == 4:
        values = values[:1]
    if number % 31 == 7:
        values = [math.nan] * 4
    store.add_reports(Reports(number, 1, tuple(MetricRow(spec.metric, value, at=at) for value in values), 0))
    if is_living:
        return
    finite = [value for value in values if math.isfinite(value)]
    best = max(finite, key=lambda value: value * spec.goal.sign) if finite else None
    status = RunStatus.FAILED if number % 19 == 6 else RunStatus.COMPLETED if is_long else RunStatus.CANCELED
    store.finish_run(
        number,
        status,
        reason=STOPPED if status is RunStatus.CANCELED else None,
        value=best,
        interval=None if best is None else values.index(best) + 1,
        duration_s=1.0,
        at=at + len(values),
    )
