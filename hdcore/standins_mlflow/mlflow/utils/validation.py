"""MLflow's limits; the stand-in itself has none of them."""

from __future__ import annotations

MAX_PARAM_VAL_LENGTH = 6000
MAX_PARAMS_TAGS_PER_BATCH = 100
MAX_METRICS_PER_BATCH = 1000
