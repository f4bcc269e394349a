"""Submitted work and the processes around it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hyperdrive.support import wait_until, write_script

from hdcore import hyperdrive as hd
from hdcore.hyperdrive.stored import SweepHome


def sweep_of(run: hd.Run) -> SweepHome:
    home = run._home
    assert isinstance(home, SweepHome)
    return home


def driver_of(run: hd.Run) -> int:
    with sweep_of(run).reader() as reader:
        driver = reader.driver()
    assert driver is not None
    assert driver.alive
    assert driver.pid is not None
    return driver.pid


WAITING = """
    import os, sys, time
    from hdcore.hyperdrive import Run
    run = Run.get_context()
    run.log("m", float(sys.argv[2]))
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.02)
"""


def waiting_config(runs: int = 2, **changes: Any) -> hd.HyperDriveConfig:
    environment = hd.Environment("e")
    environment.environment_variables["GATE"] = str(Path("gate").absolute())
    arguments: dict[str, Any] = {
        "hyperparameter_sampling": hd.GridParameterSampling({"x": hd.choice(*range(runs))}),
        "primary_metric_name": "m",
        "primary_metric_goal": hd.PrimaryMetricGoal.MINIMIZE,
        "max_total_runs": runs,
        "max_concurrent_runs": 2,
        "run_config": hd.ScriptRunConfig(write_script(Path("src"), WAITING), "train.py", environment=environment),
    }
    return hd.HyperDriveConfig(**{**arguments, **changes})


def test_a_sweep_outlives_the_program_that_submitted_it(workspace: hd.Workspace, tmp_path: Path) -> None:
    write_script(tmp_path / "src", WAITING)
    program = """
import os, signal
from hdcore.hyperdrive import *
from hdcore.hyperdrive import (Workspace, Experiment, HyperDriveConfig, GridParameterSampling, ScriptRunConfig,
    Environment, PrimaryMetricGoal, choice)
environment = Environment("e")
environment.environment_variables["GATE"] = os.path.abspath("gate")
run = Experiment(Workspace.from_config(), "survivor").submit(HyperDriveConfig(
    GridParameterSampling({"x": choice(1, 2)}), "m", PrimaryMetricGoal.MINIMIZE, 2,
    run_config=ScriptRunConfig("src", "train.py", environment=environment)))
