"""Models of the set-up: registrations at authorization servers, credentials, aliases, connections."""

from integrations.models.registry.aliases import (
    EFFECTIVE_CREDENTIAL,
    SET_UP,
    AgentCalls,
    Alias,
    AliasQuerySet,
    AliasType,
    CredentialQuerySet,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
    OtherAccount,
)
from integrations.models.registry.base import SysIdModel
from integrations.models.registry.choices import ClientAuthentication, CodeChallengeMethod, GrantType, RevocationReach
from integrations.models.registry.health import Use
from integrations.models.registry.profiles import OAuthEntityProfile, OAuthEntityScope
from integrations.models.registry.registration_record import DEFAULT_REFRESH_TOKEN_LIFESPAN
from integrations.models.registry.registrations import LOGO_LIMIT, ApplicationRegistry
from integrations.models.registry.reporting import administrators_sentence, is_reported, may_fix

__all__ = [
    "DEFAULT_REFRESH_TOKEN_LIFESPAN",
    "EFFECTIVE_CREDENTIAL",
    "LOGO_LIMIT",
    "SET_UP",
    "AgentCalls",
    "Alias",
    "AliasQuerySet",
    "AliasType",
    "ApplicationRegistry",
    "ClientAuthentication",
    "CodeChallengeMethod",
    "CredentialQuerySet",
    "GrantType",
    "HttpConnection",
    "IntegrationType",
    "OAuth2Credential",
    "OAuthEntityProfile",
    "OAuthEntityScope",
    "OtherAccount",
    "RevocationReach",
    "SysIdModel",
    "Use",
    "administrators_sentence",
    "is_reported",
    "may_fix",
]
