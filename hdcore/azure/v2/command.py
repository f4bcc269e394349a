"""Command jobs, and what turns them into sweeps."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from hdcore.azure.component import search_inputs, settle_optional
from hdcore.azure.v2.entities import CommandJobLimits, JobResourceConfiguration, JobService, QueueSettings
from hdcore.azure.v2.exceptions import UnexpectedKeywordError
from hdcore.azure.v2.expressions import SweepDistribution
from hdcore.azure.v2.inputs import Input, Ports, input_document, output_document
from hdcore.azure.v2.nodes import note_node
from hdcore.hyperdrive.unserved import Served

if TYPE_CHECKING:
    from hdcore.azure.v2.sweep import SweepJob


C = TypeVar("C", bound="CommandJob")


class Job(Served):
    """What all jobs have.

    Attributes
    ----------
    status : str or None
        Of a job that was submitted.
    studio_url : str or None
        Where its results are: a folder of this machine.
    """

    type = ""

    def __init__(
        self,
        *,
        name: str | None = None,
        display_name: str | None = None,
        description: str | None = None,
        tags: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        experiment_name: str | None = None,
        compute: str | None = None,
        **keywords: Any,
    ) -> None:
        self.name = name
        self.display_name = display_name
        self.description = description
        self.tags: dict[str, Any] = dict(tags or {})
        self.properties: dict[str, Any] = dict(properties or {})
        self.experiment_name = experiment_name
        self.compute = compute
        self.status: str | None = None
        self.services: dict[str, JobService] = {}
        self.studio_url: str | None = None
        self.parent_job_name: str | None = keywords.get("parent_job_name")
        self.id: str | None = None

    def __repr__(self) -> str:
        shown = ("name", "display_name", "experiment_name", "status", "studio_url")
        parts = [f"{key}={getattr(self, key)!r}" for key in shown if getattr(self, key) is not None]
        return f"{type(self).__name__}({', '.join(parts)})"

    @property
    def log_files(self) -> dict[str, str]:
        """Nothing: logs are in the folder of the job, see `MLClient.jobs.download`."""
        return {}

    @property
    def base_path(self) -> str:
        """What relative paths are relative to."""
        return os.getcwd()


class CommandJob(Job):
    """A command that runs once, or in each trial of a sweep.

    A job can be called like a function: the result is a copy with other inputs, which may be expressions to search.
    """

    type = "command"

    def __init__(
        self,
        *,
        command: str | None = None,
        code: str | os.PathLike[str] | None = None,
        environment: Any = None,
        environment_variables: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
        limits: CommandJobLimits | None = None,
        resources: JobResourceConfiguration | dict[str, Any] | None = None,
        distribution: Any = None,
        identity: Any = None,
        services: dict[str, Any] | None = None,
        queue_settings: QueueSettings | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.command = command
        self.code = code
        self.environment = environment
        self.environment_variables: dict[str, Any] = dict(environment_variables or {})
        self.inputs: Any = Ports("input", inputs)
        self.outputs: Any = Ports("output", outputs)
        self.limits = limits
        self.resources = resources
        self.distribution = distribution
        self.identity = identity
        self.services = dict(services or {})
        self.queue_settings = queue_settings

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("inputs", "outputs") and not isinstance(value, Ports):
            value = Ports(name[:-1], value)
        super().__setattr__(name, value)

    def __call__(self, *args: Any, **inputs: Any) -> CommandJob:
        job = self._with_inputs(CommandJob(), args, inputs)
        note_node(job, instead_of=self)
        return job

    @property
    def component(self) -> CommandComponent:
        """The command as a component, which can be registered and called."""
        return self._with_inputs(CommandComponent(), (), {})

    def _with_inputs(self, job: C, args: tuple[Any, ...], inputs: dict[str, Any]) -> C:
        if args:
            raise UnexpectedKeywordError(
                f"{self.name or 'command'}: takes its inputs by name; write job(NAME=VALUE) with {self._known()}"
            )
        for name in inputs:
            if name not in self.inputs:
                raise UnexpectedKeywordError(f"{self.name or 'command'}: has no input {name!r}; it has {self._known()}")
        job.__dict__.update(self.__dict__)
        job.inputs = Ports("input", {**self.inputs, **inputs})
        job.outputs = Ports("output", dict(self.outputs))
        job.tags, job.environment_variables = dict(self.tags), dict(self.environment_variables)
        return job

    def _known(self) -> str:
        return ", ".join(self.inputs) or "none"

    def set_resources(
        self,
        *,
        instance_type: Any = None,
        instance_count: int | None = None,
        properties: dict[str, Any] | None = None,
        docker_args: Any = None,
        shm_size: str | None = None,
        **keywords: Any,
    ) -> None:
        """Say what machines the job is to have; here there is one."""
        self.resources = JobResourceConfiguration(
            instance_type=instance_type,
            instance_count=instance_count,
            properties=properties,
            docker_args=docker_args,
            shm_size=shm_size,
            **keywords,
        )

    def set_limits(self, *, timeout: int, **keywords: Any) -> None:
        """Bound the run; in seconds."""
        self.limits = CommandJobLimits(timeout=timeout)

    def set_queue_settings(self, *, job_tier: str | None = None, priority: str | None = None) -> None:
        """Say where the job is to queue; there is no queue here."""
        self.queue_settings = QueueSettings(job_tier=job_tier, priority=priority)

    def sweep(
        self,
        *,
        primary_metric: str,
        goal: str,
        sampling_algorithm: Any = "random",
        compute: str | None = None,
        max_concurrent_trials: int | None = None,
        max_total_trials: int | None = None,
        timeout: int | None = None,
        trial_timeout: int | None = None,
        early_termination_policy: Any = None,
        search_space: dict[str, Any] | None = None,
        identity: Any = None,
        queue_settings: QueueSettings | None = None,
        job_tier: str | None = None,
        priority: str | None = None,
    ) -> SweepJob:
        """Make a sweep of the job; inputs that are expressions become its search space."""
        from hdcore.azure.v2.settings import Objective, SweepJobLimits
        from hdcore.azure.v2.sweep import SweepJob

        searched = {name: value for name, value in self.inputs.items() if isinstance(value, SweepDistribution)}
        given = any(item is not None for item in (max_concurrent_trials, max_total_trials, timeout, trial_timeout))
        job = SweepJob(
            trial=self,
            compute=compute or self.compute,
            inputs={name: value for name, value in self.inputs.items() if name not in searched},
            outputs=dict(self.outputs),
            search_space={**searched, **(search_space or {})},
            sampling_algorithm=sampling_algorithm,
            objective=Objective(goal=goal, primary_metric=primary_metric),
            limits=SweepJobLimits(
                max_concurrent_trials=max_concurrent_trials,
                max_total_trials=max_total_trials,
                timeout=timeout,
                trial_timeout=trial_timeout,
            )
            if given
            else None,
            early_termination=early_termination_policy,
            identity=identity or self.identity,
            queue_settings=queue_settings or QueueSettings(job_tier=job_tier, priority=priority),
            display_name=self.display_name,
            experiment_name=self.experiment_name,
            description=self.description,
            tags=dict(self.tags),
        )
        note_node(job, instead_of=self)
        return job


class CommandComponent(CommandJob):
    """A command with declared inputs, from a file or from `command`; calling it makes a job."""

    version: str | None = None
    is_deterministic = True


Command = CommandJob


def command(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
    display_name: str | None = None,
    command: str | None = None,
    experiment_name: str | None = None,
    environment: Any = None,
    environment_variables: dict[str, Any] | None = None,
    distribution: Any = None,
    compute: str | None = None,
    inputs: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    instance_count: int | None = None,
    instance_type: str | None = None,
    locations: list[str] | None = None,
    docker_args: Any = None,
    shm_size: str | None = None,
    timeout: int | None = None,
    code: str | os.PathLike[str] | None = None,
    identity: Any = None,
    is_deterministic: bool = True,
    services: dict[str, Any] | None = None,
    job_tier: str | None = None,
    priority: str | None = None,
    parent_job_name: str | None = None,
    **kwargs: Any,
) -> CommandJob:
    """Make a command job; names and defaults as in ``azure.ai.ml.command``."""
    resources = {
        "instance_count": instance_count,
        "instance_type": instance_type,
        "locations": locations,
        "docker_args": docker_args,
        "shm_size": shm_size,
    }
    job = CommandJob(
        name=name,
        description=description,
        tags=tags,
        properties=properties,
        display_name=display_name,
        command=command,
        experiment_name=experiment_name,
        environment=environment,
        environment_variables=environment_variables,
        distribution=distribution,
        compute=compute,
        inputs=inputs,
        outputs=outputs,
        resources=JobResourceConfiguration(**resources) if any(resources.values()) else None,
        limits=None if timeout is None else CommandJobLimits(timeout=timeout),
        code=code,
        identity=identity,
        services=services,
        queue_settings=QueueSettings(job_tier=job_tier, priority=priority),
        parent_job_name=parent_job_name,
    )
    note_node(job)
    return job


def trial_document(job: CommandJob, searched: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what a sweep file would say under ``trial``."""
    text = job.command
    if isinstance(text, str):
        text = search_inputs(settle_optional(text, {*searched, *inputs}), searched)
    found: dict[str, Any] = {"command": text}
    if job.code is not None:
        found["code"] = os.fspath(job.code)
    if job.environment_variables:
        found["environment_variables"] = job.environment_variables
    return found


def inputs_document(inputs: dict[str, Any], searched: dict[str, Any]) -> dict[str, Any]:
    """Return what a sweep file would say under ``inputs``: without what is searched, and optional ones not given."""
    found = {name: input_document(name, value) for name, value in inputs.items() if name not in searched}
    return {name: value for name, value in found.items() if value is not None}


def outputs_document(outputs: dict[str, Any]) -> dict[str, Any]:
    """Return what a sweep file would say under ``outputs``."""
    return {name: output_document(value) for name, value in outputs.items()}


__all__ = ["Command", "CommandComponent", "CommandJob", "Input", "Job", "command"]
