"""Regret suite: the Bayesian sampler against its peers on problems whose optimum is known.

    python -m bench.regret.run --peers bayesian,random,tpe --seeds 10 --budget 200 --out FILE.jsonl
    python -m bench.regret.report FILE.jsonl bench/regret/results/peers.jsonl

The suite pins every library to one thread before it loads, so that processor time is comparable.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
