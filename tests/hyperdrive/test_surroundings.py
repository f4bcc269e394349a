"""What a notebook needs around a sweep: data, environments, clusters, the workspace, estimators."""

from __future__ import annotations

import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hyperdrive.support import write_script

from hdcore import hyperdrive as hd
from hdcore.hyperdrive.submit import _specification


def words_of(workspace: hd.Workspace, config: Any, space: dict[str, Any] | None = None) -> tuple[str, ...]:
    """The argument list of a run of a configuration, with 1.0 for each searched value."""
    from hdcore.command import Command

    trial = config._trial(space or {}) if isinstance(config, hd.Estimator) else config._trial()
    spec = _specification(workspace, hd.Experiment(workspace, "e"), trial, space or {})
    outputs = {name: f"/outputs/{name}" for name in spec.outputs}
    return Command.parse(spec.command, spec.shell).argv(dict.fromkeys(space or {}, 1.0), {}, outputs)


# ---------------------------------------------------------------------- scripts and estimators


def test_searched_arguments_follow_the_fixed_ones(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), "")
    config = hd.ScriptRunConfig(source, "train.py", ["--name", "a b", "--n", 5, "--rate", 2.0, "--on", True])
    assert words_of(workspace, config, {"lr": 0, "--C": 0, "-q": 0}) == (
        *("python", "train.py", "--name", "a b", "--n", "5", "--rate", "2", "--on", "True"),
        *("--lr", "1", "--C", "1", "-q", "1"),
    )


def test_arguments_may_be_one_text(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), "")
    assert words_of(workspace, hd.ScriptRunConfig(source, "train.py", "--a 'b c'")) == (
        "python",
        "train.py",
        "--a",
        "b c",
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python train.py --x 1", ("python", "train.py", "--x", "1", "--lr", "1")),
        (["python", "train.py", "--x", 1], ("python", "train.py", "--x", "1", "--lr", "1")),
        (["python train.py --x 1"], ("python", "train.py", "--x", "1", "--lr", "1")),
        (["echo", "a b"], ("echo", "a b", "--lr", "1")),
        ("true && python train.py", ("/bin/sh", "-c", "true && python train.py --lr '1'")),
    ],
)
def test_a_command_takes_searched_arguments_at_its_end(
    workspace: hd.Workspace, command: Any, words: tuple[str, ...]
) -> None:
    source = write_script(Path("src"), "")
    assert words_of(workspace, hd.ScriptRunConfig(source, command=command), {"lr": 0}) == words


def test_script_and_command_exclude_each_other() -> None:
    with pytest.raises(hd.UserErrorException, match="give one of them"):
        hd.ScriptRunConfig(".", "train.py", command="python train.py")


def test_a_script_run_configuration_takes_its_arguments_in_azures_order() -> None:
    order = "source_directory script arguments run_config compute_target environment distributed_job_config resume_from"
    more = "max_run_duration_seconds command docker_runtime_config"
    parameters = inspect.signature(hd.ScriptRunConfig).parameters.values()
    assert [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD] == [
        *order.split(),
        *more.split(),
    ]


def test_a_run_configuration_beats_target_and_environment() -> None:
    settings = hd.RunConfiguration()
    settings.target = "gpu-cluster"
    with pytest.warns(UserWarning, match="ignored where run_config is given"):
        config = hd.ScriptRunConfig(".", "train.py", run_config=settings, compute_target="other")
    assert config.run_config.target == "gpu-cluster"


def test_estimators_turn_parameters_into_arguments(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), "")
    for kind in (hd.Estimator, hd.SKLearn, hd.PyTorch, hd.TensorFlow, hd.Chainer, hd.Keras):
        made = kind(
            source_directory=source,
            entry_script="train.py",
            compute_target="cluster",
            script_params={"--epochs": 5, "--verbose": "", "--lr": 0.1},
            use_gpu=True,
            pip_packages=["torch==1.0"],
            conda_packages=["scikit-learn"],
        )
        assert words_of(workspace, made) == ("python", "train.py", "--epochs", "5", "--verbose", "--lr", "0.1")
        assert list(made.conda_dependencies.pip_packages) == ["torch==1.0"]
        with pytest.warns(UserWarning, match="'--lr', which is searched"):
            words = words_of(workspace, made, {"lr": 0})
        assert words == ("python", "train.py", "--epochs", "5", "--verbose", "--lr", "1")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"source_directory": "."}, hd.TrainingException),
        ({"entry_script": "t.py", "script_params": ["--a"]}, hd.TrainingException),
        ({"entry_script": "t.py", "unheard_of": 1}, TypeError),
    ],
)
def test_estimators_that_cannot_be_meant(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        hd.Estimator(**arguments)


def test_a_run_goes_on_from_a_path(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), "")
    store = workspace.get_default_datastore()
    config = hd.ScriptRunConfig(source, "train.py", ["--a", 1], resume_from=hd.DataPath(store, "old/outputs"))
    assert words_of(workspace, config)[-2:] == ("--resume-from", str(store._path / "old" / "outputs"))


