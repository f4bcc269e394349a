"""MLflow's model registry outside of trials: the shelf of registered models that Azure's calls use too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from mlflow.entities.model_registry import ModelVersion, ModelVersionTag, RegisteredModel, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore

from hdcore.shelf import Shelf
from hdcore.tracking.artifacts import stored_path, uri_of
from hdcore.tracking.refusals import refuse_the_rest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdcore.shelf import ShelvedModel


class ShelfRegistry(AbstractStore):  # type: ignore[misc]
    """What `mlflow.register_model` and `MlflowClient` need to register models and to look at them.

    Parameters
    ----------
    root : Path
        Of the sweeps.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._shelf = Shelf(root)

    def create_registered_model(
        self, name: str, tags: Sequence[Any] | None = None, description: str | None = None, *more: Any, **others: Any
    ) -> Any:
        """Begin a name."""
        if self._shelf.has(name):
            raise MlflowException(f"the model {name!r} is registered already", RESOURCE_ALREADY_EXISTS)
        self._shelf.begin(name)
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
        """Copy a model as the next version of a name."""
        where = local_model_path or stored_path(unquote(urlparse(str(source)).path))
        about: dict[str, Any] = {
            "run_id": run_id,
            "description": description,
            "tags": {tag.key: tag.value for tag in tags or ()},
            "type": "mlflow_model",
        }
        try:
            return self._version(self._shelf.put(Path(where), name, **about))
        except FileNotFoundError:
            raise MlflowException(f"there is no model at {source}", INVALID_PARAMETER_VALUE) from None

    def get_registered_model(self, name: str) -> Any:
        """Return a name with its newest version."""
        versions = self._shelf.versions(name)
        if not versions and not self._shelf.has(name):
            raise MlflowException(f"no model {name!r} is registered", RESOURCE_DOES_NOT_EXIST)
        about = versions[0].about if versions else {}
        when = _milliseconds(about)
        return RegisteredModel(
            name,
            creation_timestamp=_milliseconds(versions[-1].about) if versions else when,
            last_updated_timestamp=when,
            description=about.get("description"),
            latest_versions=[self._version(model) for model in versions[:1]],
            tags=[RegisteredModelTag(key, value) for key, value in (about.get("tags") or {}).items()],
        )

    def get_model_version(self, name: str, version: str | int) -> Any:
        """Return one version of a name."""
        return self._version(self._found(name, version))

    def get_model_version_download_uri(self, name: str, version: str | int) -> Any:
        """Return where a version's files are."""
        return uri_of(os.fspath(self._found(name, version).content))

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[Any]:
        """Return the newest version of a name, of each of the stages if some are given."""
        found = [self._version(model) for model in self._shelf.versions(name)]
        if stages is None:
            return found[:1]
        return [next(one for one in found if one.current_stage == stage) for stage in stages if
                any(one.current_stage == stage for one in found)]  # fmt: skip

    def search_registered_models(self, *arguments: Any, **more: Any) -> Any:
        """Return all names."""
        names = dict.fromkeys(model.name for model in self._shelf.all())
        return PagedList([self.get_registered_model(name) for name in names], None)

    def search_model_versions(self, filter_string: str | None = None, *arguments: Any, **more: Any) -> Any:
        """Return the versions that a filter by name, or by run, lets through."""
        wanted = _filter(filter_string or "")
        found = [self._version(model) for model in self._shelf.all()]
        return PagedList([one for one in found if all(getattr(one, k) == v for k, v in wanted.items())], None)

    def set_model_version_tag(self, name: str, version: str | int, tag: Any) -> None:
        """Keep a tag of a version."""
        model = self._found(name, version)
        model.update(tags={**(model.about.get("tags") or {}), tag.key: tag.value})

    def update_model_version(self, name: str, version: str | int, description: str | None) -> Any:
        """Keep a description of a version."""
        self._found(name, version).update(description=description)
        return self.get_model_version(name, version)

    def transition_model_version_stage(
        self, name: str, version: str | int, stage: str, archive_existing_versions: bool = False
    ) -> Any:
        """Keep the stage of a version."""
        if archive_existing_versions:
            for model in self._shelf.versions(name):
                if model.about.get("stage") == stage:
                    model.update(stage="Archived")
        self._found(name, version).update(stage=stage)
        return self.get_model_version(name, version)

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Take a version from the shelf."""
        self._found(name, version).remove()

    def set_registered_model_alias(self, name: str, alias: str, version: str | int) -> None:
        """Let an alias stand for a version."""
        self._found(name, version)
        for model in self._shelf.versions(name):
            aliases = [one for one in model.about.get("aliases") or () if one != alias]
            if model.version == str(version):
                aliases.append(alias)
            if aliases != (model.about.get("aliases") or []):
                model.update(aliases=aliases)

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        """Return the version that an alias stands for."""
        for model in self._shelf.versions(name):
            if alias in (model.about.get("aliases") or ()):
                return self._version(model)
        raise MlflowException(f"the model {name!r} has no alias {alias!r}", RESOURCE_DOES_NOT_EXIST)

    def _found(self, name: str, version: str | int) -> ShelvedModel:
        found = self._shelf.get(name, str(version))
        if found is None:
            raise MlflowException(f"no version {version} of a model {name!r} is registered", RESOURCE_DOES_NOT_EXIST)
        return found

    def _version(self, model: ShelvedModel) -> Any:
        about = model.about
        when = _milliseconds(about)
        return ModelVersion(
            model.name,
            model.version,
            when,
            last_updated_timestamp=when,
            description=about.get("description"),
            current_stage=about.get("stage") or "None",
            source=uri_of(os.fspath(model.content)),
            run_id=about.get("run_id"),
            tags=[ModelVersionTag(key, str(value)) for key, value in (about.get("tags") or {}).items()],
            aliases=list(about.get("aliases") or ()),
        )


def _milliseconds(about: dict[str, Any]) -> int:
    return int(1000 * float(about.get("created") or 0))


def _filter(text: str) -> dict[str, str]:
    """Read ``name = 'x' and run_id = 'y'``."""
    wanted: dict[str, str] = {}
    for part in filter(str.strip, text.replace(" AND ", " and ").split(" and ")):
        key, found, value = part.partition("=")
        if not found or key.strip() not in ("name", "run_id"):
            raise MlflowException(f"hdcore: {part.strip()!r}: filter by name or run_id", INVALID_PARAMETER_VALUE)
        wanted[key.strip()] = value.strip().strip("'\"")
    return wanted


refuse_the_rest(ShelfRegistry, AbstractStore, (), "on hdcore's shelf of models")
