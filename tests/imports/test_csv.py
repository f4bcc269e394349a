"""Tables of runs become sweeps."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdcore as hd
from hdcore.cli.main import run_command_line
from hdcore.errors import InputError, RefusedError
from hdcore.imports import ForeignRun, ForeignSweep, read_csv, save
from hdcore.imports.inference import infer_space
from hdcore.space import SearchSpace
from hdcore.store import StoreReader
from hdcore.sweep import check_has_command
from hdcore.typing import Goal, RunStatus


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HDCORE_ROOT", str(tmp_path / "root"))
    return tmp_path


def table(place: Path, text: str) -> Path:
    path = place / "runs.csv"
    path.write_text(text)
    return path


MARKED = """params.lr,params.net,params.n,params.big,metrics.acc,status
0.1,mlp,1,true,0.5,FINISHED
0.001,cnn,2,false,0.75,FINISHED
0.01,mlp,3,true,,FAILED
0.05,mlp,2,true,0.25,KILLED
0.05,mlp,2,true,0.25,RUNNING
"""


def test_columns_that_are_marked_become_parameters_of_their_kinds(place: Path) -> None:
    found = read_csv(table(place, MARKED), metric="acc", goal=Goal.MAXIMIZE)
    assert [run.configuration for run in found.runs] == [
        {"lr": 0.1, "net": "mlp", "n": 1, "big": True},
        {"lr": 0.001, "net": "cnn", "n": 2, "big": False},
        {"lr": 0.01, "net": "mlp", "n": 3, "big": True},
        {"lr": 0.05, "net": "mlp", "n": 2, "big": True},
    ]
    assert [run.value for run in found.runs] == [0.5, 0.75, None, 0.25]
    assert [run.status.value for run in found.runs] == ["Completed", "Completed", "Failed", "Canceled"]
    assert (found.total, found.dropped) == (5, {"not ended": 1})
    assert found.space == {
        "lr": ["loguniform", [math.log(0.001), math.log(0.1)]],
        "net": ["choice", [["mlp", "cnn"]]],
        "n": ["choice", [[1, 2, 3]]],
        "big": ["choice", [[True, False]]],
    }


def test_named_columns_and_a_given_space_decide_what_the_cells_are(place: Path) -> None:
    path = table(place, "rate,layers,score,note\n0.5,1,3,x\n0.25,2,nan,y\n")
    space = {"lr": ["uniform", [0, 1]], "layers": ["choice", [["1", "2"]]]}
    found = read_csv(
        path, metric="acc", goal=Goal.MINIMIZE, params={"lr": "rate", "layers": "layers"}, value="score", space=space
    )
    assert [run.configuration for run in found.runs] == [{"lr": 0.5, "layers": "1"}, {"lr": 0.25, "layers": "2"}]
    assert [run.status for run in found.runs] == [RunStatus.COMPLETED, RunStatus.FAILED]
    assert found.space == space
    for run in found.runs:
        SearchSpace(space).validate(run.configuration)


def test_rows_that_name_their_run_are_its_reports(place: Path) -> None:
    path = table(place, "run,epoch,params.x,acc\na,2,0.5,0.9\na,1,0.5,0.8\nb,1,0.25,0.1\nb,2,0.25,\n")
    found = read_csv(path, metric="acc", goal=Goal.MAXIMIZE, run="run", step="epoch")
    assert [run.series for run in found.runs] == [{"acc": [(1, 0.8), (2, 0.9)]}, {"acc": [(1, 0.1)]}]
    assert [run.value for run in found.runs] == [0.9, 0.1]
    assert [run.configuration for run in found.runs] == [{"x": 0.5}, {"x": 0.25}]


@pytest.mark.parametrize(
    ("text", "more", "word"),
    [
        ("a,b\n1,2\n", {}, "no column is marked as a parameter.*a, b"),
        ("params.a,b\n1,2\n", {}, "no column is named after 'acc'"),
        ("params.a,value,metric.loss.best\n1,2,2\n", {}, "no column is named after 'acc'"),
        ("params.a,acc\n1,2,3\n", {}, "row 2 has 3 cells"),
        ("params.a,acc\n1,good\n", {}, "row 2 has 'good' where the metric belongs"),
        ("params.a,acc\n", {}, "has no rows"),
        ("acc,acc\n1,2\n", {}, "the column 'acc' twice"),
        ("params.a,acc\n1,2\n", {"params": {"lr": "rate"}}, "there is no column 'rate'"),
        ("params.a,acc\n1,2\n", {"run": "id"}, "there is no column 'id'"),
        ("params.a,acc,k\n1,2,1.5\n", {"step": "k"}, "steps are whole numbers"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(place: Path, text: str, more: Any, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        read_csv(table(place, text), metric="acc", goal=Goal.MAXIMIZE, **more)
    assert str(caught.value.source).endswith("runs.csv")


values = (
    st.lists(st.integers(-1000, 1000), min_size=1)
    | st.lists(st.floats(-1e6, 1e6), min_size=1)
    | st.lists(st.floats(1e-9, 1e9), min_size=1)
    | st.lists(st.booleans() | st.text(max_size=3), min_size=1)
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), values, min_size=1))
def test_an_inferred_space_holds_every_value_that_it_was_inferred_from(columns: dict[str, list[Any]]) -> None:
    length = min(map(len, columns.values()))
    rows = [{name: column[k] for name, column in columns.items()} for k in range(length)]
    space = SearchSpace(infer_space(rows))
    for row in rows:
        space.validate(row)


def test_what_export_writes_import_reads(place: Path) -> None:
    def f(configuration: dict[str, Any], run: hd.Run) -> float:
        if configuration["kind"] == "-b":
            raise ValueError
        return float(configuration["x"])

    space = {"x": hd.uniform(0, 1), "kind": hd.choice("=a", "-b", "c"), "n": hd.choice({"k": hd.randint(3)}, {"m": 1})}
    old = hd.tune(f, space, metric="height", max_runs=8, seed=1, name="old")
    assert run_command_line(["export", "old", "-o", "old.csv"]) == 0
    assert run_command_line(["import", "old.csv", "--metric", "height", "--name", "new"]) == 0
    new = hd.open_sweep("new")
    for key in ("configuration", "value", "status"):
        assert [run[key] for run in new.runs] == [run[key] for run in old.runs]
    assert (new.best, new.status) == (old.best, hd.RunStatus.COMPLETED)
    warm = hd.tune(f, space, metric="height", max_runs=3, seed=2, sampler="bayesian", resume_from="new")
    assert old.best is not None
    assert warm.runs[0]["configuration"] == old.best.configuration


def test_an_imported_sweep_is_shown_and_never_resumed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(place, MARKED)
    assert run_command_line(["import", "runs.csv", "--metric", "acc"]) == 0
    out = capsys.readouterr().out
    assert "runs: 4 runs of" in out
    assert "1 run: not ended" in out
    assert "lr = loguniform" in out
    assert run_command_line(["show", "runs"]) == 0
    assert "best 0.75 by run 1" in capsys.readouterr().out
    assert run_command_line(["resume", "runs"]) == 2
    assert "was imported and has no command" in capsys.readouterr().err
    assert run_command_line(["import", "runs.csv", "--metric", "acc"]) == 0  # takes the next free name
    assert hd.open_sweep("runs-2").runs[1]["value"] == 0.75
    assert run_command_line(["import", "runs.csv", "--metric", "acc", "--name", "runs"]) == 3
    with StoreReader.open(place / "root" / "sweeps" / "runs") as reader, pytest.raises(InputError):
        check_has_command(reader.sweep().spec)


def test_space_metric_and_goal_can_come_from_a_sweep_file(place: Path) -> None:
    (place / "sweep.yml").write_text(
        "type: sweep\ntrial: {command: 'true ${{search_space.lr}}', environment: x}\n"
        "search_space: {lr: {type: uniform, min_value: 0, max_value: 1}}\nsampling_algorithm: random\n"
        "objective: {goal: minimize, primary_metric: acc}\nlimits: {max_total_trials: 3}\n"
    )
    table(place, MARKED)
    assert run_command_line(["import", "runs.csv", "--space", "sweep.yml", "--name", "s"]) == 0
    sweep = hd.open_sweep("s")
    assert [run["configuration"] for run in sweep.runs] == [{"lr": lr} for lr in (0.1, 0.001, 0.01, 0.05)]
    assert sweep.best is not None
    assert sweep.best.value == 0.25


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["runs.csv"], "--metric: is missing"),
        (["gone.csv", "--metric", "acc"], "cannot be read"),
        (["runs.csv", "--metric", "acc", "--goal", "up"], "goal is 'up'"),
        (["runs.csv", "--metric", "acc", "--param", "=a"], "write NAME=COLUMN"),
        (["runs.csv", "--metric", "acc", "--name", "a/b"], "--name"),
        (["study.db", "--metric", "acc"], "no such file"),
        (["study.db", "--value", "acc"], "is for CSV files"),
        (["study.db", "--study", "a", "--experiment", "b"], "one of the two"),
        (["study.db", "--study", "a", "--goal", "minimize"], "the study says it itself"),
        (["mlruns", "--experiment", "a"], "--metric: is missing"),
    ],
)
def test_the_command_refuses_in_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    table(place, MARKED)
    assert run_command_line(["import", *arguments]) == 2
    err = capsys.readouterr().err
    assert word in err
    assert err.count("\n") == 1
    assert not (place / "root").exists()


@pytest.mark.parametrize("package", ["optuna", "mlflow"])
def test_a_package_that_is_missing_is_named(place: Path, package: str) -> None:
    (place / "mlruns").mkdir()
    (place / "a.db").write_bytes(b"")
    arguments = {
        "optuna": ["import", "a.db"],
        "mlflow": ["import", "mlruns", "--experiment", "x", "--metric", "loss", "--goal", "minimize"],
    }[package]
    program = f"import sys; sys.modules[{package!r}] = None; sys.modules['{package}.tracking'] = None\n"
    program += f"from hdcore.cli.main import main; main({arguments!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert f"pip install 'hdcore[{package}]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_import_of_nothing_makes_nothing(place: Path) -> None:
    nothing = ForeignSweep(
        name="a", metric="m", goal=Goal.MAXIMIZE, space={"x": ["choice", [[1]]]}, runs=[], source="x", total=3
    )
    with pytest.raises(InputError, match="nothing to import"):
        save(place / "root", nothing, "a", has_name=True)
    nothing.runs.append(ForeignRun(configuration={"x": 1}, status=RunStatus.COMPLETED, value=1.0))
    save(place / "root", nothing, "a", has_name=True)
    with pytest.raises(RefusedError):
        save(place / "root", nothing, "a", has_name=True)
