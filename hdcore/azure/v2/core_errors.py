"""The exceptions of ``azure.core`` that scripts catch, for where that package is not installed."""

from __future__ import annotations

from typing import Any

from hdcore.errors import HdcoreError


class AzureError(HdcoreError):
    """Root of Azure's client errors."""

    def __init__(self, message: object = "", *args: Any, **keywords: Any) -> None:
        super().__init__(str(message))
        self.message = str(message)


class ServiceRequestError(AzureError):
    """A request that was not sent."""


class ServiceResponseError(AzureError):
    """An answer that was not understood."""


class HttpResponseError(AzureError):
    """An answer that is an error."""

    status_code: int | None = None
    reason: str | None = None


class ClientAuthenticationError(HttpResponseError):
    """Nobody signs in here."""


class ResourceExistsError(HttpResponseError):
    """A name that is taken."""

    status_code = 409


class ResourceNotFoundError(HttpResponseError):
    """A name that nothing has."""

    status_code = 404


class ResourceModifiedError(HttpResponseError):
    """Changed since it was read."""


class ResourceNotModifiedError(HttpResponseError):
    """Not changed since it was read."""
