"""``MLClient``: a workspace of Azure ML on this machine, which is a root of sweeps."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hdcore.azure.v2.assets import ModelShelf, Shelf
from hdcore.azure.v2.command import CommandComponent, CommandJob
from hdcore.azure.v2.entities import AmlCompute, AzureBlobDatastore, Compute, Data, Datastore, Environment, Model
from hdcore.azure.v2.entities import Workspace as WorkspaceEntity
from hdcore.azure.v2.exceptions import ValidationException
from hdcore.azure.v2.jobs import JobOperations, job_path
from hdcore.azure.v2.poller import Poller
from hdcore.errors import NotServedError
from hdcore.hyperdrive.unserved import Served
from hdcore.standins.placeholder import Unserved
from hdcore.store import find_root

_DEPLOYMENT = "deployment is out of scope; what the sweep left behind is in its folder"
_SERVICE = "has no local meaning; hdcore runs jobs on this machine"
_CONFIG_FILES = ("config.json", ".azureml/config.json")


class MLClient(Served):
    """The client of a workspace. Nobody signs in, every compute is this machine, jobs are sweeps under one root.

    Attributes
    ----------
    jobs, environments, data, models, compute, datastores, components, workspaces
        The operations that are served; those of endpoints and deployments say that they are not.
    """

    def __init__(
        self,
        credential: Any = None,
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        registry_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.subscription_id = subscription_id
        self.resource_group_name = resource_group_name
        self.workspace_name = workspace_name or "local"
        root = find_root()
        self._root = root
        self.jobs = JobOperations(root)
        self.environments = AssetOperations(Shelf(root, "environments"), Environment)
        self.data = AssetOperations(Shelf(root, "data"), Data)
        self.models = ModelOperations(root)
        self.compute = ComputeOperations()
        self.datastores = DatastoreOperations(root)
        self.components = ComponentOperations()
        self.workspaces = WorkspaceOperations(self)
        for name in ("online_endpoints", "online_deployments", "batch_endpoints", "batch_deployments"):
            setattr(self, name, Unserved(f"MLClient.{name}", _DEPLOYMENT, is_deployment=True))
        for name in ("serverless_endpoints", "azure_openai_deployments", "marketplace_subscriptions"):
            setattr(self, name, Unserved(f"MLClient.{name}", _DEPLOYMENT, is_deployment=True))
        for name in (
            *("capability_hosts", "connections", "deployment_templates", "evaluators", "feature_sets"),
            *("feature_store_entities", "feature_stores", "indexes", "registries", "schedules"),
            "workspace_outbound_rules",
        ):
            setattr(self, name, Unserved(f"MLClient.{name}", _SERVICE))

    def __repr__(self) -> str:
        return f"MLClient(workspace_name={self.workspace_name!r}, root={str(self._root)!r})"

    @classmethod
    def from_config(
        cls,
        credential: Any = None,
        *,
        path: str | os.PathLike[str] | None = None,
        file_name: str | None = None,
        **kwargs: Any,
    ) -> MLClient:
        """Return the client of the workspace that a ``config.json`` names; without one, of the local workspace.

        Raises
        ------
        ValidationException
            If `path` is given and is no such file, or the file cannot be read.
        """
        file = _find_config(None if path is None else Path(path), file_name)
        if file is None:
            return cls(credential, **kwargs)
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
            words = [config[key] for key in ("subscription_id", "resource_group", "workspace_name")]
        except (OSError, ValueError, KeyError, TypeError):
            raise ValidationException(
                "is no configuration of a workspace; write a JSON object with subscription_id, resource_group and"
                " workspace_name",
                field=str(file),
            ) from None
        return cls(credential, *words, **kwargs)

    def create_or_update(self, entity: Any, **kwargs: Any) -> Any:
        """Start a job, or register an asset."""
        if isinstance(entity, CommandComponent):
            return self.components.create_or_update(entity)
        shelves: dict[type, Any] = {
            Model: self.models,
            Environment: self.environments,
            Data: self.data,
            Datastore: self.datastores,
        }
        for kind, operations in shelves.items():
            if isinstance(entity, kind):
                return operations.create_or_update(entity)
        return self.jobs.create_or_update(entity, **kwargs)

    def begin_create_or_update(self, entity: Any, **kwargs: Any) -> Poller[Any]:
        """Make a compute or a workspace, which are there already."""
        if isinstance(entity, Compute):
            return self.compute.begin_create_or_update(entity)
        if isinstance(entity, WorkspaceEntity):
            return self.workspaces.begin_create(entity)
        raise NotServedError(f"MLClient.begin_create_or_update: {type(entity).__name__} {_SERVICE}")


def _find_config(path: Path | None, file_name: str | None) -> Path | None:
    names = (file_name, f".azureml/{file_name}") if file_name else _CONFIG_FILES
    if path is not None:
        for file in (path, *(path / name for name in names)):
            if file.is_file():
                return file
        raise ValidationException("holds no config.json; give the folder or the file", field=str(path))
    for folder in (Path.cwd(), *Path.cwd().parents):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    return None


class AssetOperations(Served):
    """Assets of one kind."""

    def __init__(self, shelf: Any, kind: type) -> None:
        self._shelf = shelf
        self._kind = kind

    def create_or_update(self, asset: Any) -> Any:
        """Register an asset; a version that exists is replaced."""
        return self._shelf.put(asset)

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Any:
        """Return an asset; without a version the newest."""
        if self._kind is Environment and str(name).lower().startswith("azureml"):  # Azure's own, of any version
            return Environment(name=name, version=version or "1")
        return self._shelf.get(name, version, label)

    def list(self, name: str | None = None, **kwargs: Any) -> Iterator[Any]:
        """Yield the versions of one name, or the newest version of each."""
        found: Iterator[Any] = self._shelf.all(name)
        return found

    def archive(self, name: str, version: str | None = None, label: str | None = None, **kwargs: Any) -> None:
        """Do nothing: nothing is archived here."""

    def restore(self, name: str, version: str | None = None, label: str | None = None, **kwargs: Any) -> None:
        """Do nothing: nothing is archived here."""


class ModelOperations(AssetOperations):
    """Models: a copy of their files, with a version."""

    def __init__(self, root: Path) -> None:
        super().__init__(ModelShelf(root), Model)
        self._root = root

    def create_or_update(self, model: Any) -> Any:
        """Register a model; its path is local, or that of a job's output.

        Raises
        ------
        ValidationException
            If there is nothing at its path.
        """
        path = None if model.path is None else os.fspath(model.path)
        if path is None:
            raise ValidationException("is missing; give Model(path=…)", field="models.path")
        files = job_path(self._root, path)
        if files is None:
            files = Path(os.path.abspath(os.path.expanduser(path.removeprefix("file://"))))
        if not files.exists():
            raise ValidationException(f"{path} does not exist; give a local path or that of a job", field="models.path")
        return self._shelf.put(model, files)

    def download(self, name: str, version: str, download_path: str | os.PathLike[str] = ".") -> None:
        """Copy the files of a model to ``DOWNLOAD_PATH/NAME``."""
        from hdcore.azure.v2.jobs import _copy

        path = Path(self._shelf.get(name, version).path)
        _copy(path, Path(download_path) / name / path.name)

    def package(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: packages are for deployment."""
        Unserved("MLClient.models", _DEPLOYMENT, is_deployment=True).package  # noqa: B018


