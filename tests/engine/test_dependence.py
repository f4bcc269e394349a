"""Partial dependence against averages of predictions, one configuration at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hdcore as hd
from hdcore.engine.dependence import partial_dependence
from hdcore.errors import InputError
from hdcore.sampling.sobol import even_points
from hdcore.space import SearchSpace

SPACE = {
    "lr": hd.log_range(1e-5, 1e-1),
    "units": hd.quniform(16, 512, 16),
    "opt": hd.choice("sgd", "adam", "lamb"),
    "net": hd.choice({"kind": "mlp", "layers": hd.choice(1, 2, 3)}, {"kind": "conv", "width": hd.uniform(1, 2)}),
}


def value(configuration: dict[str, Any]) -> float:
    bonus = {"sgd": 0.0, "adam": 0.3, "lamb": 0.1}[configuration["opt"]]
    net = configuration["net"]
    inner = 0.1 * net["layers"] if net["kind"] == "mlp" else 0.2 * net["width"]
    return 0.9 - 0.05 * (np.log10(configuration["lr"]) + 3) ** 2 + bonus + inner - configuration["units"] / 4000


@pytest.fixture(scope="module", params=["maximize", "minimize"])
def optimizer(request: pytest.FixtureRequest) -> hd.Optimizer:
    optimizer = hd.Optimizer(SPACE, goal=request.param, seed=3)
    for run in optimizer.ask(40):
        optimizer.tell(run.number, value(run.configuration))
    return optimizer


def configured(space: SearchSpace, **changes: Any) -> list[dict[str, Any]]:
    """The configurations that are averaged over, with some values in place of theirs."""
    rows = even_points(128, len(space.columns))
    names = [column.name for column in space.columns]
    if "net" in changes:
        rows[:, names.index("net")] = 0.25 if changes["net"] == "mlp" else 0.75
    found = []
    for configuration in space.decode(space.snap(rows)):
        for name, new in changes.items():
            if name == "net":
                assert configuration["net"]["kind"] == new
            elif name in ("layers", "width"):
                configuration["net"][name] = new
            else:
                configuration[name] = new
        found.append(configuration)
    return found


@pytest.mark.parametrize("name", ["lr", "units", "opt", "net.0.layers", "net.1.width"])
def test_one_parameter_is_the_average_of_the_predictions(optimizer: hd.Optimizer, name: str) -> None:
    model = optimizer.model()
    found = model.partial_dependence([name])
    assert len(found.mean) >= 3
    fixed = {"net.0.layers": {"net": "mlp"}, "net.1.width": {"net": "conv"}}.get(name, {})
    for at, mean, sd in zip(found.values[0], found.mean, found.sd, strict=True):
        change = {**fixed, name.rpartition(".")[2]: int(at) if name == "net.0.layers" else at}
        expected = model.predict(configured(optimizer.space, **change))
        assert mean == pytest.approx(expected[0].mean(), rel=1e-6, abs=1e-9), at
        assert sd == pytest.approx(expected[1].mean(), rel=1e-5, abs=1e-9), at


def test_two_parameters_are_the_average_of_the_predictions(optimizer: hd.Optimizer) -> None:
    model = optimizer.model()
    found = model.partial_dependence(["opt", "lr"], points=5)
    assert found.mean.shape == (3, 5)
    for (i, j), mean in np.ndenumerate(found.mean):
        rows = configured(optimizer.space, opt=found.values[0][i], lr=found.values[1][j])
        assert mean == pytest.approx(model.predict(rows)[0].mean(), rel=1e-6, abs=1e-9)


def test_what_the_function_does_is_seen(optimizer: hd.Optimizer) -> None:
    model = optimizer.model()
    found = model.partial_dependence(["lr"])
    assert 10**-3.6 < found.places[0][found.mean.argmax()] < 10**-2.4
    options = model.partial_dependence(["opt"])
    assert options.values[0][options.mean.argmax()] == "adam"
    assert options.mean.max() - options.mean.min() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["nothing"], "no parameter 'nothing'; there are lr, units"),
        (["lr", "lr"], "one parameter or two different ones"),
        ([], "one parameter or two"),
        (["net.0.layers", "net.1.width"], "never active together"),
        (["net", "net.0.layers"], "one value of the other only"),
    ],
)
def test_parameters_that_cannot_be_shown_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        partial_dependence(SearchSpace(SPACE), lambda rows: (rows[:, 0], rows[:, 0]), names)


def test_distributions_without_ends_are_shown_where_draws_fall() -> None:
    space = SearchSpace({"x": hd.normal(0, 1), "y": hd.qlognormal(0, 1, 1), "wide": hd.randint(10_000)})
    by_first = partial_dependence(space, lambda rows: (rows[:, 0], rows[:, 0]), ["x"])
    assert by_first.places[0][0] == pytest.approx(-2.326, abs=1e-3)
    assert np.isfinite(by_first.places[0]).all()
    grid = partial_dependence(space, lambda rows: (rows[:, 0], rows[:, 0]), ["y"]).places[0]
    assert (grid == np.round(grid)).all()
    wide = partial_dependence(space, lambda rows: (rows[:, 0], rows[:, 0]), ["wide"]).places[0]
    assert (wide[0], wide[-1], len(wide)) == (0, 9_999, 40)
