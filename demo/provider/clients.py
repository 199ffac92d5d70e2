"""Clients as they are written in a JSON document, and how such a document becomes rows."""

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
class Wanted:
    """One client of the document. The optional fields are those that give a client a behaviour of its own."""

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


def read(document: object) -> list[Wanted]:
    """Check a parsed document. Messages name the field, never a value: it may be the secret."""
    if not isinstance(document, list):
        raise CommandError("The document must be a list of clients.")
    return [_client(number, entry) for number, entry in enumerate(document, start=1)]


@transaction.atomic
def store(wanted: Wanted, *, reset_switches: bool) -> Client:
    """Create or update one client. Switches that a visitor has set stay, unless they are reset. Safe to repeat."""
    application = Application.objects.filter(client_id=wanted.client_id).first() or Application(
        client_id=wanted.client_id, client_secret=""
    )
    if not (application.client_secret and check_password(wanted.client_secret, application.client_secret)):
        application.client_secret = wanted.client_secret
    application.name = wanted.name
    application.client_type = Application.CLIENT_CONFIDENTIAL
    application.authorization_grant_type = GRANTS[wanted.grant]
    application.redirect_uris = " ".join(wanted.redirect_uris)
    application.algorithm = Application.RS256_ALGORITHM
    application.full_clean(exclude=["client_secret"])
    application.save()
    shape: dict[str, Any] = {
        "scopes": " ".join(wanted.scopes),
        "scope_words": dict(wanted.scope_words),
        "access_token_seconds": wanted.access_token_seconds,
        "issues_refresh_token": wanted.issues_refresh_token,
    }
    switches: dict[str, Any] = {
        "revocations_fail": wanted.revocations_fail,
        "slow_seconds": wanted.slow_seconds,
        "down": wanted.down,
        "short_lived": False,
    }
    client, _ = Client.objects.update_or_create(
        application=application,
        defaults=shape | (switches if reset_switches else {}),
        create_defaults=shape | switches,
    )
    return client


def _client(number: int, entry: object) -> Wanted:
    if not isinstance(entry, dict):
        raise CommandError(f"Client {number} is not an object.")
    try:
        wanted = Wanted(**entry)
    except TypeError as error:
        fields = ", ".join(Wanted.__dataclass_fields__)
        raise CommandError(f"Client {number} has a missing or an unknown field. Known are: {fields}.") from error
    if wanted.grant not in GRANTS:
        raise CommandError(f"Client {number}: grant must be one of {', '.join(GRANTS)}.")
    if not (wanted.client_id and wanted.client_secret):
        raise CommandError(f"Client {number}: client_id and client_secret must not be empty.")
    return wanted
