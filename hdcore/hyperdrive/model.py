"""Registered models, as version 1 of the SDK shows them. Standard library only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.exceptions import ModelNotFoundException, ModelPathNotFoundException, WebserviceException
from hdcore.hyperdrive.unserved import Served
from hdcore.shelf import Shelf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.workspace import Workspace


class _Framework:
    """Names of frameworks, as texts."""

    CUSTOM = "Custom"
    TENSORFLOW = "TensorFlow"
    SCIKITLEARN = "ScikitLearn"
    ONNX = "Onnx"
    PYTORCH = "PyTorch"
    TFKERAS = "TfKeras"
    MULTI = "Multi"


class ResourceConfiguration(Served):
    """What a model would be served on; kept so that it can be read."""

    def __init__(self, cpu: float | None = None, memory_in_gb: float | None = None, gpu: int | None = None) -> None:
        self.cpu, self.memory_in_gb, self.gpu = cpu, memory_in_gb, gpu


class Model(Served):
    """A registered model.

    Parameters
    ----------
    workspace : Workspace
    name : str, optional
    id : str, optional
        ``NAME:VERSION``.
    version : int, optional
        By default the newest.

    Raises
    ------
    ModelNotFoundException
    """

    Framework = _Framework

    def __init__(
        self,
        workspace: Workspace,
        name: str | None = None,
        id: str | None = None,
        tags: Any = None,
        properties: Any = None,
        version: int | str | None = None,
        run_id: str | None = None,
        model_framework: str | None = None,
        expand: bool = True,
        **more: Any,
    ) -> None:
        if id is not None:
            name, _, version = id.rpartition(":")
        if not name:
            raise ModelNotFoundException("Model: no name is given; give Model(workspace, name)")
        shelf = Shelf(workspace._root)
        found = shelf.get(name, None if version is None else str(version))
        if found is None:
            have = ", ".join(known.version for known in reversed(shelf.versions(name)))
            what = f"it has versions {have}" if have else "register_model makes one"
            raise ModelNotFoundException(f"ModelNotFound: no model {name!r}{f':{version}' if version else ''}; {what}")
        self.workspace = workspace
        about = found.about
        self._shelved = found
        self.name = name
        # Numbers in version 1 of the SDK; what was registered otherwise may have a word.
        self.version: Any = int(found.version) if found.version.isdigit() else found.version
        self.id = f"{name}:{self.version}"
        self.tags: dict[str, str] = dict(about.get("tags") or {})
        self.properties: dict[str, str] = dict(about.get("properties") or {})
        self.description: str | None = about.get("description")
        self.run_id: str | None = about.get("run_id")
        self.experiment_name: str | None = about.get("experiment_name")
        self.model_framework: str | None = about.get("model_framework")
        self.model_framework_version: str | None = about.get("model_framework_version")
        self.created_time = about.get("created")
        self.unpack = False

    def __repr__(self) -> str:
        return f"Model(name={self.name!r}, version={self.version}, run_id={self.run_id!r})"

    @property
    def url(self) -> str:
        return f"aml://asset/{self.id}"

    @property
    def path(self) -> str:
        """Local path of the model's file or folder; Azure has no such attribute."""
        return os.fspath(self._content())

    @property
    def run(self) -> Any:
        """The run that made the model, None if none did."""
        from hdcore.hyperdrive.run import Run

        return None if self.run_id is None else Run.get(self.workspace, self.run_id)

    @staticmethod
    def register(
        workspace: Workspace,
        model_path: str | os.PathLike[str],
        model_name: str,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        description: str | None = None,
        datasets: Any = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        child_paths: Any = None,
        **_: Any,
    ) -> Model:
        """Copy a file or folder as the next version of a model."""
        return register(
            workspace,
            Path(os.fspath(model_path)),
            model_name,
            tags=dict(tags or {}),
            properties=dict(properties or {}),
            description=description,
            model_framework=model_framework,
            model_framework_version=model_framework_version,
        )

    @staticmethod
    def list(
        workspace: Workspace,
        name: str | None = None,
        tags: Any = None,
        properties: Any = None,
        run_id: str | None = None,
        latest: bool = False,
        **_: Any,
    ) -> list[Model]:
        """Return registered models, the newest versions first.

        Parameters
        ----------
        tags, properties : list, optional
            Keys, or pairs of key and value, that a model has to have.
        """
        found = []
        shelf = Shelf(workspace._root)
        for shelved in shelf.all() if name is None else shelf.versions(name):
            about = shelved.about
            if run_id not in (None, about.get("run_id")):
                continue
            if not (_has(about.get("tags"), tags) and _has(about.get("properties"), properties)):
                continue
            if latest and shelved.version != shelf.versions(shelved.name)[0].version:
                continue
            found.append(Model(workspace, id=f"{shelved.name}:{shelved.version}"))
        return found

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Workspace | None = None) -> str:
        """Return the local path of a model; in scripts, of the root that their run belongs to."""
        if _workspace is None:
            from hdcore.hyperdrive.run import Run

            run = Run.get_context()
            _workspace = getattr(getattr(run, "experiment", None), "workspace", None)
        if _workspace is None:
            from hdcore.hyperdrive.workspace import Workspace

            _workspace = Workspace()
        return Model(_workspace, model_name, version=version).path

    def download(self, target_dir: str = ".", exist_ok: bool = False, exists_ok: bool | None = None) -> str:
        """Copy the model into a folder; return the path of the copy.

        Raises
        ------
        ModelPathNotFoundException
            If it is there already and `exist_ok` is not set.
        """
        source = self._content()
        target = Path(target_dir, source.name)
        if target.exists() and not (exist_ok or exists_ok):
            raise ModelPathNotFoundException(f"Model.download: {target} exists; set exist_ok=True")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
        return os.fspath(target)

    def add_tags(self, tags: Mapping[str, str]) -> None:
        self.tags.update(tags)
        self._save(tags=self.tags)

    def remove_tags(self, tags: Sequence[str]) -> None:
        self.tags = {key: value for key, value in self.tags.items() if key not in tags}
        self._save(tags=self.tags)

    def add_properties(self, properties: Mapping[str, str]) -> None:
        self.properties = {**properties, **self.properties}
        self._save(properties=self.properties)

    def update(self, tags: Mapping[str, str] | None = None, description: str | None = None, **_: Any) -> None:
        """Replace tags or description."""
        if tags is not None:
            self.tags = dict(tags)
        if description is not None:
            self.description = description
        self._save(tags=self.tags, description=self.description)

    def delete(self) -> None:
        """Remove this version and its files."""
        self._shelved.remove()

    def serialize(self) -> dict[str, Any]:
        return {**self._shelved.about, "id": self.id, "version": self.version, "url": self.url}

    @staticmethod
    def deploy(*_: Any, **__: Any) -> Any:
        """Refuse: there are no web services."""
        raise WebserviceException("Model.deploy: web services have no local meaning; load the model from Model.path")

    @staticmethod
    def package(*_: Any, **__: Any) -> Any:
        """Refuse: there are no images."""
        raise WebserviceException("Model.package: images have no local meaning; load the model from Model.path")

    profile = deploy

    def _content(self) -> Path:
        path = self._shelved.content
        if not path.exists():
            raise ModelPathNotFoundException(f"Model {self.id}: {path} is gone; register it again")
        return path

    def _save(self, **changes: Any) -> None:
        self._shelved.update(**changes)


def register(workspace: Workspace, source: Path, name: str, **about: Any) -> Model:
    """Copy a file or folder as the next version of a model.

    Raises
    ------
    ModelPathNotFoundException
        If there is nothing at `source`.
    """
    if not name or not isinstance(name, str):
        raise ModelNotFoundException(f"Model.register: the name is {name!r}; give a string")
    try:
        shelved = Shelf(workspace._root).put(source, name, **about)
    except FileNotFoundError as error:
        raise ModelPathNotFoundException(f"Model.register: {error} does not exist; give a file or folder") from None
    return Model(workspace, id=f"{name}:{shelved.version}")


def _has(found: Any, wanted: Any) -> bool:
    """Return whether a dictionary has keys, or pairs of key and value."""
    values = found if isinstance(found, Mapping) else {}
    for item in wanted or ():
        if isinstance(item, (list, tuple)):
            if str(values.get(item[0])) != str(item[1]):
                return False
        elif item not in values:
            return False
    return True
