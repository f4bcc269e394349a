"""How much each parameter of a stored sweep matters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hdcore.errors import InputError
from hdcore.typing import RunStatus

if TYPE_CHECKING:
    from hdcore.store import StoreReader


@dataclass(frozen=True, slots=True)
class Importance:
    """How much each parameter of a sweep matters.

    Attributes
    ----------
    sweep : str
    n_runs : int
        Runs that count: completed ones, and stopped ones with the best value they had reached.
    n_good : int
        Runs among the best; for fANOVA all runs.
    shares : dict
        Parameter -> share of the importance, largest first; they sum to 1, or are all 0. Parameters inside a nested
        choice have dotted names, constants and choices of one value are left out.
    """

    sweep: str
    n_runs: int
    n_good: int
    shares: dict[str, float]


METHODS = ("ped-anova", "fanova")


def importance_of(reader: StoreReader, *, method: str = "ped-anova", target_quantile: float = 0.1) -> Importance:
    """Compute PED-ANOVA or fANOVA over the runs of a sweep that have a value.

    Parameters
    ----------
    method : str
        ``"ped-anova"`` asks what tells the best runs from all, ``"fanova"`` what explains the variance of the metric.
    target_quantile : float
        For PED-ANOVA: what counts as good.

    Raises
    ------
    InputError
        If there is no such method, or `target_quantile` is not between 0 and 1.
    """
    import numpy as np

    from hdcore.importance import fanova, ped_anova
    from hdcore.space import SearchSpace

    if method not in METHODS:
        raise InputError(f"no importance by {method!r}; there are {', '.join(METHODS)}", field="method")
    spec = reader.sweep().spec
    space = SearchSpace(spec.space)
    counted = [
        run
        for run in reader.runs()
        if run.status in (RunStatus.COMPLETED, RunStatus.CANCELED) and run.value is not None
    ]
    scores = np.array([run.value for run in counted], np.float64) * spec.goal.sign
    encoded = space.encode([run.configuration for run in counted])
    columns = [column for column in space.columns if column.levels != 1]
    kept = [j for j, column in enumerate(space.columns) if column.levels != 1]
    if method == "fanova":
        found = fanova(encoded[:, kept], scores, columns)
    else:
        found = ped_anova(encoded[:, kept], scores, columns, target_quantile=target_quantile)
    order = np.argsort(-found, kind="stable")
    return Importance(
        spec.name,
        len(counted),
        len(counted) if method == "fanova" else math.ceil(target_quantile * len(counted)),
        {columns[j].name: float(found[j]) for j in order},
    )
