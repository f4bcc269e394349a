# %%
## install the SDK
!pip install azure-ai-ml mlflow
# %%
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential

try:
    credential = DefaultAzureCredential()
    credential.get_token("https://management.azure.com/.default")
except Exception as ex:
    credential = InteractiveBrowserCredential()
ml_client = MLClient.from_config(credential=credential)
# %%
import os

script_folder = "src"
os.makedirs(script_folder, exist_ok=True)
print(script_folder, "folder created")
# %%
%%writefile $script_folder/train.py
import argparse

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--training_data", dest="training_data", type=str)
parser.add_argument("--reg_rate", dest="reg_rate", type=float, default=0.01)
arguments = parser.parse_args()
with open(arguments.training_data) as file:
    rows = len(file.readlines())
mlflow.log_param("Regularization rate", arguments.reg_rate)
mlflow.log_metric("training_accuracy_score", 1 - arguments.reg_rate / rows)
# %%
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data

data = Data(path="patients.csv", type=AssetTypes.URI_FILE, name="patients", version="1", description="Patients")
ml_client.data.create_or_update(data)
# %%
from azure.ai.ml import Input, command
from azure.ai.ml.sweep import Choice

job = command(
    code="./src",
    command="python train.py --training_data ${{inputs.patients}} --reg_rate ${{inputs.reg_rate}}",
    inputs={"patients": Input(type=AssetTypes.URI_FILE, path="azureml:patients:1"), "reg_rate": 0.01},
    environment="AzureML-sklearn-0.24-ubuntu18.04-py37-cpu@latest",
    compute="aml-cluster",
    display_name="patients-train",
    experiment_name="patients-training",
    tags={"model_type": "LogisticRegression"},
)
command_job_for_sweep = job(reg_rate=Choice(values=[0.01, 0.1, 1]))
# %%
sweep_job = command_job_for_sweep.sweep(
    compute="aml-cluster", sampling_algorithm="grid", primary_metric="training_accuracy_score", goal="Maximize"
)
sweep_job.experiment_name = "sweep-patients"
sweep_job.set_limits(max_total_trials=4, max_concurrent_trials=2, timeout=7200)
# %%
returned_sweep_job = ml_client.create_or_update(sweep_job)
aml_url = returned_sweep_job.studio_url
print("Monitor your job at", aml_url)
