"""`RunConfiguration` and the settings around it. What has no local meaning is kept so that it can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hdcore.hyperdrive.environment import CondaDependencies, Environment
from hdcore.hyperdrive.unserved import Served

DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04"
LONGEST_RUN_S = 30 * 24 * 3600


class _Settings:
    """Named settings as attributes."""

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"


class DockerConfiguration(_Settings):
    """Docker of a run. Runs are processes of this machine, whatever it says."""

    def __init__(
        self,
        use_docker: bool = False,
        shared_volumes: bool = True,
        arguments: Sequence[str] | None = None,
        shm_size: str | None = None,
    ) -> None:
        super().__init__(
            use_docker=use_docker, shared_volumes=shared_volumes, arguments=list(arguments or []), shm_size=shm_size
        )


class MpiConfiguration(_Settings):
    """MPI of a run; a run has one process here."""

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        super().__init__(process_count_per_node=process_count_per_node, node_count=node_count)


class ParallelTaskConfiguration(_Settings):
    """Parallel tasks of a run; a run has one process here."""

    def __init__(self, max_retries_per_worker: int = 0, worker_count_per_node: int = 1, **more: Any) -> None:
        super().__init__(max_retries_per_worker=max_retries_per_worker, worker_count_per_node=worker_count_per_node)


class PyTorchConfiguration(_Settings):
    """Distributed PyTorch of a run; a run has one process here."""

    def __init__(
        self, communication_backend: str = "Nccl", process_count: int | None = None, node_count: int = 1
    ) -> None:
        super().__init__(
            communication_backend=communication_backend, process_count=process_count, node_count=node_count
        )


class TensorflowConfiguration(_Settings):
    """Distributed TensorFlow of a run; a run has one process here."""

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        super().__init__(worker_count=worker_count, parameter_server_count=parameter_server_count)


class RunConfiguration(Served):
    """Where and with what a script runs. Target, environment variables and interpreter count here.

    Attributes
    ----------
    target : str
        Name of a cluster; this machine.
    environment : Environment
    """

    def __init__(
        self,
        script: str | None = None,
        arguments: Any = None,
        framework: str | None = None,
        communicator: str | None = None,
        conda_dependencies: CondaDependencies | None = None,
        _history_enabled: Any = None,
        _path: Any = None,
        _name: Any = None,
        command: Any = None,
    ) -> None:
        self.script = script
        self.arguments: list[Any] = [] if arguments is None else arguments
        self.command: Any = command if command is not None else []
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self._target = "local"
        self.environment = Environment()
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self.node_count = 1
        self.max_run_duration_seconds: int | None = LONGEST_RUN_S
        self.auto_prepare_environment = True
        self.docker = DockerConfiguration()
        self.history = _Settings(output_collection=True, snapshot_project=True, directories_to_watch=["logs"])
        self.amlcompute = _Settings(vm_size=None, name=None, cluster_max_node_count=None)
        self.mpi = MpiConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.tensorflow = TensorflowConfiguration()
        self.spark = _Settings(configuration={})
        self.hdi = _Settings(yarn_deploy_mode="cluster")
        self.data: dict[str, Any] = {}
        self.data_references: dict[str, Any] = {}
        self.output_data: dict[str, Any] = {}
        self.source_directory_data_store: str | None = None

    @property
    def target(self) -> str:
        """Name of the cluster."""
        return self._target

    @target.setter
    def target(self, value: Any) -> None:
        self._target = target_name(value)
        self._target_object = value

    @property
    def environment_variables(self) -> dict[str, str]:
        """Variables of every run, those of the environment."""
        return self.environment.environment_variables

    @environment_variables.setter
    def environment_variables(self, value: dict[str, str]) -> None:
        self.environment.environment_variables = value


def target_name(target: Any) -> str:
    """Return the name of a cluster, given as its name or as the object."""
    return "local" if target is None else str(getattr(target, "name", target))
