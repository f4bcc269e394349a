"""Samplers behind one small protocol: `ask` for a configuration, `tell` its value, one at a time, minimised.

Other libraries see the encoded columns of the space with their kinds: a position in [0, 1] for a continuous parameter
(log scales included), a whole number for ordered levels, a category otherwise. Columns that are inactive in a
configuration are proposed and ignored, except by Optuna's TPE, which knows conditional parameters and does better on
`svm_digits` when it is not asked for them; Optuna's GP does not, and would draw them at random. Each runs with its own
default settings. A library is imported when its sampler is made.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

import hdcore as hd
from hdcore.errors import ExhaustedError
from hdcore.space import CONTINUOUS, ORDERED


class Peer(Protocol):
    """A sampler at work on one problem.

    `ask` and `tell` alternate. `ask` may raise `StopIteration` when a finite space is used up.
    """

    def ask(self) -> dict[str, Any]: ...

    def tell(self, value: float) -> None: ...


class PeerMissingError(RuntimeError):
    """The library of a peer does not import here; the message is one line."""


# ---------------------------------------------------------------------------------------------------------- hdcore


class Hdcore:
    """hdcore's own samplers."""

    def __init__(self, space: hd.SearchSpace, seed: int, sampler: str) -> None:
        self._optimizer = hd.Optimizer(space, sampler=sampler, goal="minimize", seed=seed)

    def ask(self) -> dict[str, Any]:
        try:
            self._run = self._optimizer.ask()
        except ExhaustedError as error:
            raise StopIteration from error
        return dict(self._run.configuration)

    def tell(self, value: float) -> None:
        self._optimizer.tell(self._run.number, value)


# --------------------------------------------------------------------------------------------------- other libraries


class Encoded:
    """Base of the peers that propose one value a column: a position, a level or a category."""

    def __init__(self, space: hd.SearchSpace) -> None:
        self._space = space
        self.columns = space.columns

    def configuration(self, values: Sequence[float]) -> dict[str, Any]:
        """Decode a position in [0, 1] for each continuous column and a level for each other one."""
        row = np.empty(len(self.columns))
        level = [0] * len(row)
        for k, (column, value) in enumerate(zip(self.columns, values, strict=True)):
            if column.kind == CONTINUOUS:
                row[k] = min(max(float(value), 0.0), 1.0 - 1e-12)
            else:
                level[k] = min(max(int(value), 0), column.levels - 1)
                row[k] = (level[k] + 0.5) / column.levels
        for k, column in enumerate(self.columns):  # parents stand before their children
            if column.parent >= 0:
                above = row[column.parent]
                if math.isnan(above) or level[column.parent] != column.parent_level:
                    row[k] = np.nan
        return self._space.decode_row(row)


class Optuna(Encoded):
    """Optuna's samplers through ask and tell, in memory."""

    def __init__(self, space: hd.SearchSpace, seed: int, sampler: str, *, is_conditional: bool) -> None:
        super().__init__(space)
        self._is_conditional = is_conditional
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        if sampler == "GPSampler":
            import torch

            torch.set_num_threads(1)
        self._study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed))

    def ask(self) -> dict[str, Any]:
        self._trial = trial = self._study.ask()
        values: list[float] = []
        for column in self.columns:  # parents stand before their children
            if self._is_conditional and column.parent >= 0 and values[column.parent] != column.parent_level:
                values.append(-1)  # no level: what hangs on this column is inactive too
            elif column.kind == CONTINUOUS:
                values.append(trial.suggest_float(column.name, 0.0, 1.0))
            elif column.kind == ORDERED:
                values.append(trial.suggest_int(column.name, 0, column.levels - 1))
            else:
                values.append(trial.suggest_categorical(column.name, list(range(column.levels))))
        return self.configuration(values)

    def tell(self, value: float) -> None:
        self._study.tell(self._trial, value)


class Cma(Encoded):
    """CMA-ES on the unit box from a random start, started again when it has converged; levels by rounding down."""

    def __init__(self, space: hd.SearchSpace, seed: int) -> None:
        super().__init__(space)
        import cma

        self._cma = cma
        self._rng = np.random.default_rng(seed)
        self._waiting: list[np.ndarray] = []
        self._done: list[tuple[np.ndarray, float]] = []
        self._start()

    def _start(self) -> None:
        options = {"bounds": [0, 1], "seed": int(self._rng.integers(1, 2**31)), "verbose": -9}
        start = self._rng.uniform(0, 1, len(self.columns))
        self._strategy = self._cma.CMAEvolutionStrategy(start, 0.3, options)

    def ask(self) -> dict[str, Any]:
        if not self._waiting:
            self._waiting = list(self._strategy.ask())
        self._point = self._waiting.pop(0)
        return self.configuration([x if c.levels == 0 else x * c.levels for x, c in zip(self._point, self.columns)])  # noqa: B905

    def tell(self, value: float) -> None:
        self._done.append((self._point, value))
        if not self._waiting:
            self._strategy.tell([x for x, _ in self._done], [y for _, y in self._done])
            self._done = []
            if self._strategy.stop():
                self._start()


