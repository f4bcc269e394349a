"""What hdcore costs inside Optuna, per trial: CPU over Optuna's RandomSampler, in one process, trial by trial in turn.

    pytest bench/bench_optuna.py --benchmark-only        HDCORE_BENCH_QUICK=1 for a short one

A study of n random trials goes on for some more, with objectives of no cost. `over random ms` is the whole price of a
sampler: what a trial costs more than the same trial with the RandomSampler, storage included. Of that, `model ms` is
spent in hdcore's Gaussian process, as `hd.Optimizer.ask` would, and `binding ms` is the rest: reading and encoding what
is new, sharing what was proposed, converting it. Pruners are measured by `should_prune` with n trials of 50 reports.
"""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

import optuna
import pytest
from threadpoolctl import threadpool_limits

from hdcore.bindings.optuna import HdcoreSampler, MedianStoppingPruner
from hdcore.sampling.bayesian import BayesianSampler

pytestmark = pytest.mark.timeout(3600)
QUICK = os.environ.get("HDCORE_BENCH_QUICK", "") not in ("", "0")
SIZES = [100] if QUICK else [100, 1000, 10_000]
TRIALS = 10 if QUICK else 150
"""Behind which a whole refit of both views fits at n = 1,000."""
SAMPLERS: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "hdcore": lambda: HdcoreSampler(seed=1),
    "TPESampler": lambda: optuna.samplers.TPESampler(seed=1),
}
PRUNERS: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
    "hdcore": MedianStoppingPruner,
    "MedianPruner": lambda: optuna.pruners.MedianPruner(n_startup_trials=0),
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield


def objective(trial: optuna.Trial) -> float:
    xs = [trial.suggest_float(f"x{k}", -1, 1) for k in range(6)]
    return sum((k + 1) * (x - 0.3) ** 2 for k, x in enumerate(xs))


def begun(n: int, sampler: optuna.samplers.BaseSampler, storage: Any = None) -> optuna.Study:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=n)
    goes_on = optuna.create_study(sampler=sampler, storage=storage)
    goes_on.add_trials(study.trials)
    goes_on.optimize(objective, n_trials=1)  # what is kept from trial to trial is made
    return goes_on


class ModelTime:
    """CPU seconds in proposals of the model."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        propose = BayesianSampler.propose

        def timed(*arguments: Any) -> Any:
            start = process_time()
            found = propose(*arguments)
            self.seconds += process_time() - start
            return found

        monkeypatch.setattr(BayesianSampler, "propose", timed)


def cost(benchmark: Any, sampler: str, n: int, stores: list[Any], model: ModelTime) -> None:
    study = begun(n, SAMPLERS[sampler](), stores[0])
    peer = begun(n, optuna.samplers.RandomSampler(seed=2), stores[1])
    spent, model.seconds = 0.0, 0.0

    def other() -> None:
        nonlocal spent
        start = process_time()
        peer.optimize(objective, n_trials=1)
        spent += process_time() - start

    benchmark.pedantic(lambda: study.optimize(objective, n_trials=1), setup=other, rounds=TRIALS, iterations=1)
    mean, plain, of_model = benchmark.stats.stats.mean, spent / TRIALS, model.seconds / TRIALS
    benchmark.extra_info |= {
        "ms": 1e3 * mean,
        "median ms": 1e3 * benchmark.stats.stats.median,
        "RandomSampler ms": 1e3 * plain,
        "over random ms": 1e3 * (mean - plain),
    }
    if sampler == "hdcore":
        benchmark.extra_info |= {"model ms": 1e3 * of_model, "binding ms": 1e3 * (mean - plain - of_model)}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.benchmark(group="CPU of one trial, d = 6, in memory", timer=process_time)
def test_in_memory(benchmark: Any, monkeypatch: pytest.MonkeyPatch, sampler: str, n: int) -> None:
    cost(benchmark, sampler, n, [None, None], ModelTime(monkeypatch))


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.benchmark(group="CPU of one trial, d = 6, stored", timer=process_time)
def test_stored(benchmark: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sampler: str, kind: str) -> None:
    def store(name: str) -> Any:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / name}.db"
        backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / f"{name}.log"))
        return optuna.storages.JournalStorage(backend)

    n = (40 if QUICK else 200) if kind == "sqlite" else SIZES[0] if QUICK else 1000  # SQLite takes a commit a trial
    cost(benchmark, sampler, n, [store("one"), store("other")], ModelTime(monkeypatch))


@pytest.mark.parametrize("n", SIZES[:2])
@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.benchmark(group="CPU of report and should_prune, in memory", timer=process_time)
def test_pruner(benchmark: Any, pruner: str, n: int) -> None:
    rng = random.Random(0)
    study = optuna.create_study(pruner=PRUNERS[pruner]())
    study.add_trials(
        [
            optuna.create_trial(value=1.0, intermediate_values={step: rng.random() for step in range(50)})
            for _ in range(n)
        ]
    )
    trial = study.ask()
    trial.report(0.0, 0)
    trial.should_prune()
    step = 0

    def report() -> None:
        nonlocal step
        step += 1
        trial.report(0.0, step)
        trial.should_prune()

    benchmark.pedantic(report, rounds=49, iterations=1)
    benchmark.extra_info["ms"] = 1e3 * benchmark.stats.stats.mean
