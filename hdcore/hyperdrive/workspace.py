"""The workspace: a root of hdcore under a name.

Everything that is not a sweep is under ``ROOT/azure``: ``datastores/``, ``datasets/``, ``models/``, ``environments/``,
``runs/``. Standard library only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.journal import make_private_folder, write_private
from hdcore.hyperdrive.unserved import Served
from hdcore.shelf import file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.compute import ComputeTarget
    from hdcore.hyperdrive.dataset import Dataset
    from hdcore.hyperdrive.datastore import Datastore
    from hdcore.hyperdrive.environment import Environment
    from hdcore.hyperdrive.experiment import Experiment
    from hdcore.hyperdrive.model import Model
    from hdcore.hyperdrive.run import Run

_CONFIG_FILES = ("config.json", ".azureml/config.json", "aml_config/config.json")
_NONE_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


class Workspace(Served):
    """This machine, under the names that a workspace has. Nobody signs in.

    Parameters
    ----------
    subscription_id, resource_group, workspace_name : str
        Kept as names; all workspaces of one root share what is in it.
    auth : object, optional
        Not used.

    Attributes
    ----------
    name, resource_group, subscription_id, location : str
    """

    DEFAULT_CPU_CLUSTER_NAME = "cpu-cluster"
    DEFAULT_GPU_CLUSTER_NAME = "gpu-cluster"

    def __init__(
        self,
        subscription_id: str = _NONE_SUBSCRIPTION,
        resource_group: str = "local",
        workspace_name: str = "local",
        auth: Any = None,
        _location: str | None = None,
        *,
        _root: Path | None = None,
        **more: Any,
    ) -> None:
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.name = workspace_name
        self.location = _location or "local"
        self.sku = "Basic"
        self.tags: dict[str, str] = {}
        self._root = _root or _root_here()

    def __repr__(self) -> str:
        return (
            f"Workspace.create(name={self.name!r}, subscription_id={self.subscription_id!r},"
            f" resource_group={self.resource_group!r})"
        )

    # ------------------------------------------------------------------ getting one

    @staticmethod
    def from_config(path: str | os.PathLike[str] | None = None, auth: Any = None, **more: Any) -> Workspace:
        """Return the workspace that a ``config.json`` names; without one, the local workspace.

        Raises
        ------
        UserErrorException
            If `path` is given and is no such file, or the file cannot be read.
        """
        file = _find_config(path)
        if file is None:
            return Workspace()
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
            words = [str(config[key]) for key in ("subscription_id", "resource_group", "workspace_name")]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserErrorException(
                f"Workspace.from_config: {file} is no configuration of a workspace: {error!r}"
            ) from None
        return Workspace(*words)

    @staticmethod
    def get(
        name: str, auth: Any = None, subscription_id: str | None = None, resource_group: str | None = None, **more: Any
    ) -> Workspace:
        """Return the workspace of a name."""
        return Workspace(subscription_id or _NONE_SUBSCRIPTION, resource_group or "local", name)

    @staticmethod
    def create(
        name: str,
        auth: Any = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        **more: Any,
    ) -> Workspace:
        """Return the workspace of a name; there is nothing to create."""
        group = resource_group or "local"
        return Workspace(subscription_id or _NONE_SUBSCRIPTION, group, name, _location=location)

    @staticmethod
    def setup() -> Workspace:
        """Return the local workspace."""
        return Workspace.from_config()

    @staticmethod
    def list(subscription_id: str, auth: Any = None, resource_group: str | None = None) -> dict[str, list[Workspace]]:
        """Return the local workspace."""
        return {"local": [Workspace(subscription_id, resource_group or "local")]}

    def write_config(self, path: str | os.PathLike[str] | None = None, file_name: str | None = None) -> None:
        """Write a ``config.json`` that `from_config` reads."""
        folder = Path(path) if path is not None else Path(".azureml")
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(
            {
                "subscription_id": self.subscription_id,
                "resource_group": self.resource_group,
                "workspace_name": self.name,
            },
            indent=4,
        )
        (folder / (file_name or "config.json")).write_text(text, encoding="utf-8")

    def get_details(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "location": self.location, "storageAccount": os.fspath(self._root)}

    @property
    def id(self) -> str:
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )

    # ------------------------------------------------------------------ what it holds

    @property
    def compute_targets(self) -> dict[str, ComputeTarget]:
        """Clusters by name: every name is this machine."""
        from hdcore.hyperdrive.compute import ComputeTargets

        return ComputeTargets(self)

    def get_default_compute_target(self, type: str = "CPU") -> ComputeTarget:
        """Return this machine."""
        return self.compute_targets[self.DEFAULT_GPU_CLUSTER_NAME if type == "GPU" else self.DEFAULT_CPU_CLUSTER_NAME]

    @property
    def datastores(self) -> dict[str, Datastore]:
        """Datastores by name."""
        from hdcore.hyperdrive.datastore import list_datastores

        return list_datastores(self)

    def get_default_datastore(self) -> Datastore:
        """Return the datastore ``workspaceblobstore``, a folder under the root."""
        from hdcore.hyperdrive.datastore import Datastore

        return Datastore.get_default(self)

    def set_default_datastore(self, name: str) -> None:
        """Make another datastore the default one."""
        write_private(self._place / "default-datastore", name)

    @property
    def datasets(self) -> dict[str, Dataset]:
        """The newest version of each registered dataset."""
        from hdcore.hyperdrive.dataset import Datasets

        return Datasets(self)

    @property
    def models(self) -> dict[str, Model]:
        """The newest version of each registered model."""
        from hdcore.hyperdrive.model import Model

        found: dict[str, Model] = {}
        for model in Model.list(self):
            found.setdefault(model.name, model)
        return found

    @property
    def environments(self) -> dict[str, Environment]:
        """The newest version of each registered environment."""
        from hdcore.hyperdrive.environment import Environment

        return {name: Environment._of(document) for name, document in self._kept("environments")}

    @property
    def experiments(self) -> dict[str, Experiment]:
        """Experiments that have runs."""
        from hdcore.hyperdrive.experiment import Experiment

        return {experiment.name: experiment for experiment in Experiment.list(self)}

    def get_run(self, run_id: str) -> Run:
        """Return the sweep or run of an id."""
        from hdcore.hyperdrive.run import Run

        return Run.get(self, run_id)

    # ------------------------------------------------------------------ what has no local meaning

    @property
    def webservices(self) -> dict[str, Any]:
        return {}

    @property
    def images(self) -> dict[str, Any]:
        return {}

    def get_mlflow_tracking_uri(self, with_auth: bool = False) -> str:
        """Return the tracking URI of hdcore's MLflow plugin for this root."""
        return f"hdcore://{self._root}"

    def get_default_keyvault(self) -> Any:
        """Refuse: there is no key vault."""
        raise UserErrorException(
            "Workspace.get_default_keyvault: there is no key vault here; read secrets from environment variables"
        )

    def delete(self, *arguments: Any, **more: Any) -> None:
        """Refuse: a root is deleted by hand."""
        raise UserErrorException(f"Workspace.delete: nothing is deleted; remove {self._root} yourself if you mean it")

    # ------------------------------------------------------------------ where it is

    @property
    def _place(self) -> Path:
        """Folder of what is not a sweep."""
        return self._root / "azure"

    def _keep(self, section: str, name: str, document: Any) -> None:
        """Keep a named document."""
        write_private(make_private_folder(self._place / section) / f"{file_name(name)}.json", json.dumps(document))

    def _kept(self, section: str) -> Iterator[tuple[str, Any]]:
        for path in sorted((self._place / section).glob("*.json")):
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(document, dict):
                yield str(document.get("name", path.stem)), document

    def _environment_version(self, name: str) -> str:
        found = dict(self._kept("environments")).get(name) or {}
        version = str(found.get("version") or "0")
        return version if version.isdigit() else "0"


def _root_here() -> Path:
    """Return the root that a process without one in hand works in: that of its run, else what is configured."""
    outputs = os.environ.get("HDCORE_OUTPUT_DIR") if os.environ.get("HDCORE_REPORT") else None
    if outputs:
        return Path(outputs).parents[4]  # ROOT/sweeps/NAME/runs/0007/outputs
    from hdcore.store.catalog import find_root

    return find_root()


def _find_config(path: str | os.PathLike[str] | None) -> Path | None:
    if path is not None:
        given = Path(path)
        if given.is_file():
            return given
        found = next((given / name for name in _CONFIG_FILES if (given / name).is_file()), None)
        if found is None:
            raise UserErrorException(f"Workspace.from_config: {given} has no config.json; leave path out")
        return found
    here = Path.cwd()
    for folder in (here, *here.parents):
        for name in _CONFIG_FILES[1:] if folder != here else _CONFIG_FILES:
            if (folder / name).is_file() and _names_a_workspace(folder / name):
                return folder / name
    return None


def _names_a_workspace(file: Path) -> bool:
    """Return whether a ``config.json`` found by searching is a workspace's; many programs call their files so."""
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "workspace_name" in config