class Nevergrad(Encoded):
    """Nevergrad's NGOpt, which wants to know its budget. Its first point is the centre."""

    def __init__(self, space: hd.SearchSpace, seed: int, budget: int) -> None:
        super().__init__(space)
        import nevergrad as ng

        fields: list[Any] = []
        for column in self.columns:
            if column.kind == CONTINUOUS:
                fields.append(ng.p.Scalar(lower=0.0, upper=1.0))
            elif column.kind == ORDERED and column.levels > 1:
                fields.append(ng.p.Scalar(lower=0, upper=column.levels - 1).set_integer_casting())
            else:
                fields.append(ng.p.Choice(list(range(column.levels))))
        fields_tuple = ng.p.Tuple(*fields)
        fields_tuple.random_state = np.random.RandomState(seed)
        self._optimizer = ng.optimizers.NGOpt(parametrization=fields_tuple, budget=budget, num_workers=1)

    def ask(self) -> dict[str, Any]:
        self._point = self._optimizer.ask()
        return self.configuration(self._point.value)

    def tell(self, value: float) -> None:
        self._optimizer.tell(self._point, value)


class Hyperopt(Encoded):
    """hyperopt's TPE."""

    def __init__(self, space: hd.SearchSpace, seed: int) -> None:
        super().__init__(space)
        import hyperopt
        from hyperopt import hp

        logging.getLogger("hyperopt").setLevel(logging.ERROR)
        axes = {}
        for k, column in enumerate(self.columns):
            if column.kind == CONTINUOUS:
                axes[f"c{k}"] = hp.uniform(f"c{k}", 0, 1)
            elif column.kind == ORDERED:
                axes[f"c{k}"] = hp.quniform(f"c{k}", -0.5, column.levels - 0.5, 1)
            else:
                axes[f"c{k}"] = hp.choice(f"c{k}", list(range(column.levels)))
        self._hyperopt = hyperopt
        self._axes = axes
        self._trials = hyperopt.Trials()
        self._domain = hyperopt.base.Domain(lambda _: 0.0, axes)
        self._rng = np.random.default_rng(seed)

    def ask(self) -> dict[str, Any]:
        ids = self._trials.new_trial_ids(1)
        self._trials.refresh()
        (trial,) = self._hyperopt.tpe.suggest(ids, self._domain, self._trials, int(self._rng.integers(2**31 - 1)))
        self._trial = trial
        point = self._hyperopt.space_eval(self._axes, {key: v[0] for key, v in trial["misc"]["vals"].items()})
        return self.configuration([point[f"c{k}"] for k in range(len(self.columns))])

    def tell(self, value: float) -> None:
        self._trial["state"] = self._hyperopt.JOB_STATE_DONE
        self._trial["result"] = {"status": self._hyperopt.STATUS_OK, "loss": float(value)}
        self._trials.insert_trial_doc(self._trial)
        self._trials.refresh()


class Skopt(Encoded):
    """scikit-optimize's Gaussian process."""

    def __init__(self, space: hd.SearchSpace, seed: int) -> None:
        super().__init__(space)
        import skopt

        warnings.simplefilter("ignore")  # it warns about every repeated point
        axes: list[Any] = []
        for column in self.columns:
            if column.kind == CONTINUOUS:
                axes.append(skopt.space.Real(0.0, 1.0))
            elif column.kind == ORDERED and column.levels > 1:
                axes.append(skopt.space.Integer(0, column.levels - 1))
            else:
                axes.append(skopt.space.Categorical(list(range(column.levels))))
        self._optimizer = skopt.Optimizer(axes, random_state=seed)

    def ask(self) -> dict[str, Any]:
        self._point = self._optimizer.ask()
        return self.configuration(self._point)

    def tell(self, value: float) -> None:
        self._optimizer.tell(self._point, value)


Make = Callable[[hd.SearchSpace, int, int], Peer]

PEERS: dict[str, Make] = {
    "bayesian": lambda space, seed, budget: Hdcore(space, seed, "bayesian"),
    "random": lambda space, seed, budget: Hdcore(space, seed, "random"),
    "sobol": lambda space, seed, budget: Hdcore(space, seed, "sobol"),
    "tpe": lambda space, seed, budget: Optuna(space, seed, "TPESampler", is_conditional=True),
    "optuna-gp": lambda space, seed, budget: Optuna(space, seed, "GPSampler", is_conditional=False),
    "cma": lambda space, seed, budget: Cma(space, seed),
    "ngopt": lambda space, seed, budget: Nevergrad(space, seed, budget),
    "hyperopt": lambda space, seed, budget: Hyperopt(space, seed),
    "skopt": lambda space, seed, budget: Skopt(space, seed),
}


OWN = ("bayesian", "random", "sobol")
"""Peers whose errors are ours and end a campaign."""


def make_peer(name: str, space: hd.SearchSpace, seed: int, budget: int) -> Peer:
    """Return the sampler `name`, which may carry a label: ``bayesian@idea`` is ``bayesian`` under another name.

    Raises
    ------
    PeerMissingError
        If its library does not import.
    """
    try:
        return PEERS[name.partition("@")[0]](space, seed, budget)
    except ImportError as error:
        raise PeerMissingError(f"{name} is left out: {error}".splitlines()[0]) from error
