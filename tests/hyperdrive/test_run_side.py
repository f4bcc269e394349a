"""`Run.get_context` in a script, in a sweep and outside of any."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hyperdrive.support import CHECKOUT

from hdcore import hyperdrive as hd
from hdcore import runtime


@pytest.fixture
def submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The run of this process as if it were number 3 of a sweep."""
    folder = tmp_path / "sweeps" / "exp" / "runs" / "0003"
    (folder / "outputs").mkdir(parents=True)
    monkeypatch.setenv("HDCORE_RUN_ID", "HD_x_3")
    monkeypatch.setenv("HDCORE_REPORT", str(folder / "report-1.jsonl"))
    monkeypatch.setenv("HDCORE_OUTPUT_DIR", str(folder / "outputs"))
    monkeypatch.setenv("HDCORE_ATTEMPT", "1")
    monkeypatch.setattr(runtime, "_client", None)
    monkeypatch.chdir(tmp_path)
    return hd.Run.get_context()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("HDCORE_REPORT", raising=False)
    monkeypatch.setattr(runtime, "_client", None)
    return hd.Run.get_context()


def reports(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "sweeps" / "exp" / "runs" / "0003" / "report-1.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_context_is_one_run(submitted: Any) -> None:
    assert isinstance(submitted, hd.Run)
    assert submitted is hd.Run.get_context() is hd.Run.get_submitted_run()
    assert (submitted.id, submitted.number, submitted.parent.id) == ("HD_x_3", 3, "HD_x")
    assert submitted.experiment.name == "exp"
    assert submitted.get_status() == "Running"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1, 1),
        (0.5, 0.5),
        (True, True),
        ("rbf", "rbf"),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array(2.5), 2.5),
        (np.array([2.5]), 2.5),
        (np.array([1, 2]), "error"),
        (float("inf"), float("inf")),
        (None, "None"),
        ({"a": 1}, "{'a': 1}"),
        (1 + 2j, "(1+2j)"),
        ([1, 2], "error"),
        ((1, 2), "error"),
        (range(3), "error"),
        ((n for n in range(3)), "error"),
    ],
)
def test_one_value_is_logged(submitted: Any, value: Any, kept: Any) -> None:
    if kept == "error":
        with pytest.raises(hd.UserErrorException, match="use log_list"):
            submitted.log("m", value)
        return
    submitted.log("m", value)
    assert submitted.get_metrics() == {"m": kept}
    assert type(submitted.get_metrics()["m"]) is type(kept) or isinstance(kept, int)


def test_a_long_text_is_kept_whole(submitted: Any) -> None:
    text = "x" * 100_000
    submitted.log("text", text)
    assert submitted.get_metrics() == {"text": text}


def test_values_become_reports_with_their_steps(submitted: Any, tmp_path: Path) -> None:
    submitted.log("loss", 0.5, step=10)
    submitted.log(name="loss", value=0.25, description="later", step=np.int64(20))
    submitted.log_list("loss", [0.2, 0.1])
    found = reports(tmp_path)
    assert [(row["value"], row.get("step")) for row in found] == [(0.5, 10), (0.25, 20), (0.2, None), (0.1, None)]
    assert submitted.get_metrics("loss") == {"loss": [0.5, 0.25, 0.2, 0.1]}


@pytest.mark.parametrize(
    "call",
    [
        lambda run: run.log_row("t", a=[1, 2]),
        lambda run: run.log_list("l", 5),
        lambda run: run.log_list("l", "text"),
        lambda run: run.log_table("t", [1]),
        lambda run: run.log_table("t", {"a": [1], "b": [1, 2]}),
        lambda run: run.log_image("i"),
        lambda run: run.log_image("i", plot=object()),
        lambda run: run.log_image("i", path="missing.png"),
        lambda run: run.log_confusion_matrix("m", [1]),
        lambda run: run.log_accuracy_table("m", "no json"),
        lambda run: run.log("", 1),
        lambda run: run.upload_file("a", "missing"),
        lambda run: run.upload_file("../a", "missing"),
        lambda run: run.upload_folder("a", "missing"),
        lambda run: run.upload_files(["a"], []),
    ],
)
def test_what_cannot_be_logged_is_refused(submitted: Any, call: Any) -> None:
    with pytest.raises(hd.UserErrorException):
        call(submitted)


def test_tables_are_filled_up_and_one_row_is_values(submitted: Any) -> None:
    submitted.log_row("one", a=1, b="x")
    submitted.log_row("two", a=1)
    submitted.log_row("two", a=2, late=3)
    submitted.log_row("two", late=4)
    submitted.log_table("wide", {"x": [1, 2], "y": np.array([3, 4])})
    assert submitted.get_metrics() == {
        "one": {"a": 1, "b": "x"},
        "two": {"a": [1, 2, None], "late": [None, 3, 4]},
        "wide": {"x": [1, 2], "y": [3, 4]},
    }


class Figure:
    def savefig(self, target: Any, format: str) -> None:
        target.write(b"\x89PNG")


def test_images_and_matrices_are_files(submitted: Any, tmp_path: Path) -> None:
    (tmp_path / "roc.svg").write_text("<svg/>")
    submitted.log_image("roc", path=tmp_path / "roc.svg")
    submitted.log_image("plot", plot=Figure())
    submitted.log_residuals("res", {"schema_type": "residuals", "data": np.arange(2)})
    metrics = submitted.get_metrics()
    names = {name: uri.rpartition("/")[2] for name, uri in metrics.items()}
    assert names["roc"].endswith(".svg")
    assert names["plot"].endswith(".png")
    assert set(names.values()) <= set(submitted.get_file_names())
    submitted.download_file(names["plot"], tmp_path / "copy.png")
    assert (tmp_path / "copy.png").read_bytes() == b"\x89PNG"


