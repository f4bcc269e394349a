"""Sweep jobs as Python objects, to and from the document of a sweep file."""

from __future__ import annotations

from typing import Any

from hdcore.azure.v2.command import (
    CommandJob,
    Job,
    inputs_document,
    outputs_document,
    trial_document,
)
from hdcore.azure.v2.entities import JobResourceConfiguration, QueueSettings
from hdcore.azure.v2.exceptions import ValidationException
from hdcore.azure.v2.expressions import expression, serialised
from hdcore.azure.v2.inputs import Ports
from hdcore.azure.v2.settings import (
    Objective,
    SweepJobLimits,
    limits_document,
    policy_document,
    sampling_document,
)
from hdcore.errors import InputError
from hdcore.records import SweepSpec


class SweepJob(Job):
    """A command run many times with other values.

    Attributes
    ----------
    trial : CommandJob
    search_space : dict
        Name -> expression.
    inputs, outputs : mapping
    objective : Objective or None
    limits : SweepJobLimits or None
    sampling_algorithm : str or SamplingAlgorithm
    early_termination : EarlyTerminationPolicy, str or None
    """

    type = "sweep"

    def __init__(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: dict[str, Any] | None = None,
        display_name: str | None = None,
        experiment_name: str | None = None,
        identity: Any = None,
        inputs: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
        compute: str | None = None,
        limits: SweepJobLimits | None = None,
        sampling_algorithm: Any = None,
        search_space: dict[str, Any] | None = None,
        objective: Objective | None = None,
        trial: CommandJob | None = None,
        early_termination: Any = None,
        queue_settings: QueueSettings | None = None,
        resources: Any = None,
        **keywords: Any,
    ) -> None:
        super().__init__(
            name=name,
            description=description,
            tags=tags,
            display_name=display_name,
            experiment_name=experiment_name,
            compute=compute,
            **keywords,
        )
        self.identity = identity
        self.inputs: Any = Ports("input", inputs)
        self.outputs: Any = Ports("output", outputs)
        self.limits = limits
        self.sampling_algorithm = sampling_algorithm if sampling_algorithm is not None else "random"
        self.search_space: dict[str, Any] = dict(search_space or {})
        self.objective = objective
        self.trial = trial
        self.early_termination = early_termination
        self.queue_settings = queue_settings
        self.resources = resources

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "limits" and value is not None and not isinstance(value, SweepJobLimits):
            raise ValidationException(
                f"is {type(value).__name__}; give SweepJobLimits, or call set_limits", field="limits"
            )
        if name in ("inputs", "outputs") and not isinstance(value, Ports):
            value = Ports(name[:-1], value)
        super().__setattr__(name, value)

    def set_limits(
        self,
        *,
        max_concurrent_trials: int | None = None,
        max_total_trials: int | None = None,
        timeout: int | None = None,
        trial_timeout: int | None = None,
    ) -> None:
        """Bound the sweep; what is not given stays as it is. Timeouts in seconds."""
        before = self.limits or SweepJobLimits()
        given = {
            "max_concurrent_trials": max_concurrent_trials,
            "max_total_trials": max_total_trials,
            "timeout": timeout,
            "trial_timeout": trial_timeout,
        }
        self.limits = SweepJobLimits(
            **{key: getattr(before, key) if value is None else value for key, value in given.items()}
        )

    def set_objective(self, *, goal: str | None = None, primary_metric: str | None = None) -> None:
        """Say what to do with which metric; what is not given stays as it is."""
        before = self.objective or Objective(goal=None)
        self.objective = Objective(
            goal=before.goal if goal is None else goal,
            primary_metric=before.primary_metric if primary_metric is None else primary_metric,
        )

    def set_resources(self, **keywords: Any) -> None:
        """Say what machines a trial is to have; here there is one."""
        self.resources = JobResourceConfiguration(**keywords)

    def set_queue_settings(self, *, job_tier: str | None = None, priority: str | None = None) -> None:
        """Say where the job is to queue; there is no queue here."""
        self.queue_settings = QueueSettings(job_tier=job_tier, priority=priority)


