"""What is known of each configuration of a search, and what is to be done next."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import rankdata

Outcome = dict[str, Any]
"""What scikit-learn's ``_fit_and_score`` returns: scores of one fold."""


class Candidate:
    """One configuration.

    Attributes
    ----------
    number : int
        Of the optimizer's run.
    outcomes : list of dict or None
        One a fold; None where the fold was not run.
    epochs : int
        Trained so far; with folds as intervals it stays 0.
    stopped_at : int
        Interval at which the policy ended it; 0 for never.
    """

    def __init__(self, number: int, parameters: dict[str, Any], n_splits: int) -> None:
        self.number, self.parameters = number, parameters
        self.outcomes: list[Outcome | None] = [None] * n_splits
        self.epochs = 0
        self.stopped_at = 0

    @property
    def has_failed(self) -> bool:
        """True if a fold could not be fitted."""
        return any(outcome is not None and outcome["fit_error"] is not None for outcome in self.outcomes)

    def missing(self) -> list[int]:
        """Folds that were not run, in order."""
        return [fold for fold, outcome in enumerate(self.outcomes) if outcome is None]

    def take(self, fold: int, outcome: Outcome) -> None:
        """Take the result of a fold; later epochs of it add to its times."""
        before = self.outcomes[fold]
        if before is not None:
            outcome["fit_time"] += before["fit_time"]
            outcome["score_time"] += before["score_time"]
        self.outcomes[fold] = outcome

    def forget_estimators(self) -> None:
        """Free the half-trained estimators of all folds."""
        for outcome in self.outcomes:
            if outcome is not None:
                outcome.pop("estimator", None)

    def value(self, metric: str | None, until: int | None = None) -> float:
        """Mean test score of the first folds, all that were run by default."""
        scores = [score_of(outcome, metric) for outcome in self.outcomes[:until] if outcome is not None]
        return sum(scores) / len(scores) if scores else math.nan

    def complete(self) -> Iterator[Outcome]:
        """Outcomes of all folds; one that was not run has the means of those that were."""
        known = [outcome for outcome in self.outcomes if outcome is not None]
        for outcome in self.outcomes:
            if outcome is not None:
                yield outcome
                continue
            filled: Outcome = {key: _mean([one[key] for one in known]) for key in ("fit_time", "score_time")}
            for key in ("test_scores", "train_scores"):
                if key in known[0]:
                    filled[key] = _mean([one[key] for one in known])
            yield filled | {"n_test_samples": known[0]["n_test_samples"], "fit_error": None}


def score_of(outcome: Outcome, metric: str | None) -> float:
    """The score that guides the search; of several the named one, else the first."""
    scores = outcome["test_scores"]
    if isinstance(scores, dict):
        return float(scores[metric] if metric in scores else next(iter(scores.values())))
    return float(scores)


def _mean(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return {name: _mean([value[name] for value in values]) for name in values[0]}
    return sum(values) / len(values)


def mark_stopped(results: dict[str, Any], candidates: list[Candidate]) -> None:
    """Write into ``cv_results_`` what the policy did: stopped candidates come after all others.

    Means are over the folds that were run, the score of a fold that was not is NaN. ``stopped_at`` is the interval at
    which the policy ended a candidate, 0 for never.
    """
    results["stopped_at"] = stopped_at = np.array([candidate.stopped_at for candidate in candidates], np.int64)
    if not stopped_at.any():
        return
    for index, candidate in enumerate(candidates):
        for fold in candidate.missing():
            for key, column in results.items():
                if key.startswith((f"split{fold}_test_", f"split{fold}_train_")):
                    column[index] = np.nan
    for key in [key for key in results if key.startswith(("std_test_", "std_train_"))]:
        name = key.removeprefix("std_")
        scores = np.stack([results[f"split{fold}_{name}"] for fold in range(len(candidates[0].outcomes))])
        for index, candidate in enumerate(candidates):
            if candidate.missing():
                ran = [outcome is not None for outcome in candidate.outcomes]
                results[key][index] = np.std(scores[ran, index])
    for key in [key for key in results if key.startswith("rank_test_")]:
        means = results[f"mean_{key.removeprefix('rank_')}"]
        behind = (stopped_at > 0) | np.isnan(means)
        if behind.all():
            continue
        floor = means[~behind].min() - 1
        results[key] = rankdata(-np.where(behind, floor, means), method="min").astype(np.int32)
