"""What the sampler says about its own proposals, against a dense Gaussian process and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from reference.gp import Posterior
from scipy import linalg, stats

import hdcore as hd
from hdcore.gp.forecast import OUTCOMES, _back, _improvement, forecast
from hdcore.gp.transform import fit_map
from hdcore.history import RowState
from hdcore.sampling import bayesian


class Dense(Posterior):
    """The twin with given noise and mean, conditioned on some points in one go."""

    def __init__(self, factor, X, y, noise):
        self.X, self.clamp = X, factor.clamp
        self.length, self.sf2, self.mu = np.exp(factor.theta[: factor.d]), factor.sf2, factor.mu
        self.L = linalg.cholesky(self.kernel(X, X) + np.diag(noise), lower=True)
        self.alpha = linalg.cho_solve((self.L, True), y - self.mu)


def seen_by(monkeypatch, optimizer, n):
    """Ask, and return each forecast with the model and the point that it is of."""
    seen = []

    def watched(model, x):
        found = forecast(model, x)
        factor, beyond = model.factor, model.beyond
        values = -optimizer.table.value[model.rows[factor.n :]]
        later = factor.fitted.output(values), np.empty((0, factor.d))
        if beyond is not None:
            later = later[0], (beyond.z[:, : len(beyond.inverse)].T / factor.rate).copy()
        seen.append((found, factor, beyond, later, model.best, x.copy()))
        return found

    monkeypatch.setattr(bayesian, "forecast", watched)
    runs = optimizer.ask(n)
    return runs, seen


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize(("n", "pending", "noise"), [(12, 0, 0.0), (12, 3, 0.05), (137, 0, 0.1), (137, 4, 0.02)])
def test_the_forecast_of_a_proposal_is_that_of_a_dense_process(monkeypatch, n, pending, noise, goal):
    rng = np.random.default_rng(n + pending)
    optimizer = hd.Optimizer({"x": hd.uniform(-1, 1), "y": hd.uniform(0, 2)}, sampler="bayesian", goal=goal, seed=5)
    sign = 1.0 if goal == "maximize" else -1.0
    for x, y in rng.random((n, 2)):
        c = {"x": 2 * x - 1, "y": 2 * y}
        optimizer.add(c, sign * (3.0 - (c["x"] - 0.2) ** 2 - (c["y"] - 1.1) ** 2 + noise * rng.standard_normal()))
    optimizer.ask(pending)
    runs, seen = seen_by(monkeypatch, optimizer, 2)
    assert len(seen) == 2
    for run, (found, factor, beyond, (y_told, E), best, x) in zip(runs, seen, strict=True):
        told = 0 if beyond is None else beyond.told
        assert (told > 0) == (n > 100)
        output, data = factor.fitted.output, factor.data
        points, values = np.concatenate([factor.X, E[:told]]), np.concatenate([data.y, y_told])
        dense = Dense(factor, points, values, np.append(factor.noise, np.full(told, factor.sn2)))
        mean, var = (value[0] for value in dense.predict(x[None, :]))
        y = output.inverse(np.array([mean]))
        assert found.mean == pytest.approx(y[0], rel=1e-7)
        assert found.sd == pytest.approx(output.unscaled(y, np.sqrt([var]))[0], rel=1e-4)
        assert found.incumbent == pytest.approx(output.inverse(np.array([best]))[0])
        # improvement and probability by simulation: outcomes of the pending runs, then the point itself
        means, incumbents = np.array([mean]), np.array([best])
        if len(E) > told:
            whole = Dense(factor, np.concatenate([points, E[told:]]), np.append(values, np.zeros(len(E) - told)),
                          np.append(factor.noise, np.full(len(E), factor.sn2)))  # fmt: skip
            var = whole.predict(x[None, :])[1][0]
            incumbents = beyond.incumbent[:OUTCOMES]
            k = whole.kernel(x[None, :], factor.X)[0]
            means = factor.mu + k @ factor.alpha + beyond.shift[:OUTCOMES] @ (
                whole.kernel(E, x[None, :])[:, 0] - beyond.V[:, : factor.n] @ k
            )  # fmt: skip
            assert means.mean() == pytest.approx(mean, abs=4 * np.sqrt(max(dense.predict(x[None, :])[1][0], 1e-9)))
        normal = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
        drawn = output.inverse(means[:, None] + np.sqrt(var) * normal)
        bars = output.inverse(incumbents)[:, None]
        assert found.improvement == pytest.approx(np.maximum(bars - drawn, 0).mean(), rel=2e-3)
        assert found.probability == pytest.approx((drawn < bars).mean(), abs=2e-3)
        # and in the user's sign
        told_best = optimizer.table.value[optimizer.table.state == RowState.COMPLETED].max()
        proposal = run.proposal
        assert (proposal.how, proposal.told, proposal.pending) == ("model", n, pending + (run is runs[1]))
        assert proposal.mean == pytest.approx(-sign * found.mean)
        assert proposal.best == sign * told_best
        assert (proposal.improvement, proposal.probability) == (found.improvement, found.probability)
        assert proposal.noise == pytest.approx(found.noise)


def test_what_the_model_knew_is_counted_by_kind():
    optimizer = hd.Optimizer({"x": hd.uniform(0, 1)}, sampler="bayesian", policy="median:delay=2", seed=1)
    for value in (0.2, 0.4, 0.6, 0.8):
        optimizer.add({"x": value}, 10 * value, source="parent")
    for run in optimizer.ask(12):
        top = 1 - (run.configuration["x"] - 0.4) ** 2
        told = [optimizer.report(run.number, top * share) for share in (0.5, 0.8, 1.0)]
        status = "failed" if run.number == 5 else "canceled" if told[-1] else "completed"
        optimizer.tell(run.number, status=status)
    states = [run.status for run in optimizer.runs]
    optimizer.ask(2)
    proposal = optimizer.ask().proposal
    assert proposal.how == "model"
    assert proposal.told == states.count("Completed")
    assert 0 < proposal.predicted <= states.count("Canceled")
    assert (proposal.failed, proposal.pending) == (1, 2)
    assert proposal.earlier in (0, 4)


def test_the_first_runs_say_why_no_model_proposed_them():
    optimizer = hd.Optimizer({"x": hd.uniform(0, 1)}, sampler="bayesian", seed=1)
    first = optimizer.ask(8)
    assert [(run.proposal.how, run.proposal.why) for run in first] == [("design", "start")] * 5 + [
        ("design", "few")
    ] * 3
    for run in first:
        optimizer.tell(run.number, 1.0)
    assert optimizer.ask().proposal.why == "equal"
    finite = hd.Optimizer({"x": hd.choice(1, 2, 3, 4, 5, 6, 7)}, sampler="bayesian", seed=1)
    for _ in range(7):
        run = finite.ask()
        finite.tell(run.number, run.configuration["x"])
    assert run.proposal.how == "model"
    follower = hd.Optimizer({"x": hd.uniform(0, 1)}, sampler="bayesian", seed=1)
    for value in (0.2, 0.4, 0.6, 0.8):
        follower.add({"x": value}, value, source="parent")
    assert follower.ask().proposal.how == "earlier"


def test_a_metric_at_the_edge_of_the_floats_has_a_forecast_that_json_can_hold():
    optimizer = hd.Optimizer({"x": hd.uniform(0, 1)}, sampler="bayesian", goal="minimize", seed=2)
    for run in optimizer.ask(6):
        optimizer.tell(run.number, 1.7e308 * (run.configuration["x"] - 0.5))
    proposal = optimizer.ask().proposal
    assert proposal.how == "model"
    told = [proposal.mean, proposal.sd, proposal.noise, proposal.improvement, proposal.probability]
    assert all(value is None or np.isfinite(value) for value in told)
    assert hd.Optimizer.from_json(optimizer.to_json()).explain(6).proposal == proposal


@pytest.mark.parametrize("stretch", [0, 3, 6, 9])
@pytest.mark.parametrize(("ahead", "sd"), [(0.3, 0.2), (-0.3, 0.2), (1.0, 1.0), (2.5, 1.0), (-3.0, 0.5)])
def test_expected_improvement_is_that_of_draws_taken_back_through_the_map(stretch, ahead, sd):
    y = np.random.default_rng(stretch).standard_normal(30) * 1e3 - 7e4
    output = fit_map(y, stretch)
    best = float(output(np.array([y.min()]))[0])
    mean = best + ahead
    drawn = output.inverse(mean + sd * stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000))
    expected = np.maximum(y.min() - drawn, 0.0).mean()
    assert _improvement(output, mean, best, sd) == pytest.approx(expected, rel=2e-3)
    value, slope = _back(output, mean)
    assert value == pytest.approx(output.inverse(np.array([mean]))[0])
    assert slope == pytest.approx(output.unscaled(np.array([value]), np.array([1.0]))[0], rel=1e-6)


@pytest.mark.parametrize("error", [ZeroDivisionError, OverflowError, np.linalg.LinAlgError])
def test_a_forecast_that_fails_leaves_the_proposal_as_it_is(monkeypatch, error):
    def fail(model, x):
        raise error("no forecast")

    def proposed():
        optimizer = hd.Optimizer({"x": hd.uniform(0, 1)}, sampler="bayesian", seed=1, goal="minimize")
        for _ in range(12):
            [run] = optimizer.ask(1)
            optimizer.tell(run.number, (run.configuration["x"] - 0.3) ** 2)
        return run

    expected = proposed()
    monkeypatch.setattr(bayesian, "forecast", fail)
    run = proposed()
    assert run.configuration == expected.configuration
    assert (run.proposal.how, run.proposal.told) == ("model", 11)
    assert run.proposal.best == expected.proposal.best  # in the user's sign all the same
    assert (run.proposal.mean, run.proposal.sd, run.proposal.improvement, run.proposal.probability) == (None,) * 4
