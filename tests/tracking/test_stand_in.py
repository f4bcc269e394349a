"""Scripts that log through mlflow where it is not installed."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tracking.helpers import PACKAGE, Sweep, files_in, interpreter_without, sweep

from hdcore.shelf import Shelf
from hdcore.store.wire import parse_lines
from hdcore.tracking.summary import summary

STAND_IN = PACKAGE / "standins_mlflow"


class Trial:
    """A run's folder and the environment that its processes get; ``-S`` hides all that is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        for path in (self.work, folder / "outputs"):
            path.mkdir(parents=True)
        (self.work / "outputs").symlink_to("../outputs")

    def python(self, script: str, *options: str, attempt: int = 1, check: bool = True) -> str:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HDCORE", "MLFLOW", "PYTHON"))}
        environment = kept | {
            "PYTHONPATH": str(STAND_IN),
            "HDCORE_RUN_ID": "HD_abc_7",
            "HDCORE_ATTEMPT": str(attempt),
            "HDCORE_REPORT": str(self.folder / f"report-{attempt}.jsonl"),
            "HDCORE_OUTPUT_DIR": str(self.folder / "outputs"),
            "MLFLOW_TRACKING_URI": "hdcore:",
            "MLFLOW_RUN_ID": "HD_abc_7",
        }
        done = subprocess.run(
            [sys.executable, "-S", *options, "-c", textwrap.dedent(script)],
            cwd=self.work, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout + done.stderr

    def reports(self, attempt: int = 1) -> list[tuple[str, float | None, int | None]]:
        rows, _, dropped = parse_lines((self.folder / f"report-{attempt}.jsonl").read_bytes(), 0.0)
        assert not dropped
        return [(row.name, row.value, row.step) for row in rows]

    def logged(self, attempt: int = 1) -> dict[str, object]:
        found = summary(self.folder, "HD_abc_7", attempt)
        assert found is not None
        return found


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path / "runs" / "0007")


def test_a_sweep_of_an_unmodified_script_works_and_its_policy_hears_the_metrics(tmp_path: Path) -> None:
    script = """
        import argparse, time
        import mlflow

        parser = argparse.ArgumentParser()
        parser.add_argument("--x", type=float)
        x = parser.parse_args().x
        mlflow.set_experiment("digits")
        with mlflow.start_run():
            mlflow.log_param("x", x)
            for epoch in range(3):
                mlflow.log_metric("accuracy", x + epoch / 100, step=epoch)
                while x < 0.5:  # until the policy ends it
                    time.sleep(0.02)
    """
    policy = {"type": "bandit", "slack_amount": 0.1, "evaluation_interval": 1}
    found = sweep(tmp_path, script, (0.9, 0.1), python=f"{shlex.quote(sys.executable)} -S", policy=policy)
    assert found.run(0)["metrics"] == {"accuracy": [[0, 0.9], [1, 0.91], [2, 0.92]]}
    assert found.run(0)["mlflow"]["params"] == {"x": "0.9"}
    assert (found.run(1)["status"], found.run(1)["reason"]) == ("Canceled", "bandit at interval 1")


