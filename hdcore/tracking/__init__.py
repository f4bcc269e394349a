"""What scripts log through MLflow, kept with their run: params, tags, models, nested runs.

Metrics go where `hdcore.get_run().log` puts them, artifacts into the run's outputs folder; all the rest is a journal in
the run's folder. `store` is MLflow's tracking store over these, found through `plugin`; a small stand-in for the mlflow
package (``hdcore/standins_mlflow``) writes the same journal where MLflow is not installed.
"""

from __future__ import annotations

URI = "hdcore:"
"""MLflow's tracking URI in trials. Which run is meant says the environment."""
