"""The exceptions of Azure's SDK that code may catch, in Azure's order of descent."""

from __future__ import annotations

from hdcore.errors import HdcoreError, OutOfScopeError


class AzureMLException(HdcoreError):  # noqa: N818 - Azure's name
    """Root of what ``azureml.exceptions`` holds.

    Attributes
    ----------
    message : str
    inner_exception : BaseException or None
    """

    def __init__(self, exception_message: str = "", inner_exception: BaseException | None = None, **_: object) -> None:
        super().__init__(exception_message)
        self.message = exception_message
        self.inner_exception = inner_exception


class UserErrorException(AzureMLException):
    """Wrong input from the user."""

    exit_code = 2


class AuthenticationException(UserErrorException):
    """Never raised here: nobody signs in."""


class RunEnvironmentException(AzureMLException):
    """`Run.get_context(allow_offline=False)` outside of a sweep."""

    def __init__(self, exception_message: str = "", inner_exception: BaseException | None = None, **_: object) -> None:
        super().__init__(
            exception_message
            or "Run.get_context: this process is no run of an experiment; submit the script, or allow_offline=True",
            inner_exception,
        )


class ServiceException(AzureMLException):
    """The store or a driver failed."""


class WorkspaceException(AzureMLException):
    """A workspace cannot be used."""


class ProjectSystemException(AzureMLException):
    """A project folder cannot be used."""


class SnapshotException(AzureMLException):
    """The code of a run cannot be had."""


class ExperimentException(AzureMLException):
    """An experiment cannot be used."""


class ExperimentExecutionException(AzureMLException):
    """A run could not be submitted, or waiting for it was interrupted."""


class ActivityFailedException(AzureMLException):
    """A run that somebody waited for has failed.

    Attributes
    ----------
    error_details : object
        What `get_details` says of the error.
    """

    def __init__(self, error_details: object = "", inner_exception: BaseException | None = None, **_: object) -> None:
        super().__init__(f"ActivityFailedException: {error_details}", inner_exception)
        self.error_details = error_details


class ActivityCanceledException(AzureMLException):
    """A run that somebody waited for was canceled."""


class ComputeTargetException(AzureMLException):
    """A compute target cannot be used."""


class TrainingException(AzureMLException):
    """A training configuration cannot be meant."""

    exit_code = 2


class WebserviceException(AzureMLException, OutOfScopeError):  # noqa: N818 - Azure's name
    """Deployment, which has no local meaning."""


class PublishException(ExperimentException, OutOfScopeError):  # noqa: N818 - as its siblings
    """A pipeline that is to be published, which has no local meaning."""


class ModelNotFoundException(AzureMLException):
    """No model of this name or version is registered."""


class ModelPathNotFoundException(AzureMLException):
    """The files of a model are not where they were said to be."""


class DatasetValidationError(UserErrorException):
    """A dataset cannot be made of what was given."""


class DatasetExecutionError(AzureMLException):
    """A dataset cannot be read."""


# ---------------------------------------------------------------------- azureml.train.hyperdrive.exceptions


class HyperDriveException(AzureMLException):
    """Root of HyperDrive's own."""


class HyperDriveServiceException(HyperDriveException):
    """The sweep's driver or store failed."""


class HyperDriveConfigException(HyperDriveException, ValueError):  # noqa: N818 - Azure's name
    """A configuration that cannot be meant."""

    exit_code = 2


class HyperDriveScenarioNotSupportedException(HyperDriveConfigException):
    """A combination that is not supported."""


class HyperDriveNotImplementedException(HyperDriveScenarioNotSupportedException):
    """A method that a sweep does not have."""


class HyperDriveRehydrateException(HyperDriveException):
    """A stored sweep cannot be read back."""
