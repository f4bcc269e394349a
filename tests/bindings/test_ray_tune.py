"""hdcore's searcher and scheduler in Ray Tune's hands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher
from ray.tune.search.repeater import Repeater

import hdcore as hd
from hdcore.bindings.ray_tune import HdcorePolicyScheduler, HdcoreSearcher
from hdcore.errors import InputError, SpaceError, StateError

SPACE = {
    "lr": tune.loguniform(1e-5, 1e-1),
    "net": tune.choice([{"layers": tune.randint(1, 4)}, {"layers": 0}]),
    "seed": 3,
}


def loss(configuration: dict[str, Any]) -> float:
    return abs(math.log10(configuration["lr"]) + 3) + 0.1 * int(configuration["net"]["layers"])


def told(searcher: Searcher, count: int, first: int = 0) -> list[Any]:
    """Suggest trials and tell their losses; one of seven fails, one of seven gives NaN."""
    found = []
    for number in range(first, first + count):
        configuration = searcher.suggest(f"trial{number}")
        found.append(configuration)
        value = math.nan if number % 7 == 3 else loss(configuration)
        searcher.on_trial_result(f"trial{number}", {"loss": value, "training_iteration": 1})
        result = None if number % 7 == 5 else {"loss": value, "training_iteration": 1}
        searcher.on_trial_complete(f"trial{number}", result, error=result is None)
    return found


@pytest.mark.parametrize("mode", ["min", "max"])
def test_results_lead_the_search_in_either_direction(mode: str) -> None:
    sign = 1 if mode == "min" else -1
    searcher = HdcoreSearcher({"x": tune.uniform(-5, 5)}, "score", mode, seed=1)
    tried = []
    for number in range(25):
        x = searcher.suggest(str(number))["x"]
        tried.append(x)
        searcher.on_trial_complete(str(number), {"score": sign * (x - 2) ** 2})
    assert min(abs(x - 2) for x in tried) < 0.05
    assert sum(abs(x - 2) < 1 for x in tried[10:]) > 7


def test_a_restored_searcher_goes_on_as_the_saved_one(tmp_path: Path) -> None:
    searcher = HdcoreSearcher(SPACE, "loss", "min", seed=5)
    told(searcher, 15)
    searcher.suggest("in flight")
    searcher.save(str(tmp_path / "state"))
    searcher.save_to_dir(str(tmp_path), session_str="now")
    expected = told(searcher, 5, first=15)
    fresh = HdcoreSearcher(SPACE, "loss", "min")
    fresh.restore(str(tmp_path / "state"))
    assert told(fresh, 5, first=15) == expected
    blank = HdcoreSearcher()
    blank.restore_from_dir(str(tmp_path))
    assert told(blank, 5, first=15) == expected


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    other = HdcorePolicyScheduler("median", "loss", "min")
    other.save(str(tmp_path / "scheduler"))
    (tmp_path / "text").write_text("{}")
    with pytest.raises(InputError, match="another scheduler"):
        other.restore(str(tmp_path / "text"))
    with pytest.raises(InputError, match="make the scheduler with that one"):
        HdcorePolicyScheduler("median:delay=3", "loss", "min").restore(str(tmp_path / "scheduler"))


def test_points_known_and_points_wished_for_come_first() -> None:
    searcher = HdcoreSearcher({"x": tune.uniform(0, 1)}, "y", "min", points_to_evaluate=[{"x": 0.25}], seed=0)
    for k in range(12):
        x = (k + 0.5) / 12
        searcher.add_evaluated_point({"x": x}, (x - 0.7) ** 2)
    searcher.add_evaluated_point({"x": 0.1}, math.nan, error=True)
    searcher.add_evaluated_point({"x": 0.2}, 0.3, pruned=True, intermediate_values=[0.4, 0.3])
    assert searcher.suggest("first") == {"x": 0.25}
    assert abs(searcher.suggest("second")["x"] - 0.7) < 0.1  # the model knows them all
    with pytest.raises(SpaceError, match="'x' is 7"):
        searcher.add_evaluated_point({"x": 7}, 1.0)


def test_a_limiter_a_repeater_and_the_end_of_a_finite_space_are_heeded() -> None:
    limited = ConcurrencyLimiter(HdcoreSearcher(SPACE, "loss", "min", seed=2), max_concurrent=2)
    assert isinstance(limited.suggest("a"), dict)
    assert isinstance(limited.suggest("b"), dict)
    assert limited.suggest("c") is None
    limited.on_trial_complete("a", {"loss": 1.0})
    assert isinstance(limited.suggest("c"), dict)

    repeated = Repeater(HdcoreSearcher({"x": tune.uniform(0, 1)}, "loss", "min", seed=2), repeat=3)
    first = [repeated.suggest(name) for name in "abc"]
    assert len({round(point["x"], 12) for point in first}) == 1
    for name in "abc":
        repeated.on_trial_complete(name, {"loss": 0.5})
    assert repeated.suggest("d")["x"] != first[0]["x"]

    finite = HdcoreSearcher({"x": tune.choice([1, 2, 3])}, "loss", "min", sampler="random", seed=0)
    assert sorted(finite.suggest(str(k))["x"] for k in range(3)) == [1, 2, 3]
    assert finite.suggest("3") == Searcher.FINISHED


def test_what_is_missing_is_named() -> None:
    with pytest.raises(StateError, match="no search space"):
        HdcoreSearcher(metric="loss", mode="min").suggest("a")
    with pytest.raises(StateError, match="no metric and mode"):
        HdcoreSearcher({"x": tune.uniform(0, 1)}).suggest("a")
    with pytest.raises(InputError, match="write 'min' or 'max'"):
        HdcoreSearcher(mode="minimize")
    with pytest.raises(SpaceError, match="sample_from"):
        HdcoreSearcher({"x": tune.sample_from(lambda: 1)}, "loss", "min")
    with pytest.raises(InputError, match="no metric or no mode"):
        HdcorePolicyScheduler("median").on_trial_add(None, Trial("stub", stub=True))
    scheduler = HdcorePolicyScheduler("median", "loss", "min")
    assert not scheduler.set_search_properties("loss", "min")  # Tune then says that they are given twice


def decisions(scheduler: HdcorePolicyScheduler, trials: list[Trial], first: int, last: int) -> list[str]:
    return [
        scheduler.on_trial_result(None, trial, {"training_iteration": at, "loss": (place + 1.0) / at})
        for at in range(first, last)
        for place, trial in enumerate(trials)
    ]


def test_a_restored_scheduler_decides_as_the_saved_one(tmp_path: Path) -> None:
    trials = [Trial("stub", stub=True, trial_id=f"trial{k}") for k in range(6)]
    scheduler = HdcorePolicyScheduler("truncation:percentage=40", "loss", "min")
    for trial in trials:
        scheduler.on_trial_add(None, trial)
    decisions(scheduler, trials, 1, 3)
    scheduler.save(str(tmp_path / "state"))
    fresh = HdcorePolicyScheduler("truncation:percentage=40", "loss", "min")
    fresh.restore(str(tmp_path / "state"))
    expected = decisions(scheduler, trials, 3, 6)
    assert decisions(fresh, trials, 3, 6) == expected
    assert TrialScheduler.STOP in expected
    assert "6 trials stopped" in scheduler.debug_string()


def test_a_trial_that_begins_again_forgets_what_came_after_its_checkpoint() -> None:
    scheduler = HdcorePolicyScheduler(hd.MedianStoppingPolicy(1, 2), "loss", "min")
    good, poor = (Trial("stub", stub=True, trial_id=name) for name in ("good", "poor"))
    for trial in (good, poor):
        scheduler.on_trial_add(None, trial)
    for at in (1, 2):
        scheduler.on_trial_result(None, good, {"training_iteration": at, "loss": 1.0})
    assert scheduler.on_trial_result(None, poor, {"training_iteration": 1, "loss": 9.0}) == TrialScheduler.CONTINUE
    scheduler.on_trial_error(None, poor)
    scheduler.on_trial_add(None, poor)
    assert scheduler.on_trial_result(None, poor, {"training_iteration": 1, "loss": 0.5}) == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(None, poor, {"training_iteration": 2, "loss": 0.5}) == TrialScheduler.CONTINUE


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import ray

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "0")
    ray.init(num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def train(configuration: dict[str, Any]) -> None:
    for epoch in range(1, 7):
        tune.report({"loss": loss(configuration) + 1 / epoch})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_tuner_searches_stops_and_goes_on_after_its_end(cluster: None, tmp_path: Path) -> None:
    def tuner(samples: int) -> tune.Tuner:
        return tune.Tuner(
            train,
            param_space=SPACE,
            tune_config=tune.TuneConfig(
                metric="loss",
                mode="min",
                num_samples=samples,
                max_concurrent_trials=2,
                search_alg=HdcoreSearcher(seed=4),
                scheduler=HdcorePolicyScheduler("median:delay=2"),
            ),
            run_config=tune.RunConfig(name="sweep", storage_path=str(tmp_path), verbose=0),
        )

    results = tuner(14).fit()
    assert not results.errors
    lengths = [result.metrics["training_iteration"] for result in results]
    assert len(lengths) == 14
    assert 1 < min(lengths) < max(lengths) == 6  # some were stopped, after the delay
    best = results.get_best_result()
    assert best.config["seed"] == 3
    assert best.metrics["loss"] == min(result.metrics["loss"] for result in results)
    again = tune.Tuner.restore(str(tmp_path / "sweep"), trainable=train).fit()
    assert len(again) == 14
