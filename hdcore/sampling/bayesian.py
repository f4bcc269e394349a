"""The Bayesian sampler: expected improvement of a Gaussian process, with two views of the metric in turn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hdcore.gp.explore import APART, Spread, looks_elsewhere
from hdcore.gp.forecast import Forecast, forecast
from hdcore.gp.model import FANTASIES, LARGEST_PENDING
from hdcore.gp.parents import ENOUGH
from hdcore.gp.propose import Proposer
from hdcore.gp.view import View
from hdcore.history import RowState
from hdcore.reasons import Proposal
from hdcore.sampling.learning import Learning
from hdcore.sampling.sobol import SobolSampler
from hdcore.space.enumeration import enumerate_rows

if TYPE_CHECKING:
    from hdcore.gp.evidence import Evidence
    from hdcore.gp.model import Conditioned
    from hdcore.history import RunTable
    from hdcore.space import SearchSpace
    from hdcore.typing import BoolVector, FloatMatrix, FloatVector, IntVector

ENUMERATED = 4096
"""Finite spaces up to this size are not searched: every remaining configuration is looked at."""

RECENT = 10
"""Finished runs whose failures say how much failures are to be avoided."""


class BayesianSampler:
    """Proposes the point of largest expected improvement under a Gaussian process.

    Even runs see the metric as it is, odd runs see it stretched at its good end: one of the two views suits almost
    every objective. The first runs are points of a scrambled Sobol sequence; so are those for which there is nothing to
    learn from (fewer than two results, all results equal).

    When the best result has stood still for a while, every fourth run looks elsewhere, and most runs once its basin is
    known to the bottom (`hdcore.gp.explore`).

    Runs that were stopped count with the final value that their curve promises (`hdcore.gp.curves`), results of other
    sweeps as far as they prove to be of use (`hdcore.gp.parents`); a sweep with such a history begins with their best
    configurations and goes on with the design until enough results can tell whether they are of use.

    A proposal is a function of the seed, the number of the run and the rows of the table. What is kept between calls is
    derived from the rows and checked against them.
    """

    name = "bayesian"

    def bind(self, space: SearchSpace, seed: int) -> None:
        self._space, self._seed = space, seed
        self._design = SobolSampler()
        self._design.bind(space, seed)
        self._d = len(space.columns)
        self._made: list[Proposal] = []
        if self._d == 0:
            return
        self._learning = Learning(space)
        self._model_for()
        self._synced = 0
        self._seen: set[bytes] = set()
        normal = np.random.Generator(np.random.Philox(7)).standard_normal((FANTASIES // 2, LARGEST_PENDING))
        self._draws = np.stack([normal, -normal], axis=1).reshape(FANTASIES, LARGEST_PENDING)
        self._all: FloatMatrix | None = None
        if space.size is not None and space.size <= ENUMERATED:
            self._all = np.unique(space.snap(enumerate_rows(space.encoder)[0]), axis=0)

    def propose(self, table: RunTable, start: int, n: int) -> FloatMatrix:
        if self._d == 0:
            rows = self._design.propose(table, start, n)
            self._made = [Proposal(how="design", why="start")] * len(rows)
            return rows
        self._sync(table)
        evidence = self._learning.evidence(table)
        self._model_for()
        told, failed = evidence.told, evidence.failed
        pending = np.flatnonzero(table.state == RowState.PENDING)
        weight = (
            failure_weight(np.isin(np.sort(np.concatenate([told, failed]))[-RECENT:], failed)) if len(failed) else 0
        )
        first = self._learning.first
        # History in the metric of this sweep stands for as many runs of the design.
        added = int(np.count_nonzero((table.source == 1) & np.isfinite(table.value)))
        design = len(first) if len(first) else initial_runs(self._d) - added
        needed = ENOUGH if len(first) else 2
        chosen: list[FloatVector] = []
        seen: set[bytes] = set()
        for view in (*self._views, *(elsewhere for elsewhere, _ in self._elsewhere)):
            view.forget()
        self._made = made = []
        for number in range(start, start + n):
            row, why = None, "start"
            proposal = Proposal(how="earlier", earlier=len(first))
            if number < len(first):
                row = self._unseen(table.encoded[first[number : number + 1]], seen)
            elif number >= design and len(told) < needed:
                why = "few"
            elif number >= design:
                found = self._next(number, evidence, pending, weight, np.array(chosen).reshape(-1, self._d), seen)
                if isinstance(found, str):
                    why = found
                else:
                    row, model, used = found
                    proposal = self._explained(row, model, used, evidence, table, len(pending) + len(chosen))
            if row is None:
                row = self._spare(table, number, chosen)
                proposal = Proposal(how="design", why=why, told=len(told), pending=len(pending) + len(chosen))
            if row is None:
                break
            chosen.append(row)
            made.append(proposal)
            seen.add(row.tobytes())
        return np.array(chosen).reshape(-1, self._d)

    def explain(self) -> list[Proposal]:
        """Return how the rows of the last `propose` came to be; values are scores."""
        return self._made

    def _explained(
        self, row: FloatVector, model: Conditioned, used: Evidence, evidence: Evidence, table: RunTable, pending: int
    ) -> Proposal:
        """What the model, of the evidence that was used, thinks of the row that was chosen."""
        expected = _expected(model, self._columns.to_model(row[None, :])[0])
        told, earlier = len(used.told), 0
        if len(model.rows) > told:
            earlier = int(np.count_nonzero(table.source[model.rows] >= 2))
        return Proposal(
            how="model" if used is evidence else "elsewhere",
            told=told,
            predicted=len(model.rows) - told - earlier,
            earlier=earlier,
            failed=len(evidence.failed),
            pending=pending,
            mean=_finite(-expected.mean),
            sd=_finite(expected.sd),
            noise=_finite(expected.noise),
            best=-float(used.y.min()),
            incumbent=_finite(-expected.incumbent),
            improvement=_finite(expected.improvement),
            probability=_finite(expected.probability),
            is_stretched=not math.isinf(model.factor.fitted.output.c),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `make_sampler` reads."""
        return {"type": self.name}

    def _sync(self, table: RunTable) -> None:
        """Take over new rows; rows never change, only their state does."""
        if table.n < self._synced:
            self._synced, self._seen = 0, set()
        is_own = ~table.earlier[self._synced :]
        self._seen.update(row.tobytes() for row in table.encoded[self._synced :][is_own])
        self._synced = table.n

    def _model_for(self) -> None:
        """Make search and views anew when the number of earlier sweeps changes."""
        columns = self._learning.columns
        if getattr(self, "_columns", None) is columns:
            return
        self._columns = columns
        self._proposer = Proposer(columns, self._space.snap)
        self._views = [View(columns, is_stretched) for is_stretched in (False, True)]
        self._elsewhere = [(View(columns, False), Spread(columns.clamp[: self._d], apart)) for apart in APART]

    def _next(
        self,
        number: int,
        evidence: Evidence,
        pending: IntVector,
        failure_weight: float,
        chosen: FloatMatrix,
        seen: set[bytes],
    ) -> tuple[FloatVector, Conditioned, Evidence] | str:
        """The best new point for one run, encoded, its model and what that is of; or why there is none."""
        rest = self._remaining(seen)
        if rest is not None and len(rest) == 0:
            return "used"
        view, X, told = self._views[number % 2], evidence.X, evidence.told
        spread = None
        if looks_elsewhere(number, evidence.y, self._d):
            elsewhere, chooser = self._elsewhere[number // 4 % len(APART)]
            is_kept = chooser.choose(told, X[told, : self._d])
            if is_kept is not None:
                view, spread, evidence = elsewhere, chooser, evidence.part(is_kept)
        X_pending = np.concatenate([X[pending], self._columns.to_model(chosen)])
        # rows of points that are only chosen so far get numbers that no table row has
        rows_pending = np.concatenate([pending, -1 - np.arange(len(chosen))])
        failed = (X[evidence.failed], failure_weight)
        model = view.condition(evidence, (X_pending, rows_pending), failed, self._draws)
        if model is None:
            return "equal"
        if number < initial_runs(self._d) and not view.is_believing:
            return "misled"  # an own design takes the place of earlier sweeps that mislead
        if rest is not None:
            best: FloatVector = rest[self._proposer.among(model, self._columns.to_model(rest))]
            return best, model, evidence
        sequence = np.random.SeedSequence(self._seed, spawn_key=(number, 1))
        words = sequence.generate_state(2 + self._d, np.uint64)
        fill = self._columns.from_unit((words[2:] >> np.uint64(11)).astype(np.float64) * 2.0**-53)
        ranked = self._proposer.best(model, (int(words[0]), int(words[1])), fill)
        if spread is not None:
            known = np.concatenate([X[told], X_pending])[:, : self._d]
            ranked = ranked[[spread.is_far(row[: self._d], known) for row in ranked]]
        row = self._unseen(self._space.snap(self._columns.to_encoded(ranked)), seen)
        return "used" if row is None else (row, model, evidence)

    def _unseen(self, rows: FloatMatrix, seen: set[bytes]) -> FloatVector | None:
        """The first of some encoded rows that was not proposed before."""
        for row in rows:
            key = row.tobytes()
            if key not in self._seen and key not in seen:
                return np.array(row)
        return None

    def _remaining(self, seen: set[bytes]) -> FloatMatrix | None:
        """Configurations of a small finite space that were not proposed; None for other spaces."""
        if self._all is None:
            return None
        keys = (row.tobytes() for row in self._all)
        keep = np.array([key not in self._seen and key not in seen for key in keys], np.bool_)
        return self._all[keep]

    def _spare(self, table: RunTable, number: int, chosen: list[FloatVector]) -> FloatVector | None:
        """A point of the initial design; None if the space is used up."""
        if chosen and self._space.size is not None:
            table = _with_pending(table, chosen)
        found = self._design.propose(table, number, 1)
        if len(found) == 0:
            return None
        on_grid = self._columns.to_encoded(self._columns.to_model(found))
        return np.array(self._space.snap(on_grid)[0])


def _expected(model: Conditioned, x: FloatVector) -> Forecast:
    """Forecast a point that is chosen already: no rounding in what is only told to people may end a sweep."""
    try:
        return forecast(model, x)
    except (ArithmeticError, ValueError):  # LinAlgError is a ValueError
        return Forecast(*[math.nan] * 6)


def _finite(value: float) -> float | None:
    """JSON has no other numbers, and metrics near the largest float have such expectations."""
    return value if math.isfinite(value) else None


def failure_weight(has_failed: BoolVector) -> float:
    """How much failures count, from the last finished runs: one is bad luck, many are a border to step back from."""
    return 1.0 + 0.25 * float(np.count_nonzero(has_failed)) ** 2


def initial_runs(d: int) -> int:
    """Runs of the initial design."""
    return 5 + min(d, 10) // 2


def _with_pending(table: RunTable, rows: list[FloatVector]) -> RunTable:
    """A copy of the table with some more pending rows."""
    from hdcore.history import RunTable

    copy = RunTable(table.d)
    for i in range(table.n):
        copy.append(table.encoded[i], source=int(table.source[i]))
    for row in rows:
        copy.append(row)
    return copy
