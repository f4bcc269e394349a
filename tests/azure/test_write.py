"""A sweep as a sweep file, read back by our own reader and by PyYAML's, which is the one that Azure's tools use."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hdcore as hd
from hdcore.azure import load_sweep, spec_from_script, write_sweep
from hdcore.cli.main import run_command_line
from hdcore.errors import InputError
from hdcore.records import InputSpec, Limits, SweepSpec
from hdcore.typing import Goal

CASES = Path(__file__).resolve().parents[2] / "examples"

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "NO",
        "yes",
        "010",
        "1e-3",
        "1_000",
        "~",
        "null",
        "1:30",
        "0x1f",
        "2020-01-01",
        "- a",
        "a: b",
        "a #b",
        "${{x}}",
        "=",
        "é\u2028",
    ]
)
numbers = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | st.sampled_from([1e-5, 1e20, 5e-324, -0.0, 65.0])
bounds = st.tuples(numbers, numbers).filter(lambda pair: pair[0] < pair[1]).map(list)
exponents = st.tuples(st.floats(-20, 0), st.floats(1.5, 20)).map(list)
steps = st.integers(1, 9) | st.sampled_from([0.1, 0.25, 1e-3])
plain = st.one_of(
    st.tuples(st.just("randint"), st.integers(1, 10**6).map(lambda n: [n])),
    st.tuples(st.just("uniform"), bounds),
    st.tuples(st.just("loguniform"), exponents),
    st.tuples(st.just("normal"), st.tuples(numbers, st.floats(0, 1e3)).map(list)),
    st.tuples(st.just("lognormal"), st.tuples(st.floats(-9, 9), st.floats(0, 3)).map(list)),
    st.tuples(st.just("quniform"), st.tuples(bounds, steps).map(lambda t: [*t[0], t[1]])),
    st.tuples(st.just("qloguniform"), st.tuples(exponents, steps).map(lambda t: [*t[0], t[1]])),
    st.tuples(st.just("qnormal"), st.tuples(numbers, st.floats(0, 9), steps).map(list)),
    st.tuples(st.just("qlognormal"), st.tuples(st.floats(-3, 3), st.floats(0, 2), steps).map(list)),
).map(list)
options = st.lists(
    st.booleans() | numbers | texts, min_size=1, max_size=4, unique_by=lambda v: (type(v) is bool, str(v))
)


def choice(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    nested = st.dictionaries(names, inner | numbers | texts | st.booleans(), min_size=1, max_size=2)
    return st.one_of(options, st.lists(nested, min_size=1, max_size=2, unique_by=repr)).map(lambda o: ["choice", [o]])


expressions = st.recursive(plain, choice, max_leaves=4) | options.map(lambda o: ["choice", [o]])
policies = st.one_of(
    st.none(),
    st.builds(
        lambda k, d, p: {
            "name": "MedianStopping",
            "properties": {"evaluation_interval": k, "delay_evaluation": d, **({"population": "reached"} if p else {})},
        },
        st.integers(1, 9), st.integers(0, 9), st.booleans(),
    ),
    st.builds(
        lambda k, s: {"name": "Bandit", "properties": {"evaluation_interval": 1, "delay_evaluation": 0, k: s}},
        st.sampled_from(["slack_factor", "slack_amount"]), st.floats(0.01, 3),
    ),
    st.builds(
        lambda x, e: {
            "name": "TruncationSelection",
            "properties": {
                "evaluation_interval": 2, "delay_evaluation": 1, "truncation_percentage": x, "exclude_finished_jobs": e,
            },
        },
        st.integers(1, 99), st.booleans(),
    ),
)  # fmt: skip
limits = st.builds(
    lambda total, concurrent, timeout, each: Limits(
        max_total_runs=total,
        max_concurrent_runs=None if concurrent is None else min(concurrent, total),
        timeout_s=timeout,
        run_timeout_s=each,
    ),
    st.integers(1, 10**6), st.none() | st.integers(1, 500), st.none() | st.floats(60, 1e6), st.none() | st.just(3600.0),
)  # fmt: skip
scalars = st.dictionaries(names, texts, max_size=2)


@st.composite
def specs(draw: st.DrawFn, folder: str = "/code") -> SweepSpec:
    space = draw(st.dictionaries(names, expressions, min_size=1, max_size=4))
    inputs = draw(st.dictionaries(names, st.booleans() | numbers | texts, max_size=2))
    outputs = draw(st.sets(names, max_size=2))
    command = " ".join(
        ["python train.py", draw(st.sampled_from(["", "--flag 'a  b'", '--x "é"']))]
        + [f"--{n} ${{{{search_space.{n}}}}}" for n in space]
        + [f"--{n} ${{{{inputs.{n}}}}}" for n in inputs]
        + [f"--{n} ${{{{outputs.{n}}}}}" for n in outputs]
    )
    kind = draw(st.sampled_from(["random", "sobol", "bayesian", "grid"]))
    if kind == "grid":
        space = {name: ["choice", [["a", 1]]] for name in space}
    return SweepSpec(
        name=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}", fullmatch=True)),
        space=space,
        metric=draw(texts.filter(str.strip)),
        goal=draw(st.sampled_from(Goal)),
        limits=draw(limits),
        sampler={"type": kind},
        policy=draw(policies),
        command=command,
        code=folder,
        inputs={name: InputSpec(type="literal", value=value) for name, value in inputs.items()},
        outputs={name: {"type": "uri_folder"} for name in sorted(outputs)},
        environment=draw(st.dictionaries(names, texts, max_size=2)),
        gpus_per_run=draw(st.sampled_from([0, 1, 0.5, 2, "auto"])),
        cpus_per_run=draw(st.integers(1, 8)),
        preload=draw(st.sampled_from([(), ("numpy", "a.b")])),
        shell=draw(st.sampled_from(["auto", True, False])),
        retries=draw(st.integers(0, 3)),
        seed=draw(st.integers(0, 2**63 - 1)),
        resume_from=draw(st.sampled_from([(), ("a", "b")])),
        resume_runs=draw(st.sampled_from([(), ("a/12",)])),
        resume_rename=draw(st.sampled_from([{}, {"old": "new"}])),
        resume_defaults=draw(st.sampled_from([{}, {"new": 0.5, "kind": "NO"}])),
        display_name=draw(texts),
        experiment_name=draw(texts),
        description=draw(texts),
        tags=draw(scalars),
    )


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit and type: 65 and 65.0 differ, as do 0.0 and -0.0."""
    return repr(a) == repr(b)


