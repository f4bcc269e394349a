"""Search spaces: parameters, how each is drawn, and their encoding. Imports no NumPy before something is encoded."""

from __future__ import annotations

from hdcore.space.expressions import (
    choice,
    log_range,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)
from hdcore.space.layout import CATEGORICAL, CONTINUOUS, ORDERED, Column, Kind
from hdcore.space.space import SearchSpace
from hdcore.space.values import Distribution

__all__ = [
    "CATEGORICAL",
    "CONTINUOUS",
    "ORDERED",
    "Column",
    "Distribution",
    "Kind",
    "SearchSpace",
    "choice",
    "log_range",
    "lognormal",
    "loguniform",
    "normal",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
]
