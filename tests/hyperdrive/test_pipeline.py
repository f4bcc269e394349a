"""Pipelines of a preparation, a sweep and a step that uses its best run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hyperdrive.support import write_script

from hdcore import hyperdrive as hd
from hdcore.azure.v2 import drivers
from hdcore.store.lock import read_driver

PREPARE = """
    import os, sys
    open(os.path.join(sys.argv[sys.argv.index("--to") + 1], "offset.txt"), "w").write(sys.argv[2])
"""
TRAIN = """
    import os, sys
    from hdcore.hyperdrive import Run
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    offset = float(open(os.path.join(arguments["--data"], "offset.txt")).read())
    Run.get_context().log("score", float(arguments["--x"]) + offset)
    open("outputs/model.txt", "w").write(arguments["--x"])
"""
REGISTER = """
    import sys
    from hdcore.hyperdrive import Model, Run
    run = Run.get_context()
    assert open(sys.argv[2]).read() == "3", sys.argv
    Model.register(run.experiment.workspace, sys.argv[2], "best")
"""


def test_a_sweep_hands_its_best_model_on(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), PREPARE, "prepare.py")
    write_script(source, TRAIN)
    write_script(source, REGISTER, "register.py")
    store = workspace.get_default_datastore()
    data = hd.PipelineData("prepared", datastore=store)
    offset = hd.PipelineParameter("offset", default_value=0)
    prepare = hd.PythonScriptStep(
        "prepare.py", arguments=["--offset", offset, "--to", data], outputs=[data], source_directory=source
    )
    config = hd.HyperDriveConfig(
        hd.GridParameterSampling({"--x": hd.choice(1, 3, 2)}),
        "score",
        hd.PrimaryMetricGoal.MAXIMIZE,
        3,
        run_config=hd.ScriptRunConfig(source, "train.py"),
    )
    metrics = hd.PipelineData(
        "metrics", store, pipeline_output_name="all", training_output=hd.TrainingOutput("Metrics")
    )
    model = hd.PipelineData("model", store, training_output=hd.TrainingOutput("Model", model_file="outputs/model.txt"))
    search = hd.HyperDriveStep(
        "search",
        config,
        estimator_entry_script_arguments=["--data", data],
        inputs=[data],
        outputs=[model],
        metrics_output=metrics,
    )
    register = hd.PythonScriptStep(
        "register.py", "register", ["--model", model], inputs=[model], source_directory=source
    )
    pipeline = hd.Pipeline(workspace, steps=[[register], search, prepare])
    assert [step.name for step in pipeline.steps] == ["prepare.py", "search", "register"]
    run = hd.Experiment(workspace, "pipeline").submit(pipeline, pipeline_parameters={"offset": 10})
    assert run.wait_for_completion()["status"] == "Completed", run.get_details().get("error")
    step = hd.HyperDriveStepRun(step_run=run.find_step_run("search")[0])
    best = step.get_best_run_by_primary_metric()
    assert best is not None
    assert best.get_metrics() == {"score": 13.0}
    saved = json.loads(Path(run.get_pipeline_output("all").path_on_datastore).read_text())
    assert set(step.get_outputs()) == {"model", "metrics"}
    assert Path(step.get_output_data("model").path_on_datastore).read_text() == "3"
    with pytest.raises(hd.UserErrorException, match="no output 'x'; there is 'model', 'metrics'"):
        step.get_output("x")
    assert saved == step.get_metrics()
    assert Path(workspace.models["best"].path).read_text() == "3"
    assert [found.get_status() for found in run.get_steps()] == ["Completed"] * 3
    assert len(list(run.get_children())) == 3


def test_a_failed_step_ends_the_pipeline(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), "raise SystemExit(1)")
    first = hd.PythonScriptStep("train.py", "first", source_directory=source)
    second = hd.PythonScriptStep("train.py", "second", source_directory=source)
    second.run_after(first)
    run = hd.Pipeline(workspace, [second]).submit("failing")
    with pytest.raises(hd.ActivityFailedException, match="step 'first' did not complete"):
        run.wait_for_completion()
    assert run.find_step_run("second") == []


def test_only_known_steps_are_taken(workspace: hd.Workspace) -> None:
    with pytest.raises(hd.UserErrorException, match="a str is no step"):
        hd.Pipeline(workspace, ["train.py"])
    with pytest.raises(hd.ExperimentException, match="no local meaning"):
        hd.Pipeline(workspace, []).publish("name")


def test_steps_of_a_sequence_run_in_its_order(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), "pass")
    one, two, three = (hd.PythonScriptStep("train.py", name, source_directory=source) for name in ("a", "b", "c"))
    pipeline = hd.Pipeline(workspace, hd.StepSequence([three, [one, two]]))
    assert [step.name for step in pipeline.steps] == ["c", "a", "b"]


ORPHAN = """
    import os, signal, sys
    from pathlib import Path
    from hdcore import hyperdrive as hd
    workspace = hd.Workspace()
    steps = [hd.PythonScriptStep("train.py", name, source_directory="src") for name in ("first", "second")]
    steps[1].run_after(steps[0])
    run = hd.Pipeline(workspace, steps).submit("killed")
    print(run.id, flush=True)
    while not list(Path(sys.argv[1]).glob("sweeps/*/runs/0000/outputs/begun")):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
