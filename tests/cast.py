"""The cast: people, and integrations at a given server. Rows as an administrator would make them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import User
from integrations.models import (
    Alias,
    ApplicationRegistry,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
    OAuthEntityProfile,
    Token,
)
from integrations.models.heartbeats import BEAT, Heartbeat
from integrations.monitoring import heartbeats

PASSWORD = "correct horse battery staple"


def person(username: str, *, role: bool = True, **fields: Any) -> User:
    user = User.objects.create_user(username, f"{username}@hub.example", PASSWORD, **fields)
    if role:
        user.groups.add(Group.objects.get(name="Personal Auth User"))
    return user


def bot(username: str, *owners: User, role: bool = True, email: str = "", **fields: Any) -> User:
    user = User.objects.create_user(username, email, None, is_bot=True, **fields)
    user.owners.set(owners)
    if role:
        user.groups.add(Group.objects.get(name="Personal Auth User"))
    return user


def registry_at(server: str, **fields: Any) -> ApplicationRegistry:
    """A registration at a server with its endpoints where the scripted servers of the tests have them."""
    return ApplicationRegistry.objects.create(
        **{
            "name": "Northwind",
            "client_id": "keyrack",
            "client_secret": "CANARY-client-secret",
            "authorization_url": f"{server}/authorize",
            "token_url": f"{server}/token",
            "token_revocation_url": f"{server}/revoke",
            **fields,
        }
    )


def integration_at(
    registry: ApplicationRegistry,
    *,
    name: str = "northwind",
    scopes: Sequence[str] = ("read",),
    connection_url: str = "",
    integration_type: str = IntegrationType.PERSONAL,
    grant_type: str = "authorization_code",
    **fields: Any,
) -> Alias:
    """Profile, scopes, credential, alias and connection on top of a registry."""
    profile = OAuthEntityProfile.objects.create(registry=registry, name=f"Default {name}", grant_type=grant_type)
    for scope in scopes:
        profile.scopes.add(registry.scopes.get_or_create(scope=scope, defaults={"name": scope.title()})[0])
    credential = OAuth2Credential.objects.create(name=name, profile=profile, integration_type=integration_type)
    alias = Alias.objects.create(**{"name": name, "label": "Northwind CRM", **fields})
    url = connection_url or registry.token_url.rsplit("/", 1)[0] + "/api"
    HttpConnection.objects.create(alias=alias, name=name, credential=credential, connection_url=url)
    return alias


def signed_in(user: User, alias: Alias, *, expires_in: float | None = 3600, **fields: Any) -> Token:
    """A stored token as a sign-in would have left it."""
    credential = alias.effective_credential
    assert credential is not None
    now = timezone.now()
    expires_at = None if expires_in is None else now + timedelta(seconds=expires_in)
    return Token.objects.create(
        **{
            "user": user,
            "credential": credential,
            "integration_type": credential.integration_type,
            "access_token": "CANARY-access-1",
            "refresh_token": "CANARY-refresh-1",
            "expires_at": expires_at,
            "signed_in_at": now - timedelta(hours=1),
            "scopes": ["read"],
            "requested_scopes": ["read"],
            **fields,
        }
    )


def working_background() -> None:
    """Beat and a worker that have just been seen, with all tasks done."""
    now = timezone.now()
    Heartbeat.objects.all().delete()
    Heartbeat.objects.bulk_create([Heartbeat(name=name, at=now) for name in (BEAT, *heartbeats.task_intervals())])