def test_calls_land_where_those_of_mlflow_land(trial: Trial) -> None:
    said = trial.python("""
        import os
        import mlflow

        with mlflow.start_run(run_name="mine", tags={"team": "red"}) as run:
            assert mlflow.active_run() is run and run.info.run_id == "HD_abc_7"
            mlflow.log_metric("loss", 0.5)
            mlflow.log_metric("loss", 0.25, step=4)
            mlflow.log_metrics({"a": 1, "b": float("nan")}, step=0)
            assert mlflow.log_param("x", 3) == 3
            mlflow.log_params({"y": None})
            mlflow.set_tags({"one": 1, "two": 2})
            mlflow.delete_tag("two")
            with mlflow.start_run(nested=True, run_name="fold") as fold:
                mlflow.log_metric("loss", 9.0, step=1)
                mlflow.log_text("of the fold", "fold.txt")
            open("own.txt", "w").write("own")
            open("outputs/there.txt", "w").write("there")
            mlflow.log_artifact("own.txt", "deep/er")
            mlflow.log_artifacts("outputs")
            mlflow.log_dict({"k": [1]}, "d.json")
            assert mlflow.get_artifact_uri("d.json") == os.path.realpath("outputs/d.json")
        assert mlflow.active_run() is None and mlflow.last_active_run() is run
        mlflow.log_metric("loss", 0.125)
        client = mlflow.tracking.MlflowClient()
        client.log_metric(run.info.run_id, "loss", 0.0625)
        known = mlflow.get_run(run.info.run_id)
        print(known.data.metrics["loss"], known.data.params, known.info.status)
    """)
    # Of several values MLflow counts the one at the highest step.
    assert said == "0.25 {'x': '3', 'y': 'None'} RUNNING\n"
    reports = trial.reports()
    assert [row for row in reports if row[0] == "loss"] == [
        ("loss", 0.5, None), ("loss", 0.25, 4), ("loss", 0.125, None), ("loss", 0.0625, None),
    ]  # fmt: skip
    assert ("a", 1.0, 0) in reports
    logged = trial.logged()
    assert (logged["name"], logged["params"]) == ("mine", {"x": "3", "y": "None"})
    assert logged["tags"] == {"team": "red", "one": "1"}
    (fold,) = logged["nested_runs"]  # type: ignore[misc]
    assert (fold["name"], fold["metrics"], fold["status"]) == ("fold", {"loss": [[1, 9.0]]}, "FINISHED")
    assert files_in(trial.folder / "outputs") == [
        "d.json", "deep/er/own.txt", f"nested/{fold['id']}/fold.txt", "there.txt",
    ]  # fmt: skip


def test_a_script_that_raises_fails_its_run_and_a_second_run_inside_one_is_refused(trial: Trial) -> None:
    said = trial.python("""
        import mlflow

        try:
            with mlflow.start_run():
                raise KeyError
        except KeyError:
            print(mlflow.last_active_run().info.status)
        mlflow.start_run()
        try:
            mlflow.start_run()
        except Exception as error:
            print(error)
        try:
            mlflow.log_text("x", "../../escaped.txt")
        except ValueError as error:
            print(error)
        try:
            mlflow.start_run(run_id="other", nested=True)
        except mlflow.exceptions.MlflowException as error:
            print(error)
    """)
    failed, active, outside, unknown = said.splitlines()
    assert failed == "FAILED"
    assert "nested=True" in active
    assert "leads out of the run's outputs" in outside
    assert "no run 'other'" in unknown
    assert not (trial.folder.parent / "escaped.txt").exists()


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("import mlflow; mlflow.evaluate()", "mlflow.evaluate"),
        ("from mlflow import evaluate", "evaluate"),
        ("from mlflow import search_runs; search_runs()", "mlflow.search_runs"),
        ("import mlflow.deployments", "mlflow.deployments"),
        ("import mlflow.entities.model_registry", "mlflow.entities"),
        ("import mlflow.pytorch; mlflow.pytorch.MLflowModelCkptCallback()", "mlflow.pytorch.MLflow"),
        ("import mlflow; mlflow.xgboost.get_default_conda_env", "mlflow.xgboost.get_default_conda_env"),
        ("import mlflow; mlflow.MlflowClient().search_runs()", "MlflowClient.search_runs"),
    ],
)
def test_what_is_not_there_is_named(statement: str, name: str, trial: Trial) -> None:
    last = trial.python(statement, check=False).splitlines()[-1]
    assert name in last
    if "from mlflow import" not in statement:  # those words are the interpreter's
        assert "mlflow is not installed" in last


