"""Refresh with the tokens of a revocation, for a valid access token or as a proof that they are dead.

Some providers authenticate the revocation with the person's access token, or accept no other token. A day after the
last call it has expired while the refresh token is still valid; to send the expired one would end nothing.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from foundation.oauth_client import client
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.dialects import Dialect
from foundation.oauth_client.error_codes import DEAD_REFRESH_TOKEN
from foundation.oauth_client.errors import OAuthError, Refused
from integrations.models.tokens import Revocation

MARGIN = timedelta(seconds=30)


def is_dead_by_its_refresh_token(revocation: Revocation, dialect: Dialect) -> bool:
    """Refresh the access token if the dialect needs a valid one. True if the refusal proves that both are dead."""
    if not needs_valid_access_token(revocation, dialect) or has_valid_access_token(revocation):
        return False
    if not revocation.refresh_token or not refresh_is_refused(revocation):
        return False
    expires_at = revocation.access_token_expires_at
    return not revocation.access_token or (expires_at is not None and expires_at <= timezone.now())


def refresh_is_refused(revocation: Revocation) -> bool:
    """Send a refresh request (RFC 6749 §6). True if the provider refuses exactly this refresh token.

    False if it grants new tokens, which replace those of the revocation. Raises `OAuthError` if the response proves
    nothing. That includes a refusal after an earlier response was lost (the token may have been spent, and its
    successor is valid), and one to a registration that the provider has not accepted since it was changed.
    """
    may_be_spent = revocation.may_be_spent
    is_proof = revocation.is_registration_proven and not may_be_spent
    revocation.note(refresh_asked_at=timezone.now(), told=revocation.told)
    try:
        answer = client.refresh(revocation.registration(), refresh_token=revocation.refresh_token)
    except OAuthError as error:
        if 400 <= error.status < 500 and not may_be_spent:  # the server granted nothing
            revocation.note(refresh_asked_at=None)
        if isinstance(error, Refused) and error.code in DEAD_REFRESH_TOKEN and is_proof:
            revocation.last_answer = error.code
            return True
        raise
    store_tokens(revocation, answer)
    return False


def needs_valid_access_token(revocation: Revocation, dialect: Dialect) -> bool:
    return dialect.send == ("access_token",) or "access_token" in dialect.needs(revocation.revocation_url)


def has_valid_access_token(revocation: Revocation) -> bool:
    expires_at = revocation.access_token_expires_at
    return bool(revocation.access_token) and (expires_at is None or expires_at > timezone.now() + MARGIN)


def store_tokens(revocation: Revocation, answer: TokenAnswer) -> None:
    """Commit the new tokens before they are used, because the old refresh token may be spent.

    A revocation that was settled meanwhile stays without tokens. None of the new tokens counts as revoked yet.
    """
    revocation.access_token = answer.access_token
    revocation.refresh_token = answer.refresh_token or revocation.refresh_token
    lifetime = answer.expires_in
    revocation.access_token_expires_at = None if lifetime is None else timezone.now() + timedelta(seconds=lifetime)
    revocation.refresh_asked_at, revocation.witnesses, revocation.told = None, {}, []
    revocation.is_refusal_proof, revocation.granted_at = True, timezone.now()
    with transaction.atomic():
        if Revocation.objects.select_for_update().undelivered().filter(pk=revocation.pk).exists():
            fields = ["access_token", "refresh_token", "access_token_expires_at"]
            revocation.save(
                update_fields=[*fields, "refresh_asked_at", "is_refusal_proof", "granted_at", "witnesses", "told"]
            )
