"""A sweep of version 2, its best model, and an endpoint that is out of scope here."""

from azure.ai.ml import MLClient, Output, command, load_job
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import AmlCompute, Environment, ManagedOnlineEndpoint, Model
from azure.ai.ml.sweep import BanditPolicy, LogUniform, Objective, SweepJob, SweepJobLimits
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import AzureCliCredential

ml_client = MLClient(AzureCliCredential(), "sub", "group", "space")
ml_client.begin_create_or_update(AmlCompute(name="cpu", size="STANDARD_DS3_V2", max_instances=4)).result()
environment = ml_client.environments.create_or_update(
    Environment(name="trees-env", image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", conda_file={"name": "x"})
)
trial = command(
    command="python train.py --rate ${{search_space.rate}} --model ${{outputs.model}}",
    code="src",
    environment=environment,
    outputs={"model": Output(type=AssetTypes.MLFLOW_MODEL)},
)
job = SweepJob(
    trial=trial,
    name="by-hand",
    compute="cpu",
    search_space={"rate": LogUniform(min_value=-6, max_value=-1)},
    sampling_algorithm="Random",
    objective=Objective(goal="maximize", primary_metric="score"),
    limits=SweepJobLimits(max_total_trials=3, max_concurrent_trials=2),
    early_termination=BanditPolicy(slack_amount=0.2, delay_evaluation=1),
)
returned = ml_client.jobs.create_or_update(job)
ml_client.jobs.stream(returned.name)
best = ml_client.jobs.get("by-hand").properties["best_child_run_id"]
model = ml_client.models.create_or_update(
    Model(path=f"azureml://jobs/{best}/outputs/model", name="trees", type=AssetTypes.MLFLOW_MODEL)
)
assert ml_client.models.get("trees", label="latest").version == model.version == "1"
try:
    ml_client.models.get("shrubs")
except ResourceNotFoundError as error:
    print("missing:", error)
loaded = load_job("sweep.yml")
loaded.limits.max_total_trials = 2
again = ml_client.jobs.create_or_update(loaded)
ml_client.jobs.stream(again.name)
assert len(list(ml_client.jobs.list(parent_job_name=again.name))) == 2
endpoint = ManagedOnlineEndpoint(name="trees", auth_mode="key")
print("never reached")
