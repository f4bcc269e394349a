"""A submitted sweep as its methods show it, against what the API documents of each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from hdcore import hyperdrive as hd


def run_with(finished: hd.HyperDriveRun, **values: Any) -> hd.Run:
    """The child whose hyperparameters include these values."""
    for run_id, text in finished.get_hyperparameters().items():
        if values.items() <= json.loads(text).items():
            return hd.Run(finished.experiment, run_id)
    raise AssertionError(values)


def test_a_finite_space_ends_early_and_the_sweep_is_completed(finished: hd.HyperDriveRun) -> None:
    assert finished.get_status() == finished.status == "Completed"
    assert len(list(finished.get_children())) == 4
    assert finished.properties["space_size"] == "4"


def test_ids_are_those_of_the_service(finished: hd.HyperDriveRun) -> None:
    assert finished.id.startswith("HD_")
    assert {run.id for run in finished.get_children()} == {f"{finished.id}_{n}" for n in range(4)}
    assert finished.type == "hyperdrive"


def test_the_best_run_counts_failed_ones_unless_told_otherwise(finished: hd.HyperDriveRun) -> None:
    best = finished.get_best_run_by_primary_metric()
    assert best is not None
    assert best.get_metrics()["accuracy"][-1] == pytest.approx(0.52)
    completed = finished.get_best_run_by_primary_metric(include_failed=False)
    assert completed is not None
    assert completed.get_status() == "Completed"


def test_positions_of_arguments_are_those_of_the_example(finished: hd.HyperDriveRun) -> None:
    best = run_with(finished, keep_probability=0.5, batch_size=16)
    values = best.get_details()["runDefinition"]["Arguments"]
    assert values == [
        "--data-folder",
        "data",
        "--learning_rate",
        "0.1",
        "--keep_probability",
        "0.5",
        "--batch_size",
        "16",
    ]
    assert (values[3], values[5], values[7]) == ("0.1", "0.5", "16")
    assert values == best.get_details()["runDefinition"]["arguments"]
    assert "Arguments" in best.get_details()["runDefinition"]


def test_metrics_are_values_lists_and_columns(finished: hd.HyperDriveRun) -> None:
    run = run_with(finished, keep_probability=0.25, batch_size=16)
    metrics = run.get_metrics()
    uri = metrics.pop("matrix")
    assert metrics == {
        "accuracy": [0.25, 0.26, pytest.approx(0.27)],
        "lr": 0.1,
        "kind": "linear",
        "converged": True,
        "once": 0.5,
        "losses": [3, 2, 1],
        "table": {"x": [1, 3], "y": [2, 4], "z": [None, 5]},
        "columns": {"a": [1, 2], "b": ["u", "v"]},
    }
    assert uri.startswith(f"aml://artifactId/ExperimentRun/dcid.{run.id}/matrix_")
    assert uri.rpartition("/")[2] in run.get_file_names()
    assert run.get_metrics("lr") == {"lr": 0.1}
    assert finished.get_metrics()[run.id]["accuracy"] == metrics["accuracy"]
    assert finished.get_metrics().keys() == {child.id for child in finished.get_children()}


def test_hyperparameters_are_json_under_their_declared_names(finished: hd.HyperDriveRun) -> None:
    found = finished.get_hyperparameters()
    assert list(json.loads(found[f"{finished.id}_0"])) == ["learning_rate", "keep_probability", "batch_size"]


def test_children_are_sorted_the_best_first_and_reversed(finished: hd.HyperDriveRun) -> None:
    rows = finished.get_children_sorted_by_primary_metric()
    assert [set(row) for row in rows] == [{"run_id", "hyperparameters", "best_primary_metric", "status"}] * 4
    values = [row["best_primary_metric"] for row in rows]
    assert values == sorted(values, reverse=True)
    assert isinstance(rows[0]["hyperparameters"], str)
    turned = finished.get_children_sorted_by_primary_metric(reverse=True)
    assert [row["best_primary_metric"] for row in turned] == sorted(values)
    assert finished.get_children_sorted_by_primary_metric(top=1) == rows[:1]
    assert {row["status"] for row in rows} == {"Completed", "Failed"}


@pytest.mark.parametrize(
    "wrong", [{"top": "1"}, {"top": -1}, {"top": True}, {"reverse": 1}, {"discard_no_metric": "no"}]
)
def test_sorting_asserts_its_types(finished: hd.HyperDriveRun, wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        finished.get_children_sorted_by_primary_metric(**wrong)


def test_children_are_filtered(finished: hd.HyperDriveRun) -> None:
    def ids(children: Iterable[hd.Run]) -> int:
        return len(list(children))

    assert ids(finished.get_children(status="Failed")) == 2
    assert ids(finished.get_children(tags="quality")) == 4
    assert ids(finished.get_children(tags={"quality": "fine"})) == 4
    assert ids(finished.get_children(tags={"quality": "bad"})) == 0
    assert ids(finished.get_children(properties={"made_by": "test"})) == 4
    assert ids(finished.get_children(type="preparation")) == 0


def test_details_of_the_sweep_have_the_keys_of_the_service(finished: hd.HyperDriveRun) -> None:
    details = finished.get_details()
    wanted = "runId target status startTimeUtc endTimeUtc warnings services properties inputDatasets outputDatasets "
    assert set((wanted + "runDefinition logFiles submittedBy").split()) <= set(details)
    assert details["target"] == "cpu-cluster"
    properties = details["properties"]
    assert json.loads(properties["primary_metric_config"]) == {"name": "accuracy", "goal": "maximize"}
    assert properties["resume_from"] == "null"
    assert properties["runTemplate"] == "HyperDrive"
    assert float(properties["score"]) == pytest.approx(0.52)
    assert properties["best_child_run_id"].startswith(finished.id)
    assert properties["best_data_container_id"].endswith(properties["best_child_run_id"])


def test_tags_hold_the_configuration_and_each_run(finished: hd.HyperDriveRun) -> None:
    tags = finished.get_tags()
    assert tags["who"] == "tests"
    assert json.loads(tags["_aml_system_generator_config"])["name"] == "GRID"
    assert json.loads(tags["_aml_system_policy_config"])["name"] == "Bandit"
    assert tags["_aml_system_max_total_jobs"] == "10"
    assert {"platform_config", "_aml_system_platform_config"} <= set(tags)
    assert json.loads(tags[f"_aml_system_{finished.id}_0"])["batch_size"] == 16


def test_a_failed_child_tells_why(finished: hd.HyperDriveRun) -> None:
    run = run_with(finished, keep_probability=0.25, batch_size=64)
    details = run.get_details()
    assert details["status"] == "Failed"
    assert "exit code 3" in details["error"]["error"]["message"]
    with pytest.raises(hd.ActivityFailedException, match="exit code 3"):
        run.wait_for_completion()
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Failed"


def test_files_are_named_downloaded_and_uploaded(finished: hd.HyperDriveRun, tmp_path: Path) -> None:
    run = run_with(finished, keep_probability=0.25, batch_size=16)
    names = run.get_file_names()
    assert {"outputs/model.txt", "reports/summary.txt", "logs/epochs.log", "user_logs/std_log.txt"} <= set(names)
    target = tmp_path / "copy.txt"
    run.download_file("outputs/model.txt", output_file_path=target)
    assert target.read_text() == "batch_size=16"
    run.download_files(prefix="outputs", output_directory=tmp_path / "all")
    assert (tmp_path / "all" / "outputs" / "model.txt").is_file()
    run.download_files(prefix="outputs", output_directory=tmp_path / "flat", append_prefix=False)
    assert (tmp_path / "flat" / "model.txt").is_file()
    run.download_file("user_logs/std_log.txt", tmp_path)
    assert (tmp_path / "std_log.txt").read_text() == "batch size 16\n"
    with pytest.raises(hd.UserErrorException, match=r"did you mean 'outputs/model\.txt'"):
        run.download_file("model.txt")
    with pytest.raises(hd.UserErrorException, match=r"leave out '\.\.'"):
        run.download_file("outputs/../../../sweep.db")
    run.upload_file("later/notes.txt", target)
    assert "later/notes.txt" in run.get_file_names()


def test_a_model_is_registered_with_versions(finished: hd.HyperDriveRun, tmp_path: Path) -> None:
    workspace = finished.experiment.workspace
    run = run_with(finished, keep_probability=0.5, batch_size=16)
    first = run.register_model(model_name="net", model_path="outputs/model.txt", tags={"kind": "svc"})
    second = run.register_model(model_name="net", model_path="outputs/")
    assert (first.name, first.version, first.id) == ("net", 1, "net:1")
    assert second.version == 2
    assert hd.Model(workspace, "net").version == 2
    assert Path(hd.Model(workspace, "net", version=1).path).read_text() == "batch_size=16"
    assert (Path(second.path) / "model.txt").is_file()
    assert [model.version for model in hd.Model.list(workspace, tags=["kind"])] == [1]
    assert workspace.models["net"].version == 2
    assert first.run_id == run.id
    assert Path(first.download(tmp_path)).read_text() == "batch_size=16"
    with pytest.raises(hd.ModelPathNotFoundException, match="exist_ok"):
        first.download(tmp_path)
    with pytest.raises(hd.ModelNotFoundException, match="versions 1, 2"):
        hd.Model(workspace, "net", version=9)


def test_tags_and_properties_of_a_child(finished: hd.HyperDriveRun) -> None:
    run = run_with(finished, keep_probability=0.5, batch_size=16)
    run.tag("note", "later")
    run.set_tags({"other": 1})
    assert run.get_tags()["note"] == "later"
    assert run.tags["other"] == "1"
    run.remove_tags(["note"])
    assert "note" not in run.get_tags()
    assert json.loads(run.get_tags()["hyperparameters"])["batch_size"] == 16
    with pytest.raises(hd.UserErrorException, match="cannot be changed"):
        run.add_properties({"made_by": "somebody else"})


def test_a_sweep_is_found_again_by_its_id(finished: hd.HyperDriveRun) -> None:
    again = hd.HyperDriveRun(finished.experiment, finished.id)
    assert again == finished
    config = again.hyperdrive_config
    assert config.to_json()["generator_config"] == finished.hyperdrive_config.to_json()["generator_config"]
    assert config.to_json()["policy_config"] == finished.hyperdrive_config.to_json()["policy_config"]
    assert config.to_json()["max_total_jobs"] == 10
    assert [run.id for run in finished.experiment.get_runs()] == [finished.id]
    assert isinstance(hd.Run.get(finished.experiment.workspace, finished.id), hd.HyperDriveRun)
    child = hd.Run(finished.experiment, f"{finished.id}_2")
    assert child.parent == finished
    assert child.number == 2


@pytest.mark.parametrize("wrong", ["HD_0000", "nonsense"])
def test_an_id_that_nobody_has_is_named(finished: hd.HyperDriveRun, wrong: str) -> None:
    with pytest.raises(hd.UserErrorException, match=wrong):
        hd.Run(finished.experiment, wrong)


def test_a_run_id_is_text_and_that_of_a_sweep(finished: hd.HyperDriveRun) -> None:
    with pytest.raises(hd.UserErrorException, match="give a string"):
        hd.HyperDriveRun(finished.experiment, 7)
    with pytest.raises(hd.UserErrorException, match="single run"):
        hd.HyperDriveRun(finished.experiment, f"{finished.id}_0")


@pytest.mark.parametrize("method", ["fail", "get_diagnostics"])
def test_what_a_sweep_cannot_is_said(finished: hd.HyperDriveRun, method: str) -> None:
    with pytest.raises(hd.HyperDriveNotImplementedException, match=method):
        getattr(finished, method)()


def test_the_log_is_in_the_words_of_the_service(finished: hd.HyperDriveRun, capsys: pytest.CaptureFixture[str]) -> None:
    details = finished.wait_for_completion(show_output=True)
    text = capsys.readouterr().out
    assert text.startswith(f"RunId: {finished.id}\nWeb View: file://")
    assert "Streaming azureml-logs/hyperdrive.txt\n=====================================" in text
    for words in (
        "[API][INFO]Experiment created",
        "Trying to sample '2' jobs",
        f"Scheduling job, id='{finished.id}_0'",
    ):
        assert words in text
    assert text.rstrip().endswith(finished.get_portal_url())
    assert text.count(f"RunId: {finished.id}") == 2
    assert "Execution Summary\n=================" in text
    assert details["status"] == "Completed"
    assert "azureml-logs/hyperdrive.txt" in finished.get_file_names()


def test_run_details_show_a_table(finished: hd.HyperDriveRun, capsys: pytest.CaptureFixture[str]) -> None:
    hd.RunDetails(finished).show()
    lines = capsys.readouterr().out.splitlines()
    heading = next(line for line in lines if line.startswith("Run "))
    for word in ("Best Metric", "Status", "Started", "Duration", "Run Id", "learning_rate", "batch_size"):
        assert word in heading
    assert "Maximum total runs 10, maximum concurrent runs 2" in "\n".join(lines)
    rows = lines[lines.index(heading) + 2 :]
    assert len(rows) == 4
    assert rows[0].split()[1] == "0.52"


def test_a_snapshot_of_the_code_is_kept(finished: hd.HyperDriveRun, tmp_path: Path) -> None:
    path = run_with(finished, batch_size=16).restore_snapshot(path=tmp_path / "code")
    assert (Path(path) / "train.py").is_file()
