"""Who stands behind an access token that a program shows, for calls that come again and again.

No statement of its own: a few conditions and columns for the one that looks up what the program asks for. Says yes or
nothing. Whatever is not ordinary is left to `accounts.authentication`, which can say why not; so this must never know a
token that it would refuse.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from oauth2_provider.models import get_access_token_model

from accounts import secret_forms
from accounts.authentication import Rights
from accounts.models import User
from accounts.statements import Slot, columns_of

CHECKSUM = Slot("checksum", models.CharField())  # what an access token of our own server is kept as (RFC 6749)
USER = columns_of(User, "id", "username", "is_active", "is_superuser")  # the rest is read where somebody asks for it
TOKEN = ("expires", "scope", "resource", "application__client_id", "application__name")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bearer:
    """What throttles and views see of a request that a token came with."""

    user: User
    auth: Rights


@sensitive_variables("token")
def checksum_of(request: HttpRequest) -> str | None:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token.isascii() or token.startswith(secret_forms.PREFIX):
        return None
    return hashlib.sha256(token.encode()).hexdigest()


def user_id() -> models.Subquery:
    """Whose the token is: asked once for a statement, however many rows are compared with it."""
    return models.Subquery(get_access_token_model().objects.filter(token_checksum=CHECKSUM).values("user_id"))


def shown(user: str) -> models.Q:
    """The condition of being somebody whose token was shown. `user`: the way to the user, as in a filter."""
    token = f"{user}__{tokens_of_a_user()}"
    is_shown = {f"{token}__token_checksum": CHECKSUM, f"{token}__application__isnull": False}
    return models.Q(**is_shown, **{f"{user}__is_active": True})


def columns(user: str) -> tuple[str, ...]:
    """What `bearer_in` wants to know, of rows with that condition."""
    token = f"{user}__{tokens_of_a_user()}"
    return (*(f"{token}__{name}" for name in TOKEN), *(f"{user}__{name}" for name in USER))


def tokens_of_a_user() -> str:
    return str(get_access_token_model()._meta.get_field("user").related_query_name())


def bearer_in(found: list[Any]) -> Bearer | None:
    expires, scope, resource, client_id, name, *user = found
    if expires <= timezone.now() or resource:
        return None
    return Bearer(
        user=User.from_db("default", USER, user),
        auth=Rights(scopes=frozenset(scope.split()), client_id=client_id, name=name),
    )
