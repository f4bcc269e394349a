# %% [markdown]
# # Support vector machines, version 1 of the SDK
# %%
%matplotlib inline
import azureml.core
from azureml.core import Workspace

print("SDK", azureml.core.VERSION)
ws = Workspace.from_config()
# %%
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException

try:
    compute_target = ComputeTarget(workspace=ws, name="gpu-cluster")
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
    compute_target = ComputeTarget.create(ws, "gpu-cluster", config)
    compute_target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
# %%
import os

project_folder = "./flowers"
os.makedirs(project_folder, exist_ok=True)
# %%
%%writefile $project_folder/train.py
import argparse
import os

from azureml.core.run import Run

run = Run.get_context()
parser = argparse.ArgumentParser()
parser.add_argument("--kernel", type=str, default="linear")
parser.add_argument("--penalty", type=float, default=1.0)
arguments = parser.parse_args()
run.log("Kernel type", str(arguments.kernel))
run.log("Penalty", float(arguments.penalty))
accuracy = 1 - abs(arguments.penalty - 1) / 2 - 0.1 * (arguments.kernel != "rbf")
run.log("Accuracy", float(accuracy))
os.makedirs("outputs", exist_ok=True)
with open("outputs/model.joblib", "w") as file:
    file.write(arguments.kernel)
# %%
from azureml.core import Environment, Experiment, ScriptRunConfig

experiment = Experiment(ws, "train-flowers")
sklearn_env = Environment.from_pip_requirements(name="sklearn-env", file_path="requirements.txt")
src = ScriptRunConfig(
    source_directory=project_folder,
    script="train.py",
    arguments=["--kernel", "linear", "--penalty", 1.0],
    compute_target=compute_target,
    environment=sklearn_env,
)
run = experiment.submit(src)
run.wait_for_completion(show_output=True)
# %%
from azureml.train.hyperdrive.parameter_expressions import choice
from azureml.train.hyperdrive.run import PrimaryMetricGoal
from azureml.train.hyperdrive.runconfig import HyperDriveConfig
from azureml.train.hyperdrive.sampling import RandomParameterSampling

param_sampling = RandomParameterSampling(
    {"--kernel": choice("linear", "rbf", "poly", "sigmoid"), "--penalty": choice(0.5, 1, 1.5)}
)
hyperdrive_config = HyperDriveConfig(
    run_config=src,
    hyperparameter_sampling=param_sampling,
    primary_metric_name="Accuracy",
    primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
    max_total_runs=12,
    max_concurrent_runs=4,
)
hyperdrive_run = experiment.submit(hyperdrive_config)
# %%
from azureml.widgets import RunDetails

RunDetails(hyperdrive_run).show()
# %%
hyperdrive_run.wait_for_completion(show_output=True)
assert hyperdrive_run.get_status() == "Completed"
# %%
best_run = hyperdrive_run.get_best_run_by_primary_metric()
arguments = best_run.get_details()["runDefinition"]["arguments"]
print(arguments)
assert len(list(hyperdrive_run.get_children())) == 12
assert arguments[-4:] == ["--kernel", "rbf", "--penalty", "1"], arguments
print(best_run.get_file_names())
# %%
model = best_run.register_model(model_name="sklearn-flowers", model_path="outputs/model.joblib")
model.name, model.version
