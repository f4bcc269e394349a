"""Unmodified scripts with the real MLflow in real sweeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from tracking.helpers import Sweep, files_in, interpreter_without, sweep

from hdcore.shelf import Shelf

TRAIN = """
    import argparse, os, socket, time

    def no_network(*arguments, **more):
        raise AssertionError("a trial called out")

    socket.socket.connect = no_network
    import mlflow

    parser = argparse.ArgumentParser()
    parser.add_argument("--x", type=float)
    x = parser.parse_args().x

    mlflow.set_tracking_uri("http://tracking.example:5000")
    mlflow.set_tracking_uri("hdcore:///root")
    mlflow.set_experiment("digits")
    with mlflow.start_run(run_name="mine") as run:
        mlflow.log_param("x", x)
        mlflow.log_params({"layers": 3, "kind": "mlp"})
        mlflow.set_tags({"team": "red"})
        for epoch in range(3):
            mlflow.log_metric("accuracy", x + epoch / 100, step=10 * epoch)
            while x < 0.5:  # until the policy ends it
                time.sleep(0.02)
        mlflow.log_metrics({"loss": 0.25, "broken": float("nan")})
        for fold in range(2):
            with mlflow.start_run(nested=True, run_name=f"fold-{fold}"):
                mlflow.log_param("fold", fold)
                mlflow.log_metric("accuracy", 99.0 + fold)
                mlflow.log_text("of the fold", "fold.txt")
        mlflow.log_text("hello", "notes/a.txt")
        mlflow.log_dict({"a": 1}, "d.json")
        with open("outputs/own.txt", "w") as file:
            file.write("own")
        mlflow.log_artifacts("outputs")
        mlflow.log_artifacts("outputs", "copy")
        mlflow.log_artifact("train.py", "source")

    known = mlflow.get_run(run.info.run_id)
    print(sorted(known.data.metrics.items()))
    print([(m.value, m.step) for m in mlflow.MlflowClient().get_metric_history(run.info.run_id, "accuracy")])
    print(known.data.params, known.data.tags["team"], known.info.run_name, known.info.status)
    found = mlflow.search_runs(filter_string="params.fold = '1'", output_format="list")
    print([run.info.run_name for run in found])
    print(open(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="d.json")).read().split())
    print(os.environ["MLFLOW_DISABLE_TELEMETRY"], mlflow.get_experiment_by_name("any").name, mlflow.get_tracking_uri())
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    place = tmp_path_factory.mktemp("trained")
    policy = {"type": "bandit", "slack_amount": 0.1, "evaluation_interval": 1}
    return sweep(place, TRAIN, (0.9, 0.1), policy=policy, MLFLOW_TRACKING_URI="http://of.the.shell:5000")


def test_metrics_are_the_reports_of_the_trial_and_the_policy_hears_them(trained: Sweep) -> None:
    first, second = trained.run(0), trained.run(1)
    assert first["metrics"]["accuracy"] == [[0, 0.9], [10, 0.91], [20, 0.92]]
    assert first["metrics"]["loss"] == [[0, 0.25]]
    assert first["metrics"]["broken"] == [[0, None]]
    assert (first["status"], first["value"], first["interval"]) == ("Completed", 0.92, 3)
    assert (second["status"], second["reason"]) == ("Canceled", "bandit at interval 1")


def test_params_tags_and_nested_runs_are_shown_with_the_run(trained: Sweep) -> None:
    logged = trained.run(0)["mlflow"]
    assert logged["name"] == "mine"
    assert logged["params"] == {"x": "0.9", "layers": "3", "kind": "mlp"}
    assert logged["tags"] == {"team": "red"}
    folds = logged["nested_runs"]
    assert [fold["name"] for fold in folds] == ["fold-0", "fold-1"]
    assert [fold["metrics"] for fold in folds] == [{"accuracy": [[0, 99.0]]}, {"accuracy": [[0, 100.0]]}]
    assert [fold["params"] for fold in folds] == [{"fold": "0"}, {"fold": "1"}]
    assert {(fold["status"], fold["parent"]) for fold in folds} == {("FINISHED", trained.run(0)["id"])}


