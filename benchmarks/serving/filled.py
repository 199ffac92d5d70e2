"""Users, each with a token for one alias, a program that may use it, and a permanent token for scripts."""

import hashlib
import os
import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import Group
from django.utils import timezone
from oauth2_provider.models import get_access_token_model

from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from accounts.oauth_server.models import Application
from benchmarks import filling, keyrack
from integrations.models import Alias, HttpConnection, Token

SCOPES = "integrations:read tokens:read service:northwind"


def fill(count: int) -> list[tuple[int, str, str]]:
    """Create the rows. Returns each user's id, the access token of the program, and the permanent token."""
    ids = filling.people(count)
    group, membership = Group.objects.get(name="Personal Auth User"), User.groups.through
    filling.store_like(membership(group_id=group.pk), ({"user_id": each} for each in ids))
    alias = keyrack.alias_at("northwind")
    Alias.objects.update(allow_token_export=True)
    HttpConnection.objects.update(connection_url=os.environ["AUTHORITY"] or "https://provider.example")
    credential, now = keyrack.credential_of(alias), timezone.now()
    Token.objects.bulk_create(keyrack.token_of(User(pk=each), credential, last_used_at=now) for each in ids)
    access_tokens = [(each, secrets.token_urlsafe(32)) for each in ids]
    allow(access_tokens)
    permanent_tokens = store_permanent_tokens(ids)
    filling.settled()
    return [(person, token, permanent_tokens[person]) for person, token in access_tokens]


def store_permanent_tokens(ids: Iterable[int]) -> dict[int, str]:
    """Create a permanent token for each user. Their last use is in the future, so that no call records one."""
    tokens = {person: operations.new_token() for person in ids}
    rows = []
    for person, token in tokens.items():
        row = PermanentToken(
            user_id=person,
            name="nightly",
            scopes=SCOPES.split(),
            created_by_id=person,
            public_id=operations.public_part(token),
            last_used_at=timezone.now() + timedelta(days=1),
        )
        operations.set_hash(row, token)
        rows.append(row)
    PermanentToken.objects.bulk_create(rows)
    return tokens


def allow(access_tokens: Iterable[tuple[int, str]]) -> None:
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
        for person, token in access_tokens
    )
