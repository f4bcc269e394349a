"""Write scikit-learn's iris data as CSV with a `species` column: ``python make_iris.py iris.csv``."""

from __future__ import annotations

import csv
import sys

from sklearn.datasets import load_iris

iris = load_iris()
with open(sys.argv[1], "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["sepal_length", "sepal_width", "petal_length", "petal_width", "species"])
    for row, target in zip(iris.data, iris.target, strict=True):
        writer.writerow([*row, iris.target_names[target]])