def test_artifacts_are_files_in_outputs(trained: Sweep) -> None:
    outputs = trained.folder(0) / "outputs"
    folds = [fold["id"] for fold in trained.run(0)["mlflow"]["nested_runs"]]
    logged = ["d.json", *(f"nested/{fold}/fold.txt" for fold in folds), "notes/a.txt", "own.txt"]
    assert files_in(outputs) == sorted([*logged, *(f"copy/{name}" for name in logged), "source/train.py"])
    assert (outputs / "copy" / "notes" / "a.txt").read_text() == "hello"


def test_a_script_reads_back_what_it_logged(trained: Sweep) -> None:
    metrics, history, state, search, downloaded, surroundings = trained.output(0).splitlines()
    assert metrics.startswith("[('accuracy', 0.92), ('broken', nan), ('loss', 0.25)]")
    assert history == "[(0.9, 0), (0.91, 10), (0.92, 20)]"
    assert state == "{'x': '0.9', 'layers': '3', 'kind': 'mlp'} red mine FINISHED"
    assert search == "['fold-1']"
    assert downloaded == """['{', '"a":', '1', '}']"""
    assert surroundings == "true any hdcore:"


def test_nothing_is_left_behind_and_a_server_named_in_the_script_is_told_off_once(trained: Sweep) -> None:
    (line,) = [line for line in trained.errors(0).splitlines() if line.startswith("hdcore:")]
    assert "set_tracking_uri changes nothing here" in line
    assert "tracking.example" not in line  # such addresses hold passwords
    left = [path.name for path in trained.place.rglob("*") if path.name in ("mlruns", "mlflow.db", "mlartifacts")]
    assert not left
    assert files_in(trained.place / "home") == []


MODELS = """
    import mlflow
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=200).fit(x, y)
    more = {"serialization_format": "cloudpickle", "pip_requirements": []}
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.5)
        mlflow.sklearn.log_model(model, "net", registered_model_name="iris", **more)
        mlflow.log_metric("accuracy", 0.75)
        mlflow.sklearn.log_model(model, "best", **more)
    for uri in (f"runs:/{run.info.run_id}/net", "models:/iris/1", f"runs:/{run.info.run_id}/best"):
        assert mlflow.sklearn.load_model(uri).score(x, y) == model.score(x, y), uri
    try:
        mlflow.MlflowClient().delete_run(run.info.run_id)
    except mlflow.exceptions.MlflowException as error:
        print(error)
    try:
        mlflow.start_run(run_id="0" * 32)
    except mlflow.exceptions.MlflowException as error:
        print(error)
"""


def test_a_logged_model_is_a_folder_and_reports_no_metric_twice(tmp_path: Path) -> None:
    found = sweep(tmp_path, MODELS)
    run = found.run(0)
    assert run["status"] == "Completed", found.errors(0)
    # MLflow 3 logs the metrics of the run once more for each model.
    assert [value for _, value in run["metrics"]["accuracy"]] == [0.5, 0.75]
    assert [(model["name"], model["folder"]) for model in run["mlflow"]["models"]] == [
        ("net", "outputs/net"),
        ("best", "outputs/best"),
    ]
    assert run["mlflow"]["registered_models"] == {"iris": 1}
    shelved = Shelf(found.folder(0).parents[3]).get("iris")
    assert shelved is not None
    assert (shelved.content / "MLmodel").is_file()
    for name in ("net", "best"):
        assert {"MLmodel", "model.pkl"} <= set(files_in(found.folder(0) / "outputs" / name))
    refused, unknown = found.output(0).splitlines()
    assert "delete_run is not there in trials" in refused
    assert "has no run" in unknown


