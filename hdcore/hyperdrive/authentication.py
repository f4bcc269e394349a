"""Signing in: nobody has to."""

from __future__ import annotations

from typing import Any


class _Authentication:
    """Takes what Azure's class takes, and uses none of it. Secrets are not kept."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        pass

    def get_authentication_header(self) -> dict[str, str]:
        return {}

    def get_token(self, *scopes: str, **keywords: Any) -> None:
        return None


class InteractiveLoginAuthentication(_Authentication):
    """Does nothing."""


class ServicePrincipalAuthentication(_Authentication):
    """Does nothing."""


class AzureCliAuthentication(_Authentication):
    """Does nothing."""


class MsiAuthentication(_Authentication):
    """Does nothing."""


class TokenAuthentication(_Authentication):
    """Does nothing."""
