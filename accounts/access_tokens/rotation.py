"""Rotation of permanent tokens: a successor with the same name and scopes, and an overlap in which both work."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop
from django.views.decorators.debug import sensitive_variables

from accounts.access_tokens import notices, operations
from accounts.access_tokens.models import PermanentToken
from accounts.audit.details import register_detail
from accounts.models import User

REPLACES = register_detail(gettext_noop("replaces the one of this name"))
LONGEST_OVERLAP = timedelta(days=30)
DEFAULT_OVERLAP = timedelta(hours=1)


def successor_expiry(token: PermanentToken) -> datetime | None:
    """When a successor expires: as long from now as the token was to live, if the settings allow that."""
    longest = timedelta(days=settings.PERMANENT_TOKEN_MAX_DAYS)
    if token.expires_at is None:
        return None if settings.PERMANENT_TOKEN_MAY_NEVER_EXPIRE else timezone.now() + longest
    return timezone.now() + min(token.expires_at - token.created_at, longest)


@sensitive_variables("secret")
def rotate_token(
    token: PermanentToken,
    *,
    scopes: Iterable[str],
    expires_at: datetime | None,
    overlap: timedelta,
    by: User,
    address: str = "",
) -> tuple[PermanentToken, str]:
    """Create a successor with the name of a token, which works for `overlap` longer. Returns it and its secret.

    Raises `PermissionDenied` if `by` may not create it, or the token has ended. The name is used twice for a while.
    """
    with transaction.atomic():
        living = PermanentToken.objects.alive().select_for_update(of=("self",)).filter(pk=token.pk).first()
        if living is None:
            raise PermissionDenied
        made = {"name": living.name, "scopes": scopes, "expires_at": expires_at, "by": by, "address": address}
        row, secret = operations.make_token(living.user, **made, detail=REPLACES)
        ends_at = timezone.now() + overlap
        if not overlap:
            operations.end_secret(living, who=by, address=address)
        elif living.expires_at is None or living.expires_at > ends_at:
            living.expires_at, living.told = ends_at, notices.ENDING  # no mail that it expires
            living.save(update_fields=["expires_at", "told"])
    return row, secret
