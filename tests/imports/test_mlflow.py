"""Experiments, through a client with the answers of MLflow's."""

from __future__ import annotations

from types import SimpleNamespace as Thing
from typing import Any

import pytest

from hdcore.errors import InputError
from hdcore.imports.mlflow_runs import from_client
from hdcore.typing import Goal, RunStatus


class Page(list[Any]):
    token: str | None = None


class Client:
    """Two runs a page, as a server with many runs has them."""

    def __init__(self, *runs: Thing) -> None:
        self.runs = list(runs)

    def get_experiment_by_name(self, name: str) -> Thing | None:
        return Thing(experiment_id="7", name="digits") if name == "digits" else None

    def get_experiment(self, experiment_id: str) -> Thing:
        if experiment_id != "7":
            raise RuntimeError("RESOURCE_DOES_NOT_EXIST")
        return Thing(experiment_id="7", name="digits")

    def search_experiments(self, max_results: int) -> list[Thing]:
        return [Thing(name="digits")]

    def search_runs(self, ids: list[str], order_by: list[str], max_results: int, page_token: str | None) -> Page:
        assert ids == ["7"]
        first = int(page_token or 0)
        page = Page(self.runs[first : first + 2])
        page.token = str(first + 2) if first + 2 < len(self.runs) else None
        return page

    def get_metric_history(self, run_id: str, name: str) -> list[Thing]:
        (run,) = [run for run in self.runs if run.info.run_id == run_id]
        return list(run.history)


def run(key: str, status: str, params: dict[str, str], losses: list[float], **tags: str) -> Thing:
    metrics = {"loss": losses[-1], "seconds": 2.5} if losses else {}
    history = [Thing(step=k, timestamp=1000 + k, value=v) for k, v in enumerate(losses)]
    return Thing(
        info=Thing(run_id=key, status=status, start_time=1000, end_time=3500),
        data=Thing(params=params, metrics=metrics, tags=tags),
        history=history[::-1],  # no order is promised
    )


PARENT = {"mlflow.parentRunId": "parent"}
RUNS = [
    run("parent", "FINISHED", {"cv": "5"}, []),
    run("a", "FINISHED", {"lr": "0.1", "net": "mlp"}, [0.9, 0.5, 0.7], **PARENT),
    run("b", "KILLED", {"lr": "0.001", "net": "cnn"}, [2.0], **PARENT),
    run("c", "FAILED", {"lr": "0.01", "net": "mlp"}, [], **PARENT),
    run("d", "RUNNING", {"lr": "0.5", "net": "mlp"}, [1.0], **PARENT),
]


def read(*runs: Thing, experiment: str = "digits", metric: str = "loss", **more: Any) -> Any:
    return from_client(
        Client(*runs), "http://host", experiment, metric=metric, goal=Goal.MINIMIZE, space=more.get("space")
    )


@pytest.mark.parametrize("experiment", ["digits", "7"])
def test_runs_come_with_parameters_of_their_kinds_and_the_history_of_the_metric(experiment: str) -> None:
    found = read(*RUNS, experiment=experiment)
    assert [one.configuration for one in found.runs] == [
        {"lr": 0.1, "net": "mlp"},
        {"lr": 0.001, "net": "cnn"},
        {"lr": 0.01, "net": "mlp"},
    ]
    assert [one.status for one in found.runs] == [RunStatus.COMPLETED, RunStatus.CANCELED, RunStatus.FAILED]
    assert [one.value for one in found.runs] == [0.5, 2.0, None]
    assert found.runs[0].series == {"seconds": [(None, 2.5)], "loss": [(0, 0.9), (1, 0.5), (2, 0.7)]}
    assert (found.runs[0].started, found.runs[0].ended) == (1.0, 3.5)
    assert (found.total, found.dropped) == (5, {"parent of other runs": 1, "not ended": 1})
    assert (found.name, found.inferred) == ("digits", True)


def test_a_given_space_says_which_parameters_count() -> None:
    space = {"lr": ["uniform", [0, 1]]}
    found = read(*RUNS, space=space)
    assert [one.configuration for one in found.runs] == [{"lr": 0.1}, {"lr": 0.001}, {"lr": 0.01}]
    assert found.space == space


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no experiment 'x'; there is digits"):
        read(*RUNS, experiment="x")
    with pytest.raises(InputError, match="no experiment '8'"):
        read(*RUNS, experiment="8")
    with pytest.raises(InputError, match="no run of 'digits' has the metric 'acc'; there is loss, seconds"):
        read(*RUNS, metric="acc")


def test_a_password_in_the_address_is_neither_stored_nor_told() -> None:
    client = Client(run("a", "FINISHED", {"lr": "0.1"}, [0.5]))
    address = "https://me:secret@host:5000"
    found = from_client(client, address, "digits", metric="loss", goal=Goal.MINIMIZE, space=None)
    assert found.source == "experiment digits of https://***@host:5000"
    with pytest.raises(InputError) as raised:
        from_client(client, address, "nowhere", metric="loss", goal=Goal.MINIMIZE, space=None)
    assert raised.value.source == "https://***@host:5000"
