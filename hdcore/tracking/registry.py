"""MLflow's model registry for a trial: names and versions of models that lie in its outputs, in its journal."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from mlflow.entities.model_registry import ModelVersion, ModelVersionTag, RegisteredModel, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore

from hdcore.tracking.artifacts import uri_of
from hdcore.tracking.refusals import refuse_the_rest
from hdcore.tracking.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdcore.tracking.journal import LoggedModel, RegisteredName


class TrialRegistry(AbstractStore):  # type: ignore[misc]
    """What ``log_model(..., registered_model_name=NAME)`` and `mlflow.register_model` need, and looking at it."""

    def __init__(self) -> None:
        super().__init__()
        self.trial = Trial()

    def create_registered_model(
        self, name: str, tags: Sequence[Any] | None = None, description: str | None = None, *more: Any, **others: Any
    ) -> Any:
        """Begin a name."""
        if name in self.trial.read_journal().registered:
            raise MlflowException(f"the model {name!r} is registered already", RESOURCE_ALREADY_EXISTS)
        now = int(time.time() * 1000)
        info = {"description": description, "created": now}
        self.trial.write(registered=name, info=info, tags={tag.key: tag.value for tag in tags or ()})
        return self.get_registered_model(name)

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Sequence[Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> Any:
        """Give the next version of a name to a model."""
        tags_by_name = {tag.key: tag.value for tag in tags or ()}
        model = self.trial.read_journal().models.get(model_id or "")
        where = os.path.join(self.trial.folder, model.info["folder"]) if model else unquote(urlparse(source).path)
        version = self.trial.shelve(name, where, run_id, description=description, tags=tags_by_name)
        version = version or max(self._found(name).versions, default=0) + 1
        info = {
            "source": source,
            "run": run_id,
            "model": model_id,
            "description": description,
            "created": int(time.time() * 1000),
        }
        self.trial.write(registered=name, version=version, info=info, tags=tags_by_name)
        return self.get_model_version(name, version)

    def get_registered_model(self, name: str) -> Any:
        """Return a name with its newest version."""
        found = self._found(name)
        return RegisteredModel(
            name,
            creation_timestamp=found.info.get("created"),
            last_updated_timestamp=found.info.get("created"),
            description=found.info.get("description"),
            latest_versions=self.get_latest_versions(name),
            tags=[RegisteredModelTag(key, value) for key, value in found.tags.items()],
            aliases=dict(found.aliases),
        )

    def get_model_version(self, name: str, version: str | int) -> Any:
        """Return one version of a name."""
        return self._version(name, int(version), self._found_version(name, version))

    def get_model_version_download_uri(self, name: str, version: str | int) -> Any:
        """Return where a version's files are."""
        info = self._found_version(name, version).info
        model = self.trial.read_journal().models.get(info.get("model") or "")
        if model is not None:
            return uri_of(os.path.join(self.trial.folder, model.info["folder"]))
        return info["source"]

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[Any]:
        """Return the newest version of a name, in a list."""
        newest = max(self._found(name).versions, default=None)
        return [] if newest is None else [self.get_model_version(name, newest)]

    def search_registered_models(self, *arguments: Any, **more: Any) -> Any:
        """Return all names."""
        return PagedList([self.get_registered_model(name) for name in list(self.trial.read_journal().registered)], None)

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Keep a tag of a name."""
        self._found(name)
        self.trial.write(registered=name, tags={tag.key: tag.value})

    def set_model_version_tag(self, name: str, version: str | int, tag: Any) -> None:
        """Keep a tag of a version."""
        self._found_version(name, version)
        self.trial.write(registered=name, version=int(version), tags={tag.key: tag.value})

    def update_model_version(self, name: str, version: str | int, description: str | None) -> Any:
        """Keep a description of a version."""
        self._found_version(name, version)
        self.trial.write(registered=name, version=int(version), info={"description": description})
        return self.get_model_version(name, version)

    def transition_model_version_stage(
        self, name: str, version: str | int, stage: str, archive_existing_versions: bool = False
    ) -> Any:
        """Keep the stage of a version."""
        self._found_version(name, version)
        self.trial.write(registered=name, version=int(version), info={"stage": stage})
        return self.get_model_version(name, version)

    def set_registered_model_alias(self, name: str, alias: str, version: str | int) -> None:
        """Let an alias stand for a version."""
        self._found_version(name, version)
        self.trial.write(registered=name, aliases={alias: str(version)})

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        """Return the version that an alias stands for."""
        version = self._found(name).aliases.get(alias)
        if version is None:
            raise MlflowException(f"the model {name!r} has no alias {alias!r}", RESOURCE_DOES_NOT_EXIST)
        return self.get_model_version(name, version)

    def _found(self, name: str) -> RegisteredName:
        found = self.trial.read_journal().registered.get(name)
        if found is None:
            raise MlflowException(f"no model {name!r} was registered in this run", RESOURCE_DOES_NOT_EXIST)
        return found

    def _found_version(self, name: str, version: str | int) -> LoggedModel:
        found = self._found(name).versions.get(int(version))
        if found is None:
            raise MlflowException(f"the model {name!r} has no version {version}", RESOURCE_DOES_NOT_EXIST)
        return found

    def _version(self, name: str, version: int, found: LoggedModel) -> Any:
        info = found.info
        return ModelVersion(
            name,
            str(version),
            info["created"],
            last_updated_timestamp=info["created"],
            description=info.get("description"),
            current_stage=info.get("stage", "None"),
            source=info["source"],
            run_id=info.get("run"),
            tags=[ModelVersionTag(key, value) for key, value in found.tags.items()],
            aliases=[alias for alias, number in self._found(name).aliases.items() if number == str(version)],
        )


refuse_the_rest(TrialRegistry, AbstractStore)
