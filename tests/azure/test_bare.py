"""Sweeps over a bare script."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest

from hdcore.azure import missing_here, spec_from_script
from hdcore.errors import InputError
from hdcore.records import SweepSpec
from hdcore.typing import Goal
from hdcore.workspace import prepare_run, snapshot_code


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    path = tmp_path / "jobs" / "my net.py"
    path.write_text("")
    return path


def describe(script: Any, *params: str, **more: Any) -> SweepSpec:
    return spec_from_script(script, params or ("x=choice:1,2",), **{"metric": "acc", **more})


@pytest.mark.parametrize(
    ("form", "serialised"),
    [
        ("log:1e-5:1e-1", ["loguniform", [math.log(1e-5), math.log(1e-1)]]),
        ("log:1:2", ["loguniform", [0, math.log(2)]]),
        ("int:3:6", ["choice", [[3, 4, 5, 6]]]),
        ("int:-5:5000", ["quniform", [-5, 5000, 1]]),
        ("uniform:-0.5:2", ["uniform", [-0.5, 2]]),
        ("quniform:16:512:16", ["quniform", [16, 512, 16]]),
        ("loguniform:-9:-2", ["loguniform", [-9, -2]]),
        ("qloguniform:0:5:2", ["qloguniform", [0, 5, 2]]),
        ("normal:0:1", ["normal", [0, 1]]),
        ("qnormal:0:1:.5", ["qnormal", [0, 1, 0.5]]),
        ("lognormal:0:1", ["lognormal", [0, 1]]),
        ("qlognormal:0:1:1", ["qlognormal", [0, 1, 1]]),
        ("randint:8", ["randint", [8]]),
        ("choice:sgd,adam", ["choice", [["sgd", "adam"]]]),
        (
            "choice:1,2.5,1e-3,true,False,none,a b,http://x:80",
            ["choice", [[1, 2.5, 0.001, True, False, None, "a b", "http://x:80"]]],
        ),
        ("choice:,x", ["choice", [["", "x"]]]),
        ('choice:["a,b", "1", 1, null]', ["choice", [["a,b", "1", 1, None]]]),
    ],
)
def test_forms_become_serialised_expressions(form, serialised, script):
    assert describe(script, f"p={form}").space == {"p": serialised}


@pytest.mark.parametrize(
    "param",
    [
        *(
            "x",
            "x=",
            "=choice:1",
            "a b=choice:1",
            "x=lag:1:2",
            "x=choice",
            "x=choice:",
            "x=choice:a,a",
            "x=choice:[1",
            "x=choice:[[1]]",
        ),
        *(
            "x=log:1",
            "x=log:0:1",
            "x=log:2:1",
            "x=int:1.5:2",
            "x=int:3:1",
            "x=uniform:1:1",
            "x=uniform:nan:1",
            "x=uniform:a:b",
        ),
        *("x=uniform:1_0:20", "x=quniform:0:1:0", "x=normal:0:-1", "x=randint:0", "x=randint:2.5", "x=loguniform:0:1"),
    ],
)
def test_a_form_that_cannot_be_meant_is_refused(param, script):
    with pytest.raises(InputError) as caught:
        describe(script, param)
    assert "--param" in (caught.value.source, caught.value.field)
    assert str(caught.value).isprintable()


def test_a_parameter_may_be_given_once(script):
    with pytest.raises(InputError, match="twice"):
        describe(script, "x=choice:1", "x=choice:2")


def test_the_command_has_fixed_arguments_before_the_parameters(script, tmp_path):
    spec = describe(script, "learning-rate=log:1e-5:1e-1", "n=int:1:3", fixed=["--data", "a b*.csv", "; rm x"])
    assert missing_here(spec) == []
    sweep = tmp_path / "root" / "sweeps" / "s"
    sweep.mkdir(parents=True)
    snapshot_code(spec, sweep)
    launch = prepare_run(spec, sweep, 0, 1, {"learning-rate": 0.5, "n": 2}, sweep_id="x")
    assert launch.argv == (
        *("python", "jobs/my net.py", "--data", "a b*.csv", "; rm x", "--learning-rate", "0.5", "--n", "2"),
    )
    assert os.path.exists(os.path.join(launch.cwd, "jobs/my net.py"))


def test_options_reach_the_specification(script):
    spec = describe(
        script,
        goal="Minimize",
        sampler="Sobol",
        policy="median:delay=5",
        overrides={"max_runs": 7, "max_concurrent": 99, "seed": 3, "name": "n", "preload": None},
    )
    assert (spec.goal, spec.metric, spec.sampler, spec.seed, spec.name) == (
        Goal.MINIMIZE,
        "acc",
        {"type": "sobol"},
        3,
        "n",
    )
    assert (spec.limits.max_total_runs, spec.limits.max_concurrent_runs) == (7, 7)
    assert spec.policy == {"name": "MedianStopping", "properties": {"evaluation_interval": 1, "delay_evaluation": 5}}
    assert describe(script, policy="none").policy is None
    assert describe(script).name == "my-net"
    assert describe(script).limits.max_total_runs == 50


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"metric": None}, "--metric"),
        ({"metric": ""}, "--metric"),
        ({"goal": "max"}, "--goal"),
        ({"sampler": "tpe"}, "--sampler"),
        ({"policy": "median:speed=1"}, "--policy"),
        ({"fixed": ["${{inputs.x}}"]}, "arguments after --"),
        ({"overrides": {"name": "../x"}}, "--name"),
    ],
)
def test_a_bad_option_is_refused_by_its_name(more, where, script):
    with pytest.raises(InputError) as caught:
        describe(script, **more)
    assert where in (caught.value.source, caught.value.field)


def test_grid_sampling_takes_choices_only(script):
    assert describe(script, "x=int:1:3", sampler="grid").sampler == {"type": "grid"}
    with pytest.raises(InputError, match="choice"):
        describe(script, "x=uniform:1:3", sampler="grid")


def test_programs_in_other_languages_run_as_they_are(script, tmp_path):
    program = tmp_path / "train"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match="neither"):
        describe(program)
    program.chmod(0o700)
    assert describe(program).command.startswith("./train --x")
    shell = tmp_path / "train.sh"
    shell.write_text("")
    assert describe(shell).command.startswith("sh train.sh --x")
    with pytest.raises(InputError, match="does not exist"):
        describe(tmp_path / "absent.py")


def test_a_script_elsewhere_runs_in_its_own_folder(script, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    spec = describe(script)
    assert spec.code == str(tmp_path / "jobs")
    assert spec.command.startswith("python 'my net.py' ")
