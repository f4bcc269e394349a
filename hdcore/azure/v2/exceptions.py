"""The exceptions of ``azure.ai.ml.exceptions``; those of ``azure.core`` are its own where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hdcore.errors import HdcoreError, InputError

if TYPE_CHECKING:
    from hdcore.azure.v2.core_errors import ResourceExistsError, ResourceNotFoundError
else:
    try:
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
    except ImportError:
        from hdcore.azure.v2.core_errors import ResourceExistsError, ResourceNotFoundError


class MlException(HdcoreError):  # noqa: N818 - Azure's name
    """Root of the exceptions of jobs and assets."""

    def __init__(self, message: object = "", *args: Any, **keywords: Any) -> None:
        super().__init__(str(message))
        self.message = str(message)


class JobException(MlException):
    """A job that failed, or is not in the state that a call needs."""


class AssetException(MlException):
    """Data that cannot be used."""


class ModelException(MlException):
    """A model that cannot be used."""


class ComponentException(MlException):
    """A component that cannot be used."""


class ScheduleException(MlException):
    """A schedule; there are none here."""


class DeploymentException(MlException):
    """A deployment; there are none here."""


class JobParsingError(MlException):
    """A job file that cannot be read."""


class ValidationException(MlException, InputError):  # noqa: N818 - Azure's name
    """Input that cannot be meant."""

    exit_code = 2

    def __init__(self, message: object = "", *args: Any, field: str | None = None, **keywords: Any) -> None:
        MlException.__init__(self, message)
        self.field = field
        self.source = None


class UserErrorException(MlException):
    """Wrong use."""

    exit_code = 2


class AssetPathException(MlException):
    """The path of an asset that is not there."""


class EmptyDirectoryError(MlException):
    """A folder with nothing in it."""


class UnexpectedKeywordError(MlException, TypeError):
    """A keyword that a component does not have."""


class UnsupportedOperationError(MlException):
    """An operation that the object does not have."""


class PipelineChildJobError(JobException):
    """An operation on a step that only its pipeline has."""


__all__ = [
    "AssetException",
    "AssetPathException",
    "ComponentException",
    "DeploymentException",
    "EmptyDirectoryError",
    "JobException",
    "JobParsingError",
    "MlException",
    "ModelException",
    "PipelineChildJobError",
    "ResourceExistsError",
    "ResourceNotFoundError",
    "ScheduleException",
    "UnexpectedKeywordError",
    "UnsupportedOperationError",
    "UserErrorException",
    "ValidationException",
]
