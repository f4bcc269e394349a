"""Compute targets: every name is this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hdcore.hyperdrive.exceptions import ComputeTargetException
from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.workspace import Workspace

_GPU_SIZES = ("standard_nc", "standard_nd", "standard_nv", "standard_ng")


class ProvisioningConfiguration:
    """What a cluster would be made of; kept so that it can be read."""

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)

    def validate_configuration(self) -> None:
        """Accept everything."""


class AmlComputeStatus(Served):
    """State of a cluster that is this machine."""

    def __init__(self, target: ComputeTarget) -> None:
        self.provisioning_state = "Succeeded"
        self.allocation_state = "Steady"
        self.current_node_count = self.target_node_count = 1
        self.vm_size = target.vm_size
        self.vm_priority = "Dedicated"
        self.node_state_counts = {"idleNodeCount": 1}
        self.errors: list[Any] | None = None

    def serialize(self) -> dict[str, Any]:
        """Return the state as Azure's keys."""
        return {
            "provisioningState": self.provisioning_state,
            "allocationState": self.allocation_state,
            "currentNodeCount": 1,
            "targetNodeCount": 1,
            "vmSize": self.vm_size,
            "vmPriority": self.vm_priority,
            "nodeStateCounts": self.node_state_counts,
            "errors": self.errors,
        }


class ComputeTarget(Served):
    """A cluster by its name. Calling the class gives an `AmlCompute`, as code that compares types expects.

    Parameters
    ----------
    workspace : Workspace
    name : str
        Any; "local" too.
    """

    type = "AmlCompute"

    def __new__(cls, workspace: Workspace | None = None, name: str = "local") -> ComputeTarget:
        return super().__new__(AmlCompute if cls is ComputeTarget else cls)

    def __init__(self, workspace: Workspace | None = None, name: str = "local") -> None:
        if not isinstance(name, str) or not name:
            raise ComputeTargetException(f"ComputeTarget: the name is {name!r}; give a string")
        self.workspace = workspace
        self.name = name
        self.id = f"compute/{name}"
        self.provisioning_state = "Succeeded"
        self.provisioning_errors: list[Any] | None = None
        self._provisioned: Any = None
        self.location = "local"
        self.tags: dict[str, str] = {}
        self.description: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"

    @property
    def vm_size(self) -> str:
        """What the cluster was asked to be made of, else how many CPUs there are."""
        asked = getattr(self._provisioned, "vm_size", None)
        return str(asked) if asked else f"local_{os.cpu_count() or 1}_cpus"

    @property
    def scale_settings(self) -> Any:
        return self._provisioned

    @staticmethod
    def create(workspace: Workspace, name: str, provisioning_configuration: Any) -> ComputeTarget:
        """Return this machine under a name."""
        made = ComputeTarget(workspace, name)
        made._provisioned = provisioning_configuration
        return made

    @staticmethod
    def attach(workspace: Workspace, name: str, attach_configuration: Any) -> ComputeTarget:
        """Return this machine under a name."""
        return ComputeTarget(workspace, name)

    @staticmethod
    def list(workspace: Workspace) -> list[ComputeTarget]:
        """Return this machine."""
        return [ComputeTarget(workspace, "local")]

    def wait_for_completion(
        self,
        show_output: bool = False,
        min_node_count: int | None = None,
        timeout_in_minutes: int | None = None,
        is_delete_operation: bool = False,
    ) -> None:
        """Return at once: the machine is there."""
        if show_output:
            print(f"{self.name}: this machine; nothing to provision")

    def get_status(self) -> AmlComputeStatus:
        return AmlComputeStatus(self)

    @property
    def status(self) -> AmlComputeStatus:
        return self.get_status()

    def list_nodes(self) -> Sequence[dict[str, Any]]:
        return [{"nodeId": "local", "nodeState": "idle", "ipAddress": "127.0.0.1"}]

    def refresh_state(self) -> None:
        """Do nothing: the state never changes."""

    def update(self, **settings: Any) -> None:
        """Do nothing: this machine does not scale."""

    def delete(self) -> None:
        """Do nothing: this machine stays."""

    def detach(self) -> None:
        """Do nothing: this machine stays."""

    def start(self, wait_for_completion: bool = False, show_output: bool = False) -> None:
        """Do nothing: this machine is up."""

    def stop(self, wait_for_completion: bool = False, show_output: bool = False) -> None:
        """Do nothing: this machine stays up."""

    def serialize(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type, "provisioningState": self.provisioning_state}


class AmlCompute(ComputeTarget):
    """A cluster of Azure's; here this machine."""

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "", vm_priority: str = "dedicated", min_nodes: int = 0, max_nodes: int | None = None, **more: Any
    ) -> ProvisioningConfiguration:
        """Return a description that `ComputeTarget.create` takes."""
        return ProvisioningConfiguration(
            vm_size=vm_size, vm_priority=vm_priority, min_nodes=min_nodes, max_nodes=max_nodes, **more
        )

    @staticmethod
    def supported_vmsizes(workspace: Workspace, location: str | None = None) -> list[dict[str, Any]]:
        """Return the one size there is."""
        return [{"name": f"local_{os.cpu_count() or 1}_cpus", "vCPUs": os.cpu_count() or 1, "gpus": 0}]


class ComputeInstance(ComputeTarget):
    """An instance of Azure's; here this machine."""

    type = "ComputeInstance"

    @staticmethod
    def provisioning_configuration(vm_size: str = "", **more: Any) -> ProvisioningConfiguration:
        """Return a description that `ComputeTarget.create` takes."""
        return ProvisioningConfiguration(vm_size=vm_size, **more)


class RemoteCompute(ComputeTarget):
    """A machine of the user's; here this machine."""

    type = "VirtualMachine"

    @staticmethod
    def attach_configuration(**settings: Any) -> ProvisioningConfiguration:
        """Return a description that `ComputeTarget.attach` takes."""
        return ProvisioningConfiguration(**settings)


class BatchAiCompute(AmlCompute):
    """What clusters were called in 2018; here this machine."""

    type = "BatchAI"

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: int | None = None,
        cluster_min_nodes: int = 0,
        cluster_max_nodes: int | None = None,
        **more: Any,
    ) -> ProvisioningConfiguration:
        """Return a description that `ComputeTarget.create` takes."""
        return AmlCompute.provisioning_configuration(
            vm_size, vm_priority, cluster_min_nodes or min_nodes, cluster_max_nodes or max_nodes, **more
        )


class DsvmCompute(ComputeTarget):
    """A virtual machine of Azure's; here this machine."""

    type = "VirtualMachine"

    @staticmethod
    def provisioning_configuration(vm_size: str = "", **more: Any) -> ProvisioningConfiguration:
        """Return a description that `ComputeTarget.create` takes."""
        return ProvisioningConfiguration(vm_size=vm_size, **more)


class ComputeTargets(dict[str, ComputeTarget]):
    """The clusters of a workspace: every name is one. Programs of 2018 call it for a list."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self["local"]

    def __call__(self) -> list[ComputeTarget]:
        return [*self.values()]

    def __missing__(self, name: str) -> ComputeTarget:
        made = self[name] = ComputeTarget(self._workspace, name)
        return made

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def get(self, name: str, default: Any = None) -> Any:
        """Return this machine under the name."""
        return self[name]


def has_gpu(target: object) -> bool:
    """Return whether a target is meant to have GPUs, by its size or its name."""
    if isinstance(target, ComputeTarget) and target.vm_size.lower().startswith(_GPU_SIZES):
        return True
    return "gpu" in str(getattr(target, "name", target)).lower()
