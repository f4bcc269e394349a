"""`HyperDriveSearchCV`: hdcore's samplers and policies as a search of scikit-learn's."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import sklearn
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _fit_and_score,
    _insert_error_scores,
    _MultimetricScorer,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from hdcore.bindings.sklearn.candidates import Candidate, mark_stopped
from hdcore.bindings.sklearn.epochs import classes_of, train, train_and_score
from hdcore.bindings.sklearn.parameters import to_parameters
from hdcore.engine import Optimizer
from hdcore.errors import InputError, NotServedError
from hdcore.space import SearchSpace


class HyperDriveSearchCV(BaseSearchCV):  # type: ignore[misc]
    """Search over the parameters of an estimator, with a Gaussian process and early termination.

    Takes the place of `RandomizedSearchCV`, and adds two things: configurations are proposed where the sampler expects
    the most from what it has seen, and a policy ends those that fall behind before they have cost all their folds or
    epochs.

    Parameters
    ----------
    estimator : estimator object
    space : dict or SearchSpace
        Parameter name (``step__name`` in a pipeline) -> `hdcore.uniform`, `hdcore.choice`, … or a constant. An option
        of a choice that is a dictionary sets the parameters that it names. Values of ``quniform`` and its family are
        int where the grid is one of whole numbers. Distributions of scipy are refused.
    n_iter : int, default 10
        Configurations. A finite space with fewer of them is searched in full.
    sampler : str, dict or Sampler, default "bayesian"
        As for `hdcore.Optimizer`.
    policy : policy, dict, str or None, default None
        Early termination, as for `hdcore.Optimizer` (``"median:delay=5"``). By default interval k is fold k, and what
        is reported is the mean score of the first k folds.
    max_epochs : int or None, default None
        Train with this many calls of ``partial_fit`` instead of ``fit``. Interval k is then epoch k of all folds
        together, reported is their mean score, and what counts in the end is the score after the last epoch.
    scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As for `RandomizedSearchCV`. Of several scores the one that `refit` names guides the search, else the first.
    random_state : int, RandomState or None, default None
        The same number gives the same search, for one `n_jobs`.

    Attributes
    ----------
    cv_results_ : dict
        As that of `RandomizedSearchCV`, with ``stopped_at``: the interval at which the policy ended a configuration, 0
        for never. Those that were stopped rank after all others; their means are over the folds that were run, and
        scores of the other folds are NaN.
    best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, refit_time_, multimetric_, classes_, \
