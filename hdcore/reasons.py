"""Why a run has its configuration, and why a policy ended it: written down when it happens."""

from __future__ import annotations

from typing import Any

import msgspec


class Proposal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the configuration of a run came to be. Values are in the user's sign and in the units of the metric.

    Attributes
    ----------
    how : str
        ``random``, ``sobol``, ``grid``, or the name of a sampler of one's own. Of the Bayesian sampler: ``design`` (a
        point of its start-up design), ``earlier`` (a best configuration of an earlier sweep), ``model`` (the most
        promising point of its model), ``elsewhere`` (the same of a model of results that keep a distance, after a
        standstill). ``resumed`` (that of the run `source`), ``imported``.
    why : str or None
        Why a point of the design and not one of the model; a word of `DESIGN_REASONS`.
    source : str or None
        The run that this one goes on with, ``NAME/12``, or the file it was imported from.
    told : int
        Results that were known: completed runs.
    predicted : int
        Stopped runs that counted with the final value that their curve promised.
    earlier : int
        Results of earlier sweeps that were believed.
    failed : int
        Failed runs, whose neighbourhood was avoided.
    pending : int
        Runs in flight that were allowed for.
    mean, sd : float or None
        Prediction from what was known, without the noise of a run: its median, and its sd by the delta method.
    noise : float or None
        Standard deviation between repeated runs there.
    best : float or None
        The best result at that time.
    incumbent : float or None
        What an improvement is counted from: the best result or, with noise, the best of the model's means.
    improvement : float or None
        Expected improvement on the incumbent, and on what the runs in flight may bring.
    probability : float or None
        Of any improvement.
    is_stretched : bool
        The model saw the metric stretched at its good end.
    """

    how: str
    why: str | None = None
    source: str | None = None
    told: int = 0
    predicted: int = 0
    earlier: int = 0
    failed: int = 0
    pending: int = 0
    mean: float | None = None
    sd: float | None = None
    noise: float | None = None
    best: float | None = None
    incumbent: float | None = None
    improvement: float | None = None
    probability: float | None = None
    is_stretched: bool = False

    def in_units_of(self, sign: float) -> Proposal:
        """Return a proposal whose values were scores, larger is better, in the user's sign."""
        if sign > 0 or (self.mean is None and self.best is None and self.incumbent is None):
            return self
        mean = None if self.mean is None else -self.mean
        best = None if self.best is None else -self.best
        incumbent = None if self.incumbent is None else -self.incumbent
        return msgspec.structs.replace(self, mean=mean, best=best, incumbent=incumbent)


DESIGN_REASONS = {
    "start": "the first runs are spread evenly",
    "few": "too few results were known",
    "equal": "all results were equal",
    "used": "the model found no configuration that had not been tried",
    "misled": "earlier sweeps had proved misleading",
}


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a policy ended a run. Values are in the user's sign.

    Attributes
    ----------
    policy : dict
        Serialised, ``{"name": …, "properties": {…}}``.
    interval : int
        The report at which it spoke.
    value : float or None
        What the run was judged by: the best it had reported; None if that was nothing finite.
    bar : float or None
        What `value` had to reach; None from a policy that does not tell.
    count : int
        Runs in the population, this one included; 0 from a policy that does not tell.
    earlier : int
        Of these, runs of earlier sweeps.
    runs : tuple of (int, int)
        Numbers of the others, as ranges with both ends, ascending; at most `MOST_RANGES`, the lowest ones.
    best_run : int or None
        The best of the population by then; None for a run of an earlier sweep. Of equal ones the first.
    best : float or None
        Its best value by then.
    """

    policy: dict[str, Any]
    interval: int
    value: float | None = None
    bar: float | None = None
    count: int = 0
    earlier: int = 0
    runs: tuple[tuple[int, int], ...] = ()
    best_run: int | None = None
    best: float | None = None


MOST_RANGES = 50
"""A population of thousands is told by a handful of ranges; only ``population="reached"`` leaves many holes."""


class Explanation(msgspec.Struct, frozen=True):
    """What was written down about a run.

    Attributes
    ----------
    proposal : Proposal or None
        None where it came from a place that did not tell.
    stop : Stop or None
        None for a run that no policy has ended.
    """

    proposal: Proposal | None
    stop: Stop | None
