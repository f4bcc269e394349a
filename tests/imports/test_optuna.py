"""Studies that Optuna itself made."""

from __future__ import annotations

import warnings
from pathlib import Path

import optuna
import pytest

import hdcore as hd
from hdcore.errors import InputError
from hdcore.imports import read_study, save
from hdcore.space import SearchSpace
from hdcore.typing import Goal, RunStatus

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0, 1)
    trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    trial.suggest_float("step", 0, 1, step=0.25)
    trial.suggest_int("n", 1, 9, step=2)
    trial.suggest_int("wide", 1, 10_000)
    trial.suggest_int("size", 1, 512, log=True)
    kind = trial.suggest_categorical("kind", ["a", None, 3, True])
    if kind == "a":
        trial.suggest_float("only_a", -1, 1)
    for k in range(4):
        trial.report((x - 0.3) ** 2 + 1 / (k + 1), 10 * k)
        if trial.should_prune():
            raise optuna.TrialPruned
    if trial.number == 3:
        raise ValueError("diverged")
    return float((x - 0.3) ** 2)


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    """A study in memory: an SQLite storage commits each suggestion."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's own, about its options
        made = optuna.create_study(
            direction="minimize",
            sampler=optuna.samplers.RandomSampler(seed=1),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
        made.optimize(objective, n_trials=16, catch=(ValueError,))
    return made


@pytest.fixture(scope="module")
def storage(study: optuna.Study, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('optuna')}/study.db"
    stored = optuna.create_study(study_name="tuning", storage=url, direction="minimize")
    stored.add_trials(study.trials)
    stored.enqueue_trial({"x": 0.5})
    return url


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "root"


@pytest.mark.filterwarnings("ignore")
def test_every_trial_comes_with_its_configuration_curve_and_end(study: optuna.Study, storage: str, root: Path) -> None:
    found = read_study(storage)
    ended = study.trials
    assert (found.name, found.metric, found.goal) == ("tuning", "value", Goal.MINIMIZE)
    assert (found.total, found.dropped) == (17, {"not ended": 1})
    assert [run.configuration for run in found.runs] == [trial.params for trial in ended]
    states = {"COMPLETE": RunStatus.COMPLETED, "PRUNED": RunStatus.CANCELED, "FAIL": RunStatus.FAILED}
    assert [run.status for run in found.runs] == [states[trial.state.name] for trial in ended]
    assert {run.status for run in found.runs} == set(states.values())
    for run, trial in zip(found.runs, ended, strict=True):
        assert run.series["value"] == list(trial.intermediate_values.items())
        if run.status is RunStatus.COMPLETED:
            assert run.value == trial.value
        if run.status is RunStatus.CANCELED:
            assert run.value == min(trial.intermediate_values.values())

    folder = save(root, found, "imported", has_name=True)
    sweep = hd.open_sweep("imported", root)
    assert sweep.folder == folder
    assert sweep.best is not None
    assert (sweep.best.number, sweep.best.value) == (study.best_trial.number, study.best_value)
    assert sweep.metrics(0)["value"] == list(ended[0].intermediate_values.items())


@pytest.mark.filterwarnings("ignore")
def test_the_space_is_that_of_the_distributions_and_holds_every_trial(storage: str) -> None:
    study = read_study(storage, "tuning")
    space = SearchSpace(study.space)
    assert study.space["x"] == ["uniform", [0.0, 1.0]]
    assert study.space["step"] == ["quniform", [0.0, 1.0, 0.25]]
    assert study.space["n"] == ["choice", [[1, 3, 5, 7, 9]]]
    assert study.space["wide"] == ["quniform", [1, 10_000, 1]]
    assert study.space["kind"] == ["choice", [["a", None, 3, True]]]
    for run in study.runs:
        space.validate({"only_a": 0.0, **run.configuration})


@pytest.mark.filterwarnings("ignore")
def test_a_study_is_a_warm_start_for_a_sweep_with_a_default_for_what_some_trials_lack(
    study: optuna.Study, storage: str, root: Path
) -> None:
    best = study.best_trial
    save(root, read_study(storage), "study", has_name=True)
    space = {
        "x": hd.uniform(0, 1),
        "rate": hd.log_range(1e-5, 1e-1),
        "only_a": hd.uniform(-1, 1),
    }
    sweep = hd.tune(
        lambda configuration, run: (configuration["x"] - 0.3) ** 2,
        space,
        metric="value",
        goal="minimize",
        sampler="bayesian",
        max_runs=2,
        seed=1,
        root=root,
        resume_from="study",
        resume_rename={"lr": "rate"},
        resume_defaults={"only_a": 0.5},
    )
    expected = {"x": best.params["x"], "rate": best.params["lr"], "only_a": best.params.get("only_a", 0.5)}
    assert sweep.runs[0]["configuration"] == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore")
def test_a_journal_file_is_a_storage_too(study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    journal = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    optuna.create_study(storage=journal, direction="minimize").add_trials(study.trials)
    assert [run.configuration for run in read_study(str(path)).runs] == [trial.params for trial in study.trials]


@pytest.mark.filterwarnings("ignore")
def test_what_is_no_study_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    with pytest.raises(InputError, match="no such file"):
        read_study(url)
    assert list(tmp_path.iterdir()) == []
    for name in ("a", "b"):
        optuna.create_study(study_name=name, storage=url)
    with pytest.raises(InputError, match=r"several studies.*a, b"):
        read_study(url)
    with pytest.raises(InputError, match="no study 'c'"):
        read_study(url, "c")
    with pytest.raises(InputError, match="no trial of the study"):
        read_study(url, "a")
    optuna.create_study(study_name="two", storage=url, directions=["minimize", "maximize"])
    with pytest.raises(InputError, match="2 objectives"):
        read_study(url, "two")
    (tmp_path / "noise.db").write_bytes(b"nothing that a database would hold" * 9)
    with pytest.raises(InputError, match="cannot be read"):
        read_study(str(tmp_path / "noise.db"))


@pytest.mark.filterwarnings("ignore")
def test_a_password_in_the_address_is_neither_stored_nor_told(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgresql://me:secret@host/studies"
    monkeypatch.setattr("hdcore.imports.optuna_study._storage", lambda optuna, given: storage)
    assert "postgresql://***@host/studies" in read_study(address).source
    with pytest.raises(InputError) as raised:
        read_study(address, "nowhere")
    assert raised.value.source == "postgresql://***@host/studies"
