"""Keyrack as its own provider: a local integration, to which people sign in with their Keyrack password.

Its addresses follow the site to another port.
"""

import secrets

from django.conf import settings

from accounts.oauth_server.models import Application
from demo import agreements
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    GrantType,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
    OAuthEntityProfile,
    RevocationReach,
)

NAME, LABEL, CLIENT_ID = "keyrack_itself", "Keyrack itself", "keyrack-itself"
SCOPES = {"integrations:read": "See your integrations"}


def rows() -> None:
    """Create the integration. Safe to repeat."""
    if Alias.objects.filter(name=NAME).exists():
        return
    registry = registration()
    profile = OAuthEntityProfile.objects.create(
        registry=registry, name="Default", grant_type=GrantType.PASSWORD, is_default=True
    )
    profile.scopes.set([registry.scopes.create(scope=scope, name=words) for scope, words in SCOPES.items()])
    credential = OAuth2Credential.objects.create(name=LABEL, profile=profile, integration_type=IntegrationType.PERSONAL)
    description = "See your integrations as a program sees them. You sign in with your username and password here."
    alias = Alias.objects.create(name=NAME, label=LABEL, description=description)
    HttpConnection.objects.create(alias=alias, name=LABEL, credential=credential, connection_url=api_url())


def registration() -> ApplicationRegistry:
    """Create both sides: the OAuth client of our server, and the registry that uses it."""
    secret = secrets.token_urlsafe(32)
    Application.objects.create(
        name=LABEL,
        client_id=CLIENT_ID,
        client_secret=secret,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_PASSWORD,
        allowed_scopes=" ".join(SCOPES),
        first_party=True,
        may_introspect=True,
    )
    return ApplicationRegistry.objects.create(
        name=LABEL,
        client_id=CLIENT_ID,
        client_secret=secret,
        default_grant_type=GrantType.PASSWORD,
        revocation_reach=RevocationReach.TOKEN,
        comments="Made by the demo.",
        **addresses(),
    )


def addresses() -> dict[str, str]:
    server_url = f"{settings.SITE_URL}/o"
    return {
        "token_url": f"{server_url}/token/",
        "token_revocation_url": f"{server_url}/revoke_token/",
        "token_introspection_url": f"{server_url}/introspect/",
        "account_settings_url": f"{settings.SITE_URL}/accounts/security/",
    }


def api_url() -> str:
    return f"{settings.SITE_URL}/api/v1/"


def follow() -> None:
    """Update addresses if the site has another port than at the last start."""
    registries = ApplicationRegistry.objects.filter(client_id=CLIENT_ID)
    for token_url in registries.values_list("token_url", flat=True):
        agreements.follow(token_url.removesuffix("/o/token/"), settings.SITE_URL)
    registries.update(**addresses())
    HttpConnection.objects.filter(alias__name=NAME).update(connection_url=api_url())