# ---------------------------------------------------------------------- data


def test_a_datastore_is_a_folder_that_takes_copies(workspace: hd.Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    write_script(Path("data"), "1", "a.csv")
    write_script(Path("data") / "deep", "2", "b.csv")
    store = workspace.get_default_datastore()
    assert (store.name, store.is_default) == ("workspaceblobstore", True)
    reference = store.upload(src_dir="data", target_path="iris", overwrite=True, show_progress=True)
    assert "Uploaded 2 files" in capsys.readouterr().out
    assert Path(reference._local_path(), "deep", "b.csv").read_text() == "2"
    write_script(Path("data"), "changed", "a.csv")
    store.upload_files(["data/a.csv"], target_path="iris", show_progress=False)
    assert store.locate("iris/a.csv").read_text() == "1"
    store.upload_files(["data/a.csv"], target_path="iris", overwrite=True, show_progress=False)
    assert store.locate("iris/a.csv").read_text() == "changed"
    assert store.download("back", prefix="iris/deep", show_progress=False) == 1
    assert Path("back/iris/deep/b.csv").is_file()
    assert store.path("iris").path("deep").as_download()._local_path() == str(store.locate("iris/deep"))
    with pytest.raises(hd.UserErrorException, match="leads out"):
        store.locate("../../x")
    store.upload(".", "everything", show_progress=False)
    assert not store.locate("everything/root").exists()
    hd.Datastore.register_folder(workspace, "mine", "data").set_as_default()
    assert workspace.get_default_datastore().locate("a.csv") == Path("data/a.csv").absolute()
    assert set(workspace.datastores) == {"mine", "workspaceblobstore"}


def test_file_datasets_are_a_file_or_the_folder_of_the_files(workspace: hd.Workspace) -> None:
    for name in ("a.csv", "b.csv", "c.txt"):
        write_script(Path("data"), name, name)
    source = write_script(Path("src"), "")
    store = hd.Datastore.register_folder(workspace, "mine", ".")

    def argument(dataset: Any) -> str:
        return words_of(workspace, hd.ScriptRunConfig(source, "train.py", [dataset]))[-1]

    one = hd.Dataset.File.from_files("data/a.csv")
    assert argument(one.as_mount()) == str(Path("data/a.csv").absolute())
    assert argument(hd.Dataset.File.from_files((store, "data")).as_download()) == str(Path("data").absolute())
    assert argument(hd.Dataset.File.from_files("data")) == str(Path("data").absolute())
    some = Path(argument(hd.Dataset.File.from_files("data/*.csv").as_named_input("some").as_mount()))
    assert sorted(path.name for path in some.iterdir()) == ["a.csv", "b.csv"]
    assert (some / "b.csv").read_text() == "b.csv"
    listed = Path(argument(hd.Dataset.File.from_files([(store, "data/a.csv"), store.path("data/c.txt")]).as_mount()))
    assert sorted(path.name for path in listed.iterdir()) == ["a.csv", "c.txt"]
    assert hd.Dataset.File.from_files("data/*.csv").to_path() == ["/a.csv", "/b.csv"]
    assert one.download("copy") == ["copy/a.csv"]
    with one.mount() as context:
        assert context.mount_point == str(Path("data/a.csv").absolute())
    assert argument(store.path("data").as_mount()) == str(Path("data").absolute())


def test_the_name_of_a_reference_stands_for_its_path(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), "")
    reference = workspace.get_default_datastore().path("iris", data_reference_name="iris").as_download()
    settings = hd.RunConfiguration()
    settings.data_references = {reference.data_reference_name: reference.to_config()}
    config = hd.ScriptRunConfig(source, "train.py", ["--data", f"{reference}/a.csv"], run_config=settings)
    assert words_of(workspace, config)[-1] == f"{reference._local_path()}/a.csv"


@pytest.mark.parametrize("path", ["https://example.org/x.csv", 7])
def test_data_that_is_not_here_is_named(path: Any) -> None:
    with pytest.raises(hd.DatasetValidationError):
        hd.Dataset.File.from_files(path)


def test_missing_files_are_named(workspace: hd.Workspace) -> None:
    with pytest.raises(hd.DatasetExecutionError, match=r"nowhere\.csv"):
        hd.Dataset.Tabular.from_delimited_files("nowhere.csv")


