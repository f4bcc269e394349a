"""A private root, and a sweep that was really run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hyperdrive.support import CHECKOUT, end_all, write_script

from hdcore import hyperdrive as hd


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hd.Workspace]:
    """A workspace in a root of its own; sweeps that a test leaves behind are canceled."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("HDCORE_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.chdir(tmp_path)
    made = hd.Workspace.from_config()
    yield made
    end_all(made)


@pytest.fixture(autouse=True)
def lenient() -> Iterator[None]:
    yield
    hd.strict(False)


TRAIN = """
    import argparse
    import os
    from hdcore.hyperdrive import Run

    parser = argparse.ArgumentParser()
    parser.add_argument("--data-folder")
    parser.add_argument("--learning_rate", type=float)
    parser.add_argument("--keep_probability", type=float)
    parser.add_argument("--batch_size", type=int)
    args = parser.parse_args()

    run = Run.get_context()
    for epoch in range(3):
        run.log("accuracy", args.keep_probability + 0.01 * epoch, step=10 * epoch)
    run.log("lr", args.learning_rate)
    run.log("kind", "linear")
    run.log("converged", True)
    run.log_list("once", [0.5])
    run.log_list("losses", [3, 2, 1])
    run.log_list("nothing", [])
    run.log_row("table", x=1, y=2)
    run.log_row("table", x=3, y=4, z=5)
    run.log_table("columns", {"a": [1, 2], "b": ["u", "v"]})
    run.log_confusion_matrix("matrix", {"schema_type": "confusion_matrix", "data": {"matrix": [[1, 0], [0, 1]]}})
    run.tag("quality", "fine")
    run.add_properties({"made_by": "test"})
    os.makedirs("logs", exist_ok=True)
    with open("logs/epochs.log", "w") as file:
        file.write("3 epochs")
    with open("outputs/model.txt", "w") as file:
        file.write(f"batch_size={args.batch_size}")
    run.upload_file("reports/summary.txt", "outputs/model.txt")
    assert run.get_metrics()["accuracy"][0] == args.keep_probability, run.get_metrics()
    assert run.get_metrics()["table"] == {"x": [1, 3], "y": [2, 4], "z": [None, 5]}, run.get_metrics()
    assert run.id == os.environ["AZUREML_RUN_ID"]
    assert run.parent.id == run.id.rpartition("_")[0]
    assert run.experiment.name == "seed-example"
    run.complete()
    print("batch size", args.batch_size)
    raise SystemExit(3 if args.batch_size == 64 else 0)
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hd.HyperDriveRun]:
    """A sweep of four runs: batch sizes 16, 32, 64 (which fails) and 128; accuracy is better in later ones."""
    place = tmp_path_factory.mktemp("seed")
    place.chmod(0o700)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(CHECKOUT)
    try:
        source = write_script(place / "src", TRAIN)
        workspace = hd.Workspace(_root=place / "root")
        experiment = hd.Experiment(workspace, "seed-example")
        sampling = hd.GridParameterSampling(
            {
                "learning_rate": hd.choice(0.1),
                "keep_probability": hd.choice(0.25, 0.5),
                "batch_size": hd.choice(16, 64),
            }
        )
        script = hd.ScriptRunConfig(
            source_directory=source,
            script="train.py",
            arguments=["--data-folder", "data"],
            compute_target="cpu-cluster",
        )
        config = hd.HyperDriveConfig(
            run_config=script,
            hyperparameter_sampling=sampling,
            policy=hd.BanditPolicy(slack_factor=0.1, evaluation_interval=1, delay_evaluation=5),
            primary_metric_name="accuracy",
            primary_metric_goal=hd.PrimaryMetricGoal.MAXIMIZE,
            max_total_runs=10,
            max_concurrent_runs=2,
        )
        run = experiment.submit(config, tags={"who": "tests"})
        run.wait_for_completion()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    yield run
    end_all(workspace)
