"""A pipeline: a sweep, then a step that registers the model of its best run."""

from azureml.core import Experiment, ScriptRunConfig, Workspace
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData, TrainingOutput
from azureml.pipeline.steps import HyperDriveStep, HyperDriveStepRun, PythonScriptStep
from azureml.train.hyperdrive import GridParameterSampling, HyperDriveConfig, PrimaryMetricGoal, choice

ws = Workspace.from_config()
store = ws.get_default_datastore()
config = HyperDriveConfig(
    run_config=ScriptRunConfig(source_directory="steps", script="train.py", compute_target="cpu"),
    hyperparameter_sampling=GridParameterSampling({"--depth": choice(1, 2, 3)}),
    primary_metric_name="accuracy",
    primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
    max_total_runs=4,
)
metrics_data = PipelineData(
    name="metrics_data",
    datastore=store,
    pipeline_output_name="metrics_output",
    training_output=TrainingOutput(type="Metrics"),
)
saved_model = PipelineData(
    name="saved_model",
    datastore=store,
    pipeline_output_name="model_output",
    training_output=TrainingOutput("Model", model_file="outputs/model.txt"),
)
sweep_step = HyperDriveStep(name="sweep", hyperdrive_config=config, outputs=[metrics_data, saved_model])
register_step = PythonScriptStep(
    script_name="register.py",
    name="register",
    inputs=[saved_model],
    compute_target="cpu",
    arguments=["--saved-model", saved_model],
    source_directory="steps",
    runconfig=RunConfiguration(),
)
register_step.run_after(sweep_step)
pipeline = Pipeline(workspace=ws, steps=[sweep_step, register_step])
pipeline_run = Experiment(ws, "trees-pipeline").submit(pipeline)
pipeline_run.wait_for_completion(show_output=False)
run = HyperDriveStepRun(step_run=pipeline_run.find_step_run("sweep")[0])
print("best", run.get_best_run_by_primary_metric().get_metrics()["accuracy"])
assert ws.models["trees"].version == 1
