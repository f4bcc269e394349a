"""The optimizer: ask for configurations, report intervals, tell final values.

A pure state machine: no clock, no files, no threads of its own. Everything it decides follows from the seed and the
calls in their order, so that a sweep can be replayed in a test and continued after a crash.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any, SupportsFloat, overload

import numpy as np

from hdcore import policies
from hdcore.engine import state_json
from hdcore.engine.stops import Witness
from hdcore.errors import ExhaustedError, InputError, StateError
from hdcore.history import RowState, RunTable
from hdcore.reasons import Explanation, Proposal, Stop
from hdcore.records import BestRun, Run, RunRecord
from hdcore.sampling import make_sampler
from hdcore.space import SearchSpace
from hdcore.typing import Configuration, Goal, RunStatus

if TYPE_CHECKING:
    from hdcore.engine.model import Model
    from hdcore.policies.base import Judge, Policy
    from hdcore.sampling.base import Sampler
    from hdcore.typing import FloatVector

_STATUS = {
    RowState.PENDING: RunStatus.RUNNING,
    RowState.COMPLETED: RunStatus.COMPLETED,
    RowState.FAILED: RunStatus.FAILED,
    RowState.CANCELED: RunStatus.CANCELED,
}
_STATE = {status: state for state, status in _STATUS.items() if state is not RowState.PENDING}


class Optimizer:
    """Propose configurations and decide early termination for one sweep.

    Parameters
    ----------
    space : SearchSpace or mapping
        Name -> expression (`uniform(0, 1)`), serialised expression (``["uniform", [0, 1]]``) or constant.
    sampler : str, dict or Sampler
        ``"random"``, ``"sobol"``, ``"grid"``, ``"bayesian"``, Azure's object form as a dict, or an object with the
        `Sampler` protocol.
    goal : Goal or str
        Whether the metric is to grow or to shrink.
    policy : Policy, dict, str or None
        Early termination; a dict is Azure's serialised form, a string the command line's (``"median:delay=5"``).
    seed : int or None
        Non-negative. None draws one; it stands in `seed`, so that the sweep can be repeated.

    Raises
    ------
    SpaceError
        If the space is not valid, or the sampler cannot serve it.
    InputError
        If another argument cannot be meant.

    Notes
    -----
    Every method and property may be called from any thread, at any time: each holds the optimizer's own lock from start
    to end, so calls to one optimizer come one after the other, and what a call returns is a copy. The attributes that
    are no methods (`space`, `goal`, `seed`, `policy`, `sampler`) never change; `table` is for reading while nobody
    calls. The kernels behind `ask` release the interpreter's lock, so that other threads go on meanwhile. Optimizers
    share nothing: however many there are in a process, each answers as it would alone. After a fork, use those made
    before it only if no other thread was calling them.

    Run `i` draws from
    ``numpy.random.SeedSequence(seed, spawn_key=(i,))``, whatever was told before, so random, Sobol and grid sweeps
    have the same configurations at any concurrency.

    Examples
    --------
    >>> import hdcore as hd
    >>> optimizer = hd.Optimizer({"x": hd.uniform(-1, 1)}, sampler="random", goal="minimize", seed=7)
    >>> for run in optimizer.ask(20):
    ...     optimizer.tell(run.number, run.configuration["x"] ** 2)
    >>> optimizer.best.value < 0.1
    True
    """

    def __init__(
        self,
        space: SearchSpace | Mapping[str, Any],
        *,
        sampler: str | Mapping[str, Any] | Sampler = "random",
        goal: Goal | str = Goal.MAXIMIZE,
        policy: Policy | Mapping[str, Any] | str | None = None,
        seed: int | None = None,
    ) -> None:
        self.space = space if isinstance(space, SearchSpace) else SearchSpace(space)
        self.goal = Goal.parse(goal)
        self.seed = _check_seed(seed)
        self.policy = _as_policy(policy)
        self.sampler = make_sampler(sampler)
        self.sampler.bind(self.space, self.seed)
        self.table = RunTable(len(self.space.columns))
        self.exhausted = False
        """True once the sampler had fewer configurations than were asked for."""
        self._sign = self.goal.sign
        self._judge: Judge | None = None if self.policy is None else self.policy.judge()
        self._row: list[int] = []  # run number -> row of the table
        self._given: dict[int, Configuration] = {}  # row -> configuration that did not come from the sampler
        self._stopped: set[int] = set()  # run numbers
        self._proposals: dict[int, Proposal] = {}  # run number -> how its configuration came to be
        self._stops: dict[int, Stop] = {}  # run number -> why the policy ended it
        self._witness: Witness | None = None if self.policy is None else Witness(self.policy, self._sign)
        self._sources: list[str] = []  # source code - 2 -> name
        self._best: tuple[int, int | None] | None = None  # row, run number
        self._lock = RLock()

    # ------------------------------------------------------------------ proposing

    @overload
    def ask(self, n: None = None) -> Run: ...

    @overload
    def ask(self, n: int) -> list[Run]: ...

    def ask(self, n: int | None = None) -> Run | list[Run]:
        """Propose the next run, or the next `n` runs; runs that were asked and not told are pending and known.

        Returns
        -------
        Run or list of Run
            The list is shorter than `n`, maybe empty, once a finite space is used up.

        Raises
        ------
        ExhaustedError
            If one run was asked for and a finite space is used up.
        """
        with self._lock:
            if n is None:
                proposed = self._propose(1)
                if not proposed:
                    raise ExhaustedError(
                        f"all {len(self._row)} configurations of the space were proposed; stop, or widen the space"
                    )
                return proposed[0]
            if n < 0:
                raise InputError(f"ask({n}): the number of runs is negative", field="n")
            return self._propose(n)

    def _propose(self, n: int) -> list[Run]:
        start = len(self._row)
        table, decode = self.table, self.space.decode_row
        rows = self.sampler.propose(table, start, n)
        self.exhausted = len(rows) < n
        runs = []
        for number, (row, proposal) in enumerate(zip(rows, self._told_proposals(len(rows)), strict=True), start):
            self._row.append(table.append(row))
            self._proposals[number] = proposal
            runs.append(Run(number, decode(row), proposal))
        return runs

    def _told_proposals(self, n: int) -> list[Proposal]:
        """How the sampler came to the rows that it has just proposed."""
        explain = getattr(self.sampler, "explain", None)
        if explain is None:
            return [Proposal(how=str(getattr(self.sampler, "name", type(self.sampler).__name__)))] * n
        told: list[Proposal] = [proposal.in_units_of(self._sign) for proposal in explain()]
        return told

    # ------------------------------------------------------------------ hearing

    def report(self, number: int, value: SupportsFloat) -> bool:
        """Take the next interval of a pending run; True if the policy ends the run.

        The run is not ended by this: the caller stops it and tells. Until then further reports count like all others
        for the runs that are compared with it, and give True again.

        Parameters
        ----------
        number : int
        value : float
            In the user's sign. NaN and infinities count as an interval and are never the best.

        Raises
        ------
        StateError
            If the run is unknown or has been told.
        """
        with self._lock:
            row = self._pending_row(number, "report an interval")
            score = self._sign * (float(value) + 0.0)  # -0.0 is 0.0: which of the two were the greater?
            self.table.report(row, score)
            # The judge hears of every report, those of a stopped run too: it can be made anew from the table.
            if self._judge is not None and self._judge.report(row, score) and number not in self._stopped:
                assert self._witness is not None
                self._stopped.add(number)
                self._stops[number] = self._witness.stop(self._judge, self.table, row)
            return number in self._stopped

    def tell(self, number: int, value: SupportsFloat | None = None, status: RunStatus | str = "completed") -> None:
        """End a pending run.

        Parameters
        ----------
        number : int
        value : float or None
            Final value in the user's sign. None takes the best reported value. A value that is not finite says that
            there is none.
        status : {"completed", "failed", "canceled"} or RunStatus
            A failed or canceled run keeps its value and may be the best run, as in HyperDrive; the model of the
            Bayesian sampler never takes it for a completed one.

        Raises
        ------
        StateError
            If the run is unknown or was told before.
        """
        with self._lock:
            state = _parse_final(status)
            row = self._pending_row(number, "be told a value")
            score = float(self.table.best[row]) if value is None else self._sign * (float(value) + 0.0)
            self._finish(row, number, state, score)

    def _finish(self, row: int, number: int | None, state: RowState, score: float) -> None:
        if not math.isfinite(score):
            score = math.nan
        self.table.finish(row, state, score)
        if self._judge is not None:
            self._judge.end(row)
        if not math.isnan(score) and (self._best is None or self._is_better(row, score)):
            self._best = (row, number)

    def _is_better(self, row: int, score: float) -> bool:
        """Of equal runs the one with the lower number is the best, whatever the order in which they ended."""
        assert self._best is not None
        best = float(self.table.value[self._best[0]])
        return score > best or (score == best and row < self._best[0])

    def restart(self, number: int) -> None:
        """Forget the reports of a pending run, which is started again."""
        with self._lock:
            row = self._pending_row(number, "start again")
            self._stopped.discard(number)
            self._stops.pop(number, None)
            if self.table.intervals[row]:
                self.table.forget_reports(row)
                self._judge_anew()

    def _judge_anew(self) -> None:
        """Build the judge's state from the table: its structures only ever insert."""
        if self.policy is None:
            return
        self._judge = self.policy.judge()
        assert self._witness is not None
        self._witness.forget()
        reported, intervals, state = self.table.metric, self.table.intervals, self.table.state
        for row in np.flatnonzero(intervals):
            scores = np.ascontiguousarray(reported[row, : intervals[row]])
            self._judge.report_many(np.full(len(scores), row, np.int64), scores)
            if state[row] != RowState.PENDING:
                self._judge.end(int(row))

    # ------------------------------------------------------------------ history

    def add(
        self,
        configuration: Mapping[str, Any],
        value: SupportsFloat,
        *,
        reports: Sequence[SupportsFloat] = (),
        source: str | None = None,
        status: RunStatus | str = "completed",
    ) -> None:
        """Add a finished run from elsewhere (warm start).

        Parameters
        ----------
        configuration : mapping
            Every parameter of the space; the values must be possible there.
        value : float
            Final value in the user's sign; one that is not finite says that there is none.
        reports : sequence of float
            Its intervals, which join the population that the policy compares with.
        source : str or None
            None: the same metric, comparable with this sweep's runs, so that it may be the best run. A name: another
            sweep, whose metric may be shifted or scaled; it informs the sampler and is never the best run.
        status : {"completed", "failed", "canceled"} or RunStatus
            How it ended, as for `tell`.

        Raises
        ------
        SpaceError
            If the configuration does not fit the space.
        """
        with self._lock:
            given, state = dict(configuration), _parse_final(status)
            self.space.validate(given)
            self._insert_history(given, float(value), [float(v) for v in reports], source, state)

    def add_many(
        self,
        configurations: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]],
        values: Iterable[SupportsFloat],
        *,
        source: str | None = None,
    ) -> None:
        """Add finished runs: a list of configurations, or columns (name -> values) as `hdcore.sample` gives them.

        All of them are checked before the first one is added.
        """
        with self._lock:
            given = _as_rows(configurations)
            told = [float(value) for value in values]
            if len(given) != len(told):
                raise InputError(
                    f"{len(given)} configurations and {len(told)} values; give one value each", field="values"
                )
            for configuration in given:
                self.space.validate(configuration)
            for configuration, value in zip(given, told, strict=True):
                self._insert_history(configuration, value, [], source)

    def _insert_history(
        self,
        given: Configuration,
        value: float,
        reports: Sequence[float],
        source: str | None,
        state: RowState = RowState.COMPLETED,
    ) -> None:
        row = self.table.append(self.space.encode([given])[0], source=self._source_code(source))
        self._given[row] = given
        for reported in reports:
            self.table.report(row, self._sign * (reported + 0.0))
            if self._judge is not None:
                self._judge.report(row, self._sign * (reported + 0.0))
        best = self._best
        self._finish(row, None, state, self._sign * (value + 0.0))
        if source is not None:
            self._best = best  # another metric: not comparable

    def _source_code(self, source: str | None) -> int:
        if source is None:
            return 1
        if source not in self._sources:
            self._sources.append(source)
        return 2 + self._sources.index(source)

    def restore(
        self,
        number: int,
        configuration: Mapping[str, Any],
        status: RunStatus | str | None = None,
        value: SupportsFloat | None = None,
        reports: Sequence[SupportsFloat] = (),
        *,
        stopped: bool = False,
        explanation: Explanation | None = None,
    ) -> None:
        """Bring back a run that was proposed before, in order of number; None as status leaves it pending.

        The state afterwards is what asking, reporting and telling gave in the first place; of what `explain` tells,
        only the `explanation` that is given.
        """
        with self._lock:
            if number != len(self._row):
                raise StateError(f"run {number} is restored after {len(self._row)} runs; restore them in order")
            given = dict(configuration)
            self.space.validate(given)
            row = self.table.append(self.space.encode([given])[0])
            self._given[row] = given
            self._row.append(row)
            if len(reports):
                scores = self._sign * (np.asarray(reports, np.float64) + 0.0)
                self.table.report_many(row, scores)
                if self._judge is not None:
                    self._judge.report_many(np.full(len(scores), row, np.int64), scores)
            if stopped:
                self._stopped.add(number)
            if explanation is not None and explanation.proposal is not None:
                self._proposals[number] = explanation.proposal
            if explanation is not None and explanation.stop is not None:
                self._stops[number] = explanation.stop
            if status is not None:
                self.tell(number, value, status)

    # ------------------------------------------------------------------ answers

    @property
    def best(self) -> BestRun | None:
        """The finished run with the best value; of equal ones the first asked. None when nothing finite was told."""
        with self._lock:
            if self._best is None:
                return None
            row, number = self._best
            score = float(self.table.value[row])
            at = np.flatnonzero(self.table.metric[row, : self.table.intervals[row]] == score)
            return BestRun(number, self._configuration(row), self._sign * score, int(at[0]) + 1 if len(at) else None)

    @property
    def runs(self) -> list[RunRecord]:
        """All runs in order of number; made anew at each access."""
        with self._lock:
            return [self._record(number, row) for number, row in enumerate(self._row)]

    def run(self, number: int) -> RunRecord:
        """Return one run.

        Raises
        ------
        StateError
            If there is no such run.
        """
        with self._lock:
            return self._record(number, self._known_row(number))

    def explain(self, number: int) -> Explanation:
        """Return how the configuration of a run came to be, and why the policy ended it, as noted at those moments.

        Raises
        ------
        StateError
            If there is no such run.
        """
        with self._lock:
            self._known_row(number)
            return Explanation(self._proposals.get(number), self._stops.get(number))

    def _record(self, number: int, row: int) -> RunRecord:
        score = float(self.table.value[row])
        return RunRecord(
            number,
            self._configuration(row),
            _STATUS[RowState(self.table.state[row])],
            None if math.isnan(score) else self._sign * score,
            tuple(self._reports(row)),
            number in self._stopped,
        )

    def _reports(self, row: int) -> list[float]:
        scores: FloatVector = self.table.metric[row, : self.table.intervals[row]]
        return [self._sign * score if math.isfinite(score) else math.nan for score in scores.tolist()]

    def _configuration(self, row: int) -> Configuration:
        return self._given[row] if row in self._given else self.space.decode_row(self.table.encoded[row])

    def _known_row(self, number: int) -> int:
        if not 0 <= number < len(self._row):
            raise StateError(f"run {number} was never proposed; there are runs 0 to {len(self._row) - 1}")
        return self._row[number]

    def _pending_row(self, number: int, wanted: str) -> int:
        row = self._known_row(number)
        state = self.table.state[row]
        if state:
            raise StateError(f"run {number} is {RowState(state).name} and cannot {wanted}; it was told before")
        return row

    def model(self) -> Model:
        """Fit a Gaussian process to the finished runs, whatever the sampler is; deterministic.

        Raises
        ------
        StateError
            If no run has a finite result in the metric of this sweep.
        """
        from hdcore.engine.model import Model  # loads the kernels

        with self._lock:
            return Model.of(self.space, self.table, self._row, self._sign)

    def predict(self, configurations: Sequence[Mapping[str, Any]]) -> tuple[FloatVector, FloatVector]:
        """Return mean and sd of the metric at configurations, as `model().predict` does.

        Returns
        -------
        mean, sd : ndarray of float64, shape (n,)
            In the metric's own units; the sd is that of the objective, without the noise of a run.

        Raises
        ------
        StateError
            If no run has a finite result in the metric of this sweep.
        SpaceError
            If a configuration does not fit the space.
        """
        return self.model().predict(configurations)

    # ------------------------------------------------------------------ saving

    def to_json(self) -> str:
        """Return the whole state as JSON text; `from_json` continues exactly as this optimizer would have."""
        with self._lock:
            return state_json.dump(self)

    @classmethod
    def from_json(cls, text: str, *, sampler: Sampler | None = None, policy: Policy | None = None) -> Optimizer:
        """Rebuild an optimizer.

        Parameters
        ----------
        text : str
            From `to_json`.
        sampler, policy : optional
            Needed only where the original had objects of its own classes there.

        Raises
        ------
        InputError
            If the text is no saved optimizer, or one of a newer version.
        """
        return state_json.load(cls, text, sampler=sampler, policy=policy)


def _check_seed(seed: int | None) -> int:
    if seed is None:
        return secrets.randbits(63)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed is {seed!r}; give a whole number, 0 or more", field="seed")
    return int(seed)


def _as_policy(policy: Policy | Mapping[str, Any] | str | None) -> Policy | None:
    if policy is None or not isinstance(policy, str | Mapping):
        return policy
    return policies.parse(policy) if isinstance(policy, str) else policies.from_json(dict(policy))


def _parse_final(status: RunStatus | str) -> RowState:
    parsed = RunStatus.parse(status)
    if parsed not in _STATE:
        raise InputError(f"a run cannot end as {parsed.value}; write completed, failed or canceled", field="status")
    return _STATE[parsed]


def _as_rows(configurations: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]]) -> list[Configuration]:
    if not isinstance(configurations, Mapping):
        return [dict(configuration) for configuration in configurations]
    columns = {
        name: np.asarray(column).tolist() if hasattr(column, "dtype") else list(column)
        for name, column in configurations.items()
    }
    if len({len(column) for column in columns.values()}) > 1:
        raise InputError(
            f"columns of different length: { {n: len(c) for n, c in columns.items()} }", field="configurations"
        )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
