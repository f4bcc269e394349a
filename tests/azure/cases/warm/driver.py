"""A sweep that starts from an earlier one and goes on with one of its runs."""

from azureml.core import Experiment, Workspace
from azureml.core.run import Run
from azureml.train.dnn import TensorFlow
from azureml.train.hyperdrive import (
    HyperDriveConfig,
    HyperDriveRun,
    PrimaryMetricGoal,
    RandomParameterSampling,
    TruncationSelectionPolicy,
    choice,
    loguniform,
)

ws = Workspace.from_config()
experiment = Experiment(ws, "digits")
estimator = TensorFlow(
    source_directory="net",
    entry_script="train.py",
    script_params={"--epochs": 4},
    compute_target="gpucluster",
    framework_version="2.0",
)
sampling = RandomParameterSampling({"--learning-rate": loguniform(-6, -1), "--neurons": choice(50, 100, 200)})
settings = {
    "estimator": estimator,
    "hyperparameter_sampling": sampling,
    "policy": TruncationSelectionPolicy(truncation_percentage=25, evaluation_interval=2),
    "primary_metric_name": "validation_acc",
    "primary_metric_goal": PrimaryMetricGoal.MAXIMIZE,
    "max_concurrent_runs": 2,
}
first = experiment.submit(HyperDriveConfig(max_total_runs=4, **settings))
first.wait_for_completion(show_output=False)
best = first.get_best_run_by_primary_metric()

# in another process one has the ids alone
warmstart_parents_to_resume_from = [HyperDriveRun(experiment, first.id)]
child_runs_to_resume = [Run(experiment, best.id)]
config = HyperDriveConfig(
    max_total_runs=3,
    resume_from=warmstart_parents_to_resume_from,
    resume_child_runs=child_runs_to_resume,
    **settings,
)
second = experiment.submit(config)
second.wait_for_completion(show_output=False)
children = sorted(second.get_children(), key=lambda child: int(child.id.rpartition("_")[2]))
assert len(children) == 3, children
arguments = children[0].get_details()["runDefinition"]["Arguments"]
assert arguments[:6] == best.get_details()["runDefinition"]["Arguments"], arguments
resumed = children[0].get_metrics()
print("resumed at epoch", int(resumed["first_epoch"]), "of run", best.id)
assert resumed["first_epoch"] == 4
