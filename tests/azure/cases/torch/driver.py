"""A network: bare keys, bandit with a delay, metrics as vectors."""

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.train.hyperdrive import BanditPolicy, HyperDriveConfig, PrimaryMetricGoal, RandomParameterSampling, uniform

ws = Workspace.from_config(auth=InteractiveLoginAuthentication())
environment = Environment.get(ws, name="AzureML-pytorch-1.9-ubuntu18.04-py37-cuda11-gpu")
config = ScriptRunConfig(
    source_directory="code",
    script="train.py",
    arguments=["--num_epochs", 4, "--output_dir", "./outputs"],
    compute_target="gpu-cluster",
    environment=environment,
)
hyperdrive_config = HyperDriveConfig(
    run_config=config,
    hyperparameter_sampling=RandomParameterSampling(
        {"learning_rate": uniform(0.0005, 0.005), "momentum": uniform(0.9, 0.99)}
    ),
    policy=BanditPolicy(slack_factor=0.15, evaluation_interval=1, delay_evaluation=10),
    primary_metric_name="best_val_acc",
    primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
    max_total_runs=3,
    max_concurrent_runs=3,
)
run = Experiment(ws, name="birds").submit(hyperdrive_config)
run.wait_for_completion(show_output=False)
best_run = run.get_best_run_by_primary_metric()
metrics = best_run.get_metrics()
print("best validation accuracy", metrics["best_val_acc"][-1])
assert len(metrics["best_val_acc"]) == 4
for child in run.get_children_sorted_by_primary_metric():
    print(child["run_id"], child["hyperparameters"], child["best_primary_metric"])
best_run.download_file("outputs/model.pt", "model.pt")
