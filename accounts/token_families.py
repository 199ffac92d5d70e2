"""Token families: the refresh tokens that one application obtained from one sign-in, through all renewals.

The start of a family, its scopes and the application password behind it are stored in a row of our own, since the
toolkit deletes its rows one by one. Knows no users.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, Min, OuterRef, QuerySet
from django.utils import timezone
from oauth2_provider.models import get_refresh_token_model

from accounts.models import RefreshReplay, TokenFamily

RefreshToken = get_refresh_token_model()


def start_family(family: UUID, *, scope: str, made_with: UUID | None = None) -> None:
    """Store the start of a family, and the scopes that were granted, with spaces in between.

    `made_with`: the application password that it was obtained with, if any.
    """
    TokenFamily.objects.create(pk=family, scope=scope, made_with=made_with)


def granted_scope(refresh_token: Any, family: TokenFamily | None = None) -> str:
    """The scopes of a refresh token, with spaces in between: all that were granted (RFC 6749 §6).

    Its access token may have been requested with fewer. `family`: its row, if it has been read already.
    """
    family = family or TokenFamily.objects.filter(pk=refresh_token.token_family).first()
    return (family and family.scope) or str(refresh_token.access_token.scope)


def is_over(family: UUID) -> bool:
    """Whether the family has reached its maximum lifetime, which renewals don't extend (RFC 9700 §4.14.2)."""
    return bool(ends_at(start_of(family)) <= timezone.now())


def ends_at(began: datetime) -> datetime:
    ends: datetime = began + settings.REFRESH_TOKEN_FAMILY_LIFETIME
    return ends


def start_of(family: UUID) -> datetime:
    """When the family began. For a family older than these rows, taken from the toolkit's, and stored."""
    family_row = TokenFamily.objects.filter(pk=family).first()
    if family_row is None:
        first = RefreshToken.objects.filter(token_family=family).aggregate(began=Min("created"))["began"]
        family_row, _is_new = TokenFamily.objects.get_or_create(pk=family, defaults={"began": first or timezone.now()})
    return family_row.began


def end_family(family: UUID) -> None:
    """Revoke the refresh tokens and access tokens of a family, at once. Safe to repeat."""
    RefreshToken.revoke_family(family)
    RefreshReplay.objects.filter(token_family=family).delete()


def find_superseded(token_checksum: str) -> list[Any]:
    """The revoked refresh token with this checksum, if its family has a newer one; else an empty list."""
    newer = RefreshToken.objects.filter(token_family=OuterRef("token_family"), pk__gt=OuterRef("pk"))
    rows = RefreshToken.objects.filter(Exists(newer), token_checksum=token_checksum, revoked__isnull=False)
    return list(rows.select_related("user", "application")[:1])


def end_families_made_with(application_password: UUID) -> None:
    for family in TokenFamily.objects.filter(made_with=application_password):
        end_family(family.pk)


def unused_families() -> QuerySet[TokenFamily]:
    """The families that have no refresh token left."""
    refresh_tokens = RefreshToken.objects.filter(token_family=OuterRef("pk"))
    return TokenFamily.objects.filter(~Exists(refresh_tokens))
