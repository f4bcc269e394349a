"""HyperDrive's classic example, from the search space to the best run."""

from azureml.core import Workspace
from azureml.core.experiment import Experiment
from azureml.train.estimator import Estimator
from azureml.train.hyperdrive import (
    BanditPolicy,
    HyperDriveRunConfig,
    PrimaryMetricGoal,
    RandomParameterSampling,
    choice,
    normal,
    uniform,
)
from azureml.widgets import RunDetails

workspace = Workspace.from_config()
experiment_name = "classic"
estimator = Estimator(
    source_directory="train", entry_script="train.py", script_params={"--epochs": 3}, compute_target="local"
)

param_sampling = RandomParameterSampling(
    {
        "learning_rate": normal(10, 3),
        "keep_probability": uniform(0.05, 0.1),
        "batch_size": choice(16, 32, 64, 128),
    }
)
early_termination_policy = BanditPolicy(slack_factor=0.1, evaluation_interval=1, delay_evaluation=5)
hyperdrive_run_config = HyperDriveRunConfig(
    estimator=estimator,
    hyperparameter_sampling=param_sampling,
    policy=early_termination_policy,
    primary_metric_name="accuracy",
    primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
    max_total_runs=4,
    max_concurrent_runs=2,
)
experiment = Experiment(workspace, experiment_name)
hyperdrive_run = experiment.submit(hyperdrive_run_config)
RunDetails(hyperdrive_run).show()
hyperdrive_run.wait_for_completion(show_output=True)

best_run = hyperdrive_run.get_best_run_by_primary_metric()
best_run_metrics = best_run.get_metrics()
parameter_values = best_run.get_details()["runDefinition"]["Arguments"]

print("Best Run Id: ", best_run.id)
print("\n Accuracy:", best_run_metrics["accuracy"])
print("\n learning rate:", parameter_values[3])
print("\n keep probability:", parameter_values[5])
print("\n batch size:", parameter_values[7])
assert parameter_values[2::2] == ["--learning_rate", "--keep_probability", "--batch_size"]
