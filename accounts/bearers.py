"""Who stands behind a token that a program shows, in one statement: for calls that come again and again.

Says yes or nothing. Whatever is not ordinary is left to `accounts.authentication`, which can say why not; so this must
never know a token that it would refuse. Each kind of token that opens the API may have a function among `KINDS`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from oauth2_provider.models import get_access_token_model

from accounts.authentication import Rights
from accounts.models import User
from accounts.statements import Kept, Slot, columns_of

USER = columns_of(User, "id", "username", "is_active", "is_superuser")  # the rest is read where somebody asks for it


@dataclass(frozen=True, kw_only=True, slots=True)
class Bearer:
    """What throttles and views see of a request that a token came with."""

    user: User
    auth: Rights


def of_request(request: HttpRequest) -> Bearer | None:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token.isascii():
        return None
    return next((bearer for kind in KINDS if (bearer := kind(token))), None)


def of_an_application(token: str) -> Bearer | None:
    """An access token that Keyrack's authorization server issued (RFC 6749)."""
    row = ACCESS_TOKENS.row(checksum=hashlib.sha256(token.encode()).hexdigest())
    if row is None:
        return None
    expires, scope, resource, client_id, *user = row
    if expires <= timezone.now() or resource:
        return None
    return Bearer(
        user=User.from_db("default", USER, user),
        auth=Rights(scopes=frozenset(scope.split()), client_id=client_id),
    )


def access_tokens() -> models.QuerySet[Any, Any]:
    issued: models.QuerySet[Any, Any] = get_access_token_model().objects.all()
    rows = issued.filter(
        token_checksum=Slot("checksum", models.CharField()), user__is_active=True, application__isnull=False
    )
    user = (f"user__{name}" for name in USER)
    return rows.values_list("expires", "scope", "resource", "application__client_id", *user)


ACCESS_TOKENS = Kept(access_tokens)
KINDS: list[Callable[[str], Bearer | None]] = [of_an_application]
