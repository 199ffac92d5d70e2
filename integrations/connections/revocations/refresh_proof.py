"""Refreshes with the refresh token of a promise: for an access token that can be sent, or to see whether it is dead.

Some providers are told with the person's own access token, or of nothing else. A day after the last call that token is
dead, while the refresh token lives on; telling the provider of the dead one would end nothing.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from foundation.oauth_client import client
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.error_codes import DEAD_REFRESH_TOKEN
from foundation.oauth_client.errors import OAuthError, Refused
from foundation.oauth_client.revocation_requests import Dialect
from integrations.models.tokens import Revocation

MARGIN = timedelta(seconds=30)


def is_dead_by_its_refresh_token(revocation: Revocation, dialect: Dialect) -> bool:
    """Make sure that the access token lives where it has to. True: it cannot, for the provider refuses both."""
    if not needs_living_access_token(revocation, dialect) or lives(revocation) or not revocation.refresh_token:
        return False
    if not refresh_is_refused(revocation):
        return False
    expires_at = revocation.access_token_expires_at
    return not revocation.access_token or (expires_at is not None and expires_at <= timezone.now())


def refresh_is_refused(revocation: Revocation) -> bool:
    """Ask for new tokens with the refresh token (RFC 6749 §6). True: the provider refuses exactly this token.

    False: it gave new tokens, which the promise holds from now on. Raises `OAuthError` for any answer that says
    nothing of the token. So is a refusal where an earlier answer was lost (the token may have been spent then, and its
    successor lives), and one to a registration that the provider has not accepted since it was changed.
    """
    may_be_spent = revocation.may_be_spent
    counts = revocation.is_registration_proven and not may_be_spent
    revocation.note(refresh_asked_at=timezone.now(), told=revocation.told)
    try:
        answer = client.refresh(revocation.registration(), refresh_token=revocation.refresh_token)
    except OAuthError as error:
        if 400 <= error.status < 500 and not may_be_spent:  # nothing was granted
            revocation.note(refresh_asked_at=None)
        if isinstance(error, Refused) and error.code in DEAD_REFRESH_TOKEN and counts:
            revocation.last_answer = error.code
            return True
        raise
    take(revocation, answer)
    return False


def needs_living_access_token(revocation: Revocation, dialect: Dialect) -> bool:
    return dialect.send == ("access_token",) or "access_token" in dialect.needs(revocation.revocation_url)


def lives(revocation: Revocation) -> bool:
    expires_at = revocation.access_token_expires_at
    return bool(revocation.access_token) and (expires_at is None or expires_at > timezone.now() + MARGIN)


def take(revocation: Revocation, answer: TokenAnswer) -> None:
    """Committed before it is used: the old refresh token may be spent. Whatever was settled meanwhile holds nothing.

    The provider has been told of none of the new tokens, even if nobody comes to say so afterwards.
    """
    revocation.access_token = answer.access_token
    revocation.refresh_token = answer.refresh_token or revocation.refresh_token
    lifetime = answer.expires_in
    revocation.access_token_expires_at = None if lifetime is None else timezone.now() + timedelta(seconds=lifetime)
    revocation.refresh_asked_at, revocation.witnesses, revocation.told = None, {}, []
    revocation.is_refusal_proof, revocation.granted_at = True, timezone.now()
    with transaction.atomic():
        if Revocation.objects.select_for_update().unkept().filter(pk=revocation.pk).exists():
            held = ["access_token", "refresh_token", "access_token_expires_at"]
            revocation.save(
                update_fields=[*held, "refresh_asked_at", "is_refusal_proof", "granted_at", "witnesses", "told"]
            )
