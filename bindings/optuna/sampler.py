"""hdcore's Gaussian process as a sampler of Optuna's."""

from __future__ import annotations

import threading
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler

from hdcore.bindings.optuna.distributions import Axes
from hdcore.bindings.optuna.trials import CommonSpace, TrialTable, goal_of
from hdcore.errors import InputError
from hdcore.sampling import make_sampler
from hdcore.sampling.bayesian import initial_runs
from hdcore.sampling.sobol import SobolSampler
from hdcore.sampling.streams import fresh_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from hdcore.typing import FloatVector, Goal

AHEAD = 8
"""Of so many trials before one it is imagined what their workers are about to propose, where nobody has written it."""

AGAIN = 2
"""Stream of a trial in a space that is used up; 1 is the Bayesian sampler's."""


class HdcoreSampler(BaseSampler):
    """hdcore's Bayesian sampler for Optuna's studies with one objective.

    Parameters that all completed trials have, with equal distributions, are proposed together; all others are drawn
    independently. Trials that were pruned count with the final value that their intermediate values promise, trials
    that failed as a border to step back from, running ones as places where a result is to come.

    Parameters
    ----------
    n_startup : int, optional
        Completed and pruned trials before the model proposes; until then trials are points of a scrambled Sobol
        sequence. By default the first ``5 + d // 2`` trials, at most 10, of d parameters.
    seed : int, optional
        Non-negative. A trial's random numbers follow from the seed and its number, so workers that share a study and a
        seed never draw the same, and a program that goes on with a study does not repeat itself.
    constant_liar : bool, default True
        Whether running trials are known to the model, so that parallel workers spread out. No constant is
        told in place of their results: the model imagines some.

    Raises
    ------
    InputError
        A ValueError: wrong arguments; and from the first suggestion on, a study with several objectives or with
        constraints.

    Notes
    -----
    Calls from several threads are safe. A trial is read once, when it has ended. What is kept follows from the study: a
    copy or an unpickled sampler begins without it and goes on the same.

    A space that is used up, of choices and grids only, is drawn from again, as Optuna's samplers do.

    Examples
    --------
    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=HdcoreSampler(seed=7))
    >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=20)
    >>> study.best_value < 1e-3
    True
    """

    def __init__(self, *, n_startup: int | None = None, seed: int | None = None, constant_liar: bool = True) -> None:
        for name, value in (("n_startup", n_startup), ("seed", seed)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0):
                raise InputError(f"HdcoreSampler: {name} is {value!r}; give a whole number, 0 or more", field=name)
        self._n_startup = None if n_startup is None else int(n_startup)
        self._seed = fresh_seed() if seed is None else int(seed)
        self._own_seed = self._seed  # of what is drawn independently
        self._constant_liar = constant_liar
        self._begin()

    def _begin(self) -> None:
        """Know nothing of any study."""
        self._lock = threading.RLock()
        self._local = threading.local()
        self._study: tuple[BaseStorage, int, str] | None = None
        self._common = CommonSpace()
        self._proposer: _Proposer | None = None

    def reseed_rng(self) -> None:
        """Draw what is drawn independently from another seed.

        Proposals need none: they follow from the study and the number of the trial.
        """
        self._own_seed = fresh_seed()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        with self._lock:
            self._enter(study)
            trials = study.get_trials(deepcopy=False)
            self._local.latest = trial._trial_id, trials  # for the proposal that follows at once
            common = self._common.over(trials)
        return {name: distribution for name, distribution in common.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        with self._lock:
            goal = self._enter(study)
            trial_id, trials = getattr(self._local, "latest", (None, []))
            self._local.latest = None, []
            if not search_space:
                return {}
            if trial_id != trial._trial_id:
                trials = study.get_trials(deepcopy=False)
            proposer = self._proposer
            if proposer is None or proposer.axes.distributions != search_space:
                table = TrialTable(Axes(search_space), goal, sees_running=self._constant_liar)
                proposer = self._proposer = _Proposer(table, self._seed, self._n_startup)
            return proposer.propose(trial, trials)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        with self._lock:
            self._enter(study)
        axes = Axes({param_name: param_distribution})
        row = _uniform(self._own_seed, (trial.number, 0, zlib.crc32(param_name.encode())), 1)
        return axes.decode(axes.space.snap(row[None])[0])[param_name]

    def _enter(self, study: Study) -> Goal:
        """Begin anew if this is another study than before; return its goal."""
        now = study._storage, study._study_id, study.study_name
        if now != self._study:
            self._goal = goal_of(study, "HdcoreSampler")
            self._study, self._common, self._proposer = now, CommonSpace(), None
            self._local.latest = None, []
        return self._goal

    def __getstate__(self) -> dict[str, Any]:
        kept = ("_n_startup", "_seed", "_own_seed", "_constant_liar")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()


class _Proposer:
    """hdcore's samplers over the trials of one study and one space."""

    def __init__(self, table: TrialTable, seed: int, n_startup: int | None) -> None:
        self.axes, self._table, self._seed, self._n_startup = table.axes, table, seed, n_startup
        self._model = make_sampler("bayesian")
        self._model.bind(self.axes.space, seed)
        self._design = SobolSampler()
        self._design.bind(self.axes.space, seed)

    def propose(self, trial: FrozenTrial, trials: list[FrozenTrial]) -> dict[str, Any]:
        self._table.follow(trials)
        rows, number = self._table.rows, trial.number
        if self._n_startup is not None and self._table.results < max(self._n_startup, 2):
            found = self._design.propose(rows, number, 1)
        else:  # as in a batch with trials that start at this moment: their own workers come to the same
            ahead = self._table.starting(trial, trials, AHEAD)
            shift = 0 if self._n_startup is None else initial_runs(rows.d)  # beyond the model's own design
            found = self._model.propose(rows, number + shift - ahead, ahead + 1)[ahead:]
        if len(found):
            return self._table.propose(trial, found[0])
        again = _uniform(self._seed, (number, AGAIN), rows.d)
        return self._table.propose(trial, self.axes.space.snap(again[None])[0])


def _uniform(seed: int, key: tuple[int, ...], d: int) -> FloatVector:
    """One row of U(0, 1), always the same for a seed and a key."""
    drawn: FloatVector = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key))).random(d)
    return drawn
