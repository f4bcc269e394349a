"""Pipelines that a program joins in Python, or loads from a file, and submits through ``MLClient``."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure_driving import copy_case, drive

from hdcore.azure.v2.client import MLClient
from hdcore.azure.v2.command import command
from hdcore.azure.v2.drivers import is_driven, wait
from hdcore.azure.v2.entities import AmlCompute, Model
from hdcore.azure.v2.exceptions import JobException, UnexpectedKeywordError, ValidationException
from hdcore.azure.v2.expressions import Choice, Uniform
from hdcore.azure.v2.inputs import Input, Output
from hdcore.azure.v2.load import load_job
from hdcore.azure.v2.pipeline import PipelineJob, pipeline
from hdcore.azure.v2.submit import pipeline_specification
from hdcore.cli.main import run_command_line
from hdcore.errors import InputError, NotServedError
from hdcore.pipeline import read_plan
from hdcore.store.lock import read_driver


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MLClient:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HDCORE_ROOT", str(tmp_path / "root"))
    return MLClient()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def shell(text: str, *, name: str = "", outputs: str = "", **inputs: Any) -> Any:
    """Return a command that reads its inputs in the shell."""
    return command(command=text, name=name or None, inputs=inputs, outputs={key: Output() for key in outputs.split()})


REPORT = (
    """echo '{"name": "m", "value": '${{inputs.x}}'}' >> $HDCORE_REPORT; echo ${{inputs.x}} > ${{outputs.model}}/x"""
)


def trained() -> Any:
    return shell(REPORT, name="training", outputs="model", x=0.5)


def made(job: PipelineJob, tmp_path: Path) -> dict[str, Any]:
    return {step.name: step for step in pipeline_specification(job, tmp_path / "root").steps}


def test_a_notebook_joins_a_sweep_and_a_step_that_uses_its_best_model(tmp_path: Path) -> None:
    folder = copy_case("dsl", tmp_path)
    (folder / "flowers.csv").write_text("a,b\n1,2\n3,4\n")
    done = drive(folder, "--input", "raw_data=flowers.csv", "notebook.ipynb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "component score 1" in done.stdout
    assert "Completed ['model', 'scored']" in done.stdout
    assert "scored best: 3,4 by 0." in done.stdout
    assert "child flowers_pipeline.sweep_step sweep Completed" in done.stdout
    assert "flowers_pipeline: Completed, 2 steps: flowers_pipeline.sweep_step, flowers_pipeline.score" in done.stderr


def test_a_step_is_named_by_its_variable_and_a_trial_is_no_step(client: MLClient, tmp_path: Path) -> None:
    component = trained().component

    @pipeline()
    def joined(x: float, more: Any = None) -> dict[str, Any]:
        """What it does."""
        first = component(x=x)
        swept = component(x=Uniform(0, 1)).sweep(primary_metric="m", goal="maximize", max_total_trials=2)
        component(x=3)
        shell("cat ${{inputs.a}}/x ${{inputs.b}}/x", a=swept, b=first.outputs.model)
        return {"best": swept.outputs.model}

    job = joined(2)
    assert job.description == "What it does."
    assert [*job.jobs] == ["first", "swept", "training", "command"]
    steps = made(job, tmp_path)
    assert steps["first"].spec.inputs["x"].value == 2
    assert steps["training"].spec.inputs["x"].value == 3
    assert steps["command"].bindings == {"a": ("swept", "model"), "b": ("first", "model")}
    assert steps["swept"].spec.space == {"x": ["uniform", [0, 1]]}
    job.inputs.x = 5  # it is looked at when the job is submitted
    assert made(job, tmp_path)["first"].spec.inputs["x"].value == 5
    assert component(x=1).outputs.model.type == "uri_folder"  # outside of a pipeline nothing is joined


def test_a_pipeline_in_a_pipeline_brings_its_steps(client: MLClient, tmp_path: Path) -> None:
    @pipeline(display_name="inner")
    def inner(data: Any, x: float = 1) -> dict[str, Any]:
        fit = shell("cat ${{inputs.data}}; cp $0 ${{outputs.model}}", outputs="model", data=data, x=x)
        return {"model": fit.outputs.model}

    @pipeline
    def outer(data: Any) -> None:
        one = inner(data)
        two = inner(one.outputs.model, x=2)
        shell("ls ${{inputs.model}}", name="last", model=two)

    (tmp_path / "a.csv").write_text("1")
    steps = made(outer(data=Input(type="uri_file", path="a.csv")), tmp_path)
    assert [*steps] == ["one_fit", "two_fit", "last"]
    assert steps["one_fit"].spec.inputs["data"].local == str(tmp_path / "a.csv")
    assert steps["two_fit"].bindings == {"data": ("one_fit", "model")}
    assert steps["two_fit"].spec.inputs["x"].value == 2


def test_what_cannot_be_joined_is_told(client: MLClient, tmp_path: Path) -> None:
    with pytest.raises(UnexpectedKeywordError, match="pipeline nothing: got an unexpected keyword argument 'b'"):
        _nothing(b=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationException, match="has no steps"):
        made(_nothing(), tmp_path)

    @pipeline()
    def expression() -> None:
        trained()(x=Choice([1]))

    with pytest.raises(ValidationException, match="is an expression; call"):
        made(expression(), tmp_path)

    @pipeline()
    def foreign(model: Any) -> None:
        shell("ls ${{inputs.model}}", model=model)

    @pipeline()
    def other() -> dict[str, Any]:
        return {"model": trained()(x=1).outputs.model}

    with pytest.raises(ValidationException, match="belongs to a step that is not in this pipeline"):
        made(foreign(other().outputs.model), tmp_path)
    with pytest.raises(ValidationException, match="is not declared by the step; it has model"):
        pipeline(_undeclared)()
    with pytest.raises(ValidationException, match="returns a int"):
        pipeline(lambda: 3)()
    assert not (tmp_path / "root").exists()


@pipeline()
def _nothing() -> None:
    """Join nothing."""


_nothing.__wrapped__.__name__ = "nothing"  # type: ignore[attr-defined]


def _undeclared() -> None:
    step = trained()(x=1)
    step.outputs.nodel = Output()


def test_a_pipeline_of_a_file_is_submitted_with_other_inputs_and_looked_at_later(
    client: MLClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {
        "type": "pipeline",
        "display_name": "from a file",
        "inputs": {"x": 1, "data": {"type": "uri_file", "path": "wasbs://far/away.csv"}},
        "outputs": {"kept": {"type": "uri_folder"}},
        "jobs": {
            "search": {
                "type": "sweep",
                "trial": {"command": REPORT.replace("inputs.x", "search_space.x"), "environment": "e@latest"},
                "outputs": {"model": {"type": "uri_folder"}},
                "search_space": {"x": {"type": "choice", "values": [1, 3, 2]}},
                "sampling_algorithm": "grid",
                "objective": {"goal": "maximize", "primary_metric": "m"},
                "limits": {"max_total_trials": 3},
            },
            "use": {
                "type": "command",
                "command": "cat ${{inputs.model}}/x ${{inputs.data}} > ${{outputs.out}}/both; echo ${{inputs.x}}",
                "environment": "e@latest",
                "inputs": {
                    "model": "${{parent.jobs.search.outputs.model}}",
                    "x": "${{parent.inputs.x}}",
                    "data": "${{parent.inputs.data}}",
                },
                "outputs": {"out": "${{parent.outputs.kept}}"},
            },
        },
    }
    (tmp_path / "pipe.yml").write_text(json.dumps(document))
    (tmp_path / "here.csv").write_text("here")
    job = load_job("pipe.yml")
    assert [*job.jobs] == ["search", "use"]
    assert client.jobs.validate(job).passed
    with pytest.raises(InputError, match="is in the cloud"):
        client.jobs.create_or_update(job)
    job.inputs.data.path = "here.csv"
    job.settings.default_compute = "cluster"
    submitted = client.jobs.create_or_update(job, experiment_name="files")
    client.jobs.stream(submitted.name)
    assert "from-a-file: step 2 of 2, use" in capsys.readouterr().out
    done = client.jobs.get(submitted.name)
    assert (done.status, done.experiment_name, [*done.outputs]) == ("Completed", "files", ["kept"])
    client.jobs.download(done.name, download_path="all", all=True)
    assert (tmp_path / "all/named-outputs/kept/both").read_text() == "3\nhere"
    model = client.models.create_or_update(Model(name="both", path=f"azureml://jobs/{done.name}/outputs/kept"))
    assert Path(model.path, "both").read_text() == "3\nhere"
    assert [one.name for one in client.jobs.list()] == [done.name]
    assert [one.name for one in client.jobs.list(parent_job_name=done.name)] == [
        "from-a-file.search",
        "from-a-file.use",
    ]
    with pytest.raises(JobException, match="has no output 'lost'; it has kept"):
        client.jobs.download(done.name, output_name="lost")
    again = client.jobs.create_or_update(job)
    assert again.name == "from-a-file-2"
    wait(tmp_path / "root/pipelines" / again.name)


@pipeline()
def gated(gate: str) -> None:
    """Two steps, of which the first waits for a file."""
    wait_for = "touch begun; while [ ! -e ${{inputs.gate}} ]; do sleep 0.02; done; touch ${{outputs.o}}/x"
    first = shell(wait_for, outputs="o", gate=gate)
    shell("ls ${{inputs.o}}", name="second", o=first)


def begin(client: MLClient, tmp_path: Path) -> Path:
    job = client.jobs.create_or_update(gated(str(tmp_path / "gate")))
    until(lambda: bool(list(tmp_path.glob("root/sweeps/gated.first/runs/*/work/begun"))))
    return tmp_path / "root/pipelines" / job.name


def test_a_pipeline_whose_driver_is_killed_goes_on_where_it_was(client: MLClient, tmp_path: Path) -> None:
    folder = begin(client, tmp_path)
    driver = read_driver(folder)
    assert driver is not None
    assert driver.pid is not None
    os.kill(driver.pid, signal.SIGKILL)
    until(lambda: not is_driven(folder))
    assert client.jobs.get("gated").status == "Queued"
    (tmp_path / "gate").touch()
    assert run_command_line(["resume", "gated"]) == 0
    assert client.jobs.get("gated").status == "Completed"
    assert not list(tmp_path.glob("root/sweeps/gated.first-2"))


def test_a_canceled_pipeline_begins_no_further_step_until_it_is_resumed(client: MLClient, tmp_path: Path) -> None:
    folder = begin(client, tmp_path)
    client.jobs.begin_cancel("gated").result()
    assert not is_driven(folder)
    state = read_plan(tmp_path / "root", "gated")
    assert (state.status, [*state.sweeps]) == ("Canceled", ["first"])
    assert run_command_line(["cancel", "gated"]) == 0
    (tmp_path / "gate").touch()
    assert run_command_line(["resume", "gated"]) == 0
    assert client.jobs.get("gated").status == "Completed"


def test_a_step_that_fails_ends_the_pipeline_and_says_why(client: MLClient, tmp_path: Path) -> None:
    @pipeline()
    def failing() -> None:
        first = shell("echo no idea >&2; exit 3", outputs="o")
        shell("ls ${{inputs.o}}", o=first)

    job = client.jobs.create_or_update(failing())
    with pytest.raises(JobException, match=r"step first: it is Failed \(exit code 3: no idea\)"):
        client.jobs.stream(job.name)
    assert client.jobs.get(job.name).status == "Failed"


def test_jobs_of_other_kinds_are_refused_by_name(client: MLClient) -> None:
    with pytest.raises(NotServedError, match="this is a amlcompute job"):
        client.jobs.create_or_update(AmlCompute(name="x"))
