"""`ScriptRunConfig`, and what it and the estimators have in common: the definition of one run."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hdcore.hyperdrive.compute import has_gpu
from hdcore.hyperdrive.environment import Environment
from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.run_configuration import LONGEST_RUN_S, RunConfiguration, target_name
from hdcore.hyperdrive.unserved import Served


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one run is, before its hyperparameters.

    Attributes
    ----------
    source_directory : str
        Folder that is copied for the runs.
    script : str or None
        Path in that folder.
    command : str or None
        Instead of a script: the text of a command.
    arguments : tuple
        Strings, numbers, and data objects that become paths.
    inputs : tuple
        Data that is not an argument, but which the script asks its run for.
    """

    source_directory: str
    script: str | None
    command: str | None
    arguments: tuple[Any, ...] = ()
    inputs: tuple[Any, ...] = ()
    environment: Environment = field(default_factory=Environment)
    target: str = "local"
    wants_gpu: bool = False
    timeout_s: float | None = None
    run_configuration: RunConfiguration = field(default_factory=RunConfiguration)


class ScriptRunConfig(Served):
    """A script, its arguments, and where it runs.

    Parameters
    ----------
    source_directory : path-like
        Copied for the runs, once.
    script : str
        Path in it.
    arguments : list or str, optional
        Strings, numbers, datasets, `DataReference` and the like.
    run_config : RunConfiguration, optional
        With it, target and environment that are given here are ignored, with a warning.
    compute_target : str or ComputeTarget, optional
    environment : Environment, optional
    distributed_job_config : MpiConfiguration, PyTorchConfiguration, …, optional
    resume_from : DataPath or str, optional
        The script gets ``--resume-from PATH`` at the end of its arguments.
    max_run_duration_seconds : int
    command : list or str, optional
        Instead of a script; arguments are put at its end.
    """

    def __init__(
        self,
        source_directory: str | os.PathLike[str] | None = None,
        script: str | None = None,
        arguments: Sequence[Any] | str | None = None,
        run_config: RunConfiguration | None = None,
        compute_target: Any = None,
        environment: Environment | None = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: int | None = LONGEST_RUN_S,
        command: Sequence[Any] | str | None = None,
        docker_runtime_config: Any = None,
        *,
        _telemetry_values: Any = None,
    ) -> None:
        if script is not None and command is not None:
            raise UserErrorException("ScriptRunConfig: script and command are both given; give one of them")
        if run_config is None:
            run_config = RunConfiguration()
            run_config.target = compute_target
            if environment is not None:
                if not isinstance(environment, Environment):
                    raise UserErrorException(
                        f"ScriptRunConfig: environment is a {type(environment).__name__}; give an Environment"
                    )
                run_config.environment = environment
            run_config.max_run_duration_seconds = max_run_duration_seconds
        elif compute_target is not None or environment is not None:
            warnings.warn(
                "ScriptRunConfig: compute_target and environment are ignored where run_config is given",
                UserWarning,
                stacklevel=2,
            )
        self.source_directory = os.fspath(source_directory) if source_directory is not None else "."
        self.script = script if script is not None or command is not None else run_config.script
        self.command = command if command is not None or script is not None else (run_config.command or None)
        self.arguments = split_arguments(run_config.arguments if arguments is None else arguments)
        self.run_config = run_config
        self.distributed_job_config = distributed_job_config
        self.resume_from = resume_from
        run_config.script, run_config.arguments = self.script, self.arguments
        if self.command is not None:
            run_config.command = self.command

    def __repr__(self) -> str:
        what = f"script={self.script!r}" if self.command is None else f"command={self.command!r}"
        return f"ScriptRunConfig({self.source_directory!r}, {what}, arguments={self.arguments!r})"

    def _trial(self) -> Trial:
        run_config = self.run_config
        target = getattr(run_config, "_target_object", run_config.target)
        extra = () if self.resume_from is None else ("--resume-from", self.resume_from)
        seconds = run_config.max_run_duration_seconds
        return Trial(
            source_directory=self.source_directory,
            script=self.script,
            command=None if self.command is None else _command_text(self.command),
            arguments=(*self.arguments, *extra),
            inputs=tuple(run_config.data.values()) + tuple(run_config.data_references.values()),
            environment=run_config.environment,
            target=target_name(target),
            wants_gpu=has_gpu(target) or environment_has_gpu(run_config.environment),
            timeout_s=None if seconds in (None, LONGEST_RUN_S) else float(seconds or 0) or None,
            run_configuration=run_config,
        )


def split_arguments(arguments: Sequence[Any] | str | None) -> list[Any]:
    """Return arguments as a list; a string is cut as a shell would."""
    if arguments is None:
        return []
    return shlex.split(arguments) if isinstance(arguments, str) else list(arguments)


def environment_has_gpu(environment: Environment) -> bool:
    """Return whether an environment is made for GPUs, by its name or its image."""
    words = f"{environment.name or ''} {environment.docker.base_image or ''}".lower()
    return "gpu" in words or "cuda" in words


def _command_text(command: Sequence[Any] | str) -> Any:
    if isinstance(command, str):
        return command
    words = list(command)
    if not words:
        raise UserErrorException("ScriptRunConfig: command is empty; give what is to be executed")
    return str(words[0]) if len(words) == 1 else words
