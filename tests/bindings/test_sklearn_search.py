"""`HyperDriveSearchCV` against scikit-learn's own searches and functions."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import hdcore as hd
from hdcore.bindings.sklearn import HyperDriveSearchCV
from hdcore.errors import InputError, SpaceError

X, Y = load_iris(return_X_y=True)
GRID = [0.01, 0.1, 1.0, 10.0]


def search(**more: Any) -> HyperDriveSearchCV:
    given: dict[str, Any] = {"estimator": SVC(), "space": {"C": hd.log_range(1e-3, 1e3)}, "n_iter": 8}
    return HyperDriveSearchCV(**given | {"random_state": 1, "sampler": "random", "cv": 3} | more)


def scores(found: HyperDriveSearchCV) -> dict[str, Any]:
    return {key: value for key, value in found.cv_results_.items() if not key.endswith("_time")}


@pytest.mark.parametrize("more", [{}, {"policy": hd.NoTerminationPolicy()}, {"n_jobs": 2}], ids=str)
@pytest.mark.parametrize("scoring", [None, ["accuracy", "f1_macro"]], ids=str)
def test_a_grid_gives_the_results_of_grid_search(scoring: Any, more: dict[str, Any]) -> None:
    shared: dict[str, Any] = {"scoring": scoring, "refit": "f1_macro" if scoring else True, "cv": 3}
    theirs = GridSearchCV(SVC(), {"C": GRID}, return_train_score=True, **shared).fit(X, Y)
    ours = search(
        space={"C": hd.choice(*GRID)}, sampler="grid", n_iter=4, return_train_score=True, **shared, **more
    ).fit(X, Y)
    found = scores(ours)
    assert not found.pop("stopped_at").any()
    assert found.keys() == scores(theirs).keys()
    for key, column in scores(theirs).items():
        assert np.asarray(found[key] == column).all(), key
        assert type(found[key]) is type(column)
        assert getattr(found[key], "dtype", None) == getattr(column, "dtype", None)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    assert ours.score(X, Y) == theirs.score(X, Y)
    assert (ours.predict(X) == theirs.predict(X)).all()
    assert (ours.n_features_in_, list(ours.classes_)) == (4, [0, 1, 2])


def test_the_same_number_gives_the_same_search_and_clones_and_pickles_are_searches() -> None:
    first = search(sampler="bayesian", n_iter=12).fit(X, Y)
    for again in (clone(first).fit(X, Y), pickle.loads(pickle.dumps(search(sampler="bayesian", n_iter=12))).fit(X, Y)):
        assert again.cv_results_["params"] == first.cv_results_["params"]
    assert (
        search(sampler="bayesian", random_state=2).fit(X, Y).cv_results_["params"][0] != first.cv_results_["params"][0]
    )
    assert (pickle.loads(pickle.dumps(first)).predict(X) == first.predict(X)).all()
    by_generator = [search(random_state=np.random.RandomState(4)).fit(X, Y).best_params_ for _ in range(2)]
    assert by_generator[0] == by_generator[1]


def test_a_policy_ends_candidates_after_some_folds_and_they_rank_last() -> None:
    found = search(policy="median:delay=2", n_iter=20, cv=5, return_train_score=True).fit(X, Y)
    results = found.cv_results_
    stopped = results["stopped_at"]
    assert stopped.any()
    assert (stopped[stopped > 0] >= 2).all()
    folds = np.stack([results[f"split{k}_test_score"] for k in range(5)], axis=1)
    for row, at in zip(folds, stopped, strict=True):
        assert np.isnan(row).sum() == (5 - at if at else 0)
        assert np.isfinite(row[: at or 5]).all()
    assert results["mean_test_score"] == pytest.approx(np.nanmean(folds, axis=1))
    assert results["std_test_score"] == pytest.approx(np.nanstd(folds, axis=1))
    assert results["rank_test_score"][stopped > 0].min() > results["rank_test_score"][stopped == 0].max()
    assert not stopped[found.best_index_]
    # the decisions are those of the policy on the running means
    means = np.cumsum(folds, axis=1) / np.arange(1, 6)
    (replayed,) = hd.policies.replay([hd.MedianStoppingPolicy(delay_evaluation=2)], means, "maximize", workers=1)
    assert [at if at < 5 else 0 for at in replayed.stopped_at] == stopped.tolist()


def test_epochs_train_with_partial_fit_and_stop_early() -> None:
    model = SGDClassifier(random_state=0)
    space = {"alpha": hd.log_range(1e-6, 1e3)}
    found = search(estimator=model, space=space, policy="median:delay=4", max_epochs=9, n_iter=12).fit(X, Y)
    stopped = found.cv_results_["stopped_at"]
    assert stopped.any()
    assert ((stopped == 0) | ((stopped >= 4) & (stopped < 9))).all()
    for index in (0, found.best_index_, int(np.argmax(stopped > 0))):
        epochs = stopped[index] or 9
        for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, Y)):
            by_hand = clone(model).set_params(**found.cv_results_["params"][index])
            for _ in range(epochs):
                by_hand.partial_fit(X[train], Y[train], classes=[0, 1, 2])
            assert found.cv_results_[f"split{fold}_test_score"][index] == by_hand.score(X[test], Y[test])
    assert found.best_estimator_.t_ == 9 * len(X) + 1
    whole = search(estimator=model, space=space, max_epochs=9, n_iter=12).fit(X, Y)
    assert whole.cv_results_["mean_test_score"][stopped == 0] == pytest.approx(
        found.cv_results_["mean_test_score"][stopped == 0]
    )
    with pytest.raises(InputError, match="SVC has no partial_fit"):
        search(max_epochs=3).fit(X, Y)


class Fussy(ClassifierMixin, BaseEstimator):
    """Fails for large C."""

    def __init__(self, C: float = 1.0) -> None:
        self.C = C

    def fit(self, X: Any, y: Any) -> Fussy:
        if self.C > 1:
            raise ValueError("C is too large")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X), int)


@pytest.mark.parametrize("policy", [None, "bandit:slack_factor=0.5"])
def test_a_configuration_that_fails_gets_the_error_score(policy: str | None) -> None:
    with pytest.warns(FitFailedWarning):
        found = search(estimator=Fussy(), error_score=0.1, policy=policy).fit(X, Y)
    values, means = found.cv_results_["param_C"], found.cv_results_["mean_test_score"]
    assert (values > 1).any()
    assert means[values > 1] == pytest.approx(0.1)
    assert found.best_params_["C"] <= 1
    with pytest.warns((UserWarning, FitFailedWarning), match=r"fits failed|non-finite"):
        unknown = search(estimator=Fussy(), policy=policy).fit(X, Y).cv_results_
    assert np.isnan(unknown["mean_test_score"][values > 1]).all()
    assert unknown["rank_test_score"][values > 1].min() > unknown["rank_test_score"][values <= 1].max()
    with pytest.raises(ValueError, match="C is too large"):
        search(estimator=Fussy(), error_score="raise").fit(X, Y)
    with pytest.raises(ValueError, match="All the 24 fits failed"):
        search(estimator=Fussy(), space={"C": hd.uniform(2, 3)}).fit(X, Y)


def test_refit_names_a_score_takes_a_function_or_is_off() -> None:
    scoring = {"accuracy": "accuracy", "recall": make_scorer(recall_score, average="macro")}
    found = search(scoring=scoring, refit="recall").fit(X, Y)
    assert found.best_score_ == found.cv_results_["mean_test_recall"].max()
    worst = search(scoring=scoring, refit=lambda results: int(results["rank_test_accuracy"].argmax())).fit(X, Y)
    assert worst.best_index_ == worst.cv_results_["rank_test_accuracy"].argmax()
    assert not hasattr(worst, "best_score_")
    off = search(scoring=scoring, refit=False).fit(X, Y)
    assert not hasattr(off, "best_params_")
    assert search(refit=False).fit(X, Y).best_score_ == search().fit(X, Y).best_score_
    with pytest.raises(ValueError, match="refit must be set"):
        search(scoring=scoring).fit(X, Y)
    both = search(scoring=lambda model, x, y: {"a": model.score(x, y), "b": 0.5}, refit="a", policy="median").fit(X, Y)
    assert both.best_score_ == both.cv_results_["mean_test_a"][both.best_index_]


def test_parameters_of_pipelines_whole_numbers_and_conditional_spaces() -> None:
    space = {
        "svc__kernel": hd.choice("rbf"),
        "poly": hd.choice(
            {"svc__degree": hd.quniform(2, 4, 1), "svc__coef0": 1.0}, {"svc__gamma": hd.log_range(0.1, 1)}
        ),
    }
    found = search(estimator=make_pipeline(StandardScaler(), SVC()), space=space).fit(X, Y)
    for parameters in found.cv_results_["params"]:
        keys = parameters.keys() - {"svc__kernel"}
        assert keys in ({"svc__degree", "svc__coef0"}, {"svc__gamma"})
        assert type(parameters.get("svc__degree", 2)) is int
    assert found.cv_results_["param_svc__degree"].mask.any()
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        search(space={"depth": hd.uniform(0, 1)}).fit(X, Y)
    with pytest.raises(SpaceError, match="'C' is set twice"):
        search(space={"C": hd.uniform(1, 2), "also": hd.choice({"C": 3.0})}).fit(X, Y)


def test_a_small_space_is_searched_in_full() -> None:
    with pytest.warns(UserWarning, match="the space has 4 configurations, fewer than n_iter=8"):
        found = search(space={"C": hd.choice(*GRID)}).fit(X, Y)
    assert sorted(found.cv_results_["param_C"]) == GRID


def test_sample_weights_and_groups_reach_estimator_scorer_and_splitter() -> None:
    weight = np.random.default_rng(0).random(len(Y)) * (Y + 0.1)
    groups = np.arange(len(Y)) % 7
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        space, cv = {"C": hd.choice(0.01, 1.0)}, GroupKFold(3)
        for more in ({}, {"policy": hd.NoTerminationPolicy()}):
            found = search(estimator=model, space=space, n_iter=2, sampler="grid", cv=cv, **more)
            found.fit(X, Y, sample_weight=weight, groups=groups)
            theirs = cross_validate(
                clone(model).set_params(C=0.01), X, Y, cv=cv, params={"sample_weight": weight, "groups": groups}
            )
            assert [found.cv_results_[f"split{k}_test_score"][0] for k in range(3)] == list(theirs["test_score"])
        stepwise = SGDClassifier(random_state=0).set_partial_fit_request(sample_weight=True)
        stepwise = stepwise.set_score_request(sample_weight=False)
        by_epoch = search(estimator=stepwise, space={"alpha": hd.log_range(1e-5, 1)}, max_epochs=2, n_iter=2)
        heavy = by_epoch.fit(X, Y, sample_weight=weight).cv_results_["mean_test_score"]
        assert (heavy != by_epoch.fit(X, Y).cv_results_["mean_test_score"]).any()
    plain = search(estimator=SGDClassifier(random_state=0), space={"alpha": hd.uniform(0, 1)}, max_epochs=1, n_iter=1)
    unweighted = plain.fit(X, Y).best_estimator_.coef_
    assert (plain.fit(X, Y, sample_weight=weight).best_estimator_.coef_ != unweighted).any()
    with pytest.raises(TypeError, match="got an unexpected keyword argument"):
        search(estimator=Ridge(), space={"alpha": hd.uniform(0, 1)}, error_score="raise").fit(X, Y, loudness=weight)


@pytest.mark.parametrize("policy", [None, "median"])
@pytest.mark.parametrize("max_epochs", [None, 2])
def test_two_jobs_run_every_configuration_once(policy: str | None, max_epochs: int | None) -> None:
    model = SGDClassifier(random_state=0)
    given = search(
        estimator=model,
        space={"alpha": hd.log_range(1e-5, 1)},
        n_iter=7,
        n_jobs=2,
        policy=policy,
        max_epochs=max_epochs,
    )
    first, again = given.fit(X, Y).cv_results_, clone(given).fit(X, Y).cv_results_
    assert len(set(first["param_alpha"])) == 7
    assert list(first["param_alpha"]) == list(again["param_alpha"])
    assert (first["stopped_at"] == again["stopped_at"]).all()