class ComputeOperations(Served):
    """Computes. Every name is this machine."""

    def __init__(self) -> None:
        self._known: dict[str, Compute] = {}

    def get(self, name: str) -> Compute:
        """Return the compute of a name; each name is this machine."""
        return self._known.setdefault(name, AmlCompute(name=name, size="local"))

    def list(self, *, compute_type: str | None = None) -> Iterator[Compute]:
        """Yield the computes that were asked for so far."""
        return iter(list(self._known.values()))

    def list_usage(self, **kwargs: Any) -> Iterator[Any]:
        """Yield nothing: there are no quotas."""
        return iter(())

    def list_sizes(self, **kwargs: Any) -> Iterator[Any]:
        """Yield nothing: there is one size."""
        return iter(())

    def list_nodes(self, name: str) -> Iterator[Any]:
        """Yield nothing: there are no nodes."""
        return iter(())

    def begin_create_or_update(self, compute: Compute, **kwargs: Any) -> Poller[Compute]:
        """Note a compute; nothing is made."""
        self._known[compute.name] = compute
        return Poller(compute)

    def begin_update(self, compute: Compute, **kwargs: Any) -> Poller[Compute]:
        """Note a compute; nothing is changed."""
        return self.begin_create_or_update(compute)

    def begin_attach(self, compute: Compute, **kwargs: Any) -> Poller[Compute]:
        """Note a compute; nothing is attached."""
        return self.begin_create_or_update(compute)

    def begin_delete(self, name: str, **kwargs: Any) -> Poller[None]:
        """Forget a compute; nothing is deleted."""
        self._known.pop(name, None)
        return Poller(None)

    def begin_start(self, name: str) -> Poller[None]:
        """Do nothing: this machine runs."""
        return Poller(None)

    def begin_stop(self, name: str) -> Poller[None]:
        """Do nothing: this machine runs on."""
        return Poller(None)

    def begin_restart(self, name: str) -> Poller[None]:
        """Do nothing: this machine runs on."""
        return Poller(None)


