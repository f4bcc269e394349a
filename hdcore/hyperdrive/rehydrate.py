"""The configuration of a sweep, back from its store."""

from __future__ import annotations

from typing import Any

from hdcore.hyperdrive.config import HyperDriveConfig, PrimaryMetricGoal
from hdcore.hyperdrive.details import config_document
from hdcore.hyperdrive.environment import Environment
from hdcore.hyperdrive.exceptions import HyperDriveRehydrateException
from hdcore.hyperdrive.policies import EarlyTerminationPolicy
from hdcore.hyperdrive.sampling import HyperParameterSampling
from hdcore.hyperdrive.script import ScriptRunConfig
from hdcore.hyperdrive.stored import SweepHome


def configuration(home: SweepHome) -> HyperDriveConfig:
    """Return a configuration that is equal to the stored one in what is searched, how, and within which limits.

    Raises
    ------
    HyperDriveRehydrateException
        If what is stored cannot be read.
    """
    import warnings

    document: dict[str, Any] = home.about.get("config") or config_document(home.spec)
    trial = home.about.get("trial") or {}
    environment = Environment._of(trial.get("environment") or {})
    script = ScriptRunConfig(
        home.spec.code,
        trial.get("script"),
        trial.get("arguments"),
        command=trial.get("command") or (None if trial.get("script") else home.spec.command),
        compute_target=trial.get("target"),
        environment=environment,
    )
    metric = document["primary_metric_config"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they were said when it was submitted
            return HyperDriveConfig(
                HyperParameterSampling.from_json(document["generator_config"]),
                metric["name"],
                PrimaryMetricGoal.from_str(metric["goal"]),
                document["max_total_jobs"],
                document.get("max_concurrent_jobs"),
                document.get("max_duration_minutes") or 0,
                EarlyTerminationPolicy.from_json(document.get("policy_config")),
                run_config=script,
            )
    except (KeyError, TypeError, ValueError) as error:
        raise HyperDriveRehydrateException(
            f"sweep {home.id}: its configuration cannot be read back: {error!r}"
        ) from None
