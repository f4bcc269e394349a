"""Signatures of the v1 API: names, order and defaults of the SDK's (azureml-core 1.61, azureml-train-core 1.62)."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from hdcore import hyperdrive as hd
from hdcore.hyperdrive.context import _OfflineRun

SIGNATURES: dict[str, str] = {
    "choice": "*options",
    "randint": "upper",
    "uniform": "min_value max_value",
    "quniform": "min_value max_value q",
    "loguniform": "min_value max_value",
    "qloguniform": "min_value max_value q",
    "normal": "mu sigma",
    "qnormal": "mu sigma q",
    "lognormal": "mu sigma",
    "qlognormal": "mu sigma q",
    "RandomParameterSampling": "parameter_space properties=None",
    "GridParameterSampling": "parameter_space properties=None",
    "BayesianParameterSampling": "parameter_space properties=None",
    "BanditPolicy": "evaluation_interval=1 slack_factor=None slack_amount=None delay_evaluation=0",
    "MedianStoppingPolicy": "evaluation_interval=1 delay_evaluation=0",
    "TruncationSelectionPolicy": "truncation_percentage evaluation_interval=1 delay_evaluation=0",
    "NoTerminationPolicy": "",
    "HyperDriveConfig": "hyperparameter_sampling primary_metric_name primary_metric_goal max_total_runs"
    " max_concurrent_runs=None max_duration_minutes=10080 policy=None estimator=None run_config=None resume_from=None"
    " resume_child_runs=None pipeline=None debug_flag=None custom_run_id=None",
    "HyperDriveRunConfig": "estimator hyperparameter_sampling primary_metric_name primary_metric_goal max_total_runs"
    " max_concurrent_runs=None max_duration_minutes=10080 policy=None",
    "HyperDriveStep": "name hyperdrive_config estimator_entry_script_arguments=None inputs=None outputs=None"
    " metrics_output=None allow_reuse=True version=None",
    "ScriptRunConfig": "source_directory script=None arguments=None run_config=None compute_target=None"
    " environment=None distributed_job_config=None resume_from=None max_run_duration_seconds=2592000 command=None"
    " docker_runtime_config=None",
    "Experiment": "workspace name",
    "Experiment.submit": "config tags=None",
    "HyperDriveRun": "experiment run_id hyperdrive_config=None",
    "HyperDriveRun.get_best_run_by_primary_metric": "include_failed=True include_canceled=True"
    " include_resume_from_runs=True",
    "HyperDriveRun.get_children_sorted_by_primary_metric": "top=0 reverse=False discard_no_metric=False",
    "HyperDriveRun.get_hyperparameters": "",
    "HyperDriveRun.get_metrics": "",
    "HyperDriveRun.get_children": "recursive=False tags=None properties=None type=None status=None",
    "HyperDriveRun.cancel": "",
    "HyperDriveRun.wait_for_completion": "show_output=False wait_post_processing=False raise_on_error=True",
    "Run.get_context": "allow_offline=True",
    "Run.get_submitted_run": "",
    "Run.get_metrics": "name=None recursive=False run_type=None populate=False",
    "Run.log": "name value description='' step=None",
    "Run.log_list": "name value description=''",
    "Run.log_row": "name description=None",
    "Run.log_table": "name value description=''",
    "Run.log_image": "name path=None plot=None description=''",
    "Run.log_confusion_matrix": "name value description=''",
    "Run.log_accuracy_table": "name value description=''",
    "Run.log_residuals": "name value description=''",
    "Run.log_predictions": "name value description=''",
    "Run.upload_file": "name path_or_stream",
    "Run.upload_folder": "name path",
    "Run.upload_files": "names paths",
    "Run.download_file": "name output_file_path=None",
    "Run.download_files": "prefix=None output_directory=None",
    "Run.get_file_names": "",
    "Run.register_model": "model_name model_path=None tags=None properties=None",
    "Run.tag": "key value=None",
    "Run.set_tags": "tags",
    "Run.add_properties": "properties",
    "Run.complete": "",
    "Run.fail": "error_details=None error_code=None",
    "Run.flush": "timeout_seconds=300",
    "Workspace.from_config": "path=None auth=None",
    "Estimator": "source_directory",
    "PipelineData": "name datastore=None",
    "TrainingOutput": "type iteration=None metric=None model_file=None",
    "Model.register": "workspace model_path model_name tags=None properties=None description=None datasets=None"
    " model_framework=None model_framework_version=None child_paths=None",
    "Model.get_model_path": "model_name version=None _workspace=None",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_calls_take_what_the_sdks_take_in_its_order(name: str) -> None:
    called: Any = hd
    for part in name.split("."):
        called = getattr(called, part)
    parameters = {key: p for key, p in inspect.signature(called).parameters.items() if key != "self"}
    named = [key for key, p in parameters.items() if p.kind is not p.VAR_KEYWORD]
    words = SIGNATURES[name].split()
    if words and words[0].startswith("*"):
        assert parameters[words[0][1:]].kind is inspect.Parameter.VAR_POSITIONAL
        return
    assert named[: len(words)] == [word.partition("=")[0] for word in words]
    for word in words:
        key, _, default = word.partition("=")
        assert parameters[key].kind is not inspect.Parameter.KEYWORD_ONLY, key
        if default:
            found = parameters[key].default
            assert (str(found) if isinstance(found, float) else repr(found)) in (default, f"{default}.0"), key
    # What is ours beside it is optional; estimators have too many parameters to repeat them here.
    for key in named[len(words) :]:
        parameter = parameters[key]
        assert parameter.default is not parameter.empty or parameter.kind is parameter.VAR_POSITIONAL, key


@pytest.mark.parametrize(
    "name",
    [
        *("child_run", "parent", "experiment", "id", "number", "display_name", "status", "get_status", "get_details"),
        *("get_environment", "register_model", "input_datasets", "output_datasets", "get_tags", "tags", "properties"),
        *("get_properties", "get_portal_url", "type", "cancel", "__enter__", "__exit__"),
    ],
)
def test_a_run_has_what_the_sdks_run_has(name: str) -> None:
    from hdcore.hyperdrive.context import _SubmittedRun

    assert hasattr(hd.Run, name) or hasattr(_SubmittedRun, name)


@pytest.mark.parametrize("name", ["log", "log_list", "log_row", "log_table", "log_image", "tag", "complete", "fail"])
def test_an_offline_run_takes_the_arguments_of_a_submitted_one(name: str) -> None:
    here = [key for key in inspect.signature(getattr(_OfflineRun, name)).parameters if not key.startswith("_")]
    there = [key for key in inspect.signature(getattr(hd.Run, name)).parameters if not key.startswith("_")]
    assert here[: len(there)] == there[: len(here)]