def test_what_does_nothing_says_so_once(trial: Trial) -> None:
    said = trial.python("""
        import mlflow
        from mlflow.models import infer_signature
        from mlflow.models.signature import infer_signature
        from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

        for _ in range(2):
            mlflow.set_tracking_uri("http://me:secret@server")
            mlflow.set_tracking_uri("hdcore:///root")
            mlflow.autolog()
            mlflow.pytorch.autolog(log_models=False)
        assert mlflow.get_tracking_uri() == "hdcore:" and mlflow.tracking.is_tracking_uri_set()
    """)
    lines = said.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("hdcore: mlflow.") for line in lines)
    assert "secret" not in said


def test_another_attempt_begins_with_a_clean_slate(trial: Trial) -> None:
    script = "import mlflow, os; mlflow.log_param('host', os.environ['HDCORE_ATTEMPT']); mlflow.log_metric('m', 1)"
    assert trial.python(script) == ""
    assert trial.python(script, attempt=2) == ""
    assert trial.logged(1)["params"] == {"host": "1"}
    assert trial.logged(2)["params"] == {"host": "2"}
    assert trial.reports(2) == [("m", 1.0, None)]


def test_a_parameter_that_changes_keeps_the_last_value_and_says_so_once(trial: Trial) -> None:
    said = trial.python("import mlflow\nfor k in range(3): mlflow.log_param('k', k); mlflow.log_param('c', 1)")
    assert said.count("\n") == 1
    assert "'k' is logged anew" in said
    assert trial.logged()["params"] == {"k": "2", "c": "1"}


def test_logging_needs_nothing_but_the_standard_library(trial: Trial) -> None:
    said = trial.python("""
        import sys
        import mlflow

        mlflow.log_metric("m", 1)
        print(sorted({name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
    """)
    loaded = set(ast.literal_eval(said)) - {"__main__", "hdcore", "hdcore_trial", "mlflow"}
    assert {name for name in loaded if not name.startswith("_")} == set()


def test_a_package_of_that_name_further_down_the_path_is_the_one_that_is_imported(tmp_path: Path) -> None:
    real = tmp_path / "real" / "mlflow"
    real.mkdir(parents=True)
    (real / "__init__.py").write_text("import sys, mlflow.part as part\nNAME = __name__\n")
    (real / "part.py").write_text("import mlflow\n")
    program = (
        "import mlflow, sys, mlflow.part, importlib.metadata as m; "
        "print(mlflow.__file__, mlflow.NAME, sys.modules['mlflow'] is mlflow is mlflow.part.mlflow, "
        "[p.value for p in m.entry_points(group='mlflow.tracking_store') if p.value.startswith('hdcore_trial')])"
    )
    path = os.pathsep.join(map(str, (STAND_IN, tmp_path / "real")))
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{real / '__init__.py'} mlflow True ['hdcore_trial:tracking_store']\n"


def test_threads_that_import_it_at_once_all_get_the_installed_one(tmp_path: Path) -> None:
    real = tmp_path / "real" / "mlflow"
    real.mkdir(parents=True)
    (real / "__init__.py").write_text(
        "import threading\n"
        "import meet\n"
        "others = [threading.Thread(target=meet.importer) for _ in range(4)]\n"
        "[other.start() for other in others]\n"
        "meet.began.acquire()\n"
        "NAME = 'real'\n"
    )
    (tmp_path / "real" / "meet.py").write_text(
        "import threading\n"
        "began, seen = threading.Semaphore(0), []\n"
        "def importer():\n"
        "    began.release()\n"
        "    import mlflow\n"
        "    seen.append(mlflow.NAME)\n"
    )
    program = "import mlflow, meet\n[other.join() for other in mlflow.others]\nprint(meet.seen, mlflow.NAME)"
    path = os.pathsep.join(map(str, (STAND_IN, tmp_path / "real")))
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "['real', 'real', 'real', 'real'] real\n"


def test_the_folder_of_a_project_called_mlflow_is_not_taken_for_mlflow(trial: Trial) -> None:
    (trial.work / "mlflow").mkdir()  # a folder of notebooks, say: no package
    trial.python("import mlflow; mlflow.log_metric('m', 1)")
    assert trial.reports() == [("m", 1.0, None)]