@settings(deadline=None)
@given(specs())
def test_what_is_written_is_read_back_as_the_same_sweep(spec: SweepSpec) -> None:
    try:
        hd.Optimizer(spec.space, sampler=spec.sampler, seed=1)
        text, _ = write_sweep(spec)
    except InputError:
        assume(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sweep.yml")
        path.write_text(text, encoding="utf-8")
        found = load_sweep(path)
    back = msgspec.structs.replace(found, source=spec.source, warnings=spec.warnings)
    for field in SweepSpec.__struct_fields__:
        assert same(getattr(back, field), getattr(spec, field)), field
    # the reader of Azure's tools is PyYAML's, of YAML 1.1: nothing may mean something else to it
    plainly = yaml.safe_load(text)
    assert plainly["objective"] == {"goal": spec.goal.value, "primary_metric": spec.metric}
    assert plainly["trial"]["command"] == spec.command
    assert plainly.get("tags", {}) == spec.tags
    for name, value in spec.inputs.items():
        assert same(plainly["inputs"][name], value.value)
    for name, (kind, arguments) in spec.space.items():
        written = plainly["search_space"][name]
        if kind != "choice":
            assert same([value for key, value in written.items() if key != "type"], arguments)
        elif not isinstance(arguments[0][0], dict):
            assert same(written["values"], arguments[0])


@pytest.mark.parametrize("path", sorted(CASES.glob("*/sweep.yml")), ids=lambda path: path.parent.name)
def test_the_examples_are_written_back(path: Path, tmp_path: Path) -> None:
    spec = load_sweep(path)
    target = tmp_path / "again.yml"
    text, notes = write_sweep(spec, target)
    target.write_text(text)
    found = load_sweep(target)
    assert [note for note in notes if not note.startswith("hdcore: ")] == []
    same_inputs = {
        name: msgspec.structs.replace(item, path=spec.inputs[name].path) for name, item in found.inputs.items()
    }
    assert msgspec.structs.replace(found, source=spec.source, inputs=same_inputs) == spec
    twice, _ = write_sweep(found, target)
    assert twice == text


def test_only_keys_of_azures_schema_stand_outside_of_hdcores(tmp_path: Path) -> None:
    script = tmp_path / "t.py"
    script.write_text("")
    spec = spec_from_script(
        script, ["lr=log:1e-5:1e-1", "n=int:1:5", "opt=choice:sgd,adam"], metric="loss", goal="minimize",
        sampler="sobol", policy="median:delay=5,population=reached", overrides={"seed": 7, "max_runs": 9},
    )  # fmt: skip
    text, notes = write_sweep(spec, tmp_path / "out" / "sweep.yml")
    assert notes == ["hdcore: Azure's tools refuse this key; without it Azure does not know shell, population"]
    document = yaml.safe_load(text)
    assert set(document) == {
        *("$schema", "type", "name", "trial", "search_space", "sampling_algorithm", "objective", "early_termination"),
        *("limits", "hdcore"),
    }
    assert document["trial"].keys() == {"command", "code", "environment"}
    assert document["sampling_algorithm"] == {"type": "random", "rule": "sobol", "seed": 7}
    assert document["early_termination"] == {"type": "median_stopping", "evaluation_interval": 1, "delay_evaluation": 5}
    assert document["search_space"]["lr"] == {
        "type": "loguniform", "min_value": math.log(1e-5), "max_value": math.log(1e-1),
    }  # fmt: skip
    assert document["limits"] == {"max_total_trials": 9}
    assert document["hdcore"] == {"shell": False, "population": "reached"}


def test_paths_below_the_file_are_written_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    spec = SweepSpec(
        name="a", space={"x": ["uniform", [0, 1]]}, metric="m", goal=Goal.MAXIMIZE, limits=Limits(max_total_runs=1),
        command="python t.py ${{search_space.x}}", code=str(tmp_path / "src"),
        inputs={
            "here": InputSpec(type="uri_folder", path="../data", local=str(tmp_path / "data")),
            "cloud": InputSpec(type="uri_file", path="azureml:table:1", local=str(tmp_path / "data"), mode="download"),
        },
    )  # fmt: skip
    document = yaml.safe_load(write_sweep(spec, tmp_path / "sweep.yml")[0])
    assert document["trial"]["code"] == "./src"
    assert document["inputs"] == {
        "here": {"type": "uri_folder", "path": "./data"},
        "cloud": {"type": "uri_file", "path": "azureml:table:1", "mode": "download"},
    }
    absolute = yaml.safe_load(write_sweep(spec)[0])
    assert absolute["trial"]["code"] == str(tmp_path / "src")
    assert absolute["inputs"]["here"]["path"] == str(tmp_path / "data")


SPEC = SweepSpec(
    name="a", space={"x": ["uniform", [0, 1]]}, metric="m", goal=Goal.MAXIMIZE, limits=Limits(max_total_runs=1),
    command="python t.py ${{search_space.x}}", code="/",
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"function": "a:b", "command": ""}, "runs the Python function a:b"),
        ({"command": ""}, "has no command"),
        ({"space": {"--x": ["uniform", [0, 1]]}}, "is no name for Azure"),
        ({"space": {"x": 5}}, "is a constant"),
        ({"space": {"x": ["choice", [[None, 1]]]}}, "null"),
        ({"space": {"x": ["loguniform", [0, 1]]}}, "are exponents"),
        ({"sampler": {"type": "random", "logbase": 2}}, "options of its own"),
        ({"policy": {"name": "Mine"}}, "which no sweep file can say"),
        ({"description": "half \ud800"}, "cannot be written as a sweep file"),
    ],
)
def test_what_no_sweep_file_can_say_is_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        write_sweep(msgspec.structs.replace(SPEC, **change))


