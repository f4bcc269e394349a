"""Sweeps become studies and studies sweeps, with all that both know of a run."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

import hdcore as hd
from hdcore.bindings.optuna import HdcoreSampler, MedianStoppingPruner, export_study, import_study
from hdcore.errors import InputError, RefusedError
from hdcore.imports import ForeignRun, ForeignSweep, save
from hdcore.typing import Goal, RunStatus

SPACE = {
    "lr": hd.log_range(1e-5, 1e-1),
    "momentum": hd.uniform(0, 1),
    "dropout": hd.quniform(0, 0.5, 0.1),
    "units": hd.qloguniform(math.log(4), math.log(512), 1),
    "depth": hd.randint(6),
    "noise": hd.normal(0, 1),
    "scale": hd.lognormal(0, 0.5),
    "jitter": hd.qnormal(0, 2, 0.5),
    "net": hd.choice({"kind": "mlp", "width": hd.quniform(1, 9, 1)}, {"kind": "linear"}, "none"),
    "shape": hd.choice((3, 3), (5, 5)),
    "optimizer": hd.choice("sgd", "adam", None),
    "flag": hd.choice(1, True),
    "epochs": 10,
}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "root"


def stored(root: Path, runs: list[ForeignRun], space: dict[str, Any] = SPACE) -> hd.Sweep:
    serialised = hd.SearchSpace(space).to_json()
    sweep = ForeignSweep(
        name="s", metric="loss", goal=Goal.MINIMIZE, space=serialised, runs=runs, source="a test", total=len(runs)
    )
    save(root, sweep, "s", has_name=True)
    return hd.open_sweep("s", root)


def test_a_study_comes_back_from_a_sweep_as_it_was(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -1, 1)
        trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        trial.suggest_categorical("c", ["a", None, True, 2.5])
        trial.suggest_int("n", 1, 9)
        for step in range(0, 50, 10):
            trial.report(math.nan if trial.number == 7 and step == 20 else -(x**2) + step / 50, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        if trial.number == 5:
            raise ValueError("diverged")
        return -(x**2)

    study = optuna.create_study(
        study_name="my study", direction="maximize", sampler=HdcoreSampler(seed=1), pruner=MedianStoppingPruner()
    )
    study.optimize(objective, n_trials=20, catch=ValueError)
    study.ask()
    with caplog.at_level(logging.WARNING, "hdcore"):
        sweep = import_study(study, root=root)
    assert "my-study: 1 of 21 trials are left out: not ended" in caplog.text
    assert sweep.name == "my-study"
    assert sweep.best is not None
    assert (sweep.best.number, sweep.best.value) == (study.best_trial.number, study.best_value)
    back = export_study(sweep)
    assert back.study_name == "my-study"
    assert back.direction == study.direction
    assert {trial.state for trial in back.trials} == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    for ours, theirs in zip(back.trials, study.trials, strict=False):
        assert ours.params == theirs.params
        assert ours.state == theirs.state
        assert ours.value == (theirs.value if theirs.state != TrialState.FAIL else None)
        assert list(ours.intermediate_values) == list(theirs.intermediate_values)
        for step, value in theirs.intermediate_values.items():
            assert ours.intermediate_values[step] == pytest.approx(value, rel=0, abs=0, nan_ok=True)
        assert ours.datetime_start is not None
        assert theirs.datetime_start is not None
        assert abs((ours.datetime_start - theirs.datetime_start).total_seconds()) < 1e-3
    assert back.trials[0].distributions["x"] == FloatDistribution(-1, 1)
    assert back.metric_names == ["value"]
    assert export_study(sweep.name, root=root, study_name="other").study_name == "other"


def test_every_kind_of_parameter_has_a_distribution_that_holds_its_values(root: Path) -> None:
    runs = hd.Optimizer(SPACE, seed=4).ask(60)
    sweep = stored(
        root,
        [
            ForeignRun(configuration=run.configuration, status=RunStatus.COMPLETED, value=float(run.number))
            for run in runs
        ],
    )
    study = export_study(sweep)
    for run, trial in zip(runs, study.trials, strict=True):
        given, params = run.configuration, trial.params
        for name in ("lr", "momentum", "noise", "scale", "depth", "optimizer", "epochs"):
            assert params[name] == given[name], name
        for name in ("dropout", "jitter", "units"):
            assert params[name] == pytest.approx(given[name], abs=1e-12), name
        assert ("net.0.width" in params) == (given["net"] != "none" and given["net"]["kind"] == "mlp")
        if "net.0.width" in params:
            assert params["net.0.width"] == given["net"]["width"]
        assert params["shape"] in ("[3, 3]", "[5, 5]")
        assert params["flag"] == ("true" if given["flag"] is True else "1")
        assert trial.value == run.number
        assert trial.intermediate_values == {}
        assert trial.user_attrs == {"hdcore:run": run.number}
    found: dict[str, Any] = {
        name: distribution for trial in study.trials for name, distribution in trial.distributions.items()
    }
    assert found["dropout"] == FloatDistribution(0, 0.5, step=0.1)
    assert found["units"] == IntDistribution(4, 512, log=True)
    assert found["depth"] == IntDistribution(0, 5)
    assert found["lr"].log
    assert (found["lr"].low, found["lr"].high) == pytest.approx((1e-5, 1e-1))
    assert found["epochs"] == CategoricalDistribution([10])
    assert found["optimizer"] == CategoricalDistribution(["sgd", "adam", None])


def test_ends_and_curves_are_mapped(root: Path) -> None:
    x = [{"x": k / 10} for k in range(6)]
    sweep = stored(
        root,
        [
            ForeignRun(
                configuration=x[0], status=RunStatus.COMPLETED, value=1.0, series={"loss": [(None, 3.0), (None, 1.0)]}
            ),
            ForeignRun(
                configuration=x[1],
                status=RunStatus.CANCELED,
                value=2.0,
                reason="median stopping at interval 2",
                series={"loss": [(5, 2.0), (9, math.inf), (12, 4.0)], "other": [(1, 7.0)]},
            ),
            ForeignRun(configuration=x[2], status=RunStatus.FAILED, series={"loss": [(3, 2.0), (3, 1.5)]}),
            ForeignRun(configuration=x[3], status=RunStatus.COMPLETED, series={"loss": [(0, math.nan)]}),
            ForeignRun(configuration={}, status=RunStatus.FAILED),
        ],
        {"x": hd.uniform(0, 1)},
    )
    trials = export_study(sweep).trials
    states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.FAIL, TrialState.FAIL]
    assert [trial.state for trial in trials] == states
    assert [trial.value for trial in trials] == [1.0, 4.0, None, None, None]
    assert trials[0].intermediate_values == {1: 3.0, 2: 1.0}  # no steps: intervals
    assert trials[1].intermediate_values == {5: 2.0, 9: math.inf, 12: 4.0}
    assert trials[1].user_attrs == {"hdcore:run": 1, "hdcore:reason": "median stopping at interval 2"}
    assert trials[2].intermediate_values == {1: 2.0, 2: 1.5}  # a step twice
    assert math.isnan(trials[3].intermediate_values[0])
    assert trials[4].params == {}


def test_an_exported_sweep_goes_on_under_optuna_and_comes_home(root: Path, tmp_path: Path) -> None:
    def train(configuration: dict[str, Any], run: hd.Run) -> None:
        for k in range(3):
            run.log("loss", configuration["x"] ** 2 + 1 / (k + 1), step=2 * k)

    space = {"x": hd.uniform(-1, 1)}
    sweep = hd.tune(train, space, metric="loss", goal="minimize", max_runs=3, root=root, name="s", seed=2)
    journal = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "j.log")))
    study = export_study(sweep, journal)
    assert list(study.trials[0].intermediate_values) == [0, 2, 4]
    study.sampler = HdcoreSampler(seed=2)
    study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=5)
    home = import_study(study, "home", root=root)
    assert len(home.runs) == 8
    assert [run["configuration"] for run in home.runs[:3]] == [run["configuration"] for run in sweep.runs]
    assert home.metrics(0) == {"loss": sweep.metrics(0)["loss"]}


def test_what_cannot_be_moved_is_refused(root: Path) -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    with pytest.raises(InputError, match="2 objectives"):
        import_study(study, root=root)
    study = optuna.create_study(study_name="s")
    with pytest.raises(InputError, match="no trial of the study"):
        import_study(study, root=root)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with pytest.raises(InputError, match=r"cannot be called '../elsewhere'; write 'elsewhere'"):
        import_study(study, "../elsewhere", root=root)
    assert import_study(study, "taken", root=root).name == "taken"
    with pytest.raises(RefusedError, match="taken"):
        import_study(study, "taken", root=root)
    with pytest.raises(InputError, match="nothing"):
        export_study("nothing", root=root)