def sweep_document(job: SweepJob, warnings: list[str]) -> dict[str, Any]:
    """Return what a sweep file would say of a job.

    Raises
    ------
    InputError
        If something is missing that no default can stand for.
    """
    if job.trial is None:
        raise InputError("is missing; give SweepJob(trial=command(…))", field="trial")
    if not job.search_space:
        raise InputError(
            "is empty; call the command with an expression for an input, job(lr=Uniform(…)), before .sweep",
            field="search_space",
        )
    if job.objective is None:
        raise InputError("is missing; call set_objective(goal=…, primary_metric=…)", field="objective")
    searched = {name: serialised(value) for name, value in job.search_space.items()}
    inputs = inputs_document({**job.trial.inputs, **job.inputs}, searched)
    limits = limits_document(job.limits)
    if "trial_timeout" not in limits and job.trial.limits is not None and job.trial.limits.timeout is not None:
        limits["trial_timeout"] = job.trial.limits.timeout
    return {
        **labels_document(job),
        "type": "sweep",
        "search_space": {
            name: item if isinstance(item, list) else ["choice", [[item]]] for name, item in searched.items()
        },
        "sampling_algorithm": sampling_document(job.sampling_algorithm),
        "objective": vars(job.objective),
        "limits": limits,
        "early_termination": policy_document(job.early_termination, warnings),
        "inputs": inputs,
        "outputs": outputs_document({**job.trial.outputs, **job.outputs}),
        "trial": trial_document(job.trial, searched, inputs),
    }


def labels_document(job: Job) -> dict[str, Any]:
    """Return what all kinds of jobs are called."""
    found: dict[str, Any] = {
        key: value
        for key in ("name", "display_name", "experiment_name", "description")
        if (value := getattr(job, key)) is not None
    }
    if job.tags:
        found["tags"] = job.tags
    return found


def sweep_job(spec: SweepSpec) -> SweepJob:
    """Return the job of a stored or loaded sweep."""
    from hdcore.azure.v2 import settings

    sampler: Any = spec.sampler.get("type", "random")
    if sampler == "sobol":
        sampler = settings.RandomSamplingAlgorithm(rule="sobol", seed=spec.seed)
    policy: Any = None
    if spec.policy is not None:
        kinds = {
            "Bandit": settings.BanditPolicy,
            "MedianStopping": settings.MedianStoppingPolicy,
            "TruncationSelection": settings.TruncationSelectionPolicy,
        }
        policy = kinds[spec.policy["name"]](**spec.policy.get("properties", {}))
    limits = spec.limits
    return SweepJob(
        name=spec.name,
        display_name=spec.display_name or None,
        experiment_name=spec.experiment_name or None,
        description=spec.description or None,
        tags=dict(spec.tags),
        inputs=_inputs(spec),
        outputs=dict.fromkeys(spec.outputs),
        search_space={name: expression(item) for name, item in spec.space.items()},
        sampling_algorithm=sampler,
        objective=Objective(goal=spec.goal.value, primary_metric=spec.metric),
        limits=SweepJobLimits(
            max_total_trials=limits.max_total_runs,
            max_concurrent_trials=limits.max_concurrent_runs,
            timeout=None if limits.timeout_s is None else int(limits.timeout_s),
            trial_timeout=None if limits.run_timeout_s is None else int(limits.run_timeout_s),
        ),
        early_termination=policy,
        trial=command_job(spec),
    )


def command_job(spec: SweepSpec) -> CommandJob:
    """Return the command of a stored or loaded sweep as a job."""
    return CommandJob(
        name=spec.name,
        display_name=spec.display_name or None,
        experiment_name=spec.experiment_name or None,
        description=spec.description or None,
        tags=dict(spec.tags),
        command=spec.command,
        code=spec.code,
        environment_variables=dict(spec.environment),
        inputs=_inputs(spec),
        outputs=dict.fromkeys(spec.outputs),
    )


def _inputs(spec: SweepSpec) -> dict[str, Any]:
    from hdcore.azure.v2.inputs import Input

    return {
        name: item.value
        if item.type == "literal"
        else Input(type=item.type, path=item.local or item.path, mode=item.mode)
        for name, item in spec.inputs.items()
    }
