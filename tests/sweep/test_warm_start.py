"""Sweeps that start from earlier ones: what is stored, what a resume sees, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from driver.scripted import Play, ScriptedExecutor, bare_launch

import hdcore as hd
from hdcore.driver import drive
from hdcore.errors import InputError
from hdcore.observer import Observer
from hdcore.records import Limits, Parent, SweepSpec
from hdcore.store import Store, StoreReader
from hdcore.sweep import create_sweep
from hdcore.typing import Goal, RunStatus

SPACE = {"x": ["uniform", [0, 1]], "kind": ["choice", [["a", "b"]]]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "root"


def spec(name: str, runs: int = 8, **more: Any) -> SweepSpec:
    settings = {"space": SPACE, "metric": "loss", "goal": Goal.MINIMIZE, "seed": 7, "function": "tests:f", **more}
    return SweepSpec(name=name, limits=Limits(max_total_runs=runs), **settings)


class Loss(ScriptedExecutor):
    """Runs whose loss follows from their configuration, falling over three intervals."""

    def __init__(self, most: int | None = None, **more: Any) -> None:
        super().__init__(lambda number, attempt: Play(), slots=1, **more)
        self.most = most
        self.configurations: list[dict[str, Any]] = []

    def start(self, launch: Any) -> tuple[str, ...]:
        if len(self.configurations) == self.most:
            raise KeyboardInterrupt  # as if the driver died here
        configuration = launch.configuration
        self.configurations.append(configuration)
        loss = (configuration["x"] - 0.3) ** 2 + (configuration["kind"] == "a")
        self.script = lambda number, attempt: Play([loss + 1 / k for k in (1, 2, 3)])
        return super().start(launch)


class Witness(Observer):
    def __init__(self) -> None:
        self.parents: list[Parent] = []

    def started_from(self, parent: Parent) -> None:
        self.parents.append(parent)


def prepare(number: int, attempt: int, configuration: dict[str, Any]) -> Any:
    return msgspec.structs.replace(bare_launch(number, attempt, configuration), configuration=configuration)


def run(root: Path, made: SweepSpec, most: int | None = None) -> tuple[list[dict[str, Any]], Witness]:
    executor, witness = Loss(most), Witness()
    with create_sweep(root, made) as store:
        try:
            drive(store, executor, prepare=prepare, observer=witness)
        except KeyboardInterrupt:
            pass
    return executor.configurations, witness


def go_on(root: Path, name: str) -> tuple[list[dict[str, Any]], Witness]:
    executor, witness = Loss(), Witness()
    with Store.open(root, name) as store:
        drive(store, executor, prepare=prepare, observer=witness)
    return executor.configurations, witness


@pytest.mark.parametrize("cut", [0, 1, 5])
def test_a_resume_proposes_what_the_uninterrupted_sweep_did_with_the_parents_gone(root: Path, cut: int) -> None:
    run(root, spec("p1"))
    run(root, spec("p2", seed=8, policy={"name": "MedianStopping", "properties": {"evaluation_interval": 1}}))
    warm = {"sampler": {"type": "bayesian"}, "resume_from": ("p1", "p2")}
    whole, _ = run(root, spec("whole", **warm))
    first, _ = run(root, spec("cut", **warm), most=cut)
    assert len(first) == cut
    shutil.rmtree(root / "sweeps" / "p1")
    shutil.rmtree(root / "sweeps" / "p2")
    rest, witness = go_on(root, "cut")
    assert [parent.name for parent in witness.parents] == ([] if cut else ["p1", "p2"])
    with StoreReader.open(root / "sweeps" / "cut") as reader:
        assert [stored.configuration for stored in reader.runs()] == whole
    assert rest == whole[cut:]
    cold, _ = run(root, spec("cold", sampler={"type": "bayesian"}))
    assert cold != whole


def test_what_was_kept_and_dropped_is_told_once_and_stored(root: Path) -> None:
    run(root, spec("parent", 12))
    narrow = {"x": ["uniform", [0, 0.5]], "kind": ["choice", [["b", "c"]]]}
    _, witness = run(root, spec("child", space=narrow, resume_from=("par",)))
    (parent,) = witness.parents
    with StoreReader.open(root / "sweeps" / "parent") as reader:
        fits = [r.number for r in reader.runs() if r.configuration["x"] <= 0.5 and r.configuration["kind"] == "b"]
    assert (parent.name, parent.total, parent.kept) == ("parent", 12, len(fits))
    assert set(dict(parent.dropped)) == {"'x' outside uniform(0, 0.5)", "'kind' was 'a', now it is choice('b', 'c')"}
    with StoreReader.open(root / "sweeps" / "child") as reader:
        assert reader.parents() == [parent]
        assert reader.sweep().spec.resume_from == ("parent",)
    with Store.open(root, "child") as store:
        assert [earlier.number for _, earlier in store.earlier_runs()] == fits
        assert all(len(earlier.reports) == 3 for _, earlier in store.earlier_runs())


def test_any_number_of_sweeps_can_be_started_from(root: Path) -> None:
    for k in range(7):
        run(root, spec(f"p{k}", 2, seed=k))
    _, witness = run(root, spec("child", 3, sampler={"type": "bayesian"}, resume_from=tuple(f"p{k}" for k in range(7))))
    assert [parent.kept for parent in witness.parents] == [2] * 7


@pytest.mark.parametrize(
    ("more", "field", "word"),
    [
        ({"metric": "height"}, "resume_from", "to minimize 'loss', this one to minimize 'height'"),
        ({"goal": Goal.MAXIMIZE}, "resume_from", "this one to maximize 'loss'"),
        ({"resume_from": ("gone",)}, "resume_from", "no sweep is named 'gone'"),
        ({"resume_from": ("parent", "par")}, "resume_from", "twice"),
        ({"resume_rename": {"y": "x"}}, "resume_rename.y", "no earlier run has a parameter of this name"),
        ({"resume_rename": {"x": "y"}}, "resume_rename.x", "the space has no 'y'"),
        ({"resume_defaults": {"x": 3}}, "resume_defaults.x", "never drawn"),
        ({"resume_from": (), "resume_defaults": {"x": 0.5}}, "resume_defaults", "there is no resume_from"),
    ],
)
def test_what_cannot_be_started_from_is_refused_before_anything_is_made(
    root: Path, more: dict[str, Any], field: str, word: str
) -> None:
    run(root, spec("parent", 2))
    with pytest.raises(InputError, match=word) as caught:
        create_sweep(root, spec("child", **{"resume_from": ("parent",), **more}))
    assert caught.value.field == f"hdcore.{field}"
    assert not (root / "sweeps" / "child").exists()


def test_a_function_is_tuned_from_an_earlier_sweep_with_another_name_of_its_parameter(root: Path) -> None:
    def height(configuration: dict[str, Any], run: hd.Run) -> float:
        return float(sum(configuration.values()))

    settings: dict[str, Any] = {"metric": "sum", "max_concurrent": 1, "root": root, "sampler": "bayesian"}
    old = hd.tune(height, {"a": hd.uniform(0, 1)}, max_runs=6, seed=1, name="old", **settings)
    assert old.best is not None
    new = hd.tune(
        height,
        {"b": hd.uniform(0, 1), "c": hd.uniform(0, 1)},
        max_runs=1,
        seed=2,
        resume_from="old",
        resume_rename={"a": "b"},
        resume_defaults={"c": 0},
        **settings,
    )
    assert new.runs[0]["configuration"] == {"b": old.best.configuration["a"], "c": 0}
    assert new.status is RunStatus.COMPLETED