def test_files_go_to_the_run(submitted: Any, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "w.bin").write_bytes(b"1")
    submitted.upload_file("outputs/w.bin", "m/w.bin")
    submitted.upload_file(name="s.txt", path_or_stream=io.StringIO("text"))
    submitted.upload_folder("outputs/all", "m")
    submitted.upload_files(["a/x", "b"], ["m/w.bin", "m/w.bin"])
    assert submitted.get_file_names() == ["a/x", "b", "outputs/all/w.bin", "outputs/w.bin", "s.txt"]
    output = tmp_path / "sweeps" / "exp" / "runs" / "0003" / "outputs" / "w.bin"
    submitted.upload_file("outputs/w.bin", output)  # onto itself
    assert output.read_bytes() == b"1"


def test_the_end_is_for_the_exit_code(submitted: Any, caplog: pytest.LogCaptureFixture) -> None:
    with submitted as run:
        run.complete()
    submitted.cancel()
    assert "cannot cancel itself" in caplog.text
    submitted.fail("diverged", "E7")
    assert submitted.get_status() == "Running"
    submitted.flush()
    assert submitted.get_details()["error"]["error"]["message"] == "diverged"


def test_tags_and_properties(submitted: Any) -> None:
    submitted.tag("a")
    submitted.tag("b", 2)
    submitted.add_properties({"p": 1})
    assert submitted.get_tags() == {"a": None, "b": "2"}
    assert submitted.properties == {"p": "1"}


def test_a_child_run_logs_on_its_own(submitted: Any) -> None:
    with submitted.child_run(name="fold 1") as child:
        child.log("auc", 0.9)
    assert (child.get_status(), child.display_name, child.get_metrics()) == ("Completed", "fold 1", {"auc": 0.9})
    assert [run.id for run in submitted.get_children()] == [child.id]
    assert submitted.get_metrics(recursive=True) == {child.id: {"auc": 0.9}}


def test_a_workspace_in_a_run_is_that_of_the_run(submitted: Any, tmp_path: Path) -> None:
    assert hd.Workspace.from_config()._root == submitted.experiment.workspace._root == tmp_path


def test_an_unknown_input_is_named(submitted: Any) -> None:
    with pytest.raises(KeyError, match="as_named_input"):
        submitted.input_datasets["iris"]


def test_offline_runs_print(offline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    offline.log("a", 1)
    offline.log("a", 2, step=3)
    offline.log_row("r", x=1)
    offline.fail("why")
    assert capsys.readouterr().out == (
        "Attempted to log scalar metric a:\n1\n"
        "Attempted to log scalar metric a:\n2\n"
        "Attempted to log row metric r:\n{'x': 1}\n"
        "Run failed: why\n"
    )
    assert offline.id.startswith("OfflineRun_")


def test_scripts_may_ask_for_the_class_of_their_run(offline: Any) -> None:
    from hdcore.standins.azureml_names import MODULES
    from hdcore.standins.serve import Standins

    run_module = ModuleType("azureml.core.run")
    Standins("azureml", MODULES).fill(run_module)
    assert isinstance(offline, run_module._OfflineRun)
    assert not isinstance(offline, run_module._SubmittedRun)
    assert type(offline).__name__ == "_OfflineRun"  # some compare the name, to do without the import


def test_a_submitted_run_is_no_offline_run(submitted: Any) -> None:
    assert type(submitted).__name__ == "_SubmittedRun"


LOGGING = "log_list log_table log_image log_confusion_matrix log_accuracy_table log_predictions log_residuals"


@pytest.mark.parametrize("name", [*LOGGING.split(), "upload_file", "upload_folder", "register_model"])
def test_each_offline_call_says_what_it_would_do(offline: Any, capsys: pytest.CaptureFixture[str], name: str) -> None:
    getattr(offline, name)("thing", "value")
    assert capsys.readouterr().out.startswith("Attempted to ")


@pytest.mark.parametrize("name", ["parent", "experiment", "get_metrics", "display_name", "get_details"])
def test_an_offline_run_lacks_what_needs_a_workspace(offline: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=f"offline and has no {name}"):
        getattr(offline, name)


def test_offline_runs_can_be_forbidden(offline: Any) -> None:
    with pytest.raises(hd.RunEnvironmentException):
        hd.Run.get_context(allow_offline=False)


def test_the_context_needs_the_standard_library_only(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from hdcore.hyperdrive import Run\n"
        "run = Run.get_context(); run.log('a', 1); run.tag('t'); run.log_row('r', x=1); run.get_metrics()\n"
        "run.experiment.workspace.get_default_datastore()\n"
        "names = {name.partition('.')[0] for name in sys.modules} - {'__main__'}\n"
        "print(sorted(names - set(sys.stdlib_module_names)))\n"
    )
    folder = tmp_path / "sweeps" / "s" / "runs" / "0000"
    (folder / "outputs").mkdir(parents=True)
    variables = {
        "HDCORE_RUN_ID": "HD_x_0",
        "HDCORE_REPORT": str(folder / "report-1.jsonl"),
        "HDCORE_OUTPUT_DIR": str(folder / "outputs"),
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(CHECKOUT)], env=variables, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "['hdcore']"