print(run.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = hd.HyperDriveRun(hd.Experiment(workspace, "survivor"), done.stdout.strip())
    assert run.get_status() == "Running"
    Path("gate").touch()
    assert run.wait_for_completion()["status"] == "Completed"
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert best.get_metrics() == {"m": 1.0}


def test_running_children_count_and_cancel_ends_all(workspace: hd.Workspace) -> None:
    run = hd.Experiment(workspace, "cancel").submit(waiting_config())
    wait_until(lambda: len(run.get_metrics()) == 2 and all(run.get_metrics().values()))
    assert run.get_status() == "Running"
    best = run.get_best_run_by_primary_metric()
    assert best.get_status() == "Running"
    assert best.get_metrics() == {"m": 0.0}
    assert "endTimeUtc" not in run.get_details()
    assert run.cancel()
    assert run.get_status() in ("CancelRequested", "Canceled")
    assert run.wait_for_completion()["status"] == "Canceled"
    assert {child.get_status() for child in run.get_children()} == {"Canceled"}
    assert run.get_best_run_by_primary_metric().id == best.id
    assert run.get_best_run_by_primary_metric(include_canceled=False) is None


def test_one_child_is_canceled_alone(workspace: hd.Workspace) -> None:
    run = hd.Experiment(workspace, "one").submit(waiting_config())
    wait_until(lambda: len(run.get_metrics()) == 2 and all(run.get_metrics().values()))
    children = list(run.get_children())
    children[0].cancel()
    wait_until(lambda: children[0].get_status() == "Canceled")
    Path("gate").touch()
    assert run.wait_for_completion()["status"] == "Completed"
    assert children[1].get_status() == "Completed"


def test_waiting_goes_on_with_a_sweep_whose_driver_was_killed(workspace: hd.Workspace) -> None:
    run = hd.Experiment(workspace, "killed").submit(waiting_config())
    wait_until(lambda: len(run.get_metrics()) == 2 and all(run.get_metrics().values()))
    os.kill(driver_of(run), signal.SIGKILL)
    wait_until(lambda: not sweep_of(run).is_driven())
    assert run.get_status() == "Queued"
    Path("gate").touch()
    assert run.wait_for_completion()["status"] == "Completed"
    assert len(list(run.get_children(status="Completed"))) == 2


def test_an_interrupt_leaves_the_sweep_going(workspace: hd.Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from hdcore.hyperdrive import waiting

    run = hd.Experiment(workspace, "interrupt").submit(waiting_config())

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(waiting.time, "sleep", interrupt)
        with pytest.raises(hd.ExperimentExecutionException, match="still executing"):
            run.wait_for_completion()
    assert run.get_status() == "Running"


def test_a_sweep_that_only_fails_is_failed(workspace: hd.Workspace) -> None:
    source = write_script(Path("src"), "raise SystemExit(4)")
    config = hd.HyperDriveConfig(
        hd.RandomParameterSampling({"x": hd.uniform(0, 1)}, properties={"seed": 3}),
        "m",
        hd.PrimaryMetricGoal.MAXIMIZE,
        1,
        run_config=hd.ScriptRunConfig(source, "train.py"),
    )
    run = hd.Experiment(workspace, "failing").submit(config)
    with pytest.raises(hd.ActivityFailedException, match="exit code 4"):
        run.wait_for_completion()
    assert run.get_details()["error"]["error"]["message"].startswith("1 runs failed and none completed")
    assert run.get_best_run_by_primary_metric() is None
    assert run.get_children_sorted_by_primary_metric()[0]["best_primary_metric"] is None
    assert run.get_children_sorted_by_primary_metric(discard_no_metric=True) == []
    (child,) = run.get_children()
    assert child.get_metrics() == {}


def test_a_custom_id_is_used_once(workspace: hd.Workspace) -> None:
    Path("gate").touch()
    experiment = hd.Experiment(workspace, "custom")
    run = experiment.submit(waiting_config(custom_run_id="my_sweep_1"))
    assert run.wait_for_completion()["runId"] == "my_sweep_1"
    assert hd.Run(experiment, "my_sweep_1_1").number == 1
    with pytest.raises(hd.HyperDriveServiceException, match="another custom_run_id"):
        experiment.submit(waiting_config(custom_run_id="my_sweep_1"))


SINGLE = """
    import os, sys
    from hdcore.hyperdrive import Run
    run = Run.get_context()
    assert run.parent is None
    run.log("alpha", float(sys.argv[2]))
    print("to the log", *sys.argv[1:])
    print(os.environ["COLOUR"], run.input_datasets["data"])
    if len(sys.argv) > 5:
        run.fail("bad data", "E1")
        raise SystemExit(1)
"""


def test_a_script_runs_alone(workspace: hd.Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_script(Path("data"), "1,2", "table.csv").absolute()
    dataset = hd.Dataset.File.from_files(str(data / "table.csv"))
    environment = hd.Environment("env")
    environment.environment_variables = {"COLOUR": "green"}
    config = hd.ScriptRunConfig(
        write_script(Path("src"), SINGLE),
        "train.py",
        ["--alpha", 0.5, "--data", dataset.as_named_input("data").as_mount()],
        environment=environment,
    )
    experiment = hd.Experiment(workspace, "single")
    run = experiment.submit(config, tags={"kind": "test"})
    details = run.wait_for_completion(show_output=True)
    assert details["status"] == "Completed"
    assert run.get_metrics() == {"alpha": 0.5}
    path = str(data / "table.csv")
    assert details["runDefinition"]["arguments"] == ["--alpha", "0.5", "--data", path]
    assert f"to the log --alpha 0.5 --data {path}\ngreen {path}\n" in capsys.readouterr().out
    assert run.get_tags() == {"kind": "test"}
    assert run.input_datasets == {"data": path}
    assert run.output_datasets == {}
    assert run.get_environment().name == "env"
    assert (run.type, run.parent) == ("azureml.scriptrun", None)
    assert [found.id for found in experiment.get_runs()] == [run.id]
    assert hd.Run(experiment, run.id).get_status() == "Completed"


def test_a_script_that_fails_says_what_it_noted(workspace: hd.Workspace) -> None:
    config = hd.ScriptRunConfig(write_script(Path("src"), SINGLE), "train.py", "--alpha 1 --data x more")
    config.run_config.environment_variables = {"COLOUR": "red"}
    dataset = hd.Dataset.File.from_files(str(Path("src").absolute()))
    config.run_config.data = {"data": dataset.as_named_input("data").as_download()}
    run = hd.Experiment(workspace, "single").submit(config)
    with pytest.raises(hd.ActivityFailedException, match="bad data"):
        run.wait_for_completion()
    assert run.get_details()["error"]["error"]["code"] == "E1"


def test_an_interactive_run_is_logged_to_by_its_process(workspace: hd.Workspace) -> None:
    experiment = hd.Experiment(workspace, "interactive")
    run = experiment.start_logging(snapshot_directory=None)
    run.log("a", 1)
    run.log("a", 2.5)
    Path("m.txt").write_text("m")
    run.upload_file("outputs/m.txt", "m.txt")
    assert run.get_status() == "Running"
    run.complete()
    assert hd.Run(experiment, run.id).get_metrics() == {"a": [1, 2.5]}
    assert run.get_status() == "Completed"
    assert run.get_details()["endTimeUtc"] is not None
    with pytest.raises(RuntimeError), experiment.start_logging() as failing:
        raise RuntimeError("no")
    assert failing.get_status() == "Failed"
    assert [found.id for found in experiment.get_runs()] == [failing.id, run.id]
    assert [found.name for found in hd.Experiment.list(workspace)] == ["interactive"]
    assert run.register_model("m", "outputs/m.txt").version == 1


def test_what_earlier_sweeps_have_to_be(workspace: hd.Workspace) -> None:
    Path("gate").touch()
    experiment = hd.Experiment(workspace, "earlier")
    parent = experiment.submit(waiting_config())
    parent.wait_for_completion()
    child = hd.Run(experiment, f"{parent.id}_1")
    made = waiting_config(resume_from=parent, resume_child_runs=[child])
    from hdcore.hyperdrive.warm_start import parent_names, resumed_names

    assert parent_names(made) == ("earlier",)
    assert resumed_names(made) == ("earlier/1",)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"resume_from": child}, "no HyperDriveRun"),
        ({"resume_from": [parent, parent]}, "twice"),
        ({"resume_from": parent, "primary_metric_name": "n"}, "primary metric 'm'"),
        ({"resume_from": parent, "primary_metric_goal": hd.PrimaryMetricGoal.MAXIMIZE}, "to minimize"),
        ({"resume_child_runs": [child] * 3}, "max_total_runs is 2"),
        ({"resume_child_runs": [child, child]}, "twice"),
        ({"resume_child_runs": parent}, "no run of a sweep"),
    ]
    for changes, why in refused:
        with pytest.raises(hd.HyperDriveConfigException, match=why):
            waiting_config(**changes)
    hd.strict(True)
    with pytest.raises(hd.HyperDriveConfigException, match="at most 5"):
        waiting_config(resume_from=[parent] * 6)