"""


def waiting_steps(tmp_path: Path) -> list[hd.PythonScriptStep]:
    """Return two steps; the first waits for the file ``gate``."""
    source = write_script(
        Path("src"),
        f"""
        import os, time
        from azureml.core import Run
        open("outputs/begun", "w").close()
        while not os.path.exists({str(tmp_path / "gate")!r}):
            time.sleep(0.02)
        parent = Run.get_context().parent
        parent.log("told by", Run.get_context().id)
        """,
    )
    steps = [hd.PythonScriptStep("train.py", name, source_directory=source) for name in ("first", "second")]
    steps[1].run_after(steps[0])
    return steps


def until_the_first_runs(run: hd.Run) -> None:
    while not any((step._home.folder / "outputs" / "begun").exists() for step in run.get_children()):
        pass


def test_a_pipeline_outlives_the_program_that_submitted_it(workspace: hd.Workspace, tmp_path: Path) -> None:
    waiting_steps(tmp_path)
    program = write_script(Path("program"), ORPHAN) / "train.py"
    done = subprocess.run(
        [sys.executable, program, workspace._root],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = hd.Run.get(workspace, done.stdout.strip())
    assert isinstance(run, hd.PipelineRun)
    assert (run.type, run.get_status()) == ("azureml.PipelineRun", "Running")
    (tmp_path / "gate").touch()
    assert run.wait_for_completion()["status"] == "Completed"
    steps = list(run.get_steps())
    assert [(step.name, step.status, step.parent) for step in steps] == [
        ("first", "Completed", run), ("second", "Completed", run),
    ]  # fmt: skip
    assert run.get_metrics() == {"told by": [step.id for step in steps]}
    assert [found.id for found in hd.Experiment(workspace, "killed").get_runs()] == [run.id]


def test_a_pipeline_whose_driver_was_killed_has_failed_and_its_step_goes_on(
    workspace: hd.Workspace, tmp_path: Path
) -> None:
    run = hd.Pipeline(workspace, waiting_steps(tmp_path)).submit("killed")
    until_the_first_runs(run)
    driver = read_driver(run._home.folder)
    assert driver is not None
    assert driver.pid is not None
    os.kill(driver.pid, signal.SIGKILL)
    drivers.wait(run._home.folder)
    assert run.get_status() == "Failed"
    assert run.get_details()["error"]["error"]["message"] == "the driver of its steps was killed; submit it again"
    (step,) = run.get_children()
    assert step.get_status() == "Running"
    (tmp_path / "gate").touch()
    assert step.wait_for_completion()["status"] == "Completed"


def test_a_pipeline_that_is_stopped_begins_no_further_step(workspace: hd.Workspace, tmp_path: Path) -> None:
    run = hd.Pipeline(workspace, waiting_steps(tmp_path)).submit("stopped")
    until_the_first_runs(run)
    drivers.stop(run._home.folder)
    (tmp_path / "gate").touch()
    with pytest.raises(hd.ActivityFailedException, match="stopped between its steps; submit it again"):
        run.wait_for_completion()
    assert [step.display_name for step in run.get_children()] == ["first"]


def test_whoever_finds_a_pipeline_can_cancel_it(workspace: hd.Workspace, tmp_path: Path) -> None:
    run = hd.Pipeline(workspace, waiting_steps(tmp_path)).submit("canceled")
    until_the_first_runs(run)
    assert hd.Run.get(workspace, run.id).cancel()
    assert run.wait_for_completion()["status"] == "Canceled"
    assert [(step.name, step.status) for step in run.get_steps()] == [("first", "Canceled")]


CHAIN = """
    import os, sys
    from azureml.core import Run
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    if "--to" in arguments:
        open(os.path.join(arguments["--to"], "offset.txt"), "w").write(arguments["--offset"])
    else:
        offset = float(open(os.path.join(arguments["--from"], "offset.txt")).read())
        Run.get_context().parent.log("score", offset + float(arguments["--rate"]))
"""


def test_a_sweep_over_a_pipeline_goes_through_its_steps_in_each_run(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), CHAIN)
    offset, rate = hd.PipelineParameter("offset", 0), hd.PipelineParameter("rate", default_value=0.5)
    data = hd.PipelineData("handed on")
    first = hd.PythonScriptStep(
        "train.py", "a", ["--offset", offset, "--to", data], outputs=[data], source_directory=source
    )
    second = hd.PythonScriptStep(
        "train.py", "b", ["--from", data, "--rate", rate], inputs=[data], source_directory=source
    )
    pipeline = hd.Pipeline(workspace, [second, first])
    space = hd.GridParameterSampling({"--offset": hd.choice(10, 30, 20)})
    with pytest.warns(UserWarning, match="preview"):
        config = hd.HyperDriveConfig(space, "score", hd.PrimaryMetricGoal.MAXIMIZE, 3, pipeline=pipeline)
    run = hd.Experiment(workspace, "over").submit(config)
    run.wait_for_completion()
    best = run.get_best_run_by_primary_metric()
    assert best.get_metrics() == {"score": 30.5}
    assert best.get_file_names()[0] == "outputs/handed on/offset.txt"
    with pytest.raises(hd.HyperDriveConfigException, match="'lr' is searched and no PipelineParameter"), pytest.warns():
        hd.HyperDriveConfig(hd.GridParameterSampling({"lr": hd.choice(1)}), "score", "maximize", 3, pipeline=pipeline)
    write_script(Path("elsewhere"), CHAIN)
    second.source_directory = "elsewhere"
    with pytest.raises(hd.HyperDriveConfigException, match="its steps are in 2 source directories"):
        hd.Experiment(workspace, "over").submit(config)
