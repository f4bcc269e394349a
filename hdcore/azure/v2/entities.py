"""What Azure describes and this machine needs no more of than a name: environments, computes, data, models, identities.

They keep what they are given. An assets' path is made absolute when it is registered.
"""

from __future__ import annotations

import os
from typing import Any

from hdcore.hyperdrive.unserved import Served


class Entity(Served):
    """Keeps its keywords as attributes."""

    def __init__(self, **keywords: Any) -> None:
        self.__dict__.update(keywords)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items() if v is not None)})"


class Asset(Entity):
    """Something with a name and a version."""

    _kind = "assets"

    def __init__(
        self,
        *,
        name: str | None = None,
        version: str | None = None,
        description: str | None = None,
        tags: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(
            name=name,
            version=None if version is None else str(version),
            description=description,
            tags=dict(tags or {}),
            properties=dict(properties or {}),
            **keywords,
        )

    @property
    def id(self) -> str:
        """``azureml:NAME:VERSION``, which a job takes as the path of an input."""
        return f"azureml:{self.name}:{self.version}"

    name: str | None
    version: str | None


class BuildContext(Entity):
    """A folder with a Dockerfile; nothing is built here."""

    def __init__(self, *, dockerfile_path: str | None = None, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__(dockerfile_path=dockerfile_path, path=path)


class Environment(Asset):
    """What a job runs in. Here jobs run with the Python that is there."""

    _kind = "environments"

    def __init__(
        self,
        *,
        image: str | None = None,
        build: BuildContext | None = None,
        conda_file: str | os.PathLike[str] | dict[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(image=image, build=build, conda_file=conda_file, **keywords)


class Data(Asset):
    """A file or folder with a name."""

    _kind = "data"

    def __init__(
        self, *, path: str | os.PathLike[str] | None = None, type: str = "uri_folder", **keywords: Any
    ) -> None:
        super().__init__(path=path, type=type, **keywords)


class Model(Asset):
    """A trained model with a name; its files are copied when it is registered."""

    _kind = "models"

    def __init__(
        self,
        *,
        path: str | os.PathLike[str] | None = None,
        type: str | None = None,
        flavors: dict[str, Any] | None = None,
        stage: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(path=path, type=type or "custom_model", flavors=flavors, stage=stage, **keywords)


class Compute(Entity):
    """A computer. Whatever its name, it is this machine."""

    def __init__(self, *, name: str, type: str = "amlcompute", **keywords: Any) -> None:
        keywords.setdefault("location", "local")
        keywords.setdefault("provisioning_state", "Succeeded")
        keywords.setdefault("state", "Running")
        super().__init__(name=name, type=type, **keywords)

    name: str

    @property
    def id(self) -> str:
        """``azureml:NAME``."""
        return f"azureml:{self.name}"


class AmlCompute(Compute):
    """A cluster."""

    def __init__(
        self,
        *,
        name: str,
        size: str | None = None,
        min_instances: int | None = 0,
        max_instances: int | None = 4,
        idle_time_before_scale_down: int | None = 120,
        tier: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(
            name=name,
            size=size,
            min_instances=min_instances,
            max_instances=max_instances,
            idle_time_before_scale_down=idle_time_before_scale_down,
            tier=tier,
            **keywords,
        )


class ComputeInstance(Compute):
    """A virtual machine."""

    def __init__(self, *, name: str, size: str | None = None, **keywords: Any) -> None:
        super().__init__(name=name, type="computeinstance", size=size, **keywords)


class Workspace(Entity):
    """A workspace: the root of the sweeps."""

    def __init__(self, *, name: str, **keywords: Any) -> None:
        for key in ("display_name", "description", "resource_group", "mlflow_tracking_uri", "tags"):
            keywords.setdefault(key, None)
        keywords.setdefault("location", "local")
        super().__init__(name=name, **keywords)

    name: str


class Datastore(Entity):
    """A store of data: a folder under the root."""

    def __init__(self, *, name: str, **keywords: Any) -> None:
        super().__init__(name=name, **keywords)

    name: str


class AzureBlobDatastore(Datastore):
    """A container of blobs."""


class AzureFileDatastore(Datastore):
    """A file share."""


class AzureDataLakeGen2Datastore(Datastore):
    """A file system of a data lake."""


class UserIdentityConfiguration(Entity):
    """Runs as the user; so does everything here."""

    def __init__(self) -> None:
        super().__init__(type="user_identity")


class AmlTokenConfiguration(Entity):
    """Runs with a token; there is none here."""

    def __init__(self) -> None:
        super().__init__(type="aml_token")


class ManagedIdentityConfiguration(Entity):
    """Runs with a managed identity; there is none here."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(type="managed_identity", **keywords)


class IdentityConfiguration(Entity):
    """The identities of a compute."""


class AccountKeyConfiguration(Entity):
    """A key of a storage account."""


class SasTokenConfiguration(Entity):
    """A token of a storage account."""


class ServicePrincipalConfiguration(Entity):
    """A service principal."""


class NoneCredentialConfiguration(Entity):
    """No credentials."""


class JobResourceConfiguration(Entity):
    """Machines of a job; there is one here."""

    def __init__(self, *, instance_count: int | None = None, instance_type: str | None = None, **keywords: Any) -> None:
        super().__init__(instance_count=instance_count, instance_type=instance_type, **keywords)


class ResourceConfiguration(JobResourceConfiguration):
    """Machines of a component."""


class QueueSettings(Entity):
    """Tier and priority in a queue; there is none here."""

    def __init__(self, *, job_tier: str | None = None, priority: str | None = None, **keywords: Any) -> None:
        super().__init__(job_tier=job_tier, priority=priority, **keywords)


class CommandJobLimits(Entity):
    """Bounds of a command job; the timeout in seconds."""

    timeout: int | str | None

    def __init__(self, *, timeout: int | str | None = None) -> None:
        super().__init__(timeout=timeout)


class JobService(Entity):
    """A way to look at a job."""

    def __init__(self, *, endpoint: str | None = None, type: str | None = None, **keywords: Any) -> None:
        super().__init__(endpoint=endpoint, type=type, **keywords)


class SshJobService(JobService):
    """A shell into a job."""


class JupyterLabJobService(JobService):
    """A notebook server in a job."""


class TensorBoardJobService(JobService):
    """TensorBoard beside a job."""


class VsCodeJobService(JobService):
    """An editor in a job."""


class AmlComputeSshSettings(Entity):
    """Who may log in to a cluster."""


class NetworkSettings(Entity):
    """The network of a compute."""


class MpiDistribution(Entity):
    """Processes started by MPI; a run has one machine here."""


class PyTorchDistribution(Entity):
    """Processes of PyTorch; a run has one machine here."""


class TensorFlowDistribution(Entity):
    """Processes of TensorFlow; a run has one machine here."""


class RayDistribution(Entity):
    """A Ray cluster; a run has one machine here."""
