"""People, each with a token for one alias and with a program that may use it."""

import hashlib
import os
import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import Group
from django.utils import timezone
from oauth2_provider.models import get_access_token_model

from accounts.models import User
from accounts.oauth_server.models import Application
from benchmarks import filling, keyrack
from integrations.models import Alias, HttpConnection, Token

SCOPES = "integrations:read tokens:read service:northwind"


def fill(count: int) -> list[tuple[int, str]]:
    """Each person's id, and the access token of the program."""
    ids = filling.people(count)
    group, membership = Group.objects.get(name="Personal Auth User"), User.groups.through
    filling.store_like(membership(group_id=group.pk), ({"user_id": each} for each in ids))
    alias = keyrack.alias_at("northwind")
    Alias.objects.update(allow_token_export=True)
    HttpConnection.objects.update(connection_url=os.environ["AUTHORITY"] or "https://provider.example")
    credential, now = keyrack.credential_of(alias), timezone.now()
    Token.objects.bulk_create(keyrack.token_of(User(pk=each), credential, last_used_at=now) for each in ids)
    shown = [(each, secrets.token_urlsafe(32)) for each in ids]
    allow(shown)
    filling.settled()
    return shown


def allow(shown: Iterable[tuple[int, str]]) -> None:
    program = Application.objects.create(name="Benchmark", client_id="benchmark", allowed_scopes=SCOPES)
    expires, model = timezone.now() + timedelta(days=1), get_access_token_model()
    model.objects.bulk_create(
        model(
            user_id=person,
            application=program,
            token_checksum=hashlib.sha256(token.encode()).hexdigest(),
            expires=expires,
            scope=SCOPES,
        )
        for person, token in shown
    )
