"""The problems of the regret suite: stated optima hold, and nothing in the suite depends on chance."""

from __future__ import annotations

import numpy as np
import pytest
from regret.problems import COARSE_FLOOR, FAMILIES, HALVES, PROBLEMS, Problem
from scipy.optimize import minimize

import hdcore as hd

EACH = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=lambda problem: problem.name)
BOXES = [problem for problem in PROBLEMS.values() if problem.space.names[0] == "x0"]
EACH_BOX = pytest.mark.parametrize("problem", BOXES, ids=lambda problem: problem.name)


def draws(problem: Problem, n: int, seed: int) -> list[dict[str, object]]:
    columns = hd.sample(problem.space, n, seed=seed)
    plain = {name: column.tolist() for name, column in columns.items()}
    return [{name: column[k] for name, column in plain.items()} for k in range(n)]


def at(problem: Problem, u: np.ndarray) -> float:
    return problem.function(dict(zip(problem.space.names, u.tolist(), strict=True)))


@EACH
def test_stated_configuration_has_the_stated_minimum(problem: Problem) -> None:
    problem.space.validate(problem.best)
    # relative: sums of about twenty terms; absolute: squares of coordinates that are rounded in the eighth digit
    assert problem.function(problem.best) == pytest.approx(problem.optimum, rel=1e-12, abs=1e-12)


@EACH
def test_no_drawn_configuration_is_below_the_minimum(problem: Problem) -> None:
    values = [problem.function(configuration) for configuration in draws(problem, 2000, seed=3)]
    assert min(values) >= problem.optimum
    assert np.isfinite(values).all()


@EACH_BOX
def test_descent_from_many_starts_never_passes_the_minimum(problem: Problem) -> None:
    d = len(problem.space.names)
    starts = np.vstack([np.random.default_rng(4).uniform(0, 1, (6, d)), list(problem.best.values())])
    for start in starts:
        found = minimize(
            lambda u: at(problem, u), start, method="L-BFGS-B", bounds=[(0, 1)] * d, options={"maxiter": 60}
        )
        assert found.fun >= problem.optimum - 1e-11 * (1 + abs(problem.optimum))


@EACH_BOX
def test_no_minimum_is_central_or_on_the_diagonal(problem: Problem) -> None:
    u = np.array(list(problem.best.values()))
    assert (u > 0.1).all()
    assert (u < 0.9).all()
    assert np.linalg.norm(u - 0.5) > 0.07 * np.sqrt(len(u))
    assert np.ptp(u) > 0.2


@pytest.mark.parametrize("problem", [p for p in PROBLEMS.values() if p.space.size], ids=lambda problem: problem.name)
def test_grid_of_a_table_holds_the_minimum_and_nothing_below(problem: Problem) -> None:
    values = [problem.function(configuration) for configuration in hd.grid(problem.space)]
    assert len(values) == problem.space.size >= 500
    assert min(values) == problem.optimum


@EACH
def test_noise_is_a_function_of_problem_seed_and_evaluation(problem: Problem) -> None:
    first = [problem.observe(problem.best, seed, k) for seed in (0, 1) for k in (0, 1)]
    assert first == [problem.observe(problem.best, seed, k) for seed in (0, 1) for k in (0, 1)]
    observed, values = zip(*first, strict=True)
    assert set(values) == {problem.function(problem.best)}
    assert len(set(observed)) == (4 if problem.noise else 1)
    assert problem.noise is None or problem.floor == COARSE_FLOOR


def test_each_half_has_problems_of_each_family() -> None:
    for half in HALVES:
        for family in FAMILIES:
            assert sum(p.half == half and p.family == family for p in PROBLEMS.values()) >= 3


def test_regret_is_one_for_the_median_draw_and_ends_at_the_floor() -> None:
    problem = PROBLEMS["branin2"]
    values = [problem.function(configuration) for configuration in draws(problem, 4000, seed=9)]
    assert np.median([problem.regret(value) for value in values]) == pytest.approx(1, rel=0.15)  # 5 sd of the median
    assert problem.regret(problem.optimum) == problem.floor