def test_scikit_learn_models_are_saved_with_the_run(tmp_path: Path) -> None:
    python, path = interpreter_without(tmp_path, "mlflow", "hdcore", "__editable__")
    script = """
        import mlflow
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression

        mlflow.sklearn.autolog()
        x, y = load_iris(return_X_y=True)
        model = LogisticRegression(max_iter=300).fit(x, y)
        mlflow.sklearn.log_model(model, "net", registered_model_name="iris")
        mlflow.log_metric("accuracy", 0.5)
    """
    found = sweep(tmp_path, script, python=python, variables={"PYTHONPATH": path})
    run = found.run(0)
    assert run["status"] == "Completed", found.errors(0)
    assert files_in(found.folder(0) / "outputs") == [
        "model/MLmodel", "model/model.pkl", "net/MLmodel", "net/model.pkl",
    ]  # fmt: skip
    assert [model["folder"] for model in run["mlflow"]["models"]] == ["outputs/model", "outputs/net"]
    assert run["mlflow"]["registered_models"] == {"iris": 1}
    shelved = Shelf(found.folder(0).parents[3]).get("iris")
    assert shelved is not None
    assert shelved.content == found.folder(0) / "outputs" / "net"
    assert json.loads((found.folder(0) / "mlflow-1.jsonl").read_text().splitlines()[0])["run"] == run["id"]


