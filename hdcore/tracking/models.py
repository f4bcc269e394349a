"""Models that a script logs with MLflow 3: a folder in the run's outputs, a few facts in its journal."""

from __future__ import annotations

import os
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST

from hdcore.tracking.artifacts import uri_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hdcore.tracking.journal import LoggedModel
    from hdcore.tracking.trial import Trial

_NAME = re.compile(r"[^./:%\"'\\\0]+")


class LoggedModels:
    """The part of a tracking store that deals with models."""

    trial: Trial

    def create_logged_model(
        self,
        experiment_id: str = "",
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Sequence[Any] | None = None,
        params: Sequence[Any] | None = None,
        model_type: str | None = None,
    ) -> Any:
        """Begin a model: MLflow writes it to ``outputs/NAME`` next, or ``NAME-2`` and so on if the run has one."""
        model_id = f"m-{uuid.uuid4().hex}"
        name = name or f"model-{model_id[2:10]}"
        if not _NAME.fullmatch(name):
            raise MlflowException(
                f"model name {name!r} cannot be a folder's; leave out . / : % and quotes", INVALID_PARAMETER_VALUE
            )
        now = int(time.time() * 1000)
        info = {
            "name": name,
            "folder": self._free_folder(source_run_id or self.trial.id, name),
            "run": source_run_id,
            "type": model_type,
            "status": "PENDING",
            "created": now,
            "updated": now,
        }
        self.trial.write(
            model=model_id,
            info=info,
            params={param.key: param.value for param in params or ()},
            tags={tag.key: tag.value for tag in tags or ()},
        )
        return self.get_logged_model(model_id)

    def _free_folder(self, run_id: str, name: str) -> str:
        taken = {model.info.get("folder") for model in self._models().values()}
        first = self.trial.relative(os.path.join(self.trial.artifacts_of(run_id), name))
        folder, count = first, 1
        while folder in taken:
            count += 1
            folder = f"{first}-{count}"
        return folder

    def _models(self) -> dict[str, LoggedModel]:
        return self.trial.read_journal().models.copy()

    def finalize_logged_model(self, model_id: str, status: Any) -> Any:
        """Note how the writing of a model ended."""
        self.get_logged_model(model_id)
        info = {"status": str(getattr(status, "value", status)), "updated": int(time.time() * 1000)}
        self.trial.write(model=model_id, info=info)
        return self.get_logged_model(model_id)

    def log_logged_model_params(self, model_id: str, params: Sequence[Any]) -> None:
        """Keep parameters of a model."""
        self.get_logged_model(model_id)
        self.trial.write(model=model_id, params={param.key: param.value for param in params})

    def set_logged_model_tags(self, model_id: str, tags: Sequence[Any]) -> None:
        """Keep tags of a model."""
        self.get_logged_model(model_id)
        self.trial.write(model=model_id, tags={tag.key: tag.value for tag in tags})

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Take a tag from a model."""
        self.get_logged_model(model_id)
        self.trial.write(model=model_id, tags={key: None})

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> Any:
        """Return a model of this run or of one nested in it."""
        found = self._models().get(model_id)
        if found is None:
            raise MlflowException(f"the trial has no model {model_id!r}", RESOURCE_DOES_NOT_EXIST)
        return self._entity(model_id, found)

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: list[dict[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: list[dict[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> Any:
        """Return the models of the trial that a filter lets through."""
        from mlflow.store.entities.paged_list import PagedList
        from mlflow.utils.search_utils import SearchLoggedModelsUtils

        models = [self._entity(model_id, found) for model_id, found in self._models().items()]
        models = SearchLoggedModelsUtils.filter_logged_models(models, filter_string, datasets)
        models = SearchLoggedModelsUtils.sort(models, order_by)
        page, token = SearchLoggedModelsUtils.paginate(models, page_token, max_results or 100)
        return PagedList(page, token)

    def _entity(self, model_id: str, found: LoggedModel) -> Any:
        from mlflow.entities import LoggedModel as Entity
        from mlflow.entities import LoggedModelStatus

        info = found.info
        return Entity(
            experiment_id=self.trial.sweep_id,
            model_id=model_id,
            name=info["name"],
            artifact_location=uri_of(os.path.join(self.trial.folder, info["folder"])),
            creation_timestamp=info["created"],
            last_updated_timestamp=info["updated"],
            model_type=info.get("type"),
            source_run_id=info.get("run"),
            status=LoggedModelStatus(info["status"]),
            tags=dict(found.tags),
            params=dict(found.params),
        )
