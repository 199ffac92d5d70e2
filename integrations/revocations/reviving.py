"""An access token that must speak for itself and has run out: the refresh token gets another, which is then revoked.

Some providers are told with the person's own access token, or of nothing else. A day after the last call that token is
dead, while the refresh token lives on; telling the provider of the dead one would end nothing.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from integrations.models.tokens import Revocation
from integrations.oauth import client
from integrations.oauth.answers import TokenAnswer
from integrations.oauth.dialects import Dialect
from integrations.oauth.errors import Refused

MARGIN = timedelta(seconds=30)


def is_dead_by_its_refresh_token(revocation: Revocation, dialect: Dialect) -> bool:
    """Make sure that the access token lives where it has to. True: it cannot, for the provider refuses both."""
    if not needs_living_access_token(revocation, dialect) or lives(revocation) or not revocation.refresh_token:
        return False
    try:
        answer = client.refresh(revocation.registration(), refresh_token=revocation.refresh_token)
    except Refused as error:
        revocation.last_answer = error.code
        return True
    take(revocation, answer)
    return False


def needs_living_access_token(revocation: Revocation, dialect: Dialect) -> bool:
    return dialect.send == ("access_token",) or "access_token" in dialect.needs(revocation.revocation_url)


def lives(revocation: Revocation) -> bool:
    expires_at = revocation.access_token_expires_at
    return bool(revocation.access_token) and (expires_at is None or expires_at > timezone.now() + MARGIN)


def take(revocation: Revocation, answer: TokenAnswer) -> None:
    """Committed before it is used: the old refresh token may be spent. Whatever was settled meanwhile holds nothing."""
    revocation.access_token = answer.access_token
    revocation.refresh_token = answer.refresh_token or revocation.refresh_token
    lifetime = answer.expires_in
    revocation.access_token_expires_at = None if lifetime is None else timezone.now() + timedelta(seconds=lifetime)
    with transaction.atomic():
        if Revocation.objects.select_for_update().unkept().filter(pk=revocation.pk).exists():
            revocation.save(update_fields=["access_token", "refresh_token", "access_token_expires_at"])