@pytest.mark.slow
def test_models_are_loaded_where_they_were_saved_and_by_mlflow_itself(trial: Trial, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    said = trial.python(
        f"""
        import sys
        import mlflow
        sys.path += {sys.path!r}
        import numpy as np
        from mlflow.models.signature import ModelSignature, infer_signature
        from mlflow.types.schema import ColSpec, Schema
        from sklearn.linear_model import LinearRegression

        assert mlflow.__version__ == "0+hdcore"
        x = np.arange(12.0).reshape(6, 2)
        model = LinearRegression().fit(x, x @ [1, 2])
        mlflow.sklearn.save_model(sk_model=model, path={str(saved)!r}, signature=infer_signature(x, model.predict(x)))
        signature = ModelSignature(inputs=Schema([ColSpec("double", "a"), ColSpec("double", "b")]))
        kept = mlflow.sklearn.log_model(model, artifact_path="net", signature=signature)
        for uri in (kept.model_uri, {str(saved)!r}, mlflow.get_artifact_uri("net")):
            assert np.allclose(mlflow.sklearn.load_model(uri).predict(x), x @ [1, 2])
            assert np.allclose(mlflow.pyfunc.load_model(uri).predict(x), x @ [1, 2])
        try:
            mlflow.sklearn.save_model(model, {str(saved)!r})
        except mlflow.exceptions.MlflowException as error:
            print(error)
        try:
            mlflow.xgboost.load_model({str(saved)!r})
        except mlflow.exceptions.MlflowException as error:
            print(error)
        """
    )
    assert [line.partition("saved ")[2] for line in said.splitlines()] == [
        "exists and is not empty; give another path", "holds a model of sklearn, not of xgboost",
    ]  # fmt: skip
    import mlflow.sklearn

    assert mlflow.sklearn.load_model(str(saved)).predict([[0.0, 1.0]]) == pytest.approx(2)
    signature = mlflow.models.get_model_info(str(trial.folder / "outputs" / "net")).signature
    assert signature.inputs.input_names() == ["a", "b"]
    assert mlflow.models.get_model_info(str(saved)).signature.inputs.to_dict()[0]["tensor-spec"]["shape"] == (-1, 2)


BOOSTING = """
    import sys, types
    from types import SimpleNamespace

    def train(params, data, num_boost_round=100, valid_sets=None, valid_names=None, callbacks=None):
        for step in range(num_boost_round):
            found = [(name, "multi_logloss", params["rate"] / (step + 1), False) for name in valid_names]
            for callback in sorted(callbacks or (), key=lambda one: one.order):
                callback(SimpleNamespace(iteration=step, evaluation_result_list=found))
        return SimpleNamespace(save_model=lambda path: open(path, "w").write("trees"))

    lightgbm = sys.modules["lightgbm"] = types.ModuleType("lightgbm")
    lightgbm.train = train
    import mlflow

    mlflow.autolog()
    lightgbm.train({"rate": 0.5}, None, 2, valid_names=["train", "test"])
    mlflow.autolog(disable=True)
    lightgbm.train({"rate": 0.5}, None, 2, valid_names=["train", "test"])
    mlflow.lightgbm.autolog(log_models=False)
    lightgbm.train({"rate": 0.5}, None, 1, valid_names=["test"])
"""


def test_every_round_of_boosting_is_a_report(trial: Trial) -> None:
    assert "mlflow.autolog logs what LightGBM trains" in trial.python(BOOSTING)
    assert trial.reports() == [
        ("train-multi_logloss", 0.5, 0), ("test-multi_logloss", 0.5, 0),
        ("train-multi_logloss", 0.25, 1), ("test-multi_logloss", 0.25, 1),
        ("test-multi_logloss", 0.5, None),
    ]  # fmt: skip
    assert trial.logged()["params"] == {"rate": "0.5", "num_boost_round": "1"}
    assert files_in(trial.folder / "outputs") == ["model/MLmodel", "model/model.lgb"]


def test_a_client_logs_in_batches_and_lists_what_is_kept(trial: Trial) -> None:
    said = trial.python("""
        import mlflow
        from mlflow.entities import Metric, Param, RunTag

        client = mlflow.MlflowClient()
        run = mlflow.start_run()
        client.log_batch(
            run.info.run_id, metrics=[Metric("m", 0.5, 0, 3)], params=[Param("p", 1)], tags=[RunTag("t", "x")]
        )
        mlflow.log_table({"a": [1, 2], "b": ["x", "y"]}, "tables/t.json")
        mlflow.log_text("hello", "notes/a.txt")
        print([(one.path, one.is_dir) for one in client.list_artifacts(run.info.run_id)])
        print(open(client.download_artifacts(run.info.run_id, "notes/a.txt")).read())
        print(mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/tables/t.json"))
        with mlflow.start_run(nested=True) as inner:
            print(mlflow.get_parent_run(inner.info.run_id).info.run_id == run.info.run_id)
    """)
    listed, text, table, parent = said.splitlines()
    assert ast.literal_eval(listed) == [("notes", True), ("tables", True)]
    assert text == "hello"
    assert ast.literal_eval(table) == {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}
    assert parent == "True"
    assert trial.reports() == [("m", 0.5, 3)]
    assert (trial.logged()["params"], trial.logged()["tags"]) == ({"p": "1"}, {"t": "x"})


FUNCTION = """
    import hdcore

    def train(config, run):
        import mlflow
        from azureml.core import Run

        with mlflow.start_run():
            mlflow.log_param("told", config["x"])
            mlflow.log_metric("accuracy", config["x"])
        Run.get_context().log("loss", 1 - config["x"])

    if __name__ == "__main__":
        space = {"x": hdcore.choice(0.25, 0.5)}
        sweep = hdcore.tune(train, space, metric="accuracy", goal="maximize", sampler="grid", max_runs=2, name="s")
        print(sweep.best.value)
"""


def test_a_function_logs_through_the_stand_ins_as_a_script_does(tmp_path: Path) -> None:
    python, path = interpreter_without(tmp_path, "mlflow", "__editable__")
    (tmp_path / "program.py").write_text(textwrap.dedent(FUNCTION))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HDCORE", "MLFLOW"))}
    done = subprocess.run(
        [*shlex.split(python), "program.py"],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0.5"
    run = Sweep(tmp_path, tmp_path / ".hdcore").run(1)
    assert run["metrics"]["loss"] == [[1, 0.5]]
    assert run["mlflow"]["params"] == {"told": "0.5"}
