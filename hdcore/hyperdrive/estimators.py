"""Estimators, the form of a run before `ScriptRunConfig`: a script with a dictionary of parameters."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hdcore.hyperdrive.compute import has_gpu
from hdcore.hyperdrive.environment import CondaDependencies, Environment
from hdcore.hyperdrive.exceptions import TrainingException
from hdcore.hyperdrive.run_configuration import (
    LONGEST_RUN_S,
    MpiConfiguration,
    RunConfiguration,
    _Settings,
    target_name,
)
from hdcore.hyperdrive.script import Trial
from hdcore.hyperdrive.unserved import Served


class Mpi(MpiConfiguration):
    """MPI of an estimator; a run has one process here."""


class Gloo(_Settings):
    """Gloo of an estimator; a run has one process here."""


class Nccl(_Settings):
    """NCCL of an estimator; a run has one process here."""


class Estimator(Served):
    """A training script and its parameters.

    Parameters
    ----------
    source_directory : path-like
    compute_target : str or ComputeTarget, optional
    entry_script : str
        Path in the source directory.
    script_params : dict, optional
        ``{"--epochs": 5, "--verbose": ""}``; an empty text is a flag without a value. A hyperparameter of the same name
        takes its place.
    use_gpu : bool
        One GPU a run, where there are any.
    conda_packages, pip_packages, conda_dependencies_file, pip_requirements_file, environment_definition
        Kept, and installed by nobody: runs use this machine's environment.
    inputs : list, optional
        Datasets that the script asks its run for.
    environment_variables : dict, optional
    resume_from : DataPath or str, optional
    """

    _framework: ClassVar[str] = "Python"

    def __init__(
        self,
        source_directory: str | os.PathLike[str] = ".",
        *,
        compute_target: Any = None,
        vm_size: str | None = None,
        vm_priority: str | None = None,
        entry_script: str | None = None,
        script_params: Mapping[str, Any] | None = None,
        node_count: int = 1,
        process_count_per_node: int = 1,
        distributed_backend: str | None = None,
        distributed_training: Any = None,
        use_gpu: bool = False,
        use_docker: bool = True,
        custom_docker_base_image: str | None = None,
        custom_docker_image: str | None = None,
        image_registry_details: Any = None,
        user_managed: bool = False,
        conda_packages: Sequence[str] | None = None,
        pip_packages: Sequence[str] | None = None,
        conda_dependencies_file_path: str | None = None,
        pip_requirements_file_path: str | None = None,
        conda_dependencies_file: str | None = None,
        pip_requirements_file: str | None = None,
        environment_variables: Mapping[str, Any] | None = None,
        environment_definition: Environment | None = None,
        inputs: Sequence[Any] | None = None,
        source_directory_data_store: Any = None,
        shm_size: str | None = None,
        resume_from: Any = None,
        max_run_duration_seconds: int | None = None,
        framework_version: str | None = None,
        worker_count: int = 1,
        parameter_server_count: int = 1,
        **more: Any,
    ) -> None:
        for word in more:
            if not word.startswith("_"):
                raise TypeError(f"{type(self).__name__}() has no argument {word!r}")
        if entry_script is None:
            raise TrainingException(f"{type(self).__name__}: entry_script is missing; give the path of the script")
        if script_params is not None and not isinstance(script_params, Mapping):
            raise TrainingException(
                f"{type(self).__name__}: script_params is a {type(script_params).__name__};"
                " give a dictionary such as {'--epochs': 5}"
            )
        self.source_directory = os.fspath(source_directory)
        self.entry_script = entry_script
        self.script_params = dict(script_params or {})
        self.use_gpu = use_gpu
        self.inputs = list(inputs or [])
        self.framework_version = framework_version
        self.compute_target = compute_target
        self.resume_from = resume_from
        self.run_config = RunConfiguration(script=entry_script, framework=self._framework)
        self.run_config.target = compute_target
        self.run_config.node_count = node_count
        self.run_config.max_run_duration_seconds = max_run_duration_seconds or LONGEST_RUN_S
        self.run_config.arguments = self._arguments({})
        environment = environment_definition
        if environment is None:
            environment = Environment()
            files = conda_dependencies_file or conda_dependencies_file_path
            if files is not None:
                packages = CondaDependencies(os.path.join(self.source_directory, files))
            else:
                packages = CondaDependencies.create(pip_packages=pip_packages, conda_packages=conda_packages)
            environment.python.conda_dependencies = packages
            environment.docker.base_image = custom_docker_image or custom_docker_base_image
        environment.environment_variables.update(
            {name: str(value) for name, value in (environment_variables or {}).items()}
        )
        self.run_config.environment = environment

    @property
    def conda_dependencies(self) -> CondaDependencies | None:
        """Packages of the environment."""
        return self.run_config.environment.python.conda_dependencies

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source_directory!r}, entry_script={self.entry_script!r})"

    def _arguments(self, searched: Mapping[str, Any]) -> list[Any]:
        """Return the fixed arguments; those that are searched are left out, with a warning."""
        names = {_bare(name) for name in searched}
        words: list[Any] = []
        for name, value in self.script_params.items():
            if _bare(name) in names:
                warnings.warn(
                    f"{type(self).__name__}: script_params has {name!r}, which is searched; the searched value is used",
                    UserWarning,
                    stacklevel=6,  # the call of Experiment.submit
                )
                continue
            words.append(name)
            if not (isinstance(value, str) and value == ""):
                words.append(value)
        return words

    def _trial(self, searched: Mapping[str, Any] | None = None) -> Trial:
        extra = () if self.resume_from is None else ("--resume-from", self.resume_from)
        seconds = self.run_config.max_run_duration_seconds
        return Trial(
            source_directory=self.source_directory,
            script=self.entry_script,
            command=None,
            arguments=(*self._arguments(searched or {}), *extra),
            inputs=tuple(self.inputs),
            environment=self.run_config.environment,
            target=target_name(self.compute_target),
            wants_gpu=self.use_gpu or has_gpu(self.compute_target),
            timeout_s=None if seconds in (None, LONGEST_RUN_S) else float(seconds or 0) or None,
            run_configuration=self.run_config,
        )


class SKLearn(Estimator):
    """An estimator for scikit-learn."""


class PyTorch(Estimator):
    """An estimator for PyTorch."""

    _framework = "PyTorch"


class TensorFlow(Estimator):
    """An estimator for TensorFlow."""

    _framework = "TensorFlow"


class Chainer(Estimator):
    """An estimator for Chainer."""


class Keras(Estimator):
    """An estimator for Keras."""


def _bare(name: str) -> str:
    return name.lstrip("-")
