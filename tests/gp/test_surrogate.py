"""The model for people: predictions and leave-one-out against scikit-learn, laws, and repeatability."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

import hdcore as hd
from hdcore.errors import StateError
from hdcore.gp.transform import STRETCHES, fit_map
from hdcore.sampling.learning import Learning

SPACE = {"x": hd.uniform(0, 1), "y": hd.uniform(0, 1)}


def told(n, f, *, seed=0, goal="minimize", sampler="random"):
    optimizer = hd.Optimizer(SPACE, sampler=sampler, goal=goal, seed=seed)
    for run in optimizer.ask(n):
        optimizer.tell(run.number, f(run.configuration))
    return optimizer


def wavy(c):
    return math.sin(5 * c["x"]) + c["y"] ** 2


def peer(model, optimizer):
    """scikit-learn's regressor of the mapped values with our hyperparameters, and the map."""
    factor = model._surrogate.factor
    d = factor.d
    kernel = ConstantKernel(factor.sf2) * Matern(np.exp(factor.theta[:d]), nu=2.5) + WhiteKernel(factor.sn2)
    gp = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0)
    return gp.fit(factor.X, factor.data.y - factor.mu), factor


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_predictions_are_those_of_scikit_learn_in_the_units_of_the_metric(goal):
    optimizer = told(25, lambda c: 40 * wavy(c) + 7, goal=goal)
    model = optimizer.model()
    gp, factor = peer(model, optimizer)
    points = [run.configuration for run in hd.Optimizer(SPACE, seed=9).ask(30)]
    Q = np.array([[c["x"], c["y"]] for c in points])
    mean, sd = gp.predict(Q, return_std=True)
    sd = np.sqrt(np.maximum(sd**2 - factor.sn2, 0))
    output, step = factor.fitted.output, 1e-6
    mean += factor.mu
    slope = (output.inverse(mean + step) - output.inverse(mean - step)) / (2 * step)
    ours = optimizer.predict(points)
    sign = 1 if goal == "minimize" else -1
    np.testing.assert_allclose(ours[0], sign * output.inverse(mean), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours[1], sd * slope, rtol=1e-4, atol=1e-3)
    truth = [40 * wavy(c) + 7 for c in points]
    assert np.sqrt(np.mean((ours[0] - truth) ** 2)) < 0.1 * np.std(truth)


def test_leaving_one_out_is_refitting_without_it():
    optimizer = told(15, wavy)
    model = optimizer.model()
    _, factor = peer(model, optimizer)
    found = model.leave_one_out()
    kernel = ConstantKernel(factor.sf2) * Matern(np.exp(factor.theta[:2]), nu=2.5) + WhiteKernel(factor.sn2)
    for i in range(15):
        keep = np.arange(15) != i
        gp = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0)
        mean, sd = gp.fit(factor.X[keep], factor.data.y[keep] - factor.mu).predict(factor.X[[i]], return_std=True)
        mean = mean + factor.mu
        assert found.mean[i] == pytest.approx(factor.fitted.output.inverse(mean)[0], rel=1e-5)
        assert found.error[i] == pytest.approx((factor.data.y[i] - mean[0]) / sd[0], rel=1e-4, abs=1e-4)
    assert found.run.tolist() == list(range(15))
    np.testing.assert_allclose(found.value, [run.value for run in optimizer.runs], atol=1e-6)


def test_a_parameter_without_effect_has_the_longest_length_scale():
    scales = told(40, lambda c: math.sin(9 * c["x"])).model().length_scales
    assert list(scales) == ["x", "y"]
    assert scales["y"] > 5 * scales["x"]


def test_the_noise_of_runs_is_told_from_the_objective():
    rng = np.random.default_rng(0)
    model = told(80, lambda c: 3 * wavy(c) + 0.3 * rng.standard_normal()).model()
    assert 0.15 < model.noise < 0.6


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=30), st.sampled_from(range(len(STRETCHES))))
def test_the_inverse_of_the_output_map_undoes_it(values, index):
    y = np.array(values)
    found = fit_map(y, index)
    if found is None or not found.unit > 1e-6 * np.ptp(y):
        return
    np.testing.assert_allclose(found.inverse(found(y)), y, rtol=1e-6, atol=1e-6 * np.ptp(y))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12))
def test_predictions_are_finite_and_repeatable_whatever_was_told(seed, n):
    rng = np.random.default_rng(seed)
    optimizer = hd.Optimizer(SPACE, goal="minimize", seed=seed)
    for i, run in enumerate(optimizer.ask(n + 1)):
        value = 1.0 if i == 0 else float(rng.choice([rng.standard_normal(), 1.0, 1e200, math.nan]))
        optimizer.tell(run.number, value)
        optimizer.add(run.configuration, 1.0)
    again = hd.Optimizer.from_json(optimizer.to_json())
    points = [run.configuration for run in hd.Optimizer(SPACE, seed=1).ask(5)]
    for ours, theirs in zip(optimizer.predict(points), again.predict(points), strict=True):
        assert np.all(np.isfinite(ours))
        np.testing.assert_array_equal(ours, theirs)


def test_predictions_follow_scale_and_offset_of_the_metric():
    points = [run.configuration for run in hd.Optimizer(SPACE, seed=1).ask(5)]
    one, other = told(20, wavy).predict(points), told(20, lambda c: 1e6 * wavy(c) + 5).predict(points)
    np.testing.assert_allclose(1e6 * one[0] + 5, other[0], rtol=1e-6)
    np.testing.assert_allclose(1e6 * one[1], other[1], rtol=1e-5)


def test_without_a_result_there_is_no_model_and_after_equal_ones_a_constant():
    with pytest.raises(StateError, match="finite"):
        hd.Optimizer(SPACE).model()
    mean, sd = told(3, lambda c: 4.0).predict([{"x": 0.1, "y": 0.2}])
    assert mean[0] == 4.0
    assert sd[0] == 0.0
    assert math.isnan(told(1, lambda c: 4.0).predict([{"x": 0.1, "y": 0.2}])[1][0])


def test_coordinates_are_kept_as_the_table_grows():
    optimizer = told(5, wavy)
    learning = Learning(optimizer.space)
    assert len(learning.evidence(optimizer.table).told) == 5
    optimizer.tell(optimizer.ask().number, 0.5)
    assert len(learning.evidence(optimizer.table).told) == 6
