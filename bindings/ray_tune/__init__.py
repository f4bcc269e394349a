"""hdcore inside Ray Tune: a searcher, and the policies as a scheduler.

==============  ====================================================================
`searcher`      `HdcoreSearcher`
`scheduler`     `HdcorePolicyScheduler`
`space`         Tune's search spaces as search spaces, and values to and fro
`results`       what a trial has reported, in order of time
==============  ====================================================================
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("ray") is None or find_spec("ray.tune") is None:
    raise ImportError("hdcore.bindings.ray_tune needs Ray Tune; pip install 'hdcore[ray]'")

from hdcore.bindings.ray_tune.scheduler import HdcorePolicyScheduler
from hdcore.bindings.ray_tune.searcher import HdcoreSearcher

__all__ = ["HdcorePolicyScheduler", "HdcoreSearcher"]