RESUMING = """
    import os, sys
    from hdcore.hyperdrive import Run
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    earlier = arguments.get("--resume-from")
    done = int(open(os.path.join(earlier, "epochs.txt")).read()) if earlier else 0
    Run.get_context().log("m", done + 1)
    open("outputs/epochs.txt", "w").write(str(done + 1))
"""


def test_a_sweep_starts_from_an_earlier_one_and_goes_on_with_a_run(workspace: hd.Workspace) -> None:
    experiment = hd.Experiment(workspace, "warm")
    script = hd.ScriptRunConfig(write_script(Path("src"), RESUMING), "train.py")

    def config(**changes: Any) -> hd.HyperDriveConfig:
        sampling = hd.RandomParameterSampling({"x": hd.uniform(0, 1)}, properties={"seed": 1})
        return hd.HyperDriveConfig(sampling, "m", hd.PrimaryMetricGoal.MAXIMIZE, 2, run_config=script, **changes)

    parent = experiment.submit(config())
    parent.wait_for_completion()
    earlier = hd.Run(experiment, f"{parent.id}_1")
    run = experiment.submit(config(resume_from=hd.HyperDriveRun(experiment, parent.id), resume_child_runs=[earlier]))
    assert json.loads(run.properties["resume_from"]) == [parent.id]
    assert run.wait_for_completion()["status"] == "Completed"
    first = hd.Run(experiment, f"{run.id}_0")
    assert run.get_hyperparameters()[first.id] == parent.get_hyperparameters()[earlier.id]
    assert first.get_metrics() == {"m": 2}
    arguments = first.get_details()["runDefinition"]["arguments"]
    assert arguments[2] == "--resume-from"
    assert (Path(arguments[3]) / "epochs.txt").read_text() == "1"
    assert run.get_best_run_by_primary_metric().id == first.id
    log = Path(run.download_file("azureml-logs/hyperdrive.txt", "log.txt")).read_text()
    assert "Warm start: 2 of 2 runs of warm" in log


SURROUNDINGS = """
    import os
    from hdcore.hyperdrive import Run
    run = Run.get_context()
    for name in ("MPLBACKEND", "AZUREML_ARM_PROJECT_NAME", "AZUREML_RUN_ID"):
        run.log(name, os.environ.get(name, "none"))
"""


def test_a_run_knows_its_experiment_and_not_the_notebook(
    workspace: hd.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    (tmp_path / "started").touch()
    monkeypatch.setenv("HDCORE_STARTED", str(tmp_path / "started"))
    estimator = hd.Estimator(write_script(Path("src"), SURROUNDINGS), entry_script="train.py", pip_packages=["torch"])
    run = hd.Experiment(workspace, "surroundings").submit(estimator)
    run.wait_for_completion()
    expected = {"MPLBACKEND": "none", "AZUREML_ARM_PROJECT_NAME": "surroundings", "AZUREML_RUN_ID": run.id}
    assert run.get_metrics() == expected
    folder = tmp_path / "root" / "sweeps" / "surroundings"
    assert (tmp_path / "started").read_text() == f"{folder}\n"
    log = (folder / "files" / "azureml-logs" / "hyperdrive.txt").read_text()
    assert "[WARNING]the environment is not built" in log


def test_a_driver_that_cannot_start_is_told_of(workspace: hd.Workspace) -> None:
    from hdcore.hyperdrive.drive import start_driver

    Path("gate").touch()
    run = hd.Experiment(workspace, "damaged").submit(waiting_config())
    run.wait_for_completion()
    home = sweep_of(run)
    wait_until(lambda: not home.is_driven())
    (home.sweep_folder / "sweep.db").write_bytes(b"nonsense")
    with pytest.raises(
        hd.HyperDriveServiceException, match=r"its driver ended before it could start: hdcore: .*sweep\.db"
    ):
        start_driver(home.sweep_folder)
