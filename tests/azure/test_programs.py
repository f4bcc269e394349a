"""Driver scripts and notebooks as people have them, run as they are without any of Azure's packages."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from pathlib import Path
from typing import TypeAlias

import pytest
from azure_driving import command_line, copy_case, drive, notebook_of

from hdcore import open_sweep

pytestmark = pytest.mark.timeout(400)  # several interpreters each; a busy machine takes its time


def test_this_environment_has_none_of_azures_packages() -> None:
    assert not [d.name for d in distributions() if d.name.startswith(("azureml-", "azure-"))]


PROGRAMS = {
    "lightgbm": ("--input", "table=flowers.csv", "notebook.ipynb"),
    "iris_v1": ("notebook.ipynb",),
    "year2018": ("driver.py", "--experiment", "ridge"),
    "torch": ("driver.py",),
    "warm": ("driver.py",),
    "pipeline": ("driver.py",),
    "course": ("notebook.ipynb",),
    "seed": ("driver.py",),
    "endpoint": ("driver.py",),
    "oddities": (
        *("--input", "seeds=seeds.csv", "--input", "fields=given/fields", "--input", "pages=given/pages"),
        "notebook.ipynb",
    ),
}
Ended: TypeAlias = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ended]]:
    """Return the folder of a case and what became of its program; a few run at a time."""
    top = tmp_path_factory.mktemp("cases")
    for name in PROGRAMS:
        copy_case(name, top)
    (top / "lightgbm" / "flowers.csv").write_text("width,species\n1,setosa\n")
    (top / "oddities" / "seeds.csv").write_text("kind\nrye\n")
    for path in ("fields/north.txt", "pages/one.txt"):
        file = top / "oddities" / "given" / path
        file.parent.mkdir(parents=True)
        file.touch()
    pool = ThreadPoolExecutor(3)
    running = {name: pool.submit(drive, top / name, *arguments) for name, arguments in PROGRAMS.items()}
    try:
        yield lambda name: (top / name, running[name].result())
    finally:
        pool.shutdown(cancel_futures=True)


def test_a_v2_notebook_runs_a_command_and_a_sweep_with_early_termination(program: Callable[[str], Ended]) -> None:
    folder, done = program("lightgbm")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Experiment was marked as Completed" in done.stdout
    assert (folder / "best" / "artifacts" / "outputs" / "model.txt").read_text() in ("gbdt", "dart")
    spec = json.loads((folder / "root" / "sweeps" / "trees-sweep" / "runs" / "0000" / "configuration.json").read_text())
    assert set(spec) == {"learning_rate", "boosting"}


def test_cloud_data_without_a_local_copy_is_refused_with_the_cell_and_the_option(tmp_path: Path) -> None:
    folder = copy_case("lightgbm", tmp_path)
    done = drive(folder, "notebook.ipynb")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "hdcore: notebook.ipynb: cell 4, line 17: inputs.table: is in the cloud"
        " (https://example.invalid/datasets/flowers.csv); give a local copy with --input table=PATH"
    )
    assert not (folder / "root").exists()


def test_a_v1_notebook_tries_all_of_a_finite_space_and_registers_the_best_model(
    program: Callable[[str], Ended],
) -> None:
    _, done = program("iris_v1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "('sklearn-flowers', 1)" in done.stdout
    assert "12 of 12 runs completed" in done.stderr


def test_a_script_of_2018_runs_with_its_arguments(program: Callable[[str], Ended]) -> None:
    _, done = program("year2018")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "alpha 0.4 0.0" in done.stdout


def test_bare_keys_and_metrics_as_vectors_work(program: Callable[[str], Ended]) -> None:
    folder, done = program("torch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert float((folder / "model.pt").read_text()) == float(done.stdout.partition("accuracy ")[2].split()[0])


def test_a_sweep_starts_from_another_and_goes_on_with_one_of_its_runs(program: Callable[[str], Ended]) -> None:
    _, done = program("warm")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resumed at epoch 4" in done.stdout


def test_a_pipeline_sweeps_and_then_registers_the_best_model(program: Callable[[str], Ended]) -> None:
    _, done = program("pipeline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "best 1.0" in done.stdout


def test_a_course_notebook_is_waited_for_and_its_grid_ends_early(program: Callable[[str], Ended]) -> None:
    _, done = program("course")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cell 1: !pip install azure-ai-ml mlflow: not run" in done.stderr
    assert "waiting for patients-train" in done.stderr
    assert "3 of 3 runs completed, best run 0" in done.stderr


def test_the_classic_example_reads_the_best_arguments_by_position(program: Callable[[str], Ended]) -> None:
    _, done = program("seed")
    assert done.returncode == 0, done.stdout + done.stderr
    batch_size = done.stdout.partition("batch size:")[2].split()[0]
    assert batch_size in ("16", "32", "64", "128")


def test_deployment_after_a_sweep_stops_with_one_line_and_success(program: Callable[[str], Ended]) -> None:
    folder, done = program("endpoint")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "never reached" not in done.stdout
    assert "driver.py: line 47: azure.ai.ml.entities.ManagedOnlineEndpoint: deployment is out of scope" in done.stderr
    assert "Traceback" not in done.stderr
    assert "missing: models: shrubs is not registered here; registered are: trees" in done.stdout
    best = open_sweep("by-hand", folder / "root").best
    assert best is not None
    (kept,) = (folder / "root" / "azure").rglob("models/trees/1/**/MLmodel")
    assert float(kept.read_text()) == best.configuration["rate"]


def test_what_only_some_notebooks_do_works_too(program: Callable[[str], Ended]) -> None:
    _, done = program("oddities")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cell 1: %pip show azureml-sdk: not run" in done.stderr
    assert "STANDARD_D2_V2" in done.stdout
    assert "kind\nrye" in done.stdout
    assert "no dataset 'weeds' is registered here; give it with hdcore azure --input weeds=PATH" in done.stderr
    assert "note: waiting for farm, whose result is asked for" in done.stderr
    assert "3 Completed" in done.stdout
    assert "sower 1" in done.stdout
    assert "Pipeline.publish: published pipelines have no local meaning; submit the pipeline" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_fetched_is_told_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/data/seeds.csv')\n"
    )
    done = drive(tmp_path, "program.py")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        ": http://127.0.0.1:9/data/seeds.csv cannot be fetched; give a local copy with hdcore azure --input seeds=PATH"
    )


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("raise ValueError('so it is')\n", 1, "hdcore: program.py: line 1: ValueError: so it is"),
        ("import sys\nsys.exit(5)\n", 5, ""),
        ("from azureml.core.webservice import AciWebservice\nAciWebservice.deploy_configuration()\n", 2,
         "hdcore: program.py: line 2: azureml.core.webservice.AciWebservice.deploy_configuration: deployment is out of"
         " scope; what the sweep left behind is in its folder"),
        ("from azureml.core import Telescope\n", 1,
         "hdcore: program.py: line 1: ImportError: azureml.core.Telescope is not served by hdcore's stand-ins; leave"
         " out what needs it (dir(azureml.core) lists what there is)"),
        ("import azure.storage.blob\n", 1,
         "hdcore: program.py: line 1: ModuleNotFoundError: azure.storage is not served by hdcore's stand-ins for"
         " Azure's packages and is not installed; what needs it has to be left out here"),
        ("from azureml.train.automl import AutoMLConfig\nAutoMLConfig(task='classification')\n", 1,
         "hdcore: program.py: line 2: azureml.train.automl.AutoMLConfig: hdcore runs your own training scripts; it has"
         " no automated ML"),
        ("from azure.ai.ml import command\ncommand(inputs={'a': 1})(b=2)\n", 1,
         "hdcore: program.py: line 2: command: has no input 'b'; it has a"),
    ],
)  # fmt: skip
def test_the_end_of_a_program_is_told_in_one_line(tmp_path: Path, text: str, code: int, said: str) -> None:
    (tmp_path / "program.py").write_text(text)
    done = drive(tmp_path, "program.py")
    assert done.returncode == code, done.stderr
    assert ([*done.stderr.splitlines(), ""][-2] if said else done.stderr) == said


def test_errors_in_a_notebook_name_cell_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text(notebook_of("# %% [markdown]\nText\n# %%\nx = 1\n# %%\n!true\nx\nx / 0\n"))
    done = drive(tmp_path, "a.ipynb")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "hdcore: a.ipynb: cell 3, line 3: ZeroDivisionError: division by zero"
    assert "x / 0" in done.stderr
    (tmp_path / "b.ipynb").write_text(notebook_of("# %%\nx = (1\n"))
    done = drive(tmp_path, "b.ipynb")
    assert done.stderr.splitlines()[-1] == (
        "hdcore: b.ipynb: cell 1, line 1: SyntaxError: '(' was never closed (b.ipynb, cell 1, line 1)"
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gone.py", None, "gone.py: no such file"),
        ("a.yml", "type: sweep", "a.yml: is no Python script and no notebook; sweep files run with `hdcore run`"),
        ("r.ipynb", '{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}', "is a notebook in R"),
        ("not.ipynb", "{", "is no notebook"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    done = drive(tmp_path, name)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "root").exists()


def test_a_signal_stops_program_and_sweep_and_leaves_it_resumable(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("import time\nopen('outputs/begun', 'w').close()\ntime.sleep(60)\n")
    (tmp_path / "program.py").write_text(
        "from azure.ai.ml import MLClient, command\n"
        "from azure.ai.ml.sweep import Uniform\n"
        "job = command(code='src', command='python train.py', name='long', inputs={'x': 1})\n"
        "sweep = job(x=Uniform(0, 1)).sweep(primary_metric='m', goal='minimize', max_total_trials=2)\n"
        "sweep.name = 'long'\n"
        "MLClient().create_or_update(sweep)\n"
    )
    argv, environment = command_line("program.py")
    process = subprocess.Popen(argv, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("root/sweeps/long/runs/*/outputs/begun")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143, said
    assert "long was stopped; go on with: hdcore resume long" in said
    assert open_sweep("long", tmp_path / "root").status == "Queued"