def test_datasets_are_registered_with_versions(workspace: hd.Workspace) -> None:
    write_script(Path("data"), "1", "a.csv")
    write_script(Path("data"), "2", "b.csv")
    first = hd.Dataset.File.from_files("data/a.csv").register(workspace, "iris", tags={"k": "v"})
    assert (first.name, first.version) == ("iris", 1)
    assert hd.Dataset.File.from_files("data/a.csv").register(workspace, "iris").version == 1
    other = hd.Dataset.File.from_files("data/b.csv")
    with pytest.raises(hd.DatasetValidationError, match="create_new_version"):
        other.register(workspace, "iris")
    assert other.register(workspace, "iris", create_new_version=True).version == 2
    assert hd.Dataset.get_by_name(workspace, "iris").version == 2
    assert hd.Dataset.get_by_name(workspace, "iris", version=1).tags == {"k": "v"}
    assert hd.Dataset.get_by_id(workspace, first.id).to_path() == ["/a.csv"]
    assert workspace.datasets["iris"].version == 2
    with pytest.raises(hd.DatasetValidationError, match="there is 'iris'"):
        hd.Dataset.get_by_name(workspace, "cars")


def test_a_table_is_an_id_as_an_argument_and_a_dataset_in_the_run(workspace: hd.Workspace) -> None:
    from hdcore.hyperdrive.consumption import Inputs

    write_script(Path("data"), "x,y\n1,2\n", "t.csv")
    table = hd.Dataset.Tabular.from_delimited_files("data/t.csv")
    source = write_script(Path("src"), "")
    config = hd.ScriptRunConfig(source, "train.py", ["--id", table.as_named_input("table")])
    assert words_of(workspace, config)[-1] == table.id
    spec = _specification(workspace, hd.Experiment(workspace, "e"), config._trial(), {})
    assert isinstance(Inputs(spec.environment["HDCORE_INPUT_DATASETS"])["table"], hd.TabularDataset)
    assert hd.Dataset.get_by_id(workspace, table.id)._files() == [str(Path("data/t.csv").absolute())]


class Frames:
    """As much of pandas as a table needs."""

    @staticmethod
    def read_csv(file: str, sep: str, header: int | None) -> list[str]:
        return Path(file).read_text().split()[0 if header is None else 1 :]


def test_tables_are_read_by_pandas(workspace: hd.Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    write_script(Path("data"), "x,y\n1,2\n3,4\n", "t.csv")
    table = hd.Dataset.Tabular.from_delimited_files("data/t.csv")
    monkeypatch.setitem(sys.modules, "pandas", Frames)  # type: ignore[arg-type]
    assert table.to_pandas_dataframe() == ["1,2", "3,4"]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="needs pandas"):
        table.to_pandas_dataframe()
    with pytest.raises(hd.UserErrorException, match="to_spark_dataframe has no local meaning"):
        table.to_spark_dataframe()
    assert table.take(3).id != table.id
    assert table.random_split(0.8, seed=1)[0].id == table.random_split(0.8, seed=1)[0].id


def test_outputs_are_folders_of_the_run(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), "")
    config = hd.ScriptRunConfig(source, "train.py", ["--to", hd.OutputFileDatasetConfig("prepared").as_upload()])
    assert words_of(workspace, config) == ("python", "train.py", "--to", "/outputs/prepared")


# ---------------------------------------------------------------------- environment, compute, workspace


def test_environments_carry_variables_and_an_interpreter(workspace: hd.Workspace, tmp_path: Path) -> None:
    (tmp_path / "env.yml").write_text("dependencies: [python=3.8, {pip: [numpy==1.2, azureml-defaults]}]\n")
    (tmp_path / "requirements.txt").write_text("# comment\nscipy\n")
    made = hd.Environment.from_conda_specification("conda", "env.yml")
    assert list(made.python.conda_dependencies.pip_packages) == ["numpy==1.2", "azureml-defaults"]
    assert made.python.conda_dependencies.get_python_version() == "3.8"
    pip = hd.Environment.from_pip_requirements("pip", "requirements.txt")
    assert list(pip.python.conda_dependencies.pip_packages) == ["scipy"]
    made.environment_variables["A"] = "1"
    assert made.register(workspace).version == "1"
    assert made.register(workspace).version == "2"
    again = hd.Environment.get(workspace, "conda")
    assert (again.version, again.environment_variables) == ("2", {"A": "1"})
    assert hd.Environment.get(workspace, "AzureML-sklearn-1.0").name == "AzureML-sklearn-1.0"
    assert again.clone("copy").name == "copy"
    source = write_script(Path("src"), "")
    own = hd.Environment("own")
    own.python.user_managed_dependencies = True
    own.python.interpreter_path = os.path.realpath("/bin/sh")
    config = hd.ScriptRunConfig(source, "train.py", environment=own)
    assert words_of(workspace, config)[0] == os.path.realpath("/bin/sh")
    with pytest.raises(hd.UserErrorException, match=r"missing\.yml"):
        hd.CondaDependencies("missing.yml")


