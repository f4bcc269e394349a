"""hdcore inside Optuna: sampler, pruners, and studies to sweeps and back.

==================  ====================================================================
`sampler`           `HdcoreSampler`
`pruners`           `BanditPruner`, `MedianStoppingPruner`, `TruncationPruner`
`studies`           `import_study`, `export_study`
`distributions`     Optuna's distributions as parameters of a search space, and back
`trials`            the trials of a study as rows of a table, read once each
==================  ====================================================================
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("optuna") is None:
    raise ImportError("hdcore.bindings.optuna needs Optuna; pip install 'hdcore[optuna]'")

from hdcore.bindings.optuna.pruners import BanditPruner, MedianStoppingPruner, TruncationPruner
from hdcore.bindings.optuna.sampler import HdcoreSampler
from hdcore.bindings.optuna.studies import export_study, import_study

__all__ = [
    "BanditPruner",
    "HdcoreSampler",
    "MedianStoppingPruner",
    "TruncationPruner",
    "export_study",
    "import_study",
]