n_features_in_, feature_names_in_
        As for `RandomizedSearchCV`.

    Notes
    -----
    Work goes to joblib in rounds of as many tasks as there are jobs, or of whole configurations that fill them evenly;
    a configuration that has ended is replaced in the next round, and the sampler knows of those in flight.

    Examples
    --------
    >>> import hdcore as hd
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> space = {"C": hd.log_range(1e-2, 1e3), "gamma": hd.log_range(1e-4, 1e1)}
    >>> search = HyperDriveSearchCV(SVC(), space, n_iter=12, random_state=7).fit(*load_iris(return_X_y=True))
    >>> bool(search.best_score_ > 0.97)
    True
    """

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012 - scikit-learn's own form
        **BaseSearchCV._parameter_constraints,
        "space": [Mapping, SearchSpace],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "sampler": [str, Mapping, HasMethods(["bind", "propose"])],
        "policy": [str, Mapping, HasMethods(["judge"]), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        space: Any,
        *,
        n_iter: int = 10,
        sampler: Any = "bayesian",
        policy: Any = None,
        max_epochs: int | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.space = space
        self.n_iter = n_iter
        self.sampler = sampler
        self.policy = policy
        self.max_epochs = max_epochs
        self.random_state = random_state

    # ------------------------------------------------------------------ the search

    @_fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, **params: Any) -> HyperDriveSearchCV:
        """Search, and train the best configuration on all of the data.

        Parameters
        ----------
        X, y : array-like
        **params : dict
            Of the estimator's ``fit`` (``partial_fit`` with `max_epochs`), of the scorer and of the splitter, routed as
            in scikit-learn's own searches. Those as long as `X` are split with it.
        """
        self._refuse_what_is_not_served()
        scorers, metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        # Without routing scikit-learn hands all that `fit` is given to the estimator's `fit`.
        is_routed = sklearn.get_config()["enable_metadata_routing"] and self.max_epochs is not None
        fit_params = routed.estimator.partial_fit if is_routed else routed.estimator.fit
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self._checked_cv_orig = splitter
        self.n_splits_ = splitter.get_n_splits(X, y, **routed.splitter.split)
        splits = list(splitter.split(X, y, **routed.splitter.split))
        if len(splits) != self.n_splits_:
            raise ValueError(f"the splitter gives {len(splits)} splits and promised {self.n_splits_}; use another cv")
        base = clone(self.estimator)
        classes = classes_of(base, y) if self.max_epochs is not None else None
        shared = {
            "scorer": scorers,
            "fit_params": fit_params,
            "score_params": routed.scorer.score,
            "error_score": self.error_score,
            "return_train_score": self.return_train_score,
        }

        def task(candidate: Candidate, fold: int) -> Any:
            train_indices, test_indices = splits[fold]
            if self.max_epochs is None:
                return delayed(_fit_and_score)(
                    clone(base), X, y, train=train_indices, test=test_indices, parameters=candidate.parameters,
                    verbose=self.verbose, return_n_test_samples=True, return_times=True,
                    split_progress=(fold, self.n_splits_), candidate_progress=(candidate.number, self.n_iter), **shared,
                )  # fmt: skip
            before = candidate.outcomes[fold]
            return delayed(train_and_score)(
                clone(base) if before is None else before["estimator"], X, y,
                train_indices=train_indices, test_indices=test_indices,
                parameters=candidate.parameters if before is None else None,
                epochs=1 if self.policy is not None else self.max_epochs, classes=classes, **shared,
            )  # fmt: skip

        candidates = self._evaluate(task, metric)
        ran = [outcome for candidate in candidates for outcome in candidate.outcomes if outcome is not None]
        _warn_or_raise_about_fit_failures(ran, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(ran, self.error_score)
        out = [outcome for candidate in candidates for outcome in candidate.complete()]
        results = self._format_results([candidate.parameters for candidate in candidates], self.n_splits_, out)
        mark_stopped(results, candidates)
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(out[0]["test_scores"])
            metric = self.refit
        self.scorer_ = scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers
        self.cv_results_ = results
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, metric, results)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{metric}"][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]
        if self.refit:
            self._train_best(base, X, y, fit_params, classes)
        return self

    def _evaluate(self, task: Any, metric: Any) -> list[Candidate]:
        """Run the search; the candidates in order of asking."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        sampler = self.sampler if isinstance(self.sampler, str | Mapping) else copy.deepcopy(self.sampler)
        optimizer = Optimizer(self.space, sampler=sampler, goal="maximize", policy=self.policy, seed=seed)
        guide = metric if isinstance(metric, str) and metric != "score" else None
        if self.verbose > 0:
            print(f"Fitting {self.n_splits_} folds for each of {self.n_iter} configurations")
        candidates: list[Candidate] = []
        in_flight: list[Candidate] = []
        with Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch) as parallel:
            width = self._width(parallel._effective_n_jobs())
            while True:
                wanted = min(width - len(in_flight), self.n_iter - len(candidates))
                for run in optimizer.ask(wanted) if wanted > 0 and not optimizer.exhausted else []:
                    parameters = to_parameters(optimizer.space, run.configuration)
                    in_flight.append(Candidate(run.number, parameters, self.n_splits_))
                    candidates.append(in_flight[-1])
                if not in_flight:
                    break
                steps = [(candidate, fold) for candidate in in_flight for fold in self._next_folds(candidate)]
                outcomes = parallel(task(candidate, fold) for candidate, fold in steps)
                for (candidate, fold), outcome in zip(steps, outcomes, strict=True):
                    candidate.take(fold, outcome)
                ended = [candidate for candidate in in_flight if self._has_ended(candidate, optimizer, guide)]
                for candidate in ended:
                    candidate.forget_estimators()
                in_flight = [candidate for candidate in in_flight if candidate not in ended]
        if len(candidates) < self.n_iter:
            warnings.warn(
                f"the space has {len(candidates)} configurations, fewer than n_iter={self.n_iter}; all were tried",
                UserWarning,
                stacklevel=2,
            )
        return candidates

    def _width(self, n_jobs: int) -> int:
        """Configurations in flight: as few as keep all jobs busy, since each proposal is to know the most results."""
        if self.policy is not None and self.max_epochs is None:
            return n_jobs
        return n_jobs // math.gcd(n_jobs, self.n_splits_)

    def _next_folds(self, candidate: Candidate) -> list[int]:
        """Folds to run in this round."""
        if self.max_epochs is not None:
            return list(range(self.n_splits_))
        return candidate.missing() if self.policy is None else candidate.missing()[:1]

    def _has_ended(self, candidate: Candidate, optimizer: Optimizer, guide: str | None) -> bool:
        """Tell the optimizer what a round has brought; True if this was the last one."""
        value = candidate.value(guide)
        candidate.epochs += 0 if self.max_epochs is None else 1 if self.policy is not None else self.max_epochs
        is_last = not candidate.missing() if self.max_epochs is None else candidate.epochs == self.max_epochs
        if self.policy is not None and optimizer.report(candidate.number, value) and not is_last:
            candidate.stopped_at = candidate.epochs or self.n_splits_ - len(candidate.missing())
            optimizer.tell(candidate.number, value, "canceled")
            return True
        if is_last:
            has_failed = candidate.has_failed or not math.isfinite(value)
            optimizer.tell(candidate.number, value, "failed" if has_failed else "completed")
        return is_last

    def _train_best(self, base: Any, X: Any, y: Any, fit_params: dict[str, Any], classes: Any) -> None:
        # Cloned, as parameters may be estimators themselves.
        best = clone(base).set_params(**clone(self.best_params_, safe=False))
        start = time.time()
        if self.max_epochs is not None:
            train(best, X, y, self.max_epochs, classes, fit_params)
        elif y is not None:
            best.fit(X, y, **fit_params)
        else:
            best.fit(X, **fit_params)
        self.refit_time_ = time.time() - start
        self.best_estimator_ = best
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_

    # ------------------------------------------------------------------ scikit-learn's protocols

    def _refuse_what_is_not_served(self) -> None:
        if self.max_epochs is not None and not hasattr(self.estimator, "partial_fit"):
            raise InputError(
                f"HyperDriveSearchCV: {type(self.estimator).__name__} has no partial_fit; leave max_epochs out",
                field="max_epochs",
            )
        if getattr(self, "_skl_callbacks", None):
            raise NotServedError("HyperDriveSearchCV: callbacks of scikit-learn are not served; set none on the search")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # The searches of scikit-learn do not say it, and fail its own check of 2-d targets for that.
        tags.target_tags.multi_output = get_tags(self.estimator).target_tags.multi_output
        return tags

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata go to estimator, scorer and splitter."""
        if self.max_epochs is None:
            return super().get_metadata_routing()
        scorer, _ = self._get_scorers()
        return (
            MetadataRouter(owner=self)
            .add(estimator=self.estimator, method_mapping=MethodMapping().add(caller="fit", callee="partial_fit"))
            .add(
                scorer=scorer,
                method_mapping=MethodMapping().add(caller="score", callee="score").add(caller="fit", callee="score"),
            )
            .add(splitter=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        )