def test_processes_threads_and_forks_of_a_script_log_to_the_trial(tmp_path: Path) -> None:
    script = """
        import os, subprocess, sys, threading
        import mlflow

        mlflow.log_metric("accuracy", 1)  # starts a run by itself
        thread = threading.Thread(target=mlflow.log_metric, args=("accuracy", 2))
        thread.start()
        thread.join()
        child = os.fork()
        if not child:
            mlflow.log_metric("accuracy", 3)
            mlflow.log_param("from", "fork")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        program = "import mlflow; mlflow.log_metric('accuracy', 4); mlflow.log_param('from', 'process')"
        subprocess.run([sys.executable, "-c", program], check=True)
        mlflow.end_run()
        with mlflow.start_run():
            mlflow.log_metric("accuracy", 5)
        client = mlflow.MlflowClient()
        client.log_metric(client.create_run("0").info.run_id, "accuracy", 6)
        for k in range(3):
            mlflow.log_metric("without", k / 10)
            mlflow.log_metric("with", k / 10, step=5 * k)
        mlflow.log_metric("with", float("inf"), step=-7)
    """
    found = sweep(tmp_path, script)
    run = found.run(0)
    assert run["status"] == "Completed", found.errors(0)
    assert [value for _, value in run["metrics"]["accuracy"]] == [1, 2, 3, 4, 5, 6]
    assert run["mlflow"]["params"] == {"from": "process"}
    # MLflow says step 0 when a script gives none; a 0 that repeats is none, and the interval stands in its place.
    assert run["metrics"]["without"] == [[0, 0.0], [2, 0.1], [3, 0.2]]
    assert run["metrics"]["with"] == [[0, 0.0], [5, 0.1], [10, 0.2], [-7, None]]
    assert run["mlflow"]["nested_runs"] == []


AUTOLOG = """
    import mlflow

    mlflow.sklearn.autolog(log_models=False)
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.model_selection import GridSearchCV

    x, y = load_iris(return_X_y=True)
    with mlflow.start_run():
        LogisticRegression(C=0.25, max_iter=300).fit(x, y)
    with mlflow.start_run():
        LogisticRegression(C=0.25, max_iter=300).fit(x[:100], y[:100])
    LinearRegression().fit(x[:, :3], x[:, 3])
    GridSearchCV(LogisticRegression(), {"C": [0.5, 1.0]}, cv=2).fit(x, y)
"""


def test_the_stand_in_logs_what_the_real_autolog_logs(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "stand-in").mkdir()
    real = sweep(tmp_path / "real", AUTOLOG, metric="training_accuracy_score").run(0)
    python, path = interpreter_without(tmp_path, "mlflow")
    found = sweep(
        tmp_path / "stand-in", AUTOLOG, python=python, metric="training_accuracy_score", variables={"PYTHONPATH": path}
    )
    ours = found.run(0)
    assert ours["status"] == real["status"] == "Completed", found.errors(0)
    assert len(real["metrics"]["training_accuracy_score"]) == 3
    assert set(ours["metrics"]) == set(real["metrics"]) >= {"training_f1_score", "training_r2_score", "best_cv_score"}
    for name, points in real["metrics"].items():
        values = [value for _, value in ours["metrics"][name]]
        assert values == pytest.approx([value for _, value in points], rel=1e-9), name
    differing = {"estimator"}  # an estimator as text
    for name, text in real["mlflow"]["params"].items():
        if name not in differing:
            assert ours["mlflow"]["params"].get(name) == text, name


def test_the_plugin_is_found_where_hdcore_is_not_installed(tmp_path: Path) -> None:
    script = """
        import importlib.util, sys
        import mlflow

        mlflow.log_metric("accuracy", 0.5)
        mlflow.log_param("real", "mlflow.tracking.fluent" in sys.modules)
    """
    python, path = interpreter_without(tmp_path, "hdcore", "__editable__")
    found = sweep(tmp_path, script, python=python, variables={"PYTHONPATH": path})
    assert found.run(0)["value"] == 0.5, found.errors(0)
    assert found.run(0)["mlflow"]["params"] == {"real": "True"}
