"""A sweep as it was written in 2018."""

import sys

from azureml.core import Experiment, Workspace
from azureml.core.compute import ComputeTarget
from azureml.train.estimator import Estimator
from azureml.train.hyperdrive import *  # noqa: F403
from azureml.train.widgets import RunDetails

assert sys.argv[1:] == ["--experiment", "ridge"], sys.argv
workspace = Workspace.from_config()
experiment = Experiment(workspace=workspace, name=sys.argv[2])
estimator = Estimator(
    source_directory="./scripts",
    entry_script="train.py",
    script_params={"--data-folder": "data"},
    compute_target=ComputeTarget(workspace=workspace, name="batchai"),
    conda_packages=["scikit-learn"],
)
config = HyperDriveRunConfig(  # noqa: F405
    estimator=estimator,
    hyperparameter_sampling=GridParameterSampling({"alpha": choice([0.1, 0.4, 0.8])}),  # noqa: F405
    primary_metric_name="mse",
    primary_metric_goal=PrimaryMetricGoal.MINIMIZE,  # noqa: F405
    policy=BanditPolicy(evaluation_interval=1, slack_factor=0.1),  # noqa: F405
    max_total_runs=3,
    max_concurrent_runs=2,
)
run = experiment.submit(config=config)
RunDetails(run).show()
run.wait_for_completion(show_output=True)
best = run.get_best_run_by_primary_metric()
print("alpha", best.get_details()["runDefinition"]["Arguments"][3], best.get_metrics()["mse"])
assert best.get_details()["runDefinition"]["Arguments"] == ["--data-folder", "data", "--alpha", "0.4"]
