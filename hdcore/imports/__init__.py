"""Searches that other programs made, as sweeps of ours: Optuna studies, MLflow experiments, tables.

==============  ======================================================================
`foreign`       what every source is turned into
`inference`     values and spaces of columns that say nothing about their kind
`csv_table`     a CSV file, one row a run or one row a report
`optuna_study`  a study of an Optuna storage; needs optuna
`mlflow_runs`   the runs of an MLflow experiment; needs mlflow
`save`          into a root, where all commands find it
==============  ======================================================================
"""

from __future__ import annotations

from hdcore.imports.csv_table import read_csv
from hdcore.imports.foreign import ForeignRun, ForeignSweep
from hdcore.imports.mlflow_runs import read_experiment
from hdcore.imports.optuna_study import read_study, sweep_of_study
from hdcore.imports.save import save

__all__ = ["ForeignRun", "ForeignSweep", "read_csv", "read_experiment", "read_study", "save", "sweep_of_study"]