class DatastoreOperations(Served):
    """Datastores: folders under the root."""

    def __init__(self, root: Path) -> None:
        self._root = root / "azure" / "datastores"

    def get(self, name: str, *, include_secrets: bool = False) -> Datastore:
        """Return the datastore of a name."""
        return AzureBlobDatastore(name=name, account_name="local", container_name=name, path=str(self._root / name))

    def get_default(self, *, include_secrets: bool = False) -> Datastore:
        """Return the datastore ``workspaceblobstore``."""
        return self.get("workspaceblobstore")

    def list(self, *, include_secrets: bool = False) -> Iterator[Datastore]:
        """Yield the datastores that have a folder, and the default one."""
        names = {"workspaceblobstore"}
        if self._root.is_dir():
            names |= {entry.name for entry in os.scandir(self._root) if entry.is_dir()}
        return (self.get(name) for name in sorted(names))

    def create_or_update(self, datastore: Datastore) -> Datastore:
        """Return the datastore of that name; nothing is connected."""
        return self.get(datastore.name)

    def delete(self, name: str) -> None:
        """Do nothing: data is deleted by hand."""


class ComponentOperations(Served):
    """Components: kept for the time of the program."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def create_or_update(self, component: Any, version: str | None = None, **kwargs: Any) -> Any:
        """Keep a component under its name; a version is counted where none is given."""
        if isinstance(component, CommandJob) and not isinstance(component, CommandComponent):
            component = component.component
        before = self._known.get(component.name)
        if version is not None or component.version is None:
            last = str(getattr(before, "version", None) or 0)
            component.version = str(version or (int(last) + 1 if last.isdigit() else f"{last}-2"))
        self._known[component.name] = component
        return component

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Any:
        """Return a component that was kept.

        Raises
        ------
        NotServedError
            If there is none: there is no registry here.
        """
        if name not in self._known:
            raise NotServedError(
                f"MLClient.components.get: {name!r} was not created in this program; use load_component"
            )
        return self._known[name]

    def list(self, name: str | None = None, **kwargs: Any) -> Iterator[Any]:
        """Yield the components that were kept."""
        return iter(list(self._known.values()))


class WorkspaceOperations(Served):
    """Workspaces. Every name is this machine."""

    def __init__(self, client: MLClient) -> None:
        self._client = client

    def get(self, name: str | None = None, **kwargs: Any) -> WorkspaceEntity:
        """Return the workspace; its tracking URI is that of hdcore's MLflow plugin."""
        client = self._client
        return WorkspaceEntity(
            name=name or client.workspace_name,
            resource_group=client.resource_group_name or "local",
            mlflow_tracking_uri=f"hdcore://{client._root}",
            id=f"/subscriptions/{client.subscription_id}/resourceGroups/{client.resource_group_name}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{name or client.workspace_name}",
        )

    def list(self, **kwargs: Any) -> Iterator[WorkspaceEntity]:
        """Yield the workspace."""
        return iter([self.get()])

    def begin_create(self, workspace: WorkspaceEntity, **kwargs: Any) -> Poller[WorkspaceEntity]:
        """Return the workspace of that name; nothing is made."""
        return Poller(self.get(workspace.name))

    def begin_update(self, workspace: WorkspaceEntity, **kwargs: Any) -> Poller[WorkspaceEntity]:
        """Return the workspace of that name; nothing is changed."""
        return Poller(self.get(workspace.name))

    def begin_delete(self, name: str, **kwargs: Any) -> Poller[None]:
        """Do nothing: a root is deleted by hand."""
        return Poller(None)