def test_conda_dependencies_are_edited_and_written(tmp_path: Path) -> None:
    made = hd.CondaDependencies.create(pip_packages=["torch==1"], conda_packages=["numpy"], python_version="3.9")
    made.add_pip_package("torch==2")
    made.add_conda_package("scipy")
    made.remove_conda_package("numpy")
    made.add_channel("pytorch")
    made.save_to_file(str(tmp_path), "env.yml")
    again = hd.CondaDependencies(tmp_path / "env.yml")
    assert list(again.pip_packages) == ["torch==2"]
    assert list(again.conda_packages) == ["scipy"]
    assert "pytorch" in again.conda_channels
    assert again.get_python_version() == "3.9"


def test_every_cluster_is_this_machine(workspace: hd.Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    target = hd.ComputeTarget(workspace=workspace, name="gpu-cluster")
    assert type(target) is hd.AmlCompute
    settings = hd.AmlCompute.provisioning_configuration(vm_size="STANDARD_NC6", max_nodes=4)
    made = hd.ComputeTarget.create(workspace, "new", settings)
    made.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
    assert made.get_status().serialize()["vmSize"] == "STANDARD_NC6"
    assert made.provisioning_state == "Succeeded"
    assert "any" in workspace.compute_targets
    assert workspace.compute_targets["any"].name == "any"
    assert capsys.readouterr().out.startswith("new: this machine")
    config = hd.ScriptRunConfig(".", "train.py", compute_target=made)
    assert config._trial().target == "new"
    assert config._trial().wants_gpu
    assert not hd.ScriptRunConfig(".", "train.py", compute_target="cpu")._trial().wants_gpu
    with pytest.raises(hd.ComputeTargetException):
        hd.ComputeTarget(workspace, "")


def test_workspaces_come_from_a_file_or_from_nowhere(workspace: hd.Workspace, tmp_path: Path) -> None:
    assert workspace.name == "local"
    made = hd.Workspace("sub", "group", "space")
    made.write_config(path=str(tmp_path), file_name="config.json")
    assert json.loads((tmp_path / "config.json").read_text())["workspace_name"] == "space"
    again = hd.Workspace.from_config()
    assert (again.name, again.resource_group, again.subscription_id) == ("space", "group", "sub")
    assert hd.Workspace.from_config(path=str(tmp_path / "config.json")).name == "space"
    assert hd.Workspace.get("other", subscription_id="s", resource_group="g").name == "other"
    assert hd.Workspace.create("new", exist_ok=True).location == "local"
    with pytest.raises(hd.UserErrorException, match=r"no config\.json"):
        hd.Workspace.from_config(path="nowhere")
    with pytest.raises(hd.UserErrorException, match="secrets"):
        made.get_default_keyvault()


def test_another_programs_config_file_is_none_of_a_workspace(workspace: hd.Workspace, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert hd.Workspace.from_config().name == "local"
    with pytest.raises(hd.UserErrorException, match="no configuration of a workspace"):
        hd.Workspace.from_config(path=tmp_path / "config.json")


def test_folders_of_the_root_are_private_whatever_the_umask(workspace: hd.Workspace) -> None:
    before = os.umask(0)
    try:
        workspace.get_default_datastore().locate("x")
        write_script(Path("data"), "1", "a.csv")
        hd.Model.register(workspace, "data/a.csv", "net")
    finally:
        os.umask(before)
    for folder, _, _ in os.walk(workspace._root):
        assert not os.stat(folder).st_mode & 0o077, folder


def test_deployment_is_refused_by_name(workspace: hd.Workspace) -> None:
    with pytest.raises(hd.WebserviceException, match="no local meaning"):
        hd.Model.deploy(workspace, "service", [])
    for name in ("AciWebservice", "InferenceConfig", "DatabricksCompute"):
        with pytest.raises(AttributeError, match=f"hdcore.hyperdrive has no {name}: "):
            getattr(hd, name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        hd.nonsense  # noqa: B018


PROMISED = """
RandomParameterSampling GridParameterSampling BayesianParameterSampling choice randint uniform quniform loguniform
qloguniform normal qnormal lognormal qlognormal BanditPolicy MedianStoppingPolicy TruncationSelectionPolicy
NoTerminationPolicy PrimaryMetricGoal HyperDriveConfig HyperDriveRunConfig HyperDriveRun HyperDriveStep Run Experiment
Workspace ScriptRunConfig Estimator SKLearn PyTorch TensorFlow Keras Chainer RunDetails RunConfiguration Environment
CondaDependencies ComputeTarget AmlCompute Dataset Datastore Model strict
"""


def test_promised_names_are_listed() -> None:
    assert set(PROMISED.split()) <= set(hd.__all__)


@pytest.mark.parametrize("name", hd.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(hd, name) is not None
    assert name in dir(hd)
