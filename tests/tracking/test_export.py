"""Sweeps copied to trackers: what arrives there, and that nothing arrives twice."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from figures.sweeps import HOSTILE, odd_sweep
from mlflow import MlflowClient

import hdcore as hd
from hdcore.cli.main import hdcore as command_line
from hdcore.cli.main import run_command_line
from hdcore.errors import RefusedError, StoreError
from hdcore.store import Store, StoreReader, run_folder
from hdcore.tracking.export import follow
from hdcore.typing import RunStatus

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = """
import argparse, os
from hdcore import get_run
parser = argparse.ArgumentParser(); parser.add_argument("--x", type=float)
run = get_run(); x = parser.parse_args().x
for k in range(3): run.log("accuracy", x * (k + 1))
open(os.path.join(run.output_dir, "model.txt"), "w").write(str(x))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return odd_sweep(tmp_path / "root", 8)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A tracking store in a folder: what the calls of a client do is the same as with a server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return MlflowClient(f"file://{tmp_path}/mlruns")


def runs_of(client: MlflowClient) -> dict[str, Any]:
    experiment = client.get_experiment_by_name("hdcore")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    assert len({run.data.tags["hdcore.run_id"] for run in found}) == len(found), "twice"
    return {run.info.run_name: run for run in found}


def export(folder: Path, kind: str = "mlflow") -> int:
    return follow.export_sweep(folder, kind, say=print)


def test_mlflow_gets_a_parent_with_nested_runs_their_params_curves_and_artifacts(
    folder: Path, client: MlflowClient
) -> None:
    outputs = run_folder(folder, 0) / "outputs" / "deep"
    outputs.mkdir(parents=True)
    (outputs / "model.txt").write_text("weights")
    (outputs / "link").symlink_to("/etc/hostname")
    assert export(folder) == 6
    found = runs_of(client)
    assert set(found) == {"odd", *(f"odd-{n}" for n in range(6))}
    parent, sweep = found["odd"], hd.open_sweep("odd", folder.parent.parent)
    assert parent.info.status == "RUNNING", "two runs are in flight"
    assert parent.data.params["goal"] == "minimize"
    best = sweep.best
    assert best is not None
    assert parent.data.metrics["best_loss _i_"] == best.value
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["report.html"]
    statuses = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}
    for run in sweep.runs[:6]:
        theirs = found[f"odd-{run['number']}"]
        assert theirs.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert theirs.data.tags["hdcore.run_id"] == run["id"]
        assert theirs.data.tags.get("hdcore.reason") == run["reason"]
        assert theirs.info.status == statuses[run["status"]]
        assert float(theirs.data.params["lr"]) == run["configuration"]["lr"]
        assert theirs.data.params["net.kind"] == run["configuration"]["net"]["kind"]
        assert run["configuration"][HOSTILE] in theirs.data.params.values()
        curve = [(point.step, point.value) for point in client.get_metric_history(theirs.info.run_id, "loss _i_")]
        expected = sweep.metrics(run["number"])["loss <i>"]
        assert [step for step, _ in curve] == [step for step, _ in expected]
        assert all(a == b or (math.isnan(a) and math.isnan(b)) for (_, a), (_, b) in zip(curve, expected, strict=True))
    (deep,) = client.list_artifacts(found["odd-0"].info.run_id)
    files = client.list_artifacts(found["odd-0"].info.run_id, deep.path)
    assert [file.path for file in files] == ["deep/model.txt"], "links are left out"


def test_nothing_is_exported_twice_and_what_was_left_half_is_sent_again(folder: Path, client: MlflowClient) -> None:
    export(folder)
    before = {name: run.info.run_id for name, run in runs_of(client).items()}
    client.update_run(before["odd-3"], status="RUNNING")  # as an export leaves it that is killed
    with Store.open(folder.parent.parent, "odd") as store:  # a resume
        store.end_queued(6, RunStatus.CANCELED, reason="enough", at=time.time())
        store.end_queued(7, RunStatus.CANCELED, reason="enough", at=time.time())
        store.set_sweep(RunStatus.CANCELED, "enough", time.time())
    assert export(folder) == 8
    after = {name: run.info.run_id for name, run in runs_of(client).items()}
    assert {name for name in before if before[name] != after[name]} == {"odd-3"}
    assert set(after) - set(before) == {"odd-6", "odd-7"}
    assert runs_of(client)["odd"].info.status == "KILLED"
    export(folder)
    assert {name: run.info.run_id for name, run in runs_of(client).items()} == after


