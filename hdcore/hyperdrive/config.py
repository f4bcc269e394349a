"""The configuration of a sweep."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from enum import Enum
from typing import Any

from hdcore.hyperdrive.exceptions import HyperDriveConfigException, HyperDriveScenarioNotSupportedException
from hdcore.hyperdrive.limits import LONGEST_MINUTES, is_strict
from hdcore.hyperdrive.policies import EarlyTerminationPolicy, NoTerminationPolicy, wrap
from hdcore.hyperdrive.sampling import BayesianParameterSampling, HyperParameterSampling
from hdcore.hyperdrive.unserved import Served

PLATFORM = "AML"


class PrimaryMetricGoal(Enum):
    """What to do with the primary metric."""

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"

    @staticmethod
    def from_str(goal: str) -> PrimaryMetricGoal:
        """Read a goal in any case."""
        try:
            return PrimaryMetricGoal[str(goal).upper()]
        except KeyError:
            raise HyperDriveConfigException(
                f"PrimaryMetricGoal expects 'maximize' or 'minimize'; found {goal!r}"
            ) from None


class HyperDriveConfig(Served):
    """What a sweep searches, how, within which limits, and what one run is. `Experiment.submit` takes it.

    Parameters
    ----------
    hyperparameter_sampling : HyperParameterSampling
    primary_metric_name : str
        Exactly as the script logs it.
    primary_metric_goal : PrimaryMetricGoal
        Also ``"maximize"`` and ``"minimize"`` unless `strict`.
    max_total_runs : int
    max_concurrent_runs : int, optional
        None or 0: as many as there are, which here means as many as the machine has room for.
    max_duration_minutes : int
    policy : EarlyTerminationPolicy, optional
    estimator, run_config, pipeline
        Exactly one: an `Estimator`, a `ScriptRunConfig`, or a `Pipeline` with parameters of the searched names.
    resume_from : HyperDriveRun or list, optional
        Earlier sweeps to start from.
    resume_child_runs : Run or list, optional
        Runs of earlier sweeps to go on with.
    custom_run_id : str, optional
        Id of the sweep; by default ``HD_`` and a random one.

    Raises
    ------
    HyperDriveConfigException
    """

    def __init__(
        self,
        hyperparameter_sampling: HyperParameterSampling,
        primary_metric_name: str,
        primary_metric_goal: PrimaryMetricGoal | str,
        max_total_runs: int,
        max_concurrent_runs: int | None = None,
        max_duration_minutes: int | None = LONGEST_MINUTES,
        policy: EarlyTerminationPolicy | None = None,
        estimator: Any = None,
        run_config: Any = None,
        resume_from: Any = None,
        resume_child_runs: Any = None,
        pipeline: Any = None,
        debug_flag: Any = None,
        custom_run_id: str | None = None,
    ) -> None:
        _check_what_runs(estimator, run_config, pipeline)
        if hyperparameter_sampling is None or not isinstance(hyperparameter_sampling, HyperParameterSampling):
            raise HyperDriveConfigException(
                f"hyperparameter_sampling is {hyperparameter_sampling!r}; give a parameter sampling such as"
                " RandomParameterSampling({...})"
            )
        if not isinstance(primary_metric_name, str) or not primary_metric_name:
            raise HyperDriveConfigException(
                f"primary_metric_name is {primary_metric_name!r}; give the name that the script logs"
            )
        if not isinstance(primary_metric_goal, PrimaryMetricGoal):
            if is_strict():
                raise AttributeError(
                    f"primary_metric_goal is {primary_metric_goal!r}; give a PrimaryMetricGoal, such as"
                    " PrimaryMetricGoal.MAXIMIZE"
                )
            primary_metric_goal = PrimaryMetricGoal.from_str(getattr(primary_metric_goal, "value", primary_metric_goal))
        max_total_runs = _whole("max_total_runs", max_total_runs)
        max_concurrent_runs = _whole("max_concurrent_runs", max_concurrent_runs or 0)
        max_duration_minutes = LONGEST_MINUTES if max_duration_minutes is None else max_duration_minutes
        if max_duration_minutes > LONGEST_MINUTES:
            warnings.warn(
                f"max_duration_minutes is {max_duration_minutes}; Azure's longest sweep has {LONGEST_MINUTES} (7 days)"
                " and the value will be overridden there",
                UserWarning,
                stacklevel=2,
            )
        self._sampling = hyperparameter_sampling
        self._metric = primary_metric_name
        self._goal = primary_metric_goal
        self._max_total_runs = max_total_runs
        self._given_concurrent = max_concurrent_runs or None
        self._max_duration_minutes = max_duration_minutes
        self._policy = wrap(policy)
        self._estimator, self._run_config, self._pipeline = estimator, run_config, pipeline
        self._resume_from, self._resume_child_runs = _as_list(resume_from), _as_list(resume_child_runs)
        self._custom_run_id = custom_run_id
        self._debug_flag = debug_flag
        hyperparameter_sampling.check_limits(max_total_runs, max_concurrent_runs or max_total_runs)
        self._check_policy()
        if self._resume_from or self._resume_child_runs:
            from hdcore.hyperdrive.warm_start import check_parents

            check_parents(self)
        if pipeline is not None:
            warnings.warn("HyperDrive over a pipeline is a preview feature", UserWarning, stacklevel=2)
            pipeline._check_searched(hyperparameter_sampling.parameter_space)

    def _check_policy(self) -> None:
        if isinstance(self._policy, NoTerminationPolicy) or not isinstance(self._sampling, BayesianParameterSampling):
            return
        if is_strict():
            raise HyperDriveScenarioNotSupportedException(
                "Bayesian sampling does not support early termination; set policy=None"
            )
        warnings.warn(
            "Bayesian sampling with early termination is not supported by Azure; here runs that are stopped count"
            " with what their curve promises",
            UserWarning,
            stacklevel=3,
        )

    @property
    def estimator(self) -> Any:
        """The estimator of a run, None if there is a run configuration."""
        return self._estimator

    @property
    def run_config(self) -> Any:
        """The run configuration of a run's script, None if there is none."""
        if self._run_config is not None:
            return self._run_config.run_config
        return None if self._estimator is None else self._estimator.run_config

    @property
    def pipeline(self) -> Any:
        """The pipeline of a run, None if there is none."""
        return self._pipeline

    @property
    def source_directory(self) -> str:
        """Folder of the script."""
        what = self._estimator or self._run_config
        return "." if what is None else str(what.source_directory)

    @property
    def max_concurrent_runs(self) -> int:
        """Runs at a time; where none were given, all of them."""
        return self._given_concurrent or self._max_total_runs

    def to_json(self) -> dict[str, Any]:
        """Return the request that Azure's client sends, without what only its service knows."""
        return {
            "platform": PLATFORM if self._pipeline is None else "AML_PIPELINES",
            "generator_config": self._sampling.to_json(),
            "policy_config": self._policy.to_json(),
            "primary_metric_config": {"name": self._metric, "goal": self._goal.value.lower()},
            "max_total_jobs": self._max_total_runs,
            "max_concurrent_jobs": self.max_concurrent_runs,
            "max_duration_minutes": self._max_duration_minutes,
            "resume_from": [run.id for run in self._resume_from] or None,
            "resume_child_runs": [run.id for run in self._resume_child_runs] or None,
        }

    def __repr__(self) -> str:
        what = f"{self._sampling!r}, {self._metric!r}, {self._goal}"
        return f"HyperDriveConfig({what}, max_total_runs={self._max_total_runs})"