def test_what_azures_own_tools_refuse_is_told() -> None:
    spec = msgspec.structs.replace(
        SPEC, space={"x": ["choice", [[True, False]]]}, limits=Limits(max_total_runs=1, timeout_s=90.5)
    )
    _, notes = write_sweep(spec)
    assert notes == [
        "search_space.x: Azure's tools refuse true and false among the values of a choice",
        "limits.timeout: Azure's tools take whole seconds",
    ]


def test_the_command_writes_a_file_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HDCORE_ROOT", str(tmp_path / "root"))
    (tmp_path / "t.py").write_text("import sys, hdcore\nhdcore.get_run().log('m', float(sys.argv[-1]))\n")
    run = ["run", "t.py", "--param", "x=uniform:0:1", "--metric", "m", "--max-runs", "3", "--seed", "5"]
    assert run_command_line([*run, "--name", "first"]) == 0
    assert run_command_line(["export", "first", "-o", "again.yml"]) == 0
    assert run_command_line(["validate", "again.yml"]) == 0
    assert run_command_line(["run", "again.yml", "--name", "second"]) == 0
    first, second = hd.open_sweep("first").runs, hd.open_sweep("second").runs
    for key in ("configuration", "value"):
        assert [r[key] for r in first] == [r[key] for r in second]
    capsys.readouterr()
    assert run_command_line(["export", "first", "--format", "azure"]) == 0
    assert f"code: {os.getcwd()}" in capsys.readouterr().out
