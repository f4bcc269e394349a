"""A support vector machine on the iris data, with the arguments of Azure's well-known iris sweep."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from hdcore import get_run


def read_iris(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return measures and species of a CSV file with a `species` column."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    measures = [name for name in rows[0] if name != "species"]
    return np.array([[float(row[name]) for name in measures] for row in rows]), np.array([r["species"] for r in rows])


def truth(text: str) -> bool:
    return text.strip().lower() in ("true", "1", "yes")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--iris-csv", type=Path, required=True)
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--kernel", default="rbf")
    parser.add_argument("--degree", type=int, default=3)
    parser.add_argument("--gamma", default="scale")
    parser.add_argument("--coef0", type=float, default=0.0)
    parser.add_argument("--shrinking", type=truth, default=False)
    parser.add_argument("--tol", type=float, default=1e-3)
    parser.add_argument("--cache_size", type=float, default=1024)
    parser.add_argument("--class_weight", type=str, default=None)
    parser.add_argument("--verbose", type=truth, default=False)
    parser.add_argument("--max_iter", type=int, default=-1)
    parser.add_argument("--decision_function_shape", default="ovr")
    parser.add_argument("--break_ties", type=truth, default=False)
    parser.add_argument("--random_state", type=int, default=42)
    arguments = vars(parser.parse_args())

    x, y = read_iris(arguments.pop("iris_csv"))
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    model = SVC(**arguments).fit(x_train, y_train)
    run = get_run()
    for part, inputs, labels in (("training", x_train, y_train), ("test", x_test, y_test)):
        predicted = model.predict(inputs)
        run.log(f"{part}_accuracy_score", accuracy_score(labels, predicted))
        run.log(f"{part}_f1_score", f1_score(labels, predicted, average="weighted"))


if __name__ == "__main__":
    main()
