"""The runs of stored sweeps through the real MLflow, as driver programs and notebooks read them."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("mlflow")
from azure_driving import drive

pytestmark = pytest.mark.timeout(400)

TRAIN = """
import os, sys
import mlflow
lr = float(sys.argv[1])
mlflow.log_param("layers", 3)
for epoch in range(3):
    mlflow.log_metric("loss", lr + 1 - epoch / 10, step=5 * epoch)
mlflow.log_text("weights", "model/weights.txt")
mlflow.log_text("flavors: {}", "model/MLmodel")
open("outputs/own.txt", "w").write("own")
"""
SUBMIT = """
from azure.ai.ml import MLClient, command
from azure.ai.ml.sweep import Choice
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), "s", "g", "w")
job = command(code="src", command="python train.py ${{inputs.lr}}", environment="e@latest", inputs={"lr": 0.5})
job = job(lr=Choice([0.2, 0.1, 0.3])).sweep(sampling_algorithm="grid", primary_metric="loss", goal="minimize")
job.set_limits(max_total_trials=3, max_concurrent_trials=2)
job.experiment_name = "losses"
job = client.jobs.create_or_update(job)
client.jobs.stream(job.name)
"""
READ = """
import json
import mlflow
from mlflow.tracking import MlflowClient

best = client.jobs.get(job.name).properties["best_child_run_id"]
found = {"early": MlflowClient().get_run(best).info.run_id == best}
mlflow.set_tracking_uri(client.workspaces.get("w").mlflow_tracking_uri)
runs = MlflowClient()
run = runs.get_run(best)
found["best"] = [run.info.run_id == best, run.data.metrics["loss"], run.data.params, run.info.status]
found["history"] = [[m.step, m.value] for m in runs.get_metric_history(best, "loss")]
parent = runs.get_run(job.name)
found["parent"] = [parent.data.tags["best_child_run_id"] == best, parent.data.metrics, parent.info.status]
experiment = mlflow.get_experiment_by_name("losses")
found["experiments"] = [each.name for each in mlflow.search_experiments()] + [mlflow.get_experiment_by_name("other")]
for word in (job.name, client.jobs.get(job.name).id):
    children = mlflow.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{word}'",
                                  order_by=["metrics.loss DESC"], output_format="list")
    found["children " + str(word == job.name)] = [float(child.data.params["lr"]) for child in children]
download = mlflow.artifacts.download_artifacts
found["files"] = [open(download(run_id=best, artifact_path=name, dst_path=".")).read()
                  for name in ("outputs/own.txt", "own.txt", "model/weights.txt")]
found["listed"] = sorted(each.path for each in runs.list_artifacts(best))
found["refused"] = []
def refused(call):
    try:
        call()
    except mlflow.MlflowException as error:
        found["refused"].append(str(error))
refused(lambda: runs.get_run("nobody_0"))
refused(lambda: runs.log_metric(best, "loss", 0.0))
for _ in range(2):
    made = mlflow.register_model(f"runs:/{best}/model", "m", tags={"a": "b"})
runs.set_registered_model_alias("m", "champion", 1)
runs.transition_model_version_stage("m", 2, "Production")
refused(lambda: runs.delete_registered_model_alias("m", "champion"))
by_alias = runs.get_model_version_by_alias("m", "champion")
shown = client.models.get("m", label="latest")
from azureml.core import Model, Workspace
found["registered"] = [
    [made.version, made.run_id == best, made.tags], [by_alias.version, by_alias.aliases],
    sorted(each.version for each in runs.search_model_versions("name = 'm'")),
    [each.version for each in runs.get_latest_versions("m", ["Production"])],
    [shown.version, shown.type, open(shown.path + "/weights.txt").read()],
    [Model(Workspace.from_config(), "m").version, open(download("models:/m@champion") + "/weights.txt").read()],
    [each.name for each in runs.search_registered_models()],
]
mlflow.set_experiment("by hand")
with mlflow.start_run(run_name="mine") as own:
    mlflow.log_metric("loss", 0.5)
    mlflow.log_params({"of": best})
    mlflow.set_tag("team", "red")
    mlflow.log_text("note", "note.txt")
own = mlflow.search_runs(experiment_names=["by hand"], output_format="list")[0]
found["own"] = [own.info.status, own.info.run_name, own.data.metrics, own.data.params == {"of": best},
                own.data.tags["team"], open(download(run_id=own.info.run_id, artifact_path="note.txt")).read()]
json.dump(found, open("found.json", "w"))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("reading")
    (folder / "src").mkdir()
    (folder / "src" / "train.py").write_text(TRAIN)
    (folder / "driver.py").write_text(SUBMIT + READ)
    done = drive(folder, "driver.py")
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, object] = json.loads((folder / "found.json").read_text())
    return result


def test_the_best_child_is_read_with_metrics_and_parameters(found: dict[str, object]) -> None:
    assert found["best"] == [True, pytest.approx(0.9), {"lr": "0.1", "layers": "3"}, "FINISHED"]
    assert found["history"] == [[0, 1.1], [5, pytest.approx(1.0)], [10, pytest.approx(0.9)]]
    assert found["parent"] == [True, {}, "FINISHED"]


def test_the_programs_default_is_the_store_of_its_sweeps(found: dict[str, object]) -> None:
    assert found["early"] is True


def test_what_a_program_logs_itself_is_a_run_of_its_own(found: dict[str, object]) -> None:
    assert found["own"] == ["FINISHED", "mine", {"loss": 0.5}, True, "red", "note"]


def test_runs_are_searched_by_experiment_and_parent_under_either_id(found: dict[str, object]) -> None:
    assert found["experiments"] == ["losses", None]
    assert found["children True"] == found["children False"] == [0.3, 0.2, 0.1]


def test_artifacts_are_found_with_and_without_azures_folder(found: dict[str, object]) -> None:
    assert found["files"] == ["own", "own", "weights"]
    assert found["listed"] == ["model", "own.txt"]


def test_what_is_not_there_is_refused_by_name(found: dict[str, object]) -> None:
    refused = found["refused"]
    assert isinstance(refused, list)
    assert "has no run 'nobody_0'; see `hdcore list`" in refused[0]
    assert "is a run of a stored sweep, which is read only" in refused[1]
    assert "delete_registered_model_alias is not there on hdcore's shelf of models" in refused[2]


def test_a_model_that_mlflow_registers_is_on_the_shelf_of_azures_calls(found: dict[str, object]) -> None:
    assert found["registered"] == [
        ["2", True, {"a": "b"}], ["1", ["champion"]], ["1", "2"], ["2"],
        ["2", "mlflow_model", "weights"], [2, "weights"], ["m"],
    ]  # fmt: skip
