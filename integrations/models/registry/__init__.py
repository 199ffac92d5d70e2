"""What an administrator owns: registrations at authorization servers, credentials, aliases, connections."""

from integrations.models.registry.aliases import (
    ROLE,
    Alias,
    AliasQuerySet,
    AliasType,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
)
from integrations.models.registry.registrations import (
    LOGO_LIMIT,
    ApplicationRegistry,
    ClientAuthentication,
    CodeChallengeMethod,
    GrantType,
    OAuthEntityProfile,
    OAuthEntityScope,
    RevocationReach,
    SysIdModel,
)

__all__ = [
    "LOGO_LIMIT",
    "ROLE",
    "Alias",
    "AliasQuerySet",
    "AliasType",
    "ApplicationRegistry",
    "ClientAuthentication",
    "CodeChallengeMethod",
    "GrantType",
    "HttpConnection",
    "IntegrationType",
    "OAuth2Credential",
    "OAuthEntityProfile",
    "OAuthEntityScope",
    "RevocationReach",
    "SysIdModel",
]
