"""hdcore: hyperparameter sweeps on your own machine.

The public names are imported on first use, so that ``import hdcore`` costs a few milliseconds: a training
script that only needs `get_run` never pays for NumPy.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would be most of the cost
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_HOME = {
    "choice": "hdcore.space",
    "randint": "hdcore.space",
    "uniform": "hdcore.space",
    "quniform": "hdcore.space",
    "loguniform": "hdcore.space",
    "qloguniform": "hdcore.space",
    "normal": "hdcore.space",
    "qnormal": "hdcore.space",
    "lognormal": "hdcore.space",
    "qlognormal": "hdcore.space",
    "log_range": "hdcore.space",
    "SearchSpace": "hdcore.space",
    "sample": "hdcore.sampling",
    "grid": "hdcore.sampling",
    "BanditPolicy": "hdcore.policies",
    "MedianStoppingPolicy": "hdcore.policies",
    "TruncationSelectionPolicy": "hdcore.policies",
    "NoTerminationPolicy": "hdcore.policies",
    "Optimizer": "hdcore.engine",
    "Run": "hdcore.records",
    "BestRun": "hdcore.records",
    "Goal": "hdcore.typing",
    "RunStatus": "hdcore.typing",
    "HdcoreError": "hdcore.errors",
    "ExhaustedError": "hdcore.errors",
    "get_run": "hdcore.runtime",
    "tune": "hdcore.sweep",
    "open_sweep": "hdcore.sweep",
    "resume_runs": "hdcore.sweep",
    "Sweep": "hdcore.sweep",
}
_SUBMODULES = frozenset({"policies"})

__all__ = ["__version__", "policies", *_HOME]

if TYPE_CHECKING:
    from hdcore import policies as policies
    from hdcore.engine import Optimizer as Optimizer
    from hdcore.errors import ExhaustedError as ExhaustedError
    from hdcore.errors import HdcoreError as HdcoreError
    from hdcore.policies import BanditPolicy as BanditPolicy
    from hdcore.policies import MedianStoppingPolicy as MedianStoppingPolicy
    from hdcore.policies import NoTerminationPolicy as NoTerminationPolicy
    from hdcore.policies import TruncationSelectionPolicy as TruncationSelectionPolicy
    from hdcore.records import BestRun as BestRun
    from hdcore.records import Run as Run
    from hdcore.runtime import get_run as get_run
    from hdcore.sampling import grid as grid
    from hdcore.sampling import sample as sample
    from hdcore.space import SearchSpace as SearchSpace
    from hdcore.space import choice as choice
    from hdcore.space import log_range as log_range
    from hdcore.space import lognormal as lognormal
    from hdcore.space import loguniform as loguniform
    from hdcore.space import normal as normal
    from hdcore.space import qlognormal as qlognormal
    from hdcore.space import qloguniform as qloguniform
    from hdcore.space import qnormal as qnormal
    from hdcore.space import quniform as quniform
    from hdcore.space import randint as randint
    from hdcore.space import uniform as uniform
    from hdcore.sweep import Sweep as Sweep
    from hdcore.sweep import open_sweep as open_sweep
    from hdcore.sweep import resume_runs as resume_runs
    from hdcore.sweep import tune as tune
    from hdcore.typing import Goal as Goal
    from hdcore.typing import RunStatus as RunStatus


def _module(name: str) -> Any:
    return __import__(name, fromlist=("__name__",))  # importlib.import_module without importing importlib


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return _module(f"hdcore.{name}")
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'hdcore' has no attribute {name!r}") from None
    value = getattr(_module(home), name)
    globals()[name] = value  # the next access is a plain dictionary look-up
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