def HyperDriveRunConfig(  # noqa: N802 - Azure's name, a class in the documentation and a function in effect
    estimator: Any,
    hyperparameter_sampling: HyperParameterSampling,
    primary_metric_name: str,
    primary_metric_goal: PrimaryMetricGoal | str,
    max_total_runs: int,
    max_concurrent_runs: int | None = None,
    max_duration_minutes: int = LONGEST_MINUTES,
    policy: EarlyTerminationPolicy | None = None,
) -> HyperDriveConfig:
    """Return a `HyperDriveConfig`; the name of 2018, which warns that it is deprecated."""
    warnings.warn(
        "HyperDriveRunConfig is deprecated; use HyperDriveConfig, with the estimator as estimator=",
        DeprecationWarning,
        stacklevel=2,
    )
    return HyperDriveConfig(
        hyperparameter_sampling,
        primary_metric_name,
        primary_metric_goal,
        max_total_runs,
        max_concurrent_runs,
        max_duration_minutes,
        policy,
        estimator=estimator,
    )


def _check_what_runs(estimator: Any, run_config: Any, pipeline: Any) -> None:
    what = {"estimator": estimator, "run_config": run_config, "pipeline": pipeline}
    given = [word for word, value in what.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise HyperDriveConfigException(
            f"HyperDriveConfig expects exactly one of estimator, run_config or pipeline; found {found}"
        )
    from hdcore.hyperdrive.script import ScriptRunConfig

    if run_config is not None and not isinstance(run_config, ScriptRunConfig):
        raise HyperDriveConfigException(
            f"run_config is a {type(run_config).__name__}; give a ScriptRunConfig, which knows the script too"
        )


def _whole(word: str, value: Any) -> int:
    """Return a number of runs: an integer of any kind, NumPy's too."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise HyperDriveConfigException(f"{word} is {value!r}; give a whole number of runs")
    return int(value)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, Sequence) else [value]
