"""Judge a support vector machine by 5-fold cross-validation on scikit-learn's diabetes data."""

from __future__ import annotations

import argparse

from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from hdcore import get_run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--penalty", type=float, default=1.0)
    parser.add_argument("--gamma", type=float, default=0.1)
    parser.add_argument("--epsilon", type=float, default=0.1)
    parser.add_argument("--kernel", default="rbf")
    arguments = parser.parse_args()

    patients, progression = load_diabetes(return_X_y=True)
    # Without a bound on the iterations a polynomial kernel with a large penalty never ends.
    machine = SVR(
        C=arguments.penalty, gamma=arguments.gamma, epsilon=arguments.epsilon, kernel=arguments.kernel, max_iter=20_000
    )
    folds = KFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(
        make_pipeline(StandardScaler(), machine),
        patients,
        progression,
        cv=folds,
        scoring="neg_root_mean_squared_error",
    )
    get_run().log("rmse", float(-scores.mean()))


if __name__ == "__main__":
    main()
