"""What is remembered."""

from integrations.models.diary import Event, EventKind
from integrations.models.registry import (
    Alias,
    AliasType,
    ApplicationRegistry,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
    OAuthEntityProfile,
    OAuthEntityScope,
)
from integrations.models.tokens import AuthorizationAttempt, Renewal, Revocation, Token

__all__ = [
    "Alias",
    "AliasType",
    "ApplicationRegistry",
    "AuthorizationAttempt",
    "Event",
    "EventKind",
    "HttpConnection",
    "IntegrationType",
    "OAuth2Credential",
    "OAuthEntityProfile",
    "OAuthEntityScope",
    "Renewal",
    "Revocation",
    "Token",
]
