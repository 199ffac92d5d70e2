"""Keyrack as a contestant: its Python API, and the rows that an administrator would make."""

import os
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from accounts.models import User
from benchmarks import filling
from benchmarks.filling import ACCESS_TOKEN, PROVIDERS, REFRESH_TOKEN, Reading
from integrations.connections import renewal
from integrations.models import (
    Alias,
    ApplicationRegistry,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
    OAuthEntityProfile,
    Token,
)
from integrations.models.tokens import consent
from integrations.personal_auth import PersonalAuthAPI


def alias_at(name: str) -> Alias:
    """An integration with the authority of this benchmark."""
    authority = os.environ["AUTHORITY"] or "https://provider.example"
    registry = ApplicationRegistry.objects.create(
        name=name,
        client_id="keyrack",
        client_secret="secret",
        authorization_url=f"{authority}/authorize",
        token_url=f"{authority}/token",
        token_revocation_url=f"{authority}/revoke",
    )
    profile = OAuthEntityProfile.objects.create(registry=registry, name=name)
    credential = OAuth2Credential.objects.create(name=name, profile=profile, integration_type=IntegrationType.PERSONAL)
    alias = Alias.objects.create(name=name, label=name)
    url = f"{authority}/api"
    HttpConnection.objects.create(alias=alias, name=name, credential=credential, connection_url=url)
    return alias


def token_of(user: User, credential: OAuth2Credential, **fields: Any) -> Token:
    """Return an unsaved token, with fields as after a sign-in."""
    now = timezone.now()
    return Token(
        **{
            "user": user,
            "credential": credential,
            "integration_type": IntegrationType.PERSONAL,
            "access_token": ACCESS_TOKEN,
            "refresh_token": REFRESH_TOKEN,
            "expires_at": now + timedelta(days=1),
            "signed_in_at": now,
            "scopes": ["read"],
            "requested_scopes": ["read"],
            "agreed": agreed_at(credential),
            **fields,
        }
    )


@cache
def agreed_at(credential: OAuth2Credential) -> consent.Agreement:
    """Return the confirmed addresses; cached, because thousands of tokens share them."""
    return consent.current_agreement(credential, None)


def credential_of(alias: Alias) -> OAuth2Credential:
    assert alias.effective_credential
    return alias.effective_credential


# One expired token, many callers ------------------------------------------------------------------------------------


def prepare(refresh_token: str) -> None:
    user = User.objects.create_user("amira")
    user.groups.add(Group.objects.get(name="Personal Auth User"))
    now = timezone.now()
    fields = {"expires_at": now - timedelta(hours=1), "signed_in_at": now - timedelta(hours=2)}
    token_of(user, credential_of(alias_at("northwind")), refresh_token=refresh_token, **fields).save()


def caller() -> Callable[[], str]:
    renewal.prepare()  # as config.wsgi does
    api = PersonalAuthAPI(User.objects.get(username="amira"))
    return lambda: api.get_token("northwind").access_token


def stored() -> str:
    refresh_token: str = Token.objects.get().refresh_token
    return refresh_token


# Many tokens, one caller --------------------------------------------------------------------------------------------


def fill(people: int) -> None:
    ids = filling.people(people)
    group, membership = Group.objects.get(name="Personal Auth User"), User.groups.through
    filling.store_like(membership(group_id=group.pk), ({"user_id": each} for each in ids))
    credentials = [credential_of(alias_at(f"provider_{number}")) for number in range(PROVIDERS)]
    like = token_of(User.objects.get(pk=ids[0]), credentials[0])
    filling.store_like(like, (of_their_own(person, credentials[at]) for person, at in filling.each_at_each(ids)))


def of_their_own(person: int, credential: OAuth2Credential) -> dict[str, object]:
    """Return the values that differ between tokens. Only the access token is sealed again; the other isn't read."""
    token = Token(user_id=person, credential_id=credential.pk, access_token=ACCESS_TOKEN)
    sealed = Token._meta.get_field("access_token").pre_save(token, add=True)
    return {"id": token.pk, "user_id": person, "credential_id": credential.pk, "access_token": sealed}


def readings() -> list[Reading]:
    """Return the readings. All others are compared with the first."""
    credentials = [credential_of(Alias.objects.get(name=f"provider_{number}")) for number in range(PROVIDERS)]

    def orm_get(user: User, provider: int) -> str:
        return Token.objects.get(user=user, credential=credentials[provider]).token_type

    def narrow_get(user: User, provider: int) -> str:
        rows = Token.objects.values_list("access_token", "expires_at", "state")
        return str(rows.get(user=user, credential=credentials[provider])[2])

    def keyrack(user: User, provider: int) -> str:
        return PersonalAuthAPI(user).get_token(f"provider_{provider}").access_token

    return [
        Reading(name="one ORM get", read=orm_get),
        Reading(name="ORM get of three columns", read=narrow_get),
        Reading(name="raw cursor", read=raw_cursor(credentials)),
        Reading(name="**Keyrack** `get_token(alias)`", read=keyrack),
    ]


def raw_cursor(credentials: list[OAuth2Credential]) -> Callable[[User, int], str]:
    """Return the least that Django can do: three columns, no decryption, no admission."""
    as_stored = [credential._meta.pk.get_db_prep_value(credential.pk, connection) for credential in credentials]
    query = "SELECT access_token, expires_at, state FROM integrations_token WHERE user_id = %s AND credential_id = %s"

    def read(user: User, provider: int) -> str:
        with connection.cursor() as cursor:
            cursor.execute(query, [user.pk, as_stored[provider]])
            return str(cursor.fetchone()[2])

    return read