def test_a_server_that_fails_is_told_once_and_tried_again_at_the_end(
    folder: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hdcore.tracking.export.mlflow import MlflowTarget

    calls, said = [], []
    original = MlflowTarget.export

    def failing(self: MlflowTarget, reader: StoreReader, run: Any) -> None:
        calls.append(run.number)
        if len(calls) in (3, 4):
            raise ConnectionError("no route")
        original(self, reader, run)

    monkeypatch.setattr(MlflowTarget, "export", failing)
    monkeypatch.setattr(follow, "LAST_PAUSE_S", 0.0)
    assert follow.export_sweep(folder, "mlflow", say=said.append) == 6
    assert said == ["mlflow: ConnectionError: no route; this is tried again"]
    assert calls == [0, 1, 2, 2, 2, 3, 4, 5]
    assert len(runs_of(client)) == 7

    monkeypatch.setattr(MlflowTarget, "begin", lambda *_: (_ for _ in ()).throw(ConnectionError("gone")))
    with pytest.raises(StoreError, match=r"6 of 6 runs of odd are not there \(ConnectionError: gone\); when it works"):
        follow.export_sweep(folder, "mlflow", say=said.append)


def test_only_of_a_sweep_under_way_it_is_said_that_it_goes_on(
    folder: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hdcore.tracking.export.mlflow import MlflowTarget

    until, said = threading.Event(), []
    original = MlflowTarget.begin

    def failing(self: MlflowTarget, reader: StoreReader) -> set[int]:
        if until.is_set():
            return original(self, reader)
        until.set()
        raise ConnectionError("no route")

    monkeypatch.setattr(MlflowTarget, "begin", failing)
    with Store.open(folder.parent.parent, "odd"):
        assert follow.export_sweep(folder, "mlflow", until=until, say=said.append) == 6
    assert said == ["mlflow: ConnectionError: no route; the sweep goes on, and this is tried again"]


def test_no_password_of_an_address_is_told(folder: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **more: Any) -> None:
        raise OSError("API request to http://me:pass@word@host:5000/api failed")

    monkeypatch.setattr("mlflow.MlflowClient.create_run", refuse)
    monkeypatch.setattr(follow, "LAST_PAUSE_S", 0.0)
    told: list[str] = []
    with pytest.raises(StoreError, match=r"http://\*\*\*@host:5000/api failed") as raised:
        follow.export_sweep(folder, "mlflow", say=told.append)
    assert len(told) == 1
    assert not [text for text in (*told, str(raised.value)) if "pass" in text or "word" in text]


def test_two_at_once_are_refused(folder: Path, client: MlflowClient) -> None:
    with follow._alone(folder, "mlflow"), pytest.raises(RefusedError, match="copied to mlflow by another process"):
        export(folder)


def test_an_export_follows_a_sweep_until_it_is_told_that_it_is_over(folder: Path, client: MlflowClient) -> None:
    until = threading.Event()
    with Store.open(folder.parent.parent, "odd") as store:
        thread = threading.Thread(
            target=follow.export_sweep, args=(folder, "mlflow"), kwargs={"until": until, "say": print}
        )
        thread.start()
        store.end_queued(6, RunStatus.CANCELED, reason="enough", at=time.time())
        store.flush()
        until.set()
        thread.join(60)
        assert not thread.is_alive()
    assert set(runs_of(client)) == {"odd", *(f"odd-{n}" for n in range(7))}


def test_a_run_of_the_command_line_is_tracked_by_a_process_beside_it(
    tmp_path: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    arguments = ["--param", "x=uniform:0:1", "--metric", "accuracy", "--max-runs", "2", "--name", "tracked"]
    root = ["--root", str(tmp_path / "root"), "--track", "mlflow"]
    assert run_command_line(["run", str(tmp_path / "train.py"), *arguments, *root]) == 0, capfd.readouterr()
    found = runs_of(client)
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert set(found) == {"tracked", "tracked-0", "tracked-1"}
    (file,) = client.list_artifacts(found["tracked-0"].info.run_id)
    assert file.path == "model.txt"


def test_a_tracker_that_cannot_be_used_is_refused_before_anything_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "train.py").write_text(SCRIPT)
    arguments = ["run", str(tmp_path / "train.py"), "--param", "x=uniform:0:1", "--metric", "a", "--track", "mlflow"]
    done = CliRunner().invoke(command_line, [*arguments, "--root", str(tmp_path / "new")])
    assert "needs the address of a server in MLFLOW_TRACKING_URI" in str(done.exception)
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr("hdcore.tracking.export.target.find_spec", lambda name: None)
    done = CliRunner().invoke(command_line, ["export", "odd", "--root", str(folder.parent.parent), "--track", "wandb"])
    assert str(done.exception) == "--track wandb needs wandb; install hdcore[wandb]"


def test_tensorboard_files_hold_scalars_and_hyperparameters(folder: Path) -> None:
    from tensorboardX.proto import event_pb2
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    assert export(folder, "tensorboard") == 6
    sweep = hd.open_sweep("odd", folder.parent.parent)
    runs = sorted((folder / "tensorboard").iterdir())
    assert [path.name for path in runs] == [f"{n:04d}" for n in range(6)]
    for run, path in zip(sweep.runs, runs, strict=False):
        (file,) = path.iterdir()
        events = [event_pb2.Event.FromString(data) for data in records(file)]
        values = [(event.step, value) for event in events for value in event.summary.value]
        curve = [(step, value.simple_value) for step, value in values if value.tag.startswith("loss")]
        expected = sweep.metrics(run["number"])["loss <i>"]
        assert [step for step, _ in curve][-len(expected) :] == [step for step, _ in expected]
        (session,) = [value for _, value in values if value.tag == "_hparams_/session_start_info"]
        hparams = HParamsPluginData.FromString(session.metadata.plugin_data.content).session_start_info.hparams
        assert hparams["lr"].number_value == run["configuration"]["lr"]
        assert hparams["net.kind"].string_value == run["configuration"]["net"]["kind"]
    before = {path: path.stat().st_mtime_ns for path in runs}
    assert export(folder, "tensorboard") == 6
    assert {path: path.stat().st_mtime_ns for path in runs} == before


def records(path: Path) -> Iterator[bytes]:
    """The records of an event file: a length, its check sum, the bytes, their check sum."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        yield data[at + 12 : at + 12 + length]
        at += 16 + length


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server on this machine, of the full package."""
    folder = tmp_path_factory.mktemp("server")
    python = Path(sys.executable)
    if find_spec("flask") is None:
        python = folder / "venv" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        (site / "beside.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
        full = f"mlflow=={version('mlflow-skinny')}"
        install = [python, "-m", "pip", "install", "-q", "--no-compile", full]
        subprocess.run(install, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = [
        "--backend-store-uri",
        f"sqlite:///{folder}/runs.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # a queue of other work, in seven processes
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*argv, *stores], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(3000):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()[-3000:]
                time.sleep(0.1)
        yield address
    finally:
        for word in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, word)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_mlflow_server_gets_a_sweep_while_it_runs(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    (tmp_path / "train.py").write_text(SCRIPT)
    arguments = ["--param", "x=uniform:0:1", "--metric", "accuracy", "--max-runs", "3", "--name", "served"]
    root = ["--root", str(tmp_path / "root"), "--track", "mlflow"]
    assert run_command_line(["run", str(tmp_path / "train.py"), *arguments, *root]) == 0
    assert run_command_line(["export", "served", *root]) == 0
    assert "served: 3 ended runs are in mlflow" in capfd.readouterr().out
    client = MlflowClient(server)
    found = runs_of(client)
    assert set(found) == {"served", "served-0", "served-1", "served-2"}
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    sweep = hd.open_sweep("served", tmp_path / "root")
    for run in sweep.runs:
        theirs = found[f"served-{run['number']}"]
        curve = [point.value for point in client.get_metric_history(theirs.info.run_id, "accuracy")]
        assert curve == [value for _, value in sweep.metrics(run["number"])["accuracy"]]
        (file,) = client.list_artifacts(theirs.info.run_id)
        kept = client.download_artifacts(theirs.info.run_id, file.path, str(tmp_path))
        assert Path(kept).read_text() == str(run["configuration"]["x"])


@pytest.mark.slow
def test_a_server_that_is_away_changes_nothing_in_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "train.py").write_text(SCRIPT)
    arguments = ["--param", "x=uniform:0:1", "--metric", "accuracy", "--max-runs", "3", "--name", "alone"]
    root = ["--root", str(tmp_path / "root"), "--track", "mlflow"]
    assert run_command_line(["run", str(tmp_path / "train.py"), *arguments, *root]) == 0
    told = [line for line in capfd.readouterr().err.splitlines() if "mlflow:" in line]
    assert len(told) == 2
    assert told[0].endswith("this is tried again")
    assert told[1].endswith("when it works again: `hdcore export alone --track mlflow`")
    assert hd.open_sweep("alone", tmp_path / "root").status == "Completed"


def test_a_cut_line_of_what_wandb_has_costs_no_other_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hdcore.tracking.export.wandb import WandbTarget

    monkeypatch.setitem(sys.modules, "wandb", ModuleType("wandb"))
    (folder / "tracked-wandb.jsonl").write_text('{"run": 0}\n{"ru{"run": 1}\n{"run": 2}\n{"run')
    with StoreReader.open(folder) as reader:
        assert WandbTarget(folder).begin(reader) == {0, 2}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_offline_runs_of_wandb_are_written_once(folder: Path, tmp_path: Path) -> None:
    python = Path(sys.executable)
    if find_spec("wandb") is None:
        python = tmp_path / "venv" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
        (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
        (site / "beside.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
        install = [python, "-m", "pip", "install", "-q", "--no-compile", "wandb"]
        subprocess.run(install, check=True, capture_output=True)
    argv = [python, "-m", "hdcore", "export", "odd", "--root", folder.parent.parent, "--track", "wandb"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment |= {"WANDB_ERROR_REPORTING": "false", "PYTHONPATH": str(ROOT)}
    for _ in range(2):
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout == "odd: 6 ended runs are in wandb\n", done.stderr[-2000:]
        names = [path.name.rpartition("-")[2] for path in (folder / "wandb").glob("offline-run-*")]
        assert sorted(names) == ["0", "1", "2", "3", "4", "5"]
    (file,) = (folder / "wandb").glob("offline-run-*-0/*.wandb")
    assert b"loss <i>" in file.read_bytes()
