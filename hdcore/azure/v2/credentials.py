"""The credentials of ``azure.identity`` as objects that never sign in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from hdcore.azure.v2.exceptions import MlException


class AccessToken(NamedTuple):
    """A token that opens nothing."""

    token: str
    expires_on: int


class _Credential:
    """Takes whatever its namesake takes; gives a token that opens nothing."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        pass  # what was given may be a secret: it is not kept

    def get_token(self, *scopes: str, **keywords: Any) -> AccessToken:
        """Return a token that opens nothing; notebooks ask for one to see whether signing in works."""
        return AccessToken("local", int(time.time()) + 3600)

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> _Credential:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class DefaultAzureCredential(_Credential):
    """Signs in by whatever works."""


class AzureCliCredential(_Credential):
    """Signs in with the command line's account."""


class AzureDeveloperCliCredential(_Credential):
    """Signs in with the developer command line's account."""


class AzurePowerShellCredential(_Credential):
    """Signs in with PowerShell's account."""


class AzurePipelinesCredential(_Credential):
    """Signs in as a pipeline."""


class InteractiveBrowserCredential(_Credential):
    """Signs in with a browser."""


class DeviceCodeCredential(_Credential):
    """Signs in with a code."""


class ManagedIdentityCredential(_Credential):
    """Signs in as the machine."""


class WorkloadIdentityCredential(_Credential):
    """Signs in as a workload."""


class EnvironmentCredential(_Credential):
    """Signs in by environment variables."""


class ClientSecretCredential(_Credential):
    """Signs in with a secret."""


class ClientAssertionCredential(_Credential):
    """Signs in with an assertion."""


class CertificateCredential(_Credential):
    """Signs in with a certificate."""


class UsernamePasswordCredential(_Credential):
    """Signs in with a password."""


class SharedTokenCacheCredential(_Credential):
    """Signs in with a cached token."""


class VisualStudioCodeCredential(_Credential):
    """Signs in with an editor's account."""


class OnBehalfOfCredential(_Credential):
    """Signs in for somebody else."""


class AuthorizationCodeCredential(_Credential):
    """Signs in with an authorisation code."""


class ChainedTokenCredential(_Credential):
    """Tries credentials in turn."""


class CredentialUnavailableError(MlException):
    """Never raised here."""


class AuthenticationRequiredError(CredentialUnavailableError):
    """Never raised here."""


class AzureAuthorityHosts:
    """Where one would sign in."""

    AZURE_PUBLIC_CLOUD = "login.microsoftonline.com"
    AZURE_CHINA = "login.chinacloudapi.cn"
    AZURE_GOVERNMENT = "login.microsoftonline.us"


def get_bearer_token_provider(credential: _Credential, *scopes: str) -> Callable[[], str]:
    """Return a function that gives a token that opens nothing."""
    return lambda: credential.get_token(*scopes).token
