"""Families of refresh tokens: what one application got at one sign-in, however often it was renewed since.

When a family began and what it was made with is written down beside it, for the toolkit's rows are cleared away one by
one. Ends families; whom they belong to and what they allow is not known here.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, Min, OuterRef
from django.utils import timezone
from oauth2_provider.models import get_refresh_token_model

from accounts.models import RefreshReplay, TokenFamily

RefreshToken = get_refresh_token_model()


def begin(family: UUID, *, made_with: UUID | None = None) -> None:
    """`made_with`: the application password that was shown for it, if it was one."""
    TokenFamily.objects.create(pk=family, made_with=made_with)


def is_over(family: UUID) -> bool:
    """However often it was renewed: the sign-in that it began with is too long ago (RFC 9700 §4.14.2)."""
    return bool(ends_at(began_of(family)) <= timezone.now())


def ends_at(began: datetime) -> datetime:
    ends: datetime = began + settings.REFRESH_TOKEN_FAMILY_LIFETIME
    return ends


def began_of(family: UUID) -> datetime:
    """Of one that is older than these rows, what the toolkit's tell; written down while they can."""
    found = TokenFamily.objects.filter(pk=family).first()
    if found is None:
        first = RefreshToken.objects.filter(token_family=family).aggregate(began=Min("created"))["began"]
        found, _is_new = TokenFamily.objects.get_or_create(pk=family, defaults={"began": first or timezone.now()})
    return found.began


def end(family: UUID) -> None:
    """Its refresh tokens and its access tokens are dead when this returns. Safe to repeat."""
    RefreshToken.revoke_family(family)
    RefreshReplay.objects.filter(token_family=family).delete()


def superseded(token_checksum: str) -> list[Any]:
    """The refresh token of this checksum, if a newer one of its family had taken its place already."""
    newer = RefreshToken.objects.filter(token_family=OuterRef("token_family"), pk__gt=OuterRef("pk"))
    found = RefreshToken.objects.filter(Exists(newer), token_checksum=token_checksum, revoked__isnull=False)
    return list(found.select_related("user", "application")[:1])


def end_made_with(application_password: UUID) -> None:
    for family in TokenFamily.objects.filter(made_with=application_password):
        end(family.pk)


def forget_gone() -> None:
    """Those of which the toolkit knows nothing any more."""
    known = RefreshToken.objects.filter(token_family=OuterRef("pk"))
    TokenFamily.objects.filter(~Exists(known)).delete()
