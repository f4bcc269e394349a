"""scikit-learn's own checks of estimators, on searches as it builds its own ones for them."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import BernoulliNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import hdcore as hd
from hdcore.bindings.sklearn import HyperDriveSearchCV

SHARED: dict[str, Any] = {"n_iter": 2, "cv": 2, "error_score": "raise", "random_state": 0}
SEARCHES = [
    HyperDriveSearchCV(Ridge(), {"alpha": hd.log_range(0.1, 1)}, **SHARED),
    HyperDriveSearchCV(LogisticRegression(), {"C": hd.choice(0.1, 1.0)}, **SHARED),
    HyperDriveSearchCV(LogisticRegression(), {"C": hd.log_range(0.1, 1)}, policy="median", **SHARED),
    HyperDriveSearchCV(BernoulliNB(), {"alpha": hd.log_range(0.1, 1)}, max_epochs=3, **SHARED),
    HyperDriveSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": hd.log_range(0.1, 1)}, **SHARED),
]


# Some checks give NaN to casts that warn, and scikit-learn's own searches warn there too.
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")
@parametrize_with_checks(SEARCHES)
def test_a_search_passes(estimator: Any, check: Any) -> None:
    check(estimator)
