# %% [markdown]
# Boosted trees: first once, then a sweep over the learning rate and the kind of boosting.
# %%
from azure.ai.ml import Input, MLClient, command
from azure.ai.ml.sweep import Choice, MedianStoppingPolicy, Uniform
from azure.identity import DefaultAzureCredential

credential = DefaultAzureCredential()
credential.get_token("https://management.azure.com/.default")
# %%
ml_client = MLClient(
    credential, subscription_id="<SUBSCRIPTION_ID>", resource_group_name="<GROUP>", workspace_name="<WORKSPACE>"
)
cpu_cluster = "cpu-cluster"
ml_client.compute.get(cpu_cluster)
# %%
inputs = {
    "table": Input(type="uri_file", path="https://example.invalid/datasets/flowers.csv"),
    "learning_rate": 0.9,
    "boosting": "gbdt",
}
trees = command(
    code="./src",
    command="python train.py --table ${{inputs.table}} --learning-rate ${{inputs.learning_rate}} "
    "--boosting ${{inputs.boosting}}",
    environment="AzureML-lightgbm-3.3@latest",
    inputs=inputs,
    compute=cpu_cluster,
    display_name="trees",
    experiment_name="flowers",
    description="Boosted trees on flowers",
)
once = ml_client.create_or_update(trees)
once.studio_url
# %%
ml_client.jobs.stream(once.name)
# %%
searched = trees(learning_rate=Uniform(min_value=0.01, max_value=0.9), boosting=Choice(["gbdt", "dart"]))
sweep_job = searched.sweep(
    compute=cpu_cluster, sampling_algorithm="random", primary_metric="test-multi_logloss", goal="Minimize"
)
sweep_job.set_limits(max_total_trials=4, max_concurrent_trials=2, timeout=7200)
sweep_job.early_termination = MedianStoppingPolicy(delay_evaluation=5, evaluation_interval=2)
sweep_job.display_name = "trees-sweep"
# %%
returned = ml_client.create_or_update(sweep_job)
returned.services["Studio"].endpoint
# %%
ml_client.jobs.stream(returned.name)
returned = ml_client.jobs.get(returned.name)
assert returned.status == "Completed"
# %%
best = returned.properties["best_child_run_id"]
values = [float(child.properties["score"]) for child in ml_client.jobs.list(parent_job_name=returned.name)]
print("best", best, min(values))
assert best == f"{returned.name}_{values.index(min(values))}"
ml_client.jobs.download(returned.name, download_path="best", all=True)
