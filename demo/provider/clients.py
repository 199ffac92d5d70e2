"""Clients from a JSON document: parsing, and creating their rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.hashers import check_password
from django.core.management.base import CommandError
from django.db import transaction
from oauth2_provider.models import Application

from demo.provider.models import Client

GRANTS = {
    "authorization_code": Application.GRANT_AUTHORIZATION_CODE,
    "password": Application.GRANT_PASSWORD,
}


@dataclass(frozen=True, kw_only=True)
class ClientSpec:
    """One client of the document. The optional fields change its behaviour."""

    client_id: str
    client_secret: str
    name: str
    grant: str
    scopes: list[str]
    scope_words: Mapping[str, str] = field(default_factory=dict)
    redirect_uris: tuple[str, ...] | list[str] = ()
    access_token_seconds: int | None = None
    issues_refresh_token: bool = True
    revocations_fail: bool = False
    slow_seconds: int = 0
    down: bool = False


def read(document: object) -> list[ClientSpec]:
    """Check a parsed document. Messages name the field, never a value: it may be the secret."""
    if not isinstance(document, list):
        raise CommandError("The document must be a list of clients.")
    return [_client(number, entry) for number, entry in enumerate(document, start=1)]


@transaction.atomic
def store(spec: ClientSpec, *, reset_switches: bool) -> Client:
    """Create or update one client. Switches that a visitor has set stay, unless they are reset. Safe to repeat."""
    application = Application.objects.filter(client_id=spec.client_id).first() or Application(
        client_id=spec.client_id, client_secret=""
    )
    if not (application.client_secret and check_password(spec.client_secret, application.client_secret)):
        application.client_secret = spec.client_secret
    application.name = spec.name
    application.client_type = Application.CLIENT_CONFIDENTIAL
    application.authorization_grant_type = GRANTS[spec.grant]
    application.redirect_uris = " ".join(spec.redirect_uris)
    application.algorithm = Application.RS256_ALGORITHM
    application.full_clean(exclude=["client_secret"])
    application.save()
    shape: dict[str, Any] = {
        "scopes": " ".join(spec.scopes),
        "scope_words": dict(spec.scope_words),
        "access_token_seconds": spec.access_token_seconds,
        "issues_refresh_token": spec.issues_refresh_token,
    }
    switches: dict[str, Any] = {
        "revocations_fail": spec.revocations_fail,
        "slow_seconds": spec.slow_seconds,
        "down": spec.down,
        "short_lived": False,
    }
    client, _ = Client.objects.update_or_create(
        application=application,
        defaults=shape | (switches if reset_switches else {}),
        create_defaults=shape | switches,
    )
    return client


def _client(number: int, entry: object) -> ClientSpec:
    if not isinstance(entry, dict):
        raise CommandError(f"Client {number} is not an object.")
    try:
        spec = ClientSpec(**entry)
    except TypeError as error:
        fields = ", ".join(ClientSpec.__dataclass_fields__)
        raise CommandError(f"Client {number} has a missing or an unknown field. Known are: {fields}.") from error
    if spec.grant not in GRANTS:
        raise CommandError(f"Client {number}: grant must be one of {', '.join(GRANTS)}.")
    if not (spec.client_id and spec.client_secret):
        raise CommandError(f"Client {number}: client_id and client_secret must not be empty.")
    return spec
