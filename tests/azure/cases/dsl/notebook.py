# %%
from azure.ai.ml import Input, MLClient, Output, command, load_component
from azure.ai.ml.constants import AssetTypes, InputOutputModes
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.sweep import BanditPolicy, Choice, Uniform
from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential

try:
    credential = DefaultAzureCredential()
    credential.get_token("https://management.azure.com/.default")
except Exception:
    credential = InteractiveBrowserCredential()
ml_client = MLClient.from_config(credential=credential)
print(ml_client.compute.get("cpu-cluster").name)

# %%
train_component = load_component(source="./train.yml")
score_component = command(
    name="score",
    inputs={"model": Input(type="mlflow_model"), "test_data": Input(type="uri_folder"), "label": Input(type="string")},
    outputs={"result": Output(type="uri_folder", mode="rw_mount")},
    code="./score",
    command="python predict.py --model ${{inputs.model}} --test_data ${{inputs.test_data}} --result ${{outputs.result}}"
    " --label ${{inputs.label}}",
    environment="AzureML-sklearn-1.0@latest",
)
score_component = ml_client.create_or_update(score_component.component)
print("component", score_component.name, score_component.version)

# %%
@pipeline(default_compute="cpu-cluster", description="a sweep whose best model scores")
def flowers_pipeline(raw_data, label: str = "best"):
    train = train_component(data=raw_data, strength=Uniform(min_value=0.5, max_value=0.9), shape=Choice(["oval", "round"]))
    sweep_step = train.sweep(
        primary_metric="training_f1_score", goal="maximize", sampling_algorithm="random", compute="cpu-cluster"
    )
    sweep_step.set_limits(max_total_trials=3, max_concurrent_trials=2, timeout=7200)
    sweep_step.early_termination = BanditPolicy(slack_factor=0.5, evaluation_interval=2)
    score = score_component(model=sweep_step.outputs.model_output, test_data=sweep_step.outputs.test_data, label=label)
    score.outputs.result.mode = InputOutputModes.UPLOAD
    return {"model": sweep_step.outputs.model_output, "scored": score.outputs.result}


pipeline_job = flowers_pipeline(raw_data=Input(type=AssetTypes.URI_FILE, path="wasbs://data@far.example/flowers.csv"))
pipeline_job.settings.continue_on_step_failure = False
print(pipeline_job)

# %%
pipeline_job = ml_client.jobs.create_or_update(pipeline_job, experiment_name="pipeline_samples")
pipeline_job

# %%
ml_client.jobs.stream(pipeline_job.name)

# %%
done = ml_client.jobs.get(pipeline_job.name)
print(done.status, sorted(done.outputs))
ml_client.jobs.download(name=pipeline_job.name, output_name="scored", download_path="./got")
print("scored", open("got/named-outputs/scored/scored.txt").read())
for child in ml_client.jobs.list(parent_job_name=pipeline_job.name):
    print("child", child.name, child.type, child.status)
